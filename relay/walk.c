/* SPDX-License-Identifier: Apache-2.0 */
#include "relay/walk.h"

#include "base/buf.h"
#include "base/mem.h"
#include "relay/own.h"

#include <stdio.h>
#include <stdlib.h>
#include <strings.h>

struct walk {
    struct dns *dns;
    struct loop *loop;
    unsigned dns_flags;
    walk_fn *fn;
    void *arg;
    struct relayhost *hops;
    size_t n_hops, at_hop;      /* at_hop is the one whose hosts are being walked; n_hops: past the end */
    bool is_in_hop;
    struct dns_mx_list mx;      /* of the hop at hand; copied */
    size_t at_mx;
    char *name;                 /* being looked up */
    struct addr_list addrs;
    struct dns_query *query;
    struct later later;
    struct buf troubles;
    bool has_temporary;
    struct walk_options o;
    bool has_offered;           /* a host of the domain */
    int n_addrs;                /* of its hosts so far */
    char status[12];
};

static void step(void *arg);

static int parse_hops(struct walk *w, const char *nexthop, const struct walk_options *o, struct err *e)
{
    struct span rest = span_str(nexthop), word;

    while (span_word(&rest, ",", &word)) {
        w->hops = xreallocarray(w->hops, w->n_hops + 1, sizeof *w->hops);
        struct relayhost *h = &w->hops[w->n_hops];
        if ((o->is_lmtp ? lmtp_hop_parse(h, word, o->port, e) : relayhost_parse(h, word, e)) < 0)
            return -1;
        if (!h->has_port)
            h->port = (uint16_t)o->port;
        w->n_hops++;
    }
    return 0;
}

bool walk_is_at_domain(const struct walk *w)
{
    return w->o.is_direct && w->at_hop == 0;
}

/* `status`: what to tell the sender when it is final. */
static void add_trouble(struct walk *w, const struct err *why, const char *status)
{
    snprintf(w->status, sizeof w->status, "%s", status);
    if (w->troubles.len)
        buf_adds(&w->troubles, "; ");
    buf_adds(&w->troubles, why->text);
    w->has_temporary |= why->kind == ERR_TEMPORARY || (w->o.is_direct && !walk_is_at_domain(w));
}

/* Behind the domain come others, which have been checked with the configuration. */
static void add_fallback(struct walk *w)
{
    struct err e;

    for (size_t i = 0; w->o.fallback && i < w->o.fallback->n; i++) {
        w->hops = xreallocarray(w->hops, w->n_hops + 1, sizeof *w->hops);
        if (relayhost_parse(&w->hops[w->n_hops], span_str(w->o.fallback->at[i].text), &e) == 0)
            w->n_hops++;
    }
}

struct walk *walk_new(struct dns *dns, struct loop *loop, const char *nexthop, const struct walk_options *o, walk_fn *fn,
                      void *arg)
{
    struct walk *w = xcalloc(1, sizeof *w);
    struct err e;

    w->dns = dns;
    w->loop = loop;
    w->dns_flags = DNS_SEARCH | (o->protocols & CONFIG_IPV4 ? DNS_IPV4 : 0u) |
                   (o->protocols & CONFIG_IPV6 ? DNS_IPV6 : 0u);
    w->fn = fn;
    w->arg = arg;
    buf_init(&w->troubles, 4096);
    w->o = *o;
    if (parse_hops(w, nexthop, o, &e) < 0)
        add_trouble(w, &e, "5.1.2");
    else if (o->is_direct)
        add_fallback(w);
    return w;
}

static void forget_mx(struct walk *w)
{
    for (size_t i = 0; i < w->mx.n; i++)
        free(w->mx.at[i].host);
    free(w->mx.at);
    w->mx = (struct dns_mx_list){ 0 };
    w->at_mx = 0;
}

void walk_free(struct walk *w)
{
    if (!w)
        return;
    dns_cancel(w->query);
    later_cancel(&w->later);
    forget_mx(w);
    addr_list_fini(&w->addrs);
    for (size_t i = 0; i < w->n_hops; i++)
        relayhost_fini(&w->hops[i]);
    free(w->hops);
    free(w->name);
    buf_fini(&w->troubles);
    free(w);
}

void walk_next(struct walk *w)
{
    later_start(&w->later, w->loop, step, w);
}

void walk_leave_hop(struct walk *w)
{
    w->at_mx = w->mx.n;
}

bool walk_has_more(const struct walk *w)
{
    return w->at_mx < w->mx.n || w->at_hop + 1 < w->n_hops;
}

const char *walk_status(const struct walk *w)
{
    return w->status;
}

static void next_hop(struct walk *w)
{
    forget_mx(w);
    w->is_in_hop = false;
    w->at_hop++;
}

static void tell_left_out(const struct walk *w, const char *host, const char *why)
{
    if (w->o.watch && w->o.watch->left_out)
        w->o.watch->left_out(w->arg, host, why);
}

static void note_loop(struct walk *w)
{
    struct err e;

    if (w->has_offered)
        return;
    err_set(&e, ERR_PERMANENT, "mail for %s loops back to myself", w->hops[w->at_hop].host);
    add_trouble(w, &e, "5.4.6");
}

/* RFC 5321 5.1: from ourselves on, nobody in the list is nearer to the mailbox than we are. */
static bool may_offer(struct walk *w)
{
    if (w->o.own && own_has_one_of(w->o.own, &w->addrs)) {
        tell_left_out(w, w->name, "its address is one of this machine");
        w->at_mx = w->mx.n;
        note_loop(w);
        return false;
    }
    if (w->o.address_limit && w->n_addrs >= w->o.address_limit) {
        tell_left_out(w, w->name, "smtp_mx_address_limit has been reached");
        return false;
    }
    if (w->o.address_limit && w->n_addrs + (int)w->addrs.n > w->o.address_limit)
        w->addrs.n = (size_t)(w->o.address_limit - w->n_addrs);
    w->n_addrs += (int)w->addrs.n;
    w->has_offered = true;
    return true;
}

