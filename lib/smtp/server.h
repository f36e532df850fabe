/* SPDX-License-Identifier: Apache-2.0
 *
 * server.h - the server's side of one SMTP or LMTP connection (RFC 5321, 2033, 1870, 2034, 2920,
 * 3030, 3207, 3461, 4954, 6152, 6531). No I/O, no clock, no policy.
 *
 * Bytes in, bytes out, and questions out through struct smtp_server_ops. A question is answered
 * once with smtp_answer(), from inside the op or any time later; until then the engine looks at
 * no further input, so that the caller may wait for a lookup or for a sync. One question is open
 * at a time.
 *
 *     if (smtp_server_wants_input(s)) read, smtp_server_input(s, bytes);
 *     while ((out = smtp_server_output(s)).len) send it, smtp_server_sent(s, n);
 *     if (smtp_server_is_closing(s) and nothing is left to send) close the connection;
 *
 * The same after each answer that is given later. Ops are called from inside
 * smtp_server_input(), _sent(), _resume(), smtp_answer*(), and reset() and auth_abort() also
 * from _shut() and _free(). Everything but smtp_server_input() may be called from inside ops,
 * smtp_server_free() too.
 *
 * What the engine sees to by itself: order and syntax of commands, the limits, pipelining only
 * where RFC 2920 allows it, end-of-data only by CRLF.CRLF, no bare CR, LF or NUL in content, TLS
 * forgetting what came before it. */
#ifndef SMTP_SERVER_H
#define SMTP_SERVER_H

#include "base/envelope.h"
#include "base/span.h"

struct smtp_server;
struct smtp_cmd; /* a question that waits for its answer */

struct smtp_server_limits {
    size_t line_length;     /* of a command, with its CRLF: 2048 (line_length_limit) */
    size_t auth_length;     /* of a line of AUTH: 12288 (smtpd_sasl_response_limit) */
    uint64_t message_size;  /* of the content: 10240000 (message_size_limit); 0: none */
    unsigned recipients;    /* 1000 (smtpd_recipient_limit) */
    unsigned soft_errors;   /* 10: each one beyond calls slow_down() (smtpd_soft_error_limit) */
    unsigned hard_errors;   /* 20: 421 and close (smtpd_hard_error_limit) */
    unsigned junk_commands; /* 100: NOOP, RSET, VRFY, HELP, EHLO with no mail between them; each one
                             * beyond counts as an error (smtpd_junk_command_limit) */
};
#define SMTP_SERVER_LIMITS_DEFAULT                                                                   \
    {                                                                                                \
        .line_length = 2048, .auth_length = 12288, .message_size = 10240000, .recipients = 1000,     \
        .soft_errors = 10, .hard_errors = 20, .junk_commands = 100                                   \
    }

enum smtp_bare_lf {
    SMTP_BARE_LF_NORMALIZE, /* a line end, but never part of end-of-data */
    SMTP_BARE_LF_REJECT,    /* 550 5.5.2 at the end of the content, which is not kept; or to a command */
    SMTP_BARE_LF_ENDS,      /* a client all of whose lines so far have ended with LF alone may end its content with LF . LF
                             * too; as soon as one has ended with CRLF, only CRLF . CRLF does */
};

/* What EHLO names, for smtp_server_config.hidden. */
enum smtp_extension {
    SMTP_EXT_PIPELINING = 1,
    SMTP_EXT_SIZE = 2,
    SMTP_EXT_VRFY = 4,
    SMTP_EXT_STARTTLS = 8,
    SMTP_EXT_AUTH = 0x10,
    SMTP_EXT_ENHANCEDSTATUSCODES = 0x20,
    SMTP_EXT_8BITMIME = 0x40,
    SMTP_EXT_DSN = 0x80,
    SMTP_EXT_SMTPUTF8 = 0x100,
    SMTP_EXT_CHUNKING = 0x200,
    SMTP_EXT_XCLIENT = 0x400,
};

