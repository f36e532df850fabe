/* SPDX-License-Identifier: Apache-2.0
 *
 * session_int.h - a session, for its files: session.c has the connection and its manners, session_proxy.c who a client is
 * that comes through a proxy, session_name.c what the DNS calls it, session_tls.c its handshake, session_auth.c who logs in,
 * session_time.c how long it may take, session_mail.c what is said of a message, session_content.c the message itself,
 * session_header.c its header section, session_envelope.c what has become of its envelope. */
#ifndef RELAY_SESSION_INT_H
#define RELAY_SESSION_INT_H

#include "mail/header.h"
#include "mail/received.h"
#include "relay/anvil.h"
#include "relay/gate.h"
#include "relay/session.h"
#include "smtp/server.h"

struct auth_talk;
struct heading;
struct enveloping;

struct session {
    struct list link;
    struct receiver *receiver;
    const struct listening *on; /* borrowed from the worker's listeners */
    const struct listen *section; /* of the configuration, which it listens because of; or NULL */
    const struct config *cfg;   /* borrowed: what counts for its client (config_view()) */
    struct conn *conn;
    union addr peer;            /* the client's, whoever stands between us */
    struct proxy_wait *proxy;   /* NULL: no PROXY header is waited for */
    struct smtp_server *server; /* NULL: not greeted yet */
    bool is_local, is_trusted, is_lmtp;
    bool is_unknown;            /* a proxy could not say who it is: `peer` is the proxy, and its trust not the client's */
    bool is_unlimited;          /* no limits of limits.h, whatever its address */
    bool is_abrupt;             /* its end does not wait for the client's */
    bool is_spoken_for;         /* by XCLIENT: a certificate is that of the proxy, who has shown it */
    struct anvil_seat seat;
    size_t weight;              /* ceiling.c's */
    uid_t uid;
    char client[340];           /* "unknown[192.0.2.1]", "local[uid 1000]" */
    char name[256];             /* "unknown", unless a proxy knows it */
    char address[INET6_ADDRSTRLEN + 8];
    char *reverse_name;         /* session_name.c's, as the next two; or NULL */
    enum client_name_status name_status;
    struct naming *naming;      /* NULL: no name is looked for */
    /* the message under way */
    struct envelope *env;       /* the engine's */
    uint64_t size;              /* as declared */
    bool has_reader;
    struct header_reader reader;
    struct spool_msg *msg;
    struct draft *draft;        /* its content, while somebody wants to see it first; or NULL: it goes to `msg` */
    struct envelope *changed;   /* gate_envelope(): kept instead of `env`; or NULL */
    struct heading *heading;    /* session_header.c's; NULL: its header section is made, or has not come */
    struct enveloping *enveloping; /* session_envelope.c's; NULL: not waited for */
    struct pending *pending;
    struct err *trouble;        /* NULL, or this is what its end will be answered with (a KiB, so not for all) */
    int trouble_code;
    char trouble_dsn[12];
    char id[SPOOL_ID_TEXT];
    unsigned n_messages;
    struct gate *gate;          /* NULL: nothing was asked yet */
    char *command;              /* that there is not, while filters are asked what to say to it; or NULL */
    struct smtp_cmd *asked;     /* that the gate is asked about */
    bool is_asking;             /* inside of asking it */
    struct timer pause;
    struct timer patience;      /* session_time.c's, as the next two */
    int64_t deadline_ms;
    uint64_t earned;            /* what has come and is not yet a millisecond, in thousandths of a byte */
    struct timer handshake;     /* its limit; armed while one is under way */
    struct auth_talk *auth;     /* session_auth.c's; NULL: not needed yet */
    struct later free_later;
    bool is_dead;
};

/* ---- session.c ---- */

/* `peer` is known: names the client, makes the engine, and says the banner. */
void session_greet(struct session *s);
/* Who it is has changed: what follows from `peer` and `name`. */
void session_name_client(struct session *s);
/* Sends what the engine has to say; reads on, or pauses, or ends the connection, as it wants. */
void session_pump(struct session *s);
/* 421 with "HOST Error: TEXT" and the end, whether the client reads or not. */
void session_shut(struct session *s, const char *dsn, const char *text);
/* The end of it: the connection is closed or conn_end()ed by the caller, or will be; the rest goes at the end of the
 * turn. */
void session_bury(struct session *s);

/* ---- session_tls.c ---- */

/* What the listener that it came by has to offer, and demands. */
void session_tls_terms(const struct session *s, struct smtp_server_config *sc);
/* Before a byte is said, where TLS is implicit. */
void session_tls_begin(struct session *s);
/* Nothing can be said for now. */
bool session_tls_is_under_way(const struct session *s);
/* STARTTLS: whether, and, after the 220, go. */
void session_starttls(void *arg, struct smtp_cmd *c);
void session_start_tls(void *arg);
/* The client's certificate; NULL: none was shown. */
const struct tls_info *session_certificate(const struct session *s);
/* What there is to say of it in Received:. `text` has room for it. */
#define SESSION_TLS_TEXT 100
void session_tls_received(const struct session *s, struct received *f, char *text);

