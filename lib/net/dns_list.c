/* SPDX-License-Identifier: Apache-2.0
 *
 * dns_list.c - questions whose answers are texts: TXT, NS, and the names of an address. */
#include "base/buf.h"
#include "base/mem.h"
#include "net/dns_int.h"

#include <netdb.h>
#include <stdlib.h>

enum { LIST_MAX = 100, TYPE_NS = 2, TYPE_PTR = 12, TYPE_TXT = 16 };

static void add(struct dns_query *q, char *text)
{
    if (q->n_list == LIST_MAX) {
        free(text);
        return;
    }
    q->list = xreallocarray(q->list, q->n_list + 1, sizeof *q->list);
    q->list[q->n_list++] = text;
}

static void finish(struct dns_query *q, const char *what)
{
    enum dns_outcome outcome = dns_conclude(q, what, q->n_list > 0);

    q->list_fn(q->arg, outcome, q->list, q->n_list, &q->why);
    dns_query_free(q);
}

static void finish_txt(void *arg)
{
    finish(arg, "TXT record");
}

static void finish_ns(void *arg)
{
    finish(arg, "NS record");
}

static void finish_name(void *arg)
{
    finish(arg, "name");
}

/* ---- texts ---------------------------------------- */

static void add_text(struct dns_query *q, const struct ares_txt_ext **at)
{
    const struct ares_txt_ext *t = *at;
    struct buf text;

    buf_init(&text, 65536);
    do {
        for (size_t i = 0; i < t->length; i++)
            buf_addc(&text, t->txt[i] >= ' ' && t->txt[i] < 0x7f ? (char)t->txt[i] : '?');
        t = t->next;
    } while (t && !t->record_start);
    add(q, xstrdup(buf_cstr(&text)));
    buf_fini(&text);
    *at = t;
}

static void on_txt(void *arg, int status, int timeouts, unsigned char *answer, int len)
{
    struct dns_query *q = arg;
    struct ares_txt_ext *first = NULL;

    (void)timeouts;
    q->n_pending--;
    if (status == ARES_SUCCESS)
        status = ares_parse_txt_reply_ext(answer, len, &first);
    dns_note_status(q, status);
    for (const struct ares_txt_ext *t = first; t;)
        add_text(q, &t);
    if (first)
        ares_free_data(first);
    dns_query_settle(q);
}

/* ---- names ---------------------------------------- */

static void add_host(struct dns_query *q, const char *name)
{
    size_t len = strlen(name);
    struct err e;

    if (len && name[len - 1] == '.')
        len--;
    char *host = dns_ascii_name(span_of(name, len), &e); /* an answer may hold anything */
    for (size_t i = 0; host && i < q->n_list; i++)
        if (strcmp(q->list[i], host) == 0) {
            free(host);
            return;
        }
    if (host)
        add(q, host);
}

static void add_hosts(struct dns_query *q, const struct hostent *h)
{
    if (h->h_name && *h->h_name)
        add_host(q, h->h_name);
    for (char **alias = h->h_aliases; alias && *alias; alias++)
        add_host(q, *alias);
}

static void on_ns(void *arg, int status, int timeouts, unsigned char *answer, int len)
{
    struct dns_query *q = arg;
    struct hostent *h = NULL;

    (void)timeouts;
    q->n_pending--;
    if (status == ARES_SUCCESS)
        status = ares_parse_ns_reply(answer, len, &h);
    dns_note_status(q, status);
    for (char **host = h ? h->h_aliases : NULL; host && *host; host++) /* h_name is the zone */
        add_host(q, *host);
    if (h)
        ares_free_hostent(h);
    dns_query_settle(q);
}

static void on_name(void *arg, int status, int timeouts, unsigned char *answer, int len)
{
    struct dns_query *q = arg;
    struct hostent *h = NULL;

    (void)timeouts;
    q->n_pending--;
    if (status == ARES_SUCCESS)
        status = ares_parse_ptr_reply(answer, len, NULL, 0, AF_INET, &h);
    if (status == ARES_EBADRESP) /* a name that is none, which its owner may write as he likes */
        status = ARES_ENODATA;
    dns_note_status(q, status);
    if (h)
        add_hosts(q, h);
    if (h)
        ares_free_hostent(h);
    dns_query_settle(q);
}

/* Of the channel that reads /etc/hosts: called from inside ares_gethostbyaddr(). */
static void on_name_in_file(void *arg, int status, int timeouts, struct hostent *h)
{
    (void)timeouts;
    if (status == ARES_SUCCESS && h)
        add_hosts(arg, h);
}

/* "1.2.0.192.in-addr.arpa" */
static void reverse(const union addr *a, struct buf *out)
{
    const unsigned char *b = a->sa.sa_family == AF_INET ? (const unsigned char *)&a->in4.sin_addr : a->in6.sin6_addr.s6_addr;

    if (a->sa.sa_family == AF_INET)
        buf_addf(out, "%u.%u.%u.%u.in-addr.arpa", b[3], b[2], b[1], b[0]);
    for (int i = 15; i >= 0 && a->sa.sa_family != AF_INET; i--)
        buf_addf(out, "%x.%x.%s", b[i] & 15, b[i] >> 4, i ? "" : "ip6.arpa");
}

/* ---- asking ---------------------------------------- */

static struct dns_query *ask(struct dns *d, const char *name, int type, ares_callback on_answer, loop_fn *end, dns_list_fn *fn, void *arg)
{
    dns_refresh(d);
    struct dns_query *q = dns_query_new(d, name, end, arg);
    q->list_fn = fn;
    q->n_pending = 1; /* c-ares may answer at once */
    if (q->name) {
        q->n_pending++;
        ares_query(d->channel, q->name, 1 /* IN */, type, on_answer, q);
    }
    q->n_pending--;
    dns_set_timer(d);
    dns_query_settle(q);
    return q;
}

struct dns_query *dns_txt(struct dns *d, const char *name, dns_list_fn *fn, void *arg)
{
    return ask(d, name, TYPE_TXT, on_txt, finish_txt, fn, arg);
}

struct dns_query *dns_ns(struct dns *d, const char *name, dns_list_fn *fn, void *arg)
{
    return ask(d, name, TYPE_NS, on_ns, finish_ns, fn, arg);
}

struct dns_query *dns_name(struct dns *d, const union addr *of, dns_list_fn *fn, void *arg)
{
    bool is_ipv4 = of->sa.sa_family == AF_INET;
    const void *raw = is_ipv4 ? (const void *)&of->in4.sin_addr : (const void *)&of->in6.sin6_addr;
    struct buf name;

    buf_init(&name, 128);
    reverse(of, &name);
    dns_refresh(d);
    struct dns_query *q = dns_query_new(d, buf_cstr(&name), finish_name, arg);
    buf_fini(&name);
    q->list_fn = fn;
    q->n_pending = 1;
    ares_channel files = dns_files(d);
    if (files)
        ares_gethostbyaddr(files, raw, is_ipv4 ? 4 : 16, of->sa.sa_family, on_name_in_file, q);
    if (!q->n_list) {
        q->n_pending++;
        ares_query(d->channel, q->name, 1 /* IN */, TYPE_PTR, on_name, q);
    }
    q->n_pending--;
    dns_set_timer(d);
    dns_query_settle(q);
    return q;
}
