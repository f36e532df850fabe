/* SPDX-License-Identifier: Apache-2.0
 *
 * route_hooks.h - what the server module adds to the resolver: classes of addresses, virtual aliases, recipients that are looked
 * up, and more ways than one. Each question may have to wait for a table (lookup.h). A null client asks none of this. */
#ifndef RELAY_ROUTE_HOOKS_H
#define RELAY_ROUTE_HOOKS_H

#include "relay/lookup.h"
#include "relay/match.h"
#include "relay/resolve.h"

struct route_values { /* the lookup's memory */
    const char **at; /* addresses, with their domains */
    size_t n;
};

struct route_hooks {
    /* *self stays NULL when the configuration asks for none of this. */
    int (*open)(struct resolver *r, const struct config *cfg, void **self, struct err *e);
    void (*close)(void *self);
    bool (*may_block)(const void *self);
    bool (*is_stale)(const void *self);
    /* Whether an address that has a virtual alias is ours for that alone. */
    bool (*infers)(const void *self);
    /* MAP_FOUND, or MAP_CANNOT_TELL. */
    enum map_result (*classify)(void *self, struct lookup *l, const char *address, enum address_class *out);
    /* What an address stands for, one step. */
    enum map_result (*virtual_alias)(void *self, struct lookup *l, const char *address, struct route_values *out);
    /* Why nobody is there: *why stays NULL when somebody is. MAP_FOUND, or MAP_CANNOT_TELL. */
    enum map_result (*unlisted)(void *self, struct lookup *l, const char *address, enum address_class class, const char **why);
    /* The way of an address that stands for no other. The same. */
    enum map_result (*route)(void *self, struct lookup *l, const char *sender, const char *address, struct route *out);
    bool (*rewrites)(const void *self, unsigned where);
    /* An address of an envelope or a header as the rest of the world shall see it: it may be the same. */
    enum map_result (*rewrite)(void *self, struct lookup *l, const char *address, unsigned where, const char **out);
    /* What was understood without being written: one line each. */
    void (*remarks)(void *self, void (*fn)(void *arg, bool is_fault, const char *text), void *arg);
};

/* NULL: built without. */
extern const struct route_hooks *const route_hooks;

/* ---- what the module asks of the resolver ---- */

/* Whether a domain is in mydestination. */
enum map_result resolver_is_destination(const struct resolver *r, struct lookup *l, struct span domain);
const struct match *resolver_destinations(const struct resolver *r);
/* Whether the alias of a local name has something that only local delivery can do. */
enum map_result resolver_alias_needs_local(const struct resolver *r, struct lookup *l, const char *address);
/* A recipient is about to be taken or refused; where exactly its mail goes will be asked later. */
bool resolver_is_rcpt(const struct lookup *l);
/* "transport:nexthop" as a route; error: and retry: are refusals. */
void route_by(struct lookup *l, const char *name, const char *nexthop, struct route *out);
/* All of relayhost, "[a]:25 [b]"; "" when there is none. */
const char *resolver_relayhost(const struct resolver *r);

#endif
