/* SPDX-License-Identifier: Apache-2.0
 *
 * resolve.h - the one place that decides where mail goes (DESIGN 1): the receiver asks it at RCPT whether to take an
 * address, the relay asks it for the way.
 *
 * In a null client it is small. A name is local when it has no domain, or its domain is $myhostname, localhost,
 * localhost.$mydomain or in mydestination. A local name is looked up in alias_maps; what is not there goes on as
 * name@$myorigin to the relayhost, or, when its domain is in mydestination, to local_transport. With the server module there are
 * classes of addresses, virtual aliases and transports (route_hooks.h).
 *
 * Tables that are files are asked in place. One that has to wait for others (ldap:, tcp:) is asked by a thread, and the answer
 * comes later, from the loop. */
#ifndef RELAY_RESOLVE_H
#define RELAY_RESOLVE_H

#include "base/runner.h"
#include "config/config.h"
#include "spool/spool.h"

enum route_kind {
    ROUTE_NEXT_HOP, /* to `nexthop` */
    ROUTE_NOWHERE,  /* there is no relayhost: the mail is kept till there is one */
    ROUTE_REFUSED,  /* `status` and `text` say why: "5.1.1", "local delivery disabled"; a 4.x.x status: keep and try again */
};

struct route {
    enum route_kind kind;
    const char *nexthop; /* "transport:next hop", as "smtp:[smtp.example.com]:587"; valid as long as what it came with, as `text` */
    char status[12];
    const char *text;
};

struct resolver;

/* Opens all tables, whose types have been registered (map/map.h); what is wrong in them is logged, a file of aliases that is
 * missing is passed over, and one that cannot be read is an error. */
struct resolver *resolver_new(const struct config *cfg, struct err *e);
/* What is under way is never answered. */
void resolver_free(struct resolver *r);
/* From now on tables that block are asked on threads of `runner`. Before, and without one, whoever asks waits. */
void resolver_run_on(struct resolver *r, struct runner *runner);

/* ---- before a recipient is taken ---- */

/* What a domain is to us (HANDBOOK B1). */
enum address_class {
    CLASS_LOCAL,           /* mydestination, names and addresses of this machine */
    CLASS_VIRTUAL_ALIAS,   /* virtual_alias_domains: only aliases live there */
    CLASS_VIRTUAL_MAILBOX, /* virtual_mailbox_domains */
    CLASS_RELAY,           /* relay_domains */
    CLASS_INFERRED,        /* nobody wrote it down, but virtual_alias_maps has addresses of it: strangers may write to those and to no
                            * others of it, as with CLASS_VIRTUAL_ALIAS; for who may relay it is as CLASS_DEFAULT */
    CLASS_DEFAULT,         /* anything else */
};

/* "local", "virtual alias", ... for people. */
const char *address_class_name(enum address_class class);

/* What there is to know of a recipient before it is taken. Its strings are valid while the callback runs. */
struct resolve_verdict {
    bool cannot_tell;       /* a table could not be asked (it has been logged); the rest says nothing then */
    enum address_class class;
    bool is_ours;           /* we are a destination for it: anybody may send there */
    const char *unlisted;   /* NULL, or why nobody is there: "User unknown in virtual alias table" */
    struct route route;     /* of the address after expansion: ROUTE_REFUSED when all ways are, else one that is not */
};

/* For RCPT. done() is called from inside when no table has to be waited for, and NULL comes back; else later, from the loop. */
struct resolve_ask;
typedef void resolve_rcpt_fn(void *arg, const struct resolve_verdict *v);
struct resolve_ask *resolve_rcpt(struct resolver *r, const char *sender, const char *address, resolve_rcpt_fn *done, void *arg);
/* done() will not be called. NULL is fine. */
void resolve_cancel(struct resolve_ask *a);

/* ---- the ways of a message ---- */

struct resolved {
    const char *address;
    size_t from; /* which of the recipients that were asked for it comes of */
    struct route route;
};

/* All valid while the callback runs. */
struct resolution {
    bool cannot_tell;  /* a table could not be asked, or what it says is of no use (it has been logged): there is no list */
    bool is_out_of_order; /* with that: a table could not be asked, so others would fare no better */
    bool has_changed;  /* it is not just those that were asked for */
    const struct resolved *at;
    size_t n;          /* each address once */
};
typedef void resolve_list_fn(void *arg, const struct resolution *res);

/* Expands the recipients of `env` until nothing changes, and says the way of each. With a `state` that names recipients those
 * count, as they are: they have been expanded. Both need not outlive the call. As resolve_rcpt() otherwise. */
struct resolve_ask *resolve_list(struct resolver *r, const struct envelope *env, const struct spool_state *state,
                                 resolve_list_fn *done, void *arg);
/* The same if no table has to be waited for; else false, and nothing has been asked. */
bool resolve_list_now(struct resolver *r, const struct envelope *env, const struct spool_state *state, resolve_list_fn *done,
                      void *arg);

/* ---- addresses in envelopes and headers: rewriting.h ---- */

enum rewrite_where { /* one of these */
    REWRITE_ENVELOPE_SENDER = 1,
    REWRITE_ENVELOPE_RCPT = 2,
    REWRITE_HEADER_SENDER = 4,
    REWRITE_HEADER_RCPT = 8,
    REWRITE_GENERIC = 16, /* on the way out */
};
enum { REWRITE_ON_THE_WAY_IN = 15 };

/* ---- about itself ---- */

/* A table has changed that this process cannot read again: a new one should take its place. */
bool resolver_is_stale(const struct resolver *r);
/* Files that tables of the configuration read anew at each question (unix:): for the jail. NULL at the end; or NULL. */
const char *const *resolver_files(const struct resolver *r);
/* What was understood without being written, and what looks wrong: for `baton check`. */
void resolver_remarks(struct resolver *r, void (*fn)(void *arg, bool is_fault, const char *text), void *arg);

#endif
