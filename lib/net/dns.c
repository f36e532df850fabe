/* SPDX-License-Identifier: Apache-2.0
 *
 * dns.c - questions to c-ares, answers to the caller.
 *
 * IPv4 and IPv6 addresses are asked for by two questions of their own and not by ares_getaddrinfo(AF_UNSPEC): that one
 * tells only how the last of both ended, and "SERVFAIL, then no such record" must not look like "does not exist". Short
 * names are searched for by c-ares as resolv.conf says; all others get a dot at their end, which keeps it from that. */
#include "net/dns.h"

#include "base/mem.h"
#include "net/dns_int.h"

#include <ctype.h>
#include <netdb.h>
#include <stdlib.h>
#include <sys/random.h>

#include <idn2.h>

/* ---- names ---------------------------------------- */

static bool is_host_name(const char *name)
{
    size_t label = 0, total = strlen(name);
    if (total == 0 || total > 253)
        return false;
    for (const char *p = name; *p; p++) {
        if (*p == '.') {
            if (label == 0)
                return false;
            label = 0;
            continue;
        }
        if (!ascii_is_alnum((unsigned char)*p) && *p != '-' && *p != '_')
            return false;
        if (++label > 63)
            return false;
    }
    return label > 0;
}

char *dns_ascii_name(struct span name, struct err *e)
{
    char *ascii = NULL, *copy = span_dup(name);
    if (strlen(copy) != name.len) {
        free(copy);
        err_set(e, ERR_PERMANENT, "a host name with a NUL in it");
        return NULL;
    }
    int code = idn2_to_ascii_8z(copy, &ascii, IDN2_NONTRANSITIONAL | IDN2_NFC_INPUT);
    if (code != IDN2_OK)
        code = idn2_to_ascii_8z(copy, &ascii, IDN2_TRANSITIONAL | IDN2_NFC_INPUT);
    char *out = code == IDN2_OK ? xstrdup(ascii) : NULL;
    idn2_free(ascii);
    if (out) {
        size_t len = strlen(out);
        if (len && out[len - 1] == '.')
            out[len - 1] = '\0';
        ascii_lower_str(out);
    }
    if (!out || !is_host_name(out)) {
        err_set(e, ERR_PERMANENT, "\"%.255s\" is not a host name", copy);
        free(out);
        out = NULL;
    }
    free(copy);
    return out;
}

/* ---- a question's life ---------------------------------------- */

static enum dns_outcome outcome_of(int status)
{
    switch (status) {
    case ARES_SUCCESS: return DNS_FOUND;
    case ARES_ENOTFOUND:
    case ARES_ENODATA: return DNS_NONE;
    default: return DNS_FAILED;
    }
}

static const char *words(int status)
{
    switch (status) {
    case ARES_ENOTFOUND: return "there is no such name in the DNS";
    case ARES_ETIMEOUT: return "the name servers did not answer in time";
    case ARES_ECONNREFUSED: return "no name server could answer (none is reachable, or all of them failed)";
    case ARES_ESERVFAIL: return "the name servers failed to answer (SERVFAIL)";
    case ARES_EREFUSED: return "the name servers refused to answer";
    default: return ares_strerror(status);
    }
}

void dns_query_free(struct dns_query *q)
{
    list_remove(&q->link);
    later_cancel(&q->later);
    addr_list_fini(&q->found);
    dns_mx_list_fini(&q->mx);
    for (size_t i = 0; i < q->n_list; i++)
        free(q->list[i]);
    free(q->list);
    free(q->name);
    free(q);
}

/* c-ares always calls back, also what nobody waits for any more: the memory goes with the last answer. */
void dns_query_settle(struct dns_query *q)
{
    if (q->n_pending)
        return;
    if (!q->is_cancelled)
        later_start(&q->later, q->dns->loop, q->finish, q);
    else
        dns_query_free(q);
}

struct dns_query *dns_query_new(struct dns *d, const char *name, loop_fn *finish, void *arg)
{
    struct dns_query *q = xcalloc(1, sizeof(*q));
    q->dns = d;
    q->finish = finish;
    q->arg = arg;
    q->status = ARES_ENODATA;
    list_append(&d->queries, &q->link);
    q->name = dns_ascii_name(span_str(name), &q->why);
    return q;
}

void dns_cancel(struct dns_query *q)
{
    if (!q || q->is_cancelled)
        return;
    q->is_cancelled = true;
    later_cancel(&q->later);
    dns_query_settle(q);
}

/* Of several answers the one that leaves most open counts: an answer found, else a failure, else a plain no. */
void dns_note_status(struct dns_query *q, int status)
{
    if (q->status == ARES_SUCCESS || outcome_of(q->status) == DNS_FAILED)
        return;
    if (status != ARES_ENODATA)
        q->status = status;
}

