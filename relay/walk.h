/* SPDX-License-Identifier: Apache-2.0
 *
 * walk.h - the hosts of a next hop, one after the other: "[mx.example.com]:587 backup.example.com" (HANDBOOK B1).
 *
 * In the order written. A name in brackets, or an address, is a host; a bare name stands for its MX hosts in the order of
 * their preference, or, without any, for itself. Names are looked up when their turn comes.
 *
 * Direct delivery walks the hosts of a recipient's domain (RFC 5321 5.1): those that are this machine, and all that are not
 * better than those, are left out; what the domain does not have is final and has a status. Behind it come the hosts of
 * smtp_fallback_relay. */
#ifndef RELAY_WALK_H
#define RELAY_WALK_H

#include "config/config.h"
#include "net/dns.h"

struct walk;

struct walk_host { /* borrowed from the walk till its next step */
    const char *name;                    /* "mx1.example.com", or the address */
    const struct addr_list *addrs;       /* with ports; empty for a socket */
    const char *path;                    /* a UNIX socket, as written; NULL: none */
    const struct relayhost *relayhost;   /* the part of the next hop that it comes from */
    bool is_fallback;                    /* of smtp_fallback_relay */
};

/* From the loop, never from inside walk_next(). `host` NULL: there are no more; then `why` says what was wrong with those that
 * had no address (ERR_NONE: nothing was), ERR_CONFIG if none of them will get better by itself, or, of a domain that is delivered
 * to directly, ERR_PERMANENT. */
typedef void walk_fn(void *arg, const struct walk_host *host, const struct err *why);

/* For somebody who looks on: what was asked of name servers, as it is told. `found` and `why` as in net/dns.h. Each may be NULL. */
struct walk_watch {
    void (*mx)(void *arg, const struct relayhost *hop, enum dns_outcome outcome, const struct dns_mx_list *found, const struct err *why);
    void (*addresses)(void *arg, const struct relayhost *hop, const char *host, enum dns_outcome outcome, const struct addr_list *found,
                      const struct err *why);
    void (*left_out)(void *arg, const char *host, const char *why); /* and all that are not better */
};

struct walk_options {
    int protocols;   /* CONFIG_IPV4 | CONFIG_IPV6 */
    int preference;  /* one of both: that family's addresses first; 0: as they come */
    bool is_lmtp;    /* "unix:/path inet:host:24" (config.h: lmtp_hop_parse) */
    int port;        /* of what has none */
    const struct walk_watch *watch; /* or NULL; borrowed for the walk's life */
    bool is_direct;  /* the next hop is the recipients' domain; then count: */
    const char *myhostname;
    const struct addr_list *own;        /* this machine's; borrowed for the walk's life */
    const struct relayhost_list *fallback; /* borrowed for the walk's life */
    int address_limit;                  /* of the domain's MX hosts together; 0: none */
};

/* `nexthop`, without its transport, is copied. */
struct walk *walk_new(struct dns *dns, struct loop *loop, const char *nexthop, const struct walk_options *o, walk_fn *fn,
                      void *arg);
void walk_next(struct walk *w);
/* No more hosts of the part of the next hop that the last one came from. */
void walk_leave_hop(struct walk *w);
/* The hosts at hand are the domain's own, and not those of smtp_fallback_relay. */
bool walk_is_at_domain(const struct walk *w);
/* Another host may follow the one at hand. */
bool walk_has_more(const struct walk *w);
/* After ERR_PERMANENT: "5.4.4", "5.1.10", "5.4.6". */
const char *walk_status(const struct walk *w);
/* No callback comes any more. NULL is fine. */
void walk_free(struct walk *w);

#endif
