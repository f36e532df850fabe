/* SPDX-License-Identifier: Apache-2.0
 *
 * client.h - the client's side of one SMTP or LMTP connection (RFC 5321, 2033, 1870, 2920, 3030,
 * 3207, 3461, 4954, 6152, 6531). No I/O, no clock, no policy.
 *
 * The caller owns the socket, TLS and the timers. It gives what came to smtp_client_input(),
 * sends what smtp_client_output() holds, and says smtp_client_lost() when the connection ended
 * or took too long. The engine greets, says EHLO, asks for TLS, logs in; then ready() asks for a
 * message, and again after each one.
 *
 *     new ── greeting, EHLO, [STARTTLS, EHLO], [AUTH] ──▶ ready() ── quit ──▶ closed(NULL)
 *                          │                              │  ▲
 *                          ▼                         send │  │ done()
 *                     closed(why)  ◀───────────────── rcpt() for each
 *
 * Callbacks come from inside the calls marked [calls back]. Every engine function may be called
 * from inside them, smtp_client_free() too. */
#ifndef SMTP_CLIENT_H
#define SMTP_CLIENT_H

#include "base/envelope.h"
#include "base/span.h"
#include "smtp/reply.h"

struct smtp_client;

enum smtp_client_tls {
    SMTP_TLS_NONE,     /* never STARTTLS */
    SMTP_TLS_MAY,      /* when it is offered and not refused */
    SMTP_TLS_REQUIRED, /* or closed(): no message and no password goes out in the clear */
};

struct smtp_client_config { /* strings are copied */
    bool is_lmtp;
    bool is_encrypted;       /* the connection has been TLS from its first byte (port 465) */
    bool has_no_pipelining;  /* not used though offered: for servers that promise too much */
    bool has_no_chunking;
    bool has_no_dsn;
    bool tells_origin;       /* the server is ourselves: it is told the envelope's client and login (smtp/server.h, takes_origin) */
    const char *helo_name;   /* "host.example.com" or "[192.0.2.1]" */
    enum smtp_client_tls tls;
    const char *user;        /* NULL: do not log in. Else no message goes out without a login */
    const char *secret;      /* wiped as soon as AUTH is over */
    const char *mechanisms;  /* which may be used, best first: "PLAIN LOGIN"; NULL: all we know */
    bool may_auth_in_clear;  /* PLAIN and LOGIN also without TLS (loopback, tests) */
    bool sends_8bit_anyway;  /* 8-bit content also to a server without 8BITMIME, which is what most
                              * others do, and which in practice arrives. False: 5.6.3 for the
                              * message. It is never converted to quoted-printable: that would break
                              * DKIM and other signatures */
};

/* What the pointers point to is borrowed until done(). */
struct smtp_message {
    const struct envelope *env; /* sender, envid, ret, body, smtputf8; its recipients do not count */
    const struct rcpt *const *rcpts;
    size_t n_rcpts;             /* > 0; how many go into one transaction is the caller's to say */
    uint64_t size_bytes;        /* of the content, exactly */
    bool has_dot_line;          /* a line begins with '.'; false: it is copied to DATA untouched */
    bool is_8bit;
    size_t line_max;            /* a line is longer: all are broken to this, with DATA; 0: none is */
};

struct smtp_client_ops {
    /* Give the next message (smtp_client_send) or end (smtp_client_quit), now or later. */
    void (*ready)(void *arg);
    /* 220 was said to STARTTLS: make the handshake, then smtp_client_tls_started(); if it fails,
     * smtp_client_lost(). May be NULL without STARTTLS. */
    void (*starttls)(void *arg);
    /* Content as it is to arrive: CRLF line ends, one at its end, no dots added. Writes up to
     * `len` bytes from `offset` to `to` and returns how many. 0 or -1 means that the message
     * cannot be read: the connection is given up, so that half a message never counts, and its
     * recipients get a temporary result. Offsets rise; after a refusal the rest is not asked
     * for. */
    long (*content)(void *arg, uint64_t offset, char *to, size_t len);
    /* Recipient `index` of the message is decided; once for each, in no order. 2xx: the server has
     * taken the message for it, and we are free of it. */
    void (*rcpt)(void *arg, size_t index, const struct smtp_result *result);
    /* All of them are. Then comes ready() or closed(). */
    void (*done)(void *arg);
    /* It is over: close the connection. `why` is NULL after our own QUIT. Once, and the last of
     * all. */
    void (*closed)(void *arg, const struct smtp_result *why);
    /* Lines of the conversation, without their ends, for people (`baton test`) and debugging;
     * secrets are shown as "***", content not at all. May be NULL. */
    void (*trace)(void *arg, bool is_ours, struct span line);
};

struct smtp_client *smtp_client_new(const struct smtp_client_config *cfg,
                                    const struct smtp_client_ops *ops, void *arg);
/* Calls nothing back, whatever was under way. Wipes what is left of the secret. NULL is fine. */
void smtp_client_free(struct smtp_client *c);

/* Bytes that came; takes all. [calls back] */
void smtp_client_input(struct smtp_client *c, struct span bytes);
/* What is to be sent now; empty: nothing. Valid till the next call of the engine. Some 64 KiB at
 * most; asks content() for more as it leaves. [calls back] */
struct span smtp_client_output(struct smtp_client *c);
/* `n` of these bytes are with the kernel, or with TLS. */
void smtp_client_sent(struct smtp_client *c, size_t n);

/* After starttls(): what is said from here on is protected. */
void smtp_client_tls_started(struct smtp_client *c);
/* Only between ready() and the next message. Results may come from inside it (a message larger than
 * the server's SIZE), the next ready() too, but never one inside another. [calls back] */
void smtp_client_send(struct smtp_client *c, const struct smtp_message *m);
/* The same, but asks only: MAIL and RCPT, then RSET. rcpt() tells what was said to RCPT (a 2xx
 * promises nothing), or to MAIL when that was refused; content() is not called. [calls back] */
void smtp_client_probe(struct smtp_client *c, const struct smtp_message *m);
/* Says QUIT; closed(NULL) when it was answered, which a caller in a hurry need not wait for.
 * Where there is no session yet, or a message under way, it is given up: closed(why). [calls
 * back] */
void smtp_client_quit(struct smtp_client *c);
/* The connection ended, broke, or is given up. `what` is for people: "lost connection",
 * "conversation timed out"; " while ..." is added. Recipients without a result get a temporary
 * one, then closed(). [calls back] */
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
/* 0, or the number of the reply whose beginning has come and whose end has not. */
unsigned smtp_client_half_reply(const struct smtp_client *c);

/* What the server said it can do, with the last EHLO. */
struct smtp_features {
    bool is_esmtp;
    bool has_pipelining, has_size, has_8bitmime, has_smtputf8, has_dsn, has_chunking;
    bool has_enhanced, has_starttls;
    uint64_t size_limit;  /* 0: none told */
    char mechanisms[256]; /* behind AUTH, in capitals, parted by blanks */
};
const struct smtp_features *smtp_client_features(const struct smtp_client *c);
/* The mechanism that logged us in, or NULL. */
const char *smtp_client_mechanism(const struct smtp_client *c);

#endif