/* Fills in why, and says how it ended. */
enum dns_outcome dns_conclude(struct dns_query *q, const char *what, bool has_found)
{
    if (q->why.kind != ERR_NONE)
        return DNS_NONE; /* it is not even a name */
    if (has_found)
        return DNS_FOUND;
    if (q->status == ARES_SUCCESS)
        q->status = ARES_ENODATA;
    enum dns_outcome outcome = outcome_of(q->status);
    enum err_kind kind = outcome == DNS_NONE ? ERR_PERMANENT : ERR_TEMPORARY;
    if (q->status == ARES_ENODATA)
        err_set(&q->why, kind, "%s: the name exists, but has no %s", q->name, what);
    else
        err_set(&q->why, kind, "%s: %s", q->name, words(q->status));
    return outcome;
}

/* ---- addresses ---------------------------------------- */

static void hosts_finish(void *arg)
{
    struct dns_query *q = arg;
    enum dns_outcome outcome = dns_conclude(q, "address", q->found.n > 0);
    q->hosts_fn(q->arg, outcome, &q->found, &q->why);
    dns_query_free(q);
}

static void add_raw(struct dns_query *q, int family, const void *raw)
{
    union addr a = { .in6 = { 0 } };
    a.sa.sa_family = (sa_family_t)family;
    if (family == AF_INET)
        memcpy(&a.in4.sin_addr, raw, sizeof(a.in4.sin_addr));
    else
        memcpy(&a.in6.sin6_addr, raw, sizeof(a.in6.sin6_addr));
    addr_set_port(&a, q->port);
    for (size_t i = 0; i < q->found.n; i++) {
        if (addr_eq(&q->found.at[i], &a))
            return;
    }
    addr_list_add(&q->found, &a);
    if (family != AF_INET6)
        return;
    size_t at = q->found.n - 1; /* IPv6 comes first, whichever answer did */
    for (; at > 0 && q->found.at[at - 1].sa.sa_family == AF_INET; at--)
        q->found.at[at] = q->found.at[at - 1];
    q->found.at[at] = a;
}

static void on_addresses(void *arg, int status, int timeouts, struct ares_addrinfo *ai)
{
    struct dns_query *q = arg;
    (void)timeouts;
    q->n_pending--;
    dns_note_status(q, status);
    for (struct ares_addrinfo_node *n = ai ? ai->nodes : NULL; n && status == ARES_SUCCESS; n = n->ai_next) {
        if (n->ai_family == AF_INET)
            add_raw(q, AF_INET, &((struct sockaddr_in *)(void *)n->ai_addr)->sin_addr);
        else if (n->ai_family == AF_INET6)
            add_raw(q, AF_INET6, &((struct sockaddr_in6 *)(void *)n->ai_addr)->sin6_addr);
    }
    if (ai)
        ares_freeaddrinfo(ai);
    dns_query_settle(q);
}

static void ask_addresses(struct dns_query *q, int family, bool search)
{
    struct ares_addrinfo_hints hints = { .ai_family = family, .ai_flags = ARES_AI_NOSORT, .ai_socktype = SOCK_STREAM };
    char *name = xasprintf("%s%s", q->name, search ? "" : ".");
    q->n_pending++;
    ares_getaddrinfo(q->dns->channel, name, NULL, &hints, on_addresses, q);
    free(name);
}

static void add_from_file(struct dns_query *q, int family)
{
    struct hostent *h = NULL;
    if (ares_gethostbyname_file(q->dns->channel, q->name, family, &h) != ARES_SUCCESS)
        return;
    for (char **p = h->h_addr_list; *p; p++)
        add_raw(q, h->h_addrtype, *p);
    ares_free_hostent(h);
}

static void add_localhost(struct dns_query *q, unsigned flags)
{
    struct in_addr v4 = { htonl(INADDR_LOOPBACK) };
    if (flags & DNS_IPV6)
        add_raw(q, AF_INET6, &in6addr_loopback);
    if (flags & DNS_IPV4)
        add_raw(q, AF_INET, &v4);
}

static bool is_localhost(const char *name)
{
    return strcmp(name, "localhost") == 0 || span_iends(span_str(name), ".localhost");
}

/* What needs no server. */
static void answer_here(struct dns_query *q, unsigned flags)
{
    if (is_localhost(q->name)) {
        add_localhost(q, flags);
        return;
    }
    if (flags & DNS_IPV6)
        add_from_file(q, AF_INET6);
    if (flags & DNS_IPV4)
        add_from_file(q, AF_INET);
}

