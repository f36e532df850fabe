/* SPDX-License-Identifier: Apache-2.0
 *
 * client.h - the client's side of one SMTP or LMTP connection (RFC 5321, 2033, 1870, 2920, 3030, 3207, 3461, 4954,
 * 6152, 6531). No I/O, no clock, no policy.
 *
 * The caller owns the socket, TLS and the timers. It gives what came to smtp_client_input(), sends what
 * smtp_client_output() holds, and says smtp_client_lost() when the connection ended or took too long. The engine greets,
 * says EHLO, asks for TLS, logs in; then ready() asks for a message, and again after each one.
 *
 *     new ─ greeting, EHLO, [STARTTLS, EHLO], [AUTH] ─▶ ready() ─ smtp_client_send() ─▶ rcpt() a recipient each, done() ─┐
 *                                    │                  ▲ └────── smtp_client_quit() ─▶ closed(NULL)                     │
 *                                    └ closed(why)      └──────────────────────────────── or closed(why) ◀──────────────┘
 *
 * Callbacks come from inside the calls marked [calls back]. Every engine function may be called from inside them,
 * smtp_client_free() too. */
#ifndef SMTP_CLIENT_H
#define SMTP_CLIENT_H

#include "base/envelope.h"
#include "base/span.h"
#include "smtp/reply.h"

struct smtp_client;

enum smtp_client_tls {
    SMTP_TLS_NONE,     /* never STARTTLS */
    SMTP_TLS_MAY,      /* when it is offered and not refused */
    SMTP_TLS_REQUIRED, /* or closed(): nothing of a message, and no password, goes out in the clear */
};

struct smtp_client_config {     /* all copied */
    bool is_lmtp;
    bool is_encrypted;          /* the connection has been TLS from its first byte (port 465) */
    bool has_no_pipelining;     /* do not use them though they are offered: for servers that lie */
    bool has_no_chunking;
    bool has_no_dsn;
    const char *helo_name;      /* "host.example.com" or "[192.0.2.1]" */
    enum smtp_client_tls tls;
    const char *user;           /* NULL: do not log in */
    const char *secret;         /* wiped as soon as AUTH is over */
    const char *mechanisms;     /* which may be used, best first: "PLAIN LOGIN"; NULL: every one we know but in the
                                 * order of their worth */
    bool may_auth_in_clear;     /* PLAIN and LOGIN also without TLS (loopback, tests) */
    bool sends_8bit_anyway;     /* 8-bit content also to a server without 8BITMIME (what most others do, and what in
                                 * practice arrives); false: 554 5.6.3 for the message. Conversion to quoted-printable
                                 * is not done: it would break DKIM and signatures. */
};

struct smtp_message {           /* what it points to is borrowed until done() */
    const struct envelope *env; /* for sender, envid, ret, smtputf8; its recipients are not looked at */
    const struct rcpt *const *rcpts;
    size_t n_rcpts;             /* > 0; how many go into one transaction is the caller's to say */
    uint64_t size_bytes;        /* of the content, exactly */
    bool has_dot_line;          /* a line begins with '.': false means content is copied untouched to DATA */
    bool is_8bit;
};

struct smtp_client_ops {
    /* Give the next message (smtp_client_send) or end (smtp_client_quit), now or later. */
    void (*ready)(void *arg);
    /* 220 was said to STARTTLS: make the handshake, then smtp_client_tls_started(); if it fails, smtp_client_lost(). */
    void (*starttls)(void *arg);
    /* Content, as it is to arrive: CRLF line ends, a CRLF at its end, no dots added. Writes up to `len` bytes from `offset`
     * to `to` and returns how many; 0 or -1 before size_bytes: the message cannot be read; the connection is given up so that no half
     * message counts, its recipients get a temporary result. Offsets rise; after a refusal the rest is not asked for. */
    long (*content)(void *arg, uint64_t offset, char *to, size_t len);
    /* Recipient number `index` of the message is decided; once for each. A 2xx means: the server has taken it, we
     * are free of it. */
    void (*rcpt)(void *arg, size_t index, const struct smtp_result *result);
    /* All of them are. The message is the caller's again. Then comes ready() or closed(). */
    void (*done)(void *arg);
    /* It is over: close the connection. `why` is NULL after our own QUIT. Once; nothing is called after it. */
    void (*closed)(void *arg, const struct smtp_result *why);
    /* Lines of the conversation, without their ends, for people (`baton test`) and debugging; passwords are shown as
     * "***", content not at all. May be NULL. */
    void (*trace)(void *arg, bool is_ours, struct span line);
};