/* ---- session_auth.c ---- */

/* What the listener that it came by demands. */
void session_auth_terms(const struct session *s, struct smtp_server_config *sc);
/* Whether it is known what EHLO offers; else session_hello_go_on() comes when it is. */
bool session_auth_hello(struct session *s, struct smtp_cmd *c);
/* auth_start.settled() of the worker; `arg` is the receiver. */
void session_auth_settled(void *arg);
void session_auth(void *arg, struct smtp_cmd *c, const char *mech, struct span initial);
void session_auth_response(void *arg, struct smtp_cmd *c, struct span response);
void session_auth_abort(void *arg);
/* How it has logged in: "PLAIN". */
const char *session_auth_method(const struct session *s);
void session_auth_close(struct session *s);

/* ---- session_proxy.c ---- */

bool session_comes_by_proxy(const struct session *s);
/* Waits for the header; then session_greet(). */
void session_proxy_start(struct session *s);
/* Waits no more. */
void session_proxy_end(struct session *s);
void session_xclient(void *arg, struct smtp_cmd *c, const struct smtp_xclient *x);

/* ---- session_name.c: what the DNS calls the client ---- */

/* Whether it is to be asked before anything is said. */
bool session_asks_name(const struct session *s);
/* then(s) later, when the name is known, or that it has none. */
void session_find_name(struct session *s, void (*then)(struct session *s));
/* Nothing more comes. */
void session_name_end(struct session *s);

/* ---- session_time.c: how long the client may take ---- */

void session_time_start(struct session *s);
/* While something else has a limit of its own (a handshake). */
void session_time_stop(struct session *s);
void session_time_replied(struct session *s);
void session_time_came(struct session *s, size_t bytes);

/* Speaks before it is greeted: refused, if so. */
void session_check_early_talk(struct session *s);

/* ---- session_mail.c: the engine's questions ---- */

/* Before the banner, which waits. */
void session_ask_connect(struct session *s);
void session_hello(void *arg, struct smtp_cmd *c, const char *name, bool is_esmtp);
void session_hello_go_on(struct session *s, struct smtp_cmd *c);
/* Asks the gate about the command. Its answer may come from inside, when whoever has called us sends what there is to send:
 * session_pump_later_answer() sends it otherwise. */
void session_ask(struct session *s, struct smtp_cmd *c, enum gate_at at, gate_fn *then);
void session_pump_later_answer(struct session *s);
/* The gate's answer to a command whose yes is a word; `verb` is for the log. */
void session_answer(struct session *s, const char *verb, const struct refusal *no, int code, const char *dsn, const char *text);
void session_answer_no(struct session *s, const char *verb, const struct refusal *no);

/* "NOQUEUE: EVENT: VERB from CLIENT: CODE STATUS TEXT; from=<> to=<> proto=ESMTP helo=<>". Of a program of this machine nothing
 * is logged, unless a milter says so. */
void session_log_refusal(const struct session *s, const char *event, const char *verb, const struct refusal *no);
/* "ESMTP", "SMTP" or "LMTP" */
const char *session_protocol(const struct session *s);
void session_mail(void *arg, struct smtp_cmd *c, struct envelope *env, uint64_t size);
void session_rcpt(void *arg, struct smtp_cmd *c, struct envelope *env, struct rcpt *r);

/* ---- session_content.c ---- */

void session_data_begin(void *arg, struct smtp_cmd *c, struct envelope *env);
bool session_content(void *arg, struct span content);
void session_data_end(void *arg, struct smtp_cmd *c, const struct smtp_data_info *info);
/* The message under way is given up, if there is one. */
void session_forget_message(void *arg);
/* The session goes: a commit under way is not answered any more. */
void session_leave_commit(struct session *s);
/* The message is given up, and its end will be answered with this. Both return false. */
bool session_fail(struct session *s, int code, const char *dsn, const struct err *e);
bool session_fail_writing(struct session *s, const struct err *e);
/* The header section that the end of the message has waited for is made, or there is trouble. */
void session_header_made(struct session *s);

/* ---- session_header.c ---- */

/* The reader has all of the header section: begins the spool's record, with that or with a draft. False: there is trouble. */
bool session_begin_record(struct session *s);
/* All of the message has come, and the header section is still being made: session_header_made() follows. */
bool session_header_is_waited_for(struct session *s);
/* It is not needed any more. */
void session_header_cancel(struct session *s);

/* ---- session_envelope.c ---- */

/* Gives the spool's record the envelope that what was asked for, filters and tables have made of the client's, if they have.
 * `w`: NULL is fine. then() comes once, from inside or, where a table has to be waited for, later; rc -1: a table cannot tell
 * (ERR_CONFIG), or the record does not take it. */
typedef void session_envelope_fn(struct session *s, int rc, struct err *e);
void session_write_envelope(struct session *s, const struct wishes *w, session_envelope_fn *then);
void session_envelope_cancel(struct session *s);
/* Nobody is left, or nobody is to get it. */
bool session_is_for_nobody(const struct session *s, const struct wishes *w);

#endif
