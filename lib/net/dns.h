/* SPDX-License-Identifier: Apache-2.0
 *
 * dns.h - names to addresses and mail exchangers, by c-ares, without blocking.
 *
 * Three outcomes, and the difference matters: a name that does not exist may be told to the sender, an answer that did
 * not come may not. Names may be UTF-8: they are asked for as A-labels (IDNA 2008 by libidn2). Callbacks come from the
 * loop, never from inside the asking call. */
#ifndef NET_DNS_H
#define NET_DNS_H

#include "base/err.h"
#include "net/addr.h"
#include "net/loop.h"

struct dns;
struct dns_query;

enum dns_outcome {
    DNS_FOUND,
    DNS_NONE,   /* the name does not exist (NXDOMAIN) or has no such record: ERR_PERMANENT, says which */
    DNS_FAILED, /* no answer, a broken one, or a refusal (SERVFAIL, REFUSED, timeout): ERR_TEMPORARY */
};

struct dns_options {
    const char *servers;     /* "192.0.2.53,[2001:db8::53]:5353"; NULL: $BATON_NAMESERVERS (for tests), else resolv.conf */
    int timeout_ms;          /* of the first try, longer each time; 0: 2500 */
    int tries;               /* 0: 3 */
    const char *resolv_conf; /* NULL: /etc/resolv.conf */
};

/* Reads resolv.conf and /etc/hosts here and, when they change, again. `o` may be NULL. */
struct dns *dns_new(struct loop *l, const struct dns_options *o, struct err *e);
/* Cancels what is under way. NULL is fine. */
void dns_free(struct dns *d);
/* fn(arg) once when resolv.conf or /etc/hosts has been replaced and may not be read (in a jail, files are known by their
 * inodes): what is known of name servers is out of date then, until this process ends and is started again. */
void dns_on_stale(struct dns *d, loop_fn *fn, void *arg);
/* The callback will not come. NULL is fine; not after the callback has come. */
void dns_cancel(struct dns_query *q);

/* ---- addresses ---------------------------------------- */

enum {
    DNS_IPV4 = 1,
    DNS_IPV6 = 2,
    DNS_ANY = DNS_IPV4 | DNS_IPV6,
    DNS_SEARCH = 4, /* a name that the administrator wrote: resolv.conf's "search" applies to short names */
};

/* `found` is valid during the call; IPv6 first, each with `port`. */
typedef void dns_hosts_fn(void *arg, enum dns_outcome outcome, const struct addr_list *found, const struct err *why);

/* Address literals answer themselves, "localhost" is here (RFC 6761), /etc/hosts goes before DNS. What is wanted is
 * found when at least one address is; a family that failed makes the outcome DNS_FAILED only if none was found. */
struct dns_query *dns_hosts(struct dns *d, const char *name, uint16_t port, unsigned flags, dns_hosts_fn *fn,
                            void *arg);

/* ---- mail exchangers ---------------------------------------- */

struct dns_mx {
    char *host; /* without the dot at its end */
    uint16_t preference;
};

struct dns_mx_list {
    struct dns_mx *at; /* sorted by preference, shuffled within each (RFC 5321 5.1) */
    size_t n;
    bool is_null; /* "MX 0 .": this domain takes no mail (RFC 7505); n is 0 then */
};

typedef void dns_mx_fn(void *arg, enum dns_outcome outcome, const struct dns_mx_list *found, const struct err *why);

/* DNS_NONE covers both "no such domain" and "no MX": then its addresses are to be tried, and say themselves whether it
 * exists. `found` is valid during the call. */
struct dns_query *dns_mx(struct dns *d, const char *name, dns_mx_fn *fn, void *arg);

/* ---- texts and names ---------------------------------------- */

/* `found` is valid during the call: texts, or host names without the dot at their end. */
typedef void dns_list_fn(void *arg, enum dns_outcome outcome, char *const *found, size_t n, const struct err *why);

/* TXT records, the strings of each joined (RFC 7208 3.3). Bytes that are no printable ASCII have become '?'. */
struct dns_query *dns_txt(struct dns *d, const char *name, dns_list_fn *fn, void *arg);
/* The name servers of a zone. */
struct dns_query *dns_ns(struct dns *d, const char *name, dns_list_fn *fn, void *arg);
/* What an address is called by whoever has it (PTR), or by /etc/hosts. Anybody may call his address anything: a name counts when
 * dns_hosts() leads back from it. */
struct dns_query *dns_name(struct dns *d, const union addr *of, dns_list_fn *fn, void *arg);

/* ---- names ---------------------------------------- */

/* The A-label form, lower case, without the dot at its end; to be freed. NULL when it cannot be a host name. */
char *dns_ascii_name(struct span name, struct err *e);

#endif