struct smtp_client *smtp_client_new(const struct smtp_client_config *cfg, const struct smtp_client_ops *ops, void *arg);
/* Calls nothing back, whatever was under way. Wipes what is left of the secret. NULL is fine. */
void smtp_client_free(struct smtp_client *c);

/* Bytes that came; takes all. [calls back] */
void smtp_client_input(struct smtp_client *c, struct span bytes);
/* What is to be sent now; empty: nothing. Valid till the next call of the engine. At most some 64 KiB at once: asks
 * content() for more as the rest leaves. [calls back] */
struct span smtp_client_output(struct smtp_client *c);
/* `n` of these bytes are with the kernel (or with TLS). */
void smtp_client_sent(struct smtp_client *c, size_t n);

/* After starttls(): what is said from here on is protected. [calls back: no] */
void smtp_client_tls_started(struct smtp_client *c);
/* Only between ready() and the next message. `m` is copied; what it points to is borrowed until done(). [calls back] */
void smtp_client_send(struct smtp_client *c, const struct smtp_message *m);
/* The same, but asks only: MAIL and RCPT, then RSET. rcpt() tells what was said to RCPT (a 2xx promises nothing), or to MAIL
 * when that was refused; content() is not called. [calls back] */
void smtp_client_probe(struct smtp_client *c, const struct smtp_message *m);
/* Says QUIT; closed(NULL) when it was answered. A caller that is in a hurry need not wait for that. */
void smtp_client_quit(struct smtp_client *c);
/* The connection ended, broke, or is given up. `what` is for people: "lost connection", "conversation timed out",
 * "TLS handshake failed: ..."; " while ..." is added. Recipients without a result get a temporary one, then closed().
 * [calls back] */
void smtp_client_lost(struct smtp_client *c, const char *what);

/* Which timeout counts now (Postfix's smtp_*_timeout). */
enum smtp_client_phase {
    SMTP_CLIENT_HELO,      /* greeting, EHLO: smtp_helo_timeout */
    SMTP_CLIENT_STARTTLS,  /* STARTTLS and the handshake: smtp_starttls_timeout */
    SMTP_CLIENT_AUTH,      /* smtp_helo_timeout */
    SMTP_CLIENT_IDLE,      /* between messages: the caller's own */
    SMTP_CLIENT_MAIL,      /* smtp_mail_timeout */
    SMTP_CLIENT_RCPT,      /* smtp_rcpt_timeout */
    SMTP_CLIENT_DATA_INIT, /* smtp_data_init_timeout */
    SMTP_CLIENT_DATA_XFER, /* smtp_data_xfer_timeout, for each piece of progress */
    SMTP_CLIENT_DATA_DONE, /* smtp_data_done_timeout */
    SMTP_CLIENT_RSET,      /* smtp_rset_timeout */
    SMTP_CLIENT_QUIT,      /* smtp_quit_timeout */
    SMTP_CLIENT_CLOSED,
};
enum smtp_client_phase smtp_client_phase(const struct smtp_client *c);

/* What the server said it can do; of the last EHLO. */
struct smtp_features {
    bool is_esmtp;
    bool has_pipelining, has_size, has_8bitmime, has_smtputf8, has_dsn, has_chunking, has_enhanced, has_starttls;
    uint64_t size_limit;  /* 0: none told */
    char mechanisms[256]; /* behind AUTH, in capitals, parted by blanks */
};
const struct smtp_features *smtp_client_features(const struct smtp_client *c);
bool smtp_client_is_encrypted(const struct smtp_client *c);
/* The mechanism that logged us in, or NULL. */
const char *smtp_client_mechanism(const struct smtp_client *c);

#endif