/* Those of that family first, in their order. */
static void prefer_family(struct addr_list *l, int preference)
{
    int family = preference == CONFIG_IPV4 ? AF_INET : AF_INET6;

    for (size_t i = 0, to = 0; i < l->n && preference; i++)
        if (l->at[i].sa.sa_family == family) {
            union addr a = l->at[i];
            memmove(&l->at[to + 1], &l->at[to], (i - to) * sizeof(*l->at));
            l->at[to++] = a;
        }
}

static void got_addresses(void *arg, enum dns_outcome outcome, const struct addr_list *found, const struct err *why)
{
    struct walk *w = arg;

    w->query = NULL;
    if (w->o.watch && w->o.watch->addresses)
        w->o.watch->addresses(w->arg, &w->hops[w->at_hop], w->name, outcome, found, why);
    if (outcome != DNS_FOUND) {
        add_trouble(w, why, "5.4.4");
        walk_next(w);
        return;
    }
    addr_list_fini(&w->addrs);
    addr_list_copy(&w->addrs, found);
    if (walk_is_at_domain(w) && !may_offer(w)) {
        walk_next(w);
        return;
    }
    prefer_family(&w->addrs, w->o.preference);
    const struct walk_host host = {
        .name = w->name,
        .addrs = &w->addrs,
        .relayhost = &w->hops[w->at_hop],
        .is_fallback = w->o.is_direct && w->at_hop > 0,
    };
    w->fn(w->arg, &host, NULL);
}

static void look_up(struct walk *w, const char *name)
{
    free(w->name);
    w->name = xstrdup(name);
    w->query = dns_hosts(w->dns, w->name, w->hops[w->at_hop].port, w->dns_flags, got_addresses, w);
}

/* How many of the list are better than our own name in it. */
static size_t nearer_than_we(const struct walk *w, const struct dns_mx_list *l)
{
    uint16_t ours = UINT16_MAX;
    bool is_there = false;
    size_t n = 0;

    for (size_t i = 0; i < l->n && !is_there; i++) {
        is_there = strcasecmp(l->at[i].host, w->o.myhostname) == 0;
        ours = l->at[i].preference;
    }
    while (n < l->n && (!is_there || l->at[n].preference < ours))
        n++;
    return n;
}

static void got_mx(void *arg, enum dns_outcome outcome, const struct dns_mx_list *found, const struct err *why)
{
    struct walk *w = arg;
    struct err e;

    w->query = NULL;
    if (w->o.watch && w->o.watch->mx)
        w->o.watch->mx(w->arg, &w->hops[w->at_hop], outcome, found, why);
    if (outcome == DNS_NONE) {
        look_up(w, w->hops[w->at_hop].host);
        return;
    }
    if (outcome == DNS_FAILED) {
        add_trouble(w, why, "5.4.4");
    } else if (found->is_null && walk_is_at_domain(w)) {
        err_set(&e, ERR_PERMANENT, "the domain %s takes no mail (null MX)", w->hops[w->at_hop].host);
        add_trouble(w, &e, "5.1.10");
    } else if (found->is_null) {
        err_set(&e, ERR_CONFIG, "%s takes no mail (its MX record says so): write the name of a host, in brackets",
                w->hops[w->at_hop].host);
        add_trouble(w, &e, "5.1.10");
    } else {
        size_t n = walk_is_at_domain(w) ? nearer_than_we(w, found) : found->n;
        w->mx.at = xcalloc(found->n, sizeof *w->mx.at);
        for (size_t i = 0; i < n; i++)
            w->mx.at[w->mx.n++] = (struct dns_mx){ xstrdup(found->at[i].host), found->at[i].preference };
        if (n < found->n)
            tell_left_out(w, found->at[n].host, "from this machine's own name in the list on, nobody is nearer to the mailbox");
        if (!n)
            note_loop(w);
    }
    walk_next(w);
}

static void at_socket(struct walk *w, const struct relayhost *hop)
{
    static const struct addr_list none;
    const struct walk_host host = { .name = hop->text, .addrs = &none, .path = hop->path, .relayhost = hop };
    w->fn(w->arg, &host, NULL);
}

static void finish(struct walk *w)
{
    struct err why = { 0 };

    if (w->troubles.len)
        err_set(&why, w->has_temporary ? ERR_TEMPORARY : w->o.is_direct ? ERR_PERMANENT : ERR_CONFIG, "%s",
                buf_cstr(&w->troubles));
    w->fn(w->arg, NULL, &why);
}

/* One step: the next MX host of the hop at hand, or the first of the next hop. */
static void step(void *arg)
{
    struct walk *w = arg;

    if (w->is_in_hop && w->at_mx < w->mx.n) {
        look_up(w, w->mx.at[w->at_mx++].host);
        return;
    }
    if (w->is_in_hop)
        next_hop(w);
    if (w->at_hop == w->n_hops) {
        finish(w);
        return;
    }
    w->is_in_hop = true;
    const struct relayhost *hop = &w->hops[w->at_hop];
    if (hop->path)
        at_socket(w, hop);
    else if (hop->is_bracketed || hop->is_address)
        look_up(w, hop->host);
    else
        w->query = dns_mx(w->dns, hop->host, got_mx, w);
}