/* Whether a client may log in. */
enum smtp_auth {
    SMTP_AUTH_NO,        /* 503 */
    SMTP_AUTH_OFFERED,
    SMTP_AUTH_AFTER_TLS, /* not named before TLS, and 504 */
    SMTP_AUTH_LATER,     /* nobody can tell now: not named, and 454; so is MAIL where AUTH is required */
};

/* What XCLIENT says of a client. */
enum smtp_xclient_attr {
    SMTP_XCLIENT_NAME,
    SMTP_XCLIENT_ADDR,
    SMTP_XCLIENT_PORT,
    SMTP_XCLIENT_PROTO,
    SMTP_XCLIENT_HELO,
    SMTP_XCLIENT_LOGIN,
    SMTP_XCLIENT_DESTADDR,
    SMTP_XCLIENT_DESTPORT,
    SMTP_XCLIENT_N
};

struct smtp_xclient {
    unsigned given;              /* 1 << SMTP_XCLIENT_*: it was named */
    char *value[SMTP_XCLIENT_N]; /* NULL: not named, or not known ("[UNAVAILABLE]"). Checked: addresses are literals without
                                  * prefix, ports numbers, names have no characters that names have not */
};

struct smtp_server_config { /* strings are copied */
    bool is_lmtp;
    bool is_encrypted;      /* TLS from the first byte */
    bool offers_starttls;
    bool requires_tls;      /* 530 5.7.0 to MAIL, AUTH, ... before TLS; implies auth_needs_tls */
    bool auth_needs_tls;    /* AUTH is neither offered nor taken before TLS */
    bool requires_auth;     /* 530 5.7.0 to MAIL before AUTH (submission) */
    bool offers_xclient;    /* to this peer; needs the op */
    bool may_talk_early;    /* before the banner, and commands in one piece where RFC 2920 allows none */
    bool has_no_vrfy;       /* 502 (disable_vrfy_command) */
    bool takes_origin;      /* MAIL's XCLIENT= and XLOGIN=, into the envelope: the client is ourselves (smtp/client.h, tells_origin) */
    bool is_soft;           /* 4xx is said where 5xx was meant (soft_bounce) */
    bool needs_no_hello;    /* MAIL is taken without EHLO or HELO */
    bool is_strict;         /* addresses stand in <> (strict_rfc821_envelopes) */
    unsigned hidden;        /* SMTP_EXT_*: not named by EHLO; STARTTLS, AUTH and BDAT are refused then, too */
    char *const *forbidden; /* commands of other protocols: 221 and close. Borrowed. NULL: CONNECT GET POST */
    size_t n_forbidden;
    const char *hostname;   /* in the banner, in replies to EHLO */
    const char *banner;     /* behind "220 hostname "; NULL: "ESMTP" or "LMTP" */
    const char *mechanisms; /* "PLAIN LOGIN"; NULL: no AUTH. smtp_server_set_auth() changes it */
    bool says_auth_twice;   /* EHLO names "AUTH=PLAIN LOGIN" too (broken_sasl_auth_clients) */
    enum smtp_bare_lf bare_lf;
    int bare_lf_code;       /* instead of 550; 521 closes, too */
    struct smtp_server_limits limits;
};

/* What is known of the content at its end. */
struct smtp_data_info {
    uint64_t size_bytes; /* as handed out */
    bool has_dot_line;   /* a line begins with '.' */
    bool is_8bit;        /* a byte >= 0x80 is in it */
    bool is_bdat;
    bool had_bare_lf;    /* a line ended with LF alone */
    bool had_bad_bytes;  /* bare CRs and NULs became blanks */
};