struct dns_query *dns_hosts(struct dns *d, const char *name, uint16_t port, unsigned flags, dns_hosts_fn *fn, void *arg)
{
    union addr literal;
    bool is_literal = addr_parse(&literal, span_str(name), port);
    size_t len = strlen(name);
    bool search = (flags & DNS_SEARCH) && len && name[len - 1] != '.';
    dns_refresh(d);
    struct dns_query *q = dns_query_new(d, is_literal ? "localhost" : name, hosts_finish, arg);
    q->hosts_fn = fn;
    q->port = port;
    if (!(flags & DNS_ANY))
        flags |= DNS_ANY;
    q->n_pending = 1; /* so that an answer that comes at once does not end it before the other is asked for */
    if (is_literal)
        addr_list_add(&q->found, &literal);
    else if (q->name)
        answer_here(q, flags);
    bool ask = q->name && !q->found.n; /* c-ares 1.34 may answer at once, from its cache */
    if (ask && (flags & DNS_IPV6))
        ask_addresses(q, AF_INET6, search);
    if (ask && (flags & DNS_IPV4))
        ask_addresses(q, AF_INET, search);
    q->n_pending--;
    dns_set_timer(d);
    dns_query_settle(q);
    return q;
}

/* ---- mail exchangers ---------------------------------------- */

static uint32_t random_below(uint32_t n)
{
    uint32_t r = 0;
    (void)!getrandom(&r, sizeof(r), 0); /* a predictable order would do as well */
    return r % n;
}

static int by_preference(const void *a, const void *b)
{
    const struct dns_mx *x = a, *y = b;
    return (x->preference > y->preference) - (x->preference < y->preference);
}

void dns_mx_list_fini(struct dns_mx_list *l)
{
    for (size_t i = 0; i < l->n; i++)
        free(l->at[i].host);
    free(l->at);
    *l = (struct dns_mx_list){ 0 };
}

static void mx_arrange(struct dns_mx_list *l)
{
    for (size_t i = l->n; i > 1; i--) {
        size_t j = random_below((uint32_t)i);
        struct dns_mx swap = l->at[i - 1];
        l->at[i - 1] = l->at[j];
        l->at[j] = swap;
    }
    /* Insertion keeps the shuffled order among equals, which qsort() does not promise. */
    for (size_t i = 1; i < l->n; i++) {
        struct dns_mx m = l->at[i];
        size_t j = i;
        for (; j > 0 && by_preference(&l->at[j - 1], &m) > 0; j--)
            l->at[j] = l->at[j - 1];
        l->at[j] = m;
    }
}

static void mx_add(struct dns_mx_list *l, const char *host, uint16_t preference)
{
    size_t len = strlen(host);
    if (len && host[len - 1] == '.')
        len--;
    if (len == 0) { /* RFC 7505: alone it means "no mail", among others it means nothing */
        l->is_null = true;
        return;
    }
    l->at = xreallocarray(l->at, l->n + 1, sizeof(*l->at));
    l->at[l->n++] = (struct dns_mx){ .host = span_dup(span_of(host, len)), .preference = preference };
}

static void mx_finish(void *arg)
{
    struct dns_query *q = arg;
    enum dns_outcome outcome = dns_conclude(q, "MX record", q->mx.n > 0 || q->mx.is_null);
    q->mx_fn(q->arg, outcome, &q->mx, &q->why);
    dns_query_free(q);
}

static void on_mx(void *arg, int status, int timeouts, unsigned char *answer, int len)
{
    struct dns_query *q = arg;
    struct ares_mx_reply *first = NULL;
    (void)timeouts;
    q->n_pending--;
    if (status == ARES_SUCCESS)
        status = ares_parse_mx_reply(answer, len, &first);
    dns_note_status(q, status);
    for (struct ares_mx_reply *m = first; m; m = m->next)
        mx_add(&q->mx, m->host, m->priority);
    if (q->mx.n)
        q->mx.is_null = false;
    if (first)
        ares_free_data(first);
    mx_arrange(&q->mx);
    dns_query_settle(q);
}

struct dns_query *dns_mx(struct dns *d, const char *name, dns_mx_fn *fn, void *arg)
{
    dns_refresh(d);
    struct dns_query *q = dns_query_new(d, name, mx_finish, arg);
    q->mx_fn = fn;
    q->n_pending = 1;
    if (q->name) {
        q->n_pending++;
        ares_query(d->channel, q->name, 1 /* IN */, 15 /* MX */, on_mx, q);
    }
    q->n_pending--;
    dns_set_timer(d);
    dns_query_settle(q);
    return q;
}
