/* SPDX-License-Identifier: Apache-2.0
 *
 * routing_int.h - what the server module adds to the resolver, from inside: routing.c opens it, keys.c says under which keys an
 * address stands in tables, class.c whose a domain is, virtual.c what addresses stand for, listed.c who there is, ways.c where
 * mail goes, rewrite.c what others see. */
#ifndef SERVER_ROUTING_INT_H
#define SERVER_ROUTING_INT_H

#include "net/addr.h"
#include "relay/route_hooks.h"

struct inferred;

struct routing {
    struct resolver *resolver;
    const struct config *cfg; /* borrowed, as the resolver */
    struct match *alias_domains, *mailbox_domains, *relay_domains;
    struct tables *virtual_alias, *virtual_mailbox, *local_rcpt, *relay_rcpt;
    struct tables *transport, *sender_relayhost, *sender_transport, *mailbox_transport, *fallback_transport;
    struct tables *forward;    /* NULL, or who has a ~/.forward (forward_service.c) */
    struct tables *canonical, *sender_canonical, *rcpt_canonical, *generic;
    struct inferred *inferred; /* NULL: no domains are inferred */
    struct addr_list own;      /* this machine's addresses */
    bool is_direct;            /* without a relayhost mail goes to MX hosts */
    struct transport to_local; /* borrowed strings: local_transport, or what takes its place */
};

/* ---- keys.c ---- */

enum { /* which keys are tried beside the whole address and the address without its extension */
    KEYS_LOCAL = 1,  /* the local part, with and without extension, when the domain is ours */
    KEYS_DOMAIN = 2, /* @domain */
};

struct found {
    struct span value;
    struct span extension; /* "+ext": what the key that was found lacks; else empty */
};

enum map_result keys_find(struct routing *ro, struct lookup *l, struct tables *t, const char *address, unsigned keys,
                          struct found *out);
/* The addresses of a value, complete; "@other.example" is the same name there. `extension` is put behind each local part. False: it
 * is not to be read, which has been logged. */
bool keys_addresses(struct routing *ro, struct lookup *l, const char *param, const char *address, const struct found *f,
                    bool with_extension, struct route_values *out);
bool keys_propagates(const struct config *cfg, const char *what);

/* ---- class.c ---- */

enum map_result class_of(void *self, struct lookup *l, const char *address, enum address_class *out);
/* Whether a domain is mydestination's, or an address of this machine in brackets. */
enum map_result class_is_local(struct routing *ro, struct lookup *l, struct span domain);

/* ---- infer.c ---- */

/* The domains of the addresses in virtual_alias_maps, found again when a table has changed. */
struct inferred *infer_new(struct routing *ro);
void infer_free(struct inferred *in);
bool infer_has(struct routing *ro, struct span domain);
/* Whether there are tables whose keys cannot be listed. */
bool infer_is_partial(struct routing *ro);
void infer_each(struct routing *ro, void (*fn)(void *arg, const char *domain), void *arg);

/* ---- virtual.c, listed.c, ways.c, rewrite.c, remarks.c: struct route_hooks ---- */

enum map_result virtual_alias(void *self, struct lookup *l, const char *address, struct route_values *out);
enum map_result listed_why_not(void *self, struct lookup *l, const char *address, enum address_class class, const char **why);
enum map_result ways_route(void *self, struct lookup *l, const char *sender, const char *address, struct route *out);
enum map_result rewrite_address(void *self, struct lookup *l, const char *address, unsigned where, const char **out);
bool rewrite_is_needed(const void *self, unsigned where);
void routing_remarks(void *self, void (*fn)(void *arg, bool is_fault, const char *text), void *arg);

#endif