struct smtp_server_ops {
    /* EHLO, HELO, LHLO. 250 is said with the name of the server and its extensions, whatever
     * text is given. `name` has no control characters, and is not looked at otherwise. NULL:
     * always 250. */
    void (*hello)(void *arg, struct smtp_cmd *c, const char *name, bool is_esmtp);
    /* MAIL FROM. `env` is the engine's: sender, body, smtputf8, ret, envid are filled in; the
     * caller may change it and fill in the rest. It lives till the transaction is over.
     * `size_bytes` was declared with SIZE=, or 0. */
    void (*mail)(void *arg, struct smtp_cmd *c, struct envelope *env, uint64_t size_bytes);
    /* RCPT TO. `r` is the new last recipient of the envelope, and may be changed; a refusal
     * takes it out again. */
    void (*rcpt)(void *arg, struct smtp_cmd *c, struct envelope *env, struct rcpt *r);
    /* Before the content: 354 to go on, whatever text, or a refusal. Also before the first BDAT. */
    void (*data_begin)(void *arg, struct smtp_cmd *c, struct envelope *env);
    /* Content: unstuffed, every line ends with CRLF, the last one too, no other CR or LF, no
     * NUL. Pieces of any size, valid during the call only. False: no more of it, please; the
     * rest is passed over, and data_end() comes all the same. */
    bool (*data)(void *arg, struct span content);
    /* All of the content was given. SMTP: one answer. LMTP: smtp_answer_rcpt() for recipients of
     * the envelope, smtp_answer() for all that have none yet. Then the transaction is over;
     * reset() is not called for it. */
    void (*data_end)(void *arg, struct smtp_cmd *c, const struct smtp_data_info *info);
    /* The transaction that mail() began is over without an answer to data_end(): RSET, EHLO, the
     * connection, or the engine has refused the content (too large, bare LF). */
    void (*reset)(void *arg);
    /* STARTTLS: 220 to agree, 454 to refuse. NULL: 220. */
    void (*starttls)(void *arg, struct smtp_cmd *c);
    /* The 220 has been sent: make the handshake, then smtp_server_tls_started(); if it fails, free.
     * NULL only where STARTTLS is not offered. */
    void (*start_tls)(void *arg);
    /* AUTH. `mech` is one of those offered. `initial` is base64, checked to be so; its `at` is
     * NULL when none was given, its length 0 when it is empty. Answer with
     * smtp_auth_challenge(), or 235 (after smtp_server_set_login()), 535, 454. NULL only where
     * no mechanisms are offered. */
    void (*auth)(void *arg, struct smtp_cmd *c, const char *mech, struct span initial);
    /* The client's answer to a challenge: base64, checked. Answer as above. */
    void (*auth_response)(void *arg, struct smtp_cmd *c, struct span response);
    /* The exchange ended without an answer of the caller's: "*", a broken line, the connection.
     * May be NULL. */
    void (*auth_abort)(void *arg);
    /* XCLIENT: answered from inside, 220 for yes: then HELO, LOGIN and PROTO have been taken note of, a transaction cannot be
     * open, and the engine says its banner. */
    void (*xclient)(void *arg, struct smtp_cmd *c, const struct smtp_xclient *x);
    /* VRFY. NULL: 252. */
    void (*vrfy)(void *arg, struct smtp_cmd *c, struct span what);
    /* A line that begins with no command that there is. NULL: 500. */
    void (*unknown)(void *arg, struct smtp_cmd *c, struct span line);
    /* The client has made `n` errors, more than the soft limit: a caller that wants to slow it down
     * calls smtp_server_pause(). May be NULL. */
    void (*slow_down)(void *arg, unsigned n);
    /* The engine itself refused something, for the log. `after` is the command it was in ("RCPT",
     * "CONNECT"), `reply` the line said. May be NULL. */
    void (*refused)(void *arg, const char *after, struct span reply);
    /* Lines of the conversation without their ends, and "(MAIL -> RCPT)" when the phase changes, for
     * debugging; what AUTH carries is shown as
     * "***", content not at all. May be NULL. */
    void (*trace)(void *arg, bool is_ours, struct span line);
};

/* The banner is ready to be sent at once; a caller that wants to see early talkers sends it
 * later. */
struct smtp_server *smtp_server_new(const struct smtp_server_config *cfg,
                                    const struct smtp_server_ops *ops, void *arg);
/* The connection is gone. An open question is forgotten: its smtp_cmd must not be answered any
 * more. NULL is fine. */
void smtp_server_free(struct smtp_server *s);

