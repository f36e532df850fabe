/* SPDX-License-Identifier: Apache-2.0
 *
 * resolve.h - the one place that decides where mail goes (DESIGN 1): the receiver asks it at RCPT whether to take an
 * address, the relay asks it for the way.
 *
 * In a null client it is small. A name is local when it has no domain, or its domain is $myhostname, localhost,
 * localhost.$mydomain or in mydestination. A local name is looked up in alias_maps; what is not there goes on as
 * name@$myorigin to the relayhost, or, when its domain is in mydestination, to local_transport. */
#ifndef RELAY_RESOLVE_H
#define RELAY_RESOLVE_H

#include "config/config.h"
#include "spool/spool.h"

enum route_kind {
    ROUTE_NEXT_HOP, /* to `nexthop` */
    ROUTE_NOWHERE,  /* there is no relayhost: the mail is kept till there is one */
    ROUTE_REFUSED,  /* `status` and `text` say why: "5.1.1", "local delivery disabled"; a 4.x.x status: keep and try again */
};

struct route {
    enum route_kind kind;
    const char *nexthop; /* "transport:next hop", as "smtp:[smtp.example.com]:587"; borrowed from the resolver, as `text` */
    char status[12];
    const char *text;
};

struct resolver;

/* Opens the alias tables, whose types have been registered (map/map.h); what is wrong in them is logged, a file that is missing
 * is passed over with a line in the log, and one that cannot be read is an error. */
struct resolver *resolver_new(const struct config *cfg, struct err *e);
void resolver_free(struct resolver *r);

/* Where an address (in the form of base/envelope.h) goes, when it has been expanded. */
void resolve_route(const struct resolver *r, const char *address, struct route *out);

/* Replaces local names by what their aliases say and completes them, until nothing changes. `out` gets a new list (owned by
 * the caller, state zero but `rcpts`), each address once, and 1 comes back, when anything changed; else 0, or -1 when a table
 * cannot tell at the moment (which has been logged). */
int resolve_expand(const struct resolver *r, const struct envelope *env, struct spool_state *out);

/* What a domain is to us (HANDBOOK B1). */
enum address_class {
    CLASS_LOCAL,           /* mydestination, names and addresses of this machine */
    CLASS_VIRTUAL_ALIAS,   /* virtual_alias_domains: only aliases live there */
    CLASS_VIRTUAL_MAILBOX, /* virtual_mailbox_domains */
    CLASS_RELAY,           /* relay_domains */
    CLASS_DEFAULT,         /* anything else */
};

/* What there is to know of a recipient before it is taken. */
struct resolve_verdict {
    bool cannot_tell;       /* a table could not be asked (it has been logged); the rest says nothing then */
    enum address_class class;
    bool is_ours;           /* we are a destination for it: anybody may send there */
    const char *unlisted;   /* NULL, or why nobody is there: "User unknown in virtual alias table". Borrowed */
    struct route route;     /* of the address after expansion: the first that is ROUTE_REFUSED, or the last one */
};

/* For RCPT. done() is called from inside when no table has to be waited for, and NULL comes back; else later, from the loop. */
struct resolve_ask;
typedef void resolve_rcpt_fn(void *arg, const struct resolve_verdict *v);
struct resolve_ask *resolve_rcpt(struct resolver *r, const char *sender, const char *address, resolve_rcpt_fn *done, void *arg);
/* done() will not be called. NULL is fine. */
void resolve_cancel(struct resolve_ask *a);

/* A table has changed that this process cannot read again: a new one should take its place. */
bool resolver_is_stale(const struct resolver *r);

#endif
