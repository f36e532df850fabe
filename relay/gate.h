/* SPDX-License-Identifier: Apache-2.0
 *
 * gate.h - who is asked before a client gets its yes: first the policy (policy.h; with the server module its restrictions), then
 * the milters. Each step answers once, from inside ask() or later, and the first refusal is the answer; a session has one
 * question under way at a time. While it is asked nothing else happens in the session; if the session goes, cancel() is called. */
#ifndef RELAY_GATE_H
#define RELAY_GATE_H

#include "base/envelope.h"
#include "config/config.h"
#include "net/addr.h"
#include "relay/resolve.h"

#include <stdint.h>

struct dns;
struct draft;
struct gate;
struct loop;
struct restrictions;
struct session;
struct tls_info;
struct worker_env;

enum gate_at {
    GATE_CONNECT, /* before the banner */
    GATE_HELLO,
    GATE_MAIL,
    GATE_RCPT,
    GATE_DATA, /* before 354, or the first BDAT */
    GATE_END,  /* the content is there: before it is committed */
    GATE_UNKNOWN, /* a command that there is not: filters are asked what to say to it */
};

enum client_name_status {
    NAME_NONE,   /* it has none, or one of somebody else; or nobody has asked (smtpd_peername_lookup) */
    NAME_FAILED, /* the DNS did not answer */
    NAME_FOUND,
};

struct refusal {
    int code; /* 0: none */
    bool is_milters; /* the log calls it a milter-reject */
    char status[12];
    char text[400];  /* LFs part the lines of the reply */
};

/* The client, and what it has said so far. All of it is the session's: valid till the answer, and read anew at each question. */
struct gate_facts {
    const struct config *cfg;
    const struct worker_env *worker;
    struct loop *loop;
    struct resolver *resolver;
    struct restrictions *restrictions; /* what hooks.h has opened, or NULL */
    const union addr *peer;
    const char *client;          /* "name[address]", for the log */
    const char *client_name;     /* "mail.example.com" when its address has that name and the name that address; or "unknown" */
    const char *reverse_name;    /* what its address is called, true or not; or NULL */
    enum client_name_status name_status;
    const char *client_address;  /* "192.0.2.1" */
    const char *listen;          /* the name of the listen section, "smtp" */
    const char *protocol;        /* "ESMTP", "SMTP", "LMTP" */
    const char *helo;            /* or NULL */
    const char *login;           /* or NULL */
    bool is_encrypted, is_trusted /* in mynetworks, or a program of this machine */, is_local /* such a program */;
    bool has_more;               /* the client has gone on without waiting for this answer */
    const char *id;              /* of the message, or "" */
    struct envelope *env;        /* from GATE_MAIL on, or NULL */
    uint64_t size;               /* declared with SIZE=, at GATE_END the real one; or 0 */
    struct rcpt *rcpt;           /* at GATE_RCPT: the last of env */
    const struct refusal *refused; /* a step before has refused it, and this one is only told; or NULL */
    struct draft *draft;         /* at GATE_END: the content, when a step wants it; or NULL */
    const struct tls_info *tls;  /* or NULL: in the clear */
    const struct tls_info *certificate; /* the same, when the client has shown one; or NULL */
    const union addr *local;     /* where it has come to, or NULL */
    struct dns *dns;             /* NULL: nothing that the configuration names has to be looked up */
    const char *auth_method;     /* "PLAIN", or NULL: not logged in */
    const char *command;         /* at GATE_UNKNOWN: the line */
};

/* What is asked for the message under way, beside yes and no: an access table's HOLD, a filter's quarantine. It is carried out
 * when the message is kept (session_content.c), and forgotten with it; who asks for it writes a line of its own in the log. */
struct wishes {
    bool is_held;        /* it waits in the queue for an operator */
    bool is_discarded;   /* the client is told that it was taken, and nothing is kept */
    char *filter;        /* "transport:nexthop" that it goes to first, instead of content_filter; or NULL */
    char *redirect;      /* the one recipient that it goes to, instead of its own; or NULL */
    struct strlist bcc;  /* who gets it, too, and is told of nothing (NOTIFY=NEVER) */
    struct buf prepend;  /* whole fields with their CRLF, that follow our own Received:; too late at GATE_END */
};

/* One of those that are asked. */
struct gate_step {
    /* gate_answer() comes once, at once or later. */
    void (*ask)(struct gate *g, enum gate_at at, const struct gate_facts *facts);
    /* The session goes while ask() has not answered: it will not be. May be NULL. */
    void (*cancel)(struct gate *g);
    /* The transaction is over, or (is_session) the session: what was kept for it (gate_slot()) goes. May be NULL. */
    void (*forget)(struct gate *g, bool is_session);
    /* It wants to hear of a recipient that a step before has refused; its answer counts for nothing then. May be NULL: no. */
    bool (*wants_refused)(struct gate *g);
    /* After GATE_DATA: it wants to see the content at GATE_END, and maybe to change it (facts->draft). May be NULL: no. */
    bool (*wants_content)(struct gate *g);
    /* Bytes that it holds for this session, for receive_memory_limit. May be NULL: next to nothing. */
    size_t (*memory)(struct gate *g);
};

/* `no` NULL or of code 0: as far as this step is concerned, go on. */
void gate_answer(struct gate *g, const struct refusal *no);
/* Something of the step's own for this session, NULL at first. */
void **gate_slot(struct gate *g);
/* Of the message under way, to be added to: strings are from xmalloc(). */
struct wishes *gate_wishes(struct gate *g);
/* At GATE_END: the envelope as it will be kept, to be changed; facts->env is what the client has said. */
struct envelope *gate_envelope(struct gate *g);
bool gate_has_changed(const struct gate *g); /* gate_envelope() was called for this message */

/* "NOQUEUE: EVENT: RCPT from CLIENT: CODE STATUS TEXT; from=<> to=<> proto=ESMTP helo=<>", EVENT as "reject". Of a program of this
 * machine nothing is logged. */
void gate_log(const struct gate *g, const char *event, const struct refusal *no);

/* ---- for the session ---- */

typedef void gate_fn(struct session *s, const struct refusal *no);

/* Asks all steps; then(s, no), at once or later, with code 0 for yes. */
void gate_ask(struct session *s, enum gate_at at, gate_fn *then);
/* Some step wants the content. */
bool gate_wants_content(struct session *s);
size_t gate_memory(const struct session *s);
/* What has been asked for, or NULL. */
const struct wishes *gate_wanted(const struct session *s);
/* What reset() of the engine tells. */
void gate_forget_message(struct session *s);
void gate_close(struct session *s);

void refusal_set(struct refusal *out, int code, const char *status, const char *fmt, ...)
    __attribute__((format(printf, 4, 5)));

#endif