/* False while a question is open, TLS is to be started, the client does not read its replies, the
 * caller has paused, or all is over. */
bool smtp_server_wants_input(const struct smtp_server *s);
/* Any number of bytes. Content is looked at where it lies; what has to wait is copied: all that
 * was not wanted, a line at most where it was. More than 1 MiB of that is the end: 421. */
void smtp_server_input(struct smtp_server *s, struct span bytes);
/* Replies to be sent; empty: nothing now. Valid till the next call of the engine. */
struct span smtp_server_output(struct smtp_server *s);
void smtp_server_sent(struct smtp_server *s, size_t n);

/* The answer to a question, once. `enhanced` is "2.1.0", or NULL for none. LFs in the text part
 * the lines of the reply; other control characters become '?'; a line is cut at 500 bytes. 421
 * closes. */
void smtp_answer(struct smtp_cmd *c, int code, const char *enhanced, const char *fmt, ...)
    __attribute__((format(printf, 4, 5)));
/* LMTP, in data_end(): the answer for one recipient, in any order. It goes out as soon as those of the recipients before it have. */
void smtp_answer_rcpt(struct smtp_cmd *c, size_t index, int code, const char *enhanced,
                      const char *fmt, ...) __attribute__((format(printf, 5, 6)));
/* auth() and auth_response(): 334 with `base64`; the client's next line goes to auth_response(). */
void smtp_auth_challenge(struct smtp_cmd *c, struct span base64);
/* From inside hello() at the latest: what the reply to EHLO offers, and what AUTH is looked up in. Copied; may be NULL where it is
 * not offered. */
void smtp_server_set_auth(struct smtp_server *s, enum smtp_auth how, const char *mechanisms);
/* Before 235: who logged in. Copied. */
void smtp_server_set_login(struct smtp_server *s, const char *login);

/* It is another client now, to whom another rule applies. */
void smtp_server_set_bare_lf(struct smtp_server *s, enum smtp_bare_lf how);

/* The handshake is done: forgets all that was said, and all input that came before it
 * (CVE-2011-0411). */
void smtp_server_tls_started(struct smtp_server *s);

/* While paused, nothing is looked at and nothing handed out. */
void smtp_server_pause(struct smtp_server *s);
void smtp_server_resume(struct smtp_server *s);
/* "421 4.4.2 Error: timeout exceeded" and the end, wherever the conversation stands. For
 * timeouts, a shutdown, too many connections (then it stands instead of the banner). An open
 * question is forgotten, as in smtp_server_free(), and a pause is over. */
void smtp_server_shut(struct smtp_server *s, int code, const char *enhanced, const char *fmt, ...)
    __attribute__((format(printf, 4, 5)));
bool smtp_server_is_closing(const struct smtp_server *s);

/* Bytes that it holds: buffers and all that is not the envelope; and the envelope's. */
size_t smtp_server_buffered(const struct smtp_server *s);
size_t smtp_server_envelope_bytes(const struct smtp_server *s);

/* ---- what was said --------------------------------------------------------------------------- */

/* The name given with EHLO, or NULL. */
const char *smtp_server_hello(const struct smtp_server *s);
bool smtp_server_is_esmtp(const struct smtp_server *s); /* EHLO or LHLO was said, not HELO */
bool smtp_server_is_encrypted(const struct smtp_server *s);
const char *smtp_server_login(const struct smtp_server *s); /* or NULL */
/* The last command: "RCPT", "DATA", "END-OF-MESSAGE"; "CONNECT" before any. For the log: "lost
 * connection after RCPT". */
const char *smtp_server_after(const struct smtp_server *s);
/* A transaction or a question is open: a shutdown should wait a little. */
bool smtp_server_is_busy(const struct smtp_server *s);
/* A question waits for its answer: the client waits for us. */
bool smtp_server_is_asking(const struct smtp_server *s);
/* The client has gone on without waiting for the answer to the open question. */
bool smtp_server_has_more(const struct smtp_server *s);
/* Content is expected, whether it is kept or passed over. */
bool smtp_server_in_content(const struct smtp_server *s);

#endif
