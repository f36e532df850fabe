/* SPDX-License-Identifier: Apache-2.0
 *
 * policy_service.c - connections to policy servers, and the questions over them. A server that has closed a kept connection is
 * asked again over a new one, at once; one that fails is tried smtpd_policy_service_try_limit times, and then the default action is
 * the answer: 451, and never a yes by accident. */
#include "server/policy_service.h"

#include "base/log.h"
#include "base/mem.h"
#include "net/dial.h"
#include "net/dns.h"
#include "server/access.h"
#include "server/restrict_fns.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { IDLE_MAX = 20, CONNECT_TIMEOUT_MS = 30000 };

struct policy_service {
    struct restrictions *all; /* borrowed */
    char *spec;               /* as in the list */
    char *place;              /* "unix:/run/policy", for the log */
    char *path;               /* or NULL: */
    char *host;
    uint16_t port;
    char *default_action, *context; /* NULL: as the parameters say */
    int64_t timeout_ms, max_idle_ms, max_ttl_ms, retry_delay_ms;
    int try_limit, request_limit;
    struct list links;
    unsigned n_idle;
};

struct link { /* a connection */
    struct list list; /* in service->links */
    struct policy_service *service;
    struct conn *conn;
    struct job *job; /* NULL: kept for the next */
    int64_t opened_ms;
    int n_requests;
    struct buf in;
};

struct job { /* a question */
    struct check *c;
    struct policy_service *service;
    struct subject subject;
    struct buf request;
    int n_tries;
    struct dns_query *dns;
    struct dial *dial;
    struct link *link;
    struct timer timer; /* of a try, or till the next one */
};

/* ---- connections ---- */

static void drop_link(struct link *l)
{
    if (!l->job)
        l->service->n_idle--;
    list_remove(&l->list);
    conn_close(l->conn);
    buf_fini(&l->in);
    free(l);
}

static void failed(struct job *j, const char *why);
static void retry_now(struct job *j);
static void answered(struct job *j, struct span action);

static void on_data(void *arg, struct span bytes)
{
    struct link *l = arg;
    struct span action;

    if (!l->job) { /* nobody has asked */
        drop_link(l);
        return;
    }
    bool fits = buf_addspan(&l->in, bytes) == 0;
    switch (fits ? policy_reply_parse(buf_span(&l->in), &action) : POLICY_GARBAGE) {
    case POLICY_MORE: return;
    case POLICY_ACTION: answered(l->job, action); return;
    case POLICY_GARBAGE: failed(l->job, "its answer is no \"action=...\" and an empty line"); return;
    }
}

static void on_closed(void *arg, const struct err *why)
{
    struct link *l = arg;
    struct job *j = l->job;

    if (!j)
        drop_link(l);
    else if (l->n_requests > 1 && l->in.len == 0)
        retry_now(j); /* it was kept for too long */
    else
        failed(j, why->kind == ERR_NONE ? "it has closed the connection without an answer" : why->text);
}

static const struct conn_ops link_ops = { on_data, NULL, on_closed };

static struct link *new_link(struct policy_service *p, struct conn *conn)
{
    struct link *l = xcalloc(1, sizeof *l);

    *l = (struct link){ .service = p, .conn = conn, .opened_ms = loop_now_ms(p->all->loop) };
    buf_init(&l->in, POLICY_REPLY_MAX);
    list_append(&p->links, &l->list);
    conn_open(conn, &link_ops, l);
    return l;
}

static bool may_be_kept(const struct link *l)
{
    const struct policy_service *p = l->service;

    return p->n_idle < IDLE_MAX && (!p->request_limit || l->n_requests < p->request_limit) &&
           (!p->max_ttl_ms || loop_now_ms(p->all->loop) - l->opened_ms < p->max_ttl_ms);
}

static struct link *kept_link(struct policy_service *p)
{
    list_each(it, &p->links) {
        struct link *l = list_entry(it, struct link, list);
        if (l->job)
            continue;
        p->n_idle--;
        return l;
    }
    return NULL;
}

/* Its question is answered, or will never be. */
static void leave_link(struct job *j, bool is_good)
{
    struct link *l = j->link;

    if (!l)
        return;
    j->link = NULL;
    if (!is_good || !may_be_kept(l)) {
        drop_link(l); /* with its job: it is not counted as idle */
        return;
    }
    l->job = NULL;
    buf_clear(&l->in);
    l->service->n_idle++;
    conn_set_timeout(l->conn, l->service->max_idle_ms);
}

/* ---- a question ---- */

static void free_job(struct job *j)
{
    leave_link(j, false);
    dns_cancel(j->dns);
    dial_cancel(j->dial);
    timer_stop(&j->timer);
    buf_fini(&j->request);
    free(j);
}

static void stop(struct check *c)
{
    free_job(c->job);
}

static void end(struct job *j, struct span action)
{
    struct check *c = j->c;
    struct policy_service *p = j->service;
    struct subject s = j->subject;
    char *copy = span_dup(action);

    free_job(j);
    c->job = NULL;
    c->stop = NULL;
    enum outcome o = access_do(c, p->place, span_str(copy), s, false);
    free(copy);
    if (o != LATER)
        check_answer(c, o);
}

static void answered(struct job *j, struct span action)
{
    char *copy = span_dup(action); /* it lies in the link */

    leave_link(j, true);
    end(j, span_str(copy));
    free(copy);
}

static void ask(struct job *j, struct link *l)
{
    j->link = l;
    l->job = j;
    l->n_requests++;
    buf_clear(&l->in);
    conn_set_timeout(l->conn, 0);
    conn_write(l->conn, buf_span(&j->request));
}

static void connected(void *arg, struct conn *conn, const struct err *why)
{
    struct job *j = arg;

    j->dial = NULL;
    if (conn)
        ask(j, new_link(j->service, conn));
    else
        failed(j, why->text);
}

static void got_addresses(void *arg, enum dns_outcome outcome, const struct addr_list *found, const struct err *why)
{
    struct job *j = arg;
    const struct dial_options o = { .to = found, .timeout_ms = CONNECT_TIMEOUT_MS };

    j->dns = NULL;
    if (outcome == DNS_FOUND)
        j->dial = dial_start(j->service->all->loop, &o, connected, j);
    else
        failed(j, why->text);
}

static void connect_anew(struct job *j)
{
    struct policy_service *p = j->service;

    if (p->path)
        j->dial = dial_unix(p->all->loop, p->path, CONNECT_TIMEOUT_MS, connected, j);
    else
        j->dns = dns_hosts(p->all->dns, p->host, p->port, DNS_ANY | DNS_SEARCH, got_addresses, j);
}

static void timed_out(void *arg)
{
    struct job *j = arg;
    char why[64];

    snprintf(why, sizeof why, "no answer within %lld s", (long long)(j->service->timeout_ms / 1000));
    failed(j, why);
}

static void try(void *arg)
{
    struct job *j = arg;
    struct link *l = kept_link(j->service);

    j->n_tries++;
    timer_start(&j->timer, j->service->all->loop, j->service->timeout_ms, timed_out, j);
    if (l)
        ask(j, l);
    else
        connect_anew(j);
}

static void retry_now(struct job *j)
{
    leave_link(j, false);
    connect_anew(j);
}

static void failed(struct job *j, const char *why)
{
    struct policy_service *p = j->service;

    log_warn("access restrictions: policy server %s: %s", p->place, why);
    leave_link(j, false);
    dns_cancel(j->dns);
    j->dns = NULL;
    dial_cancel(j->dial);
    j->dial = NULL;
    if (j->n_tries < p->try_limit)
        timer_start(&j->timer, p->all->loop, p->retry_delay_ms, try, j);
    else
        end(j, span_str(p->default_action ? p->default_action : j->c->f.cfg->smtpd_policy_service_default_action));
}

enum outcome restrict_check_policy_service(struct check *c, const struct restriction *r)
{
    struct policy_service *p = restrictions_service(c->all, r->arg);
    struct job *j = xcalloc(1, sizeof *j);

    j->c = c;
    j->service = p;
    j->subject = c->subject;
    buf_init(&j->request, BUF_NO_MAX);
    policy_request(c, p->context ? p->context : c->f.cfg->smtpd_policy_service_policy_context, &j->request);
    c->job = j;
    c->stop = stop;
    try(j);
    return LATER;
}

/* ---- services ---- */

static int take_place(struct policy_service *p, struct span place, struct err *e)
{
    p->place = span_dup(place);
    if (span_starts(place, "unix:")) {
        struct span path = span_from(place, 5);
        p->path = path.at[0] == '/' ? span_dup(path) : xasprintf("%s/%.*s", p->all->cfg->queue_directory, (int)path.len, path.at);
        return 0;
    }
    struct span rest = span_from(place, 5);
    size_t colon = span_rfind(rest, ':');
    uint64_t port;
    if (colon >= rest.len || !span_u64(span_from(rest, colon + 1), &port) || !port || port > 65535)
        return err_set(e, ERR_CONFIG, "check_policy_service: \"%s\" has no port: write inet:HOST:PORT", p->place);
    p->port = (uint16_t)port;
    p->host = colon ? span_dup(span_of(rest.at, colon)) : xstrdup("127.0.0.1");
    return 0;
}

/* "10s" */
static bool take_time(struct span text, int64_t *ms)
{
    static const struct {
        char unit;
        int64_t ms;
    } units[] = { { 's', 1000 }, { 'm', 60000 }, { 'h', 3600000 }, { 'd', 86400000 } };
    int64_t unit = 1000;
    uint64_t n;

    for (size_t i = 0; text.len > 1 && i < ARRAY_LEN(units); i++)
        if (text.at[text.len - 1] == units[i].unit) {
            unit = units[i].ms;
            text.len--;
            break;
        }
    if (!span_u64(text, &n) || n > 1000000)
        return false;
    *ms = (int64_t)n * unit;
    return true;
}

static bool take_count(struct span text, int *out)
{
    uint64_t n;

    if (!span_u64(text, &n) || n > 1000000)
        return false;
    *out = (int)n;
    return true;
}

static bool take_text(struct span text, char **out)
{
    free(*out);
    *out = span_dup(text);
    return true;
}

static int take_option(struct policy_service *p, struct span word, struct err *e)
{
    if (word.len > 1 && word.at[0] == '{' && word.at[word.len - 1] == '}') /* { default_action = 451 4.3.5 later } */
        word = span_trim(span_of(word.at + 1, word.len - 2));
    size_t eq = span_find(word, '=');
    struct span name = span_trim(span_of(word.at, eq)), value = span_trim(span_from(word, eq < word.len ? eq + 1 : eq));
    bool is_good = span_eq(name, SPAN("timeout"))          ? take_time(value, &p->timeout_ms)
                   : span_eq(name, SPAN("max_idle"))       ? take_time(value, &p->max_idle_ms)
                   : span_eq(name, SPAN("max_ttl"))        ? take_time(value, &p->max_ttl_ms)
                   : span_eq(name, SPAN("retry_delay"))    ? take_time(value, &p->retry_delay_ms)
                   : span_eq(name, SPAN("try_limit"))      ? take_count(value, &p->try_limit)
                   : span_eq(name, SPAN("request_limit"))  ? take_count(value, &p->request_limit)
                   : span_eq(name, SPAN("default_action")) ? take_text(value, &p->default_action)
                   : span_eq(name, SPAN("policy_context")) ? take_text(value, &p->context)
                                                           : false;

    if (is_good)
        return 0;
    return err_set(e, ERR_CONFIG,
                   "check_policy_service %s: \"%.*s\" is no option: there are timeout, max_idle, max_ttl, retry_delay, try_limit, "
                   "request_limit, default_action and policy_context, each with =VALUE",
                   p->place, (int)word.len, word.at);
}

static void set_defaults(struct policy_service *p)
{
    const struct config *cfg = p->all->cfg;

    p->timeout_ms = cfg->smtpd_policy_service_timeout / 1000;
    p->max_idle_ms = cfg->smtpd_policy_service_max_idle / 1000;
    p->max_ttl_ms = cfg->smtpd_policy_service_max_ttl / 1000;
    p->retry_delay_ms = cfg->smtpd_policy_service_retry_delay / 1000;
    p->try_limit = cfg->smtpd_policy_service_try_limit;
    p->request_limit = cfg->smtpd_policy_service_request_limit;
}

struct policy_service *policy_service_new(struct restrictions *all, const char *spec, struct err *e)
{
    struct policy_service *p = xcalloc(1, sizeof *p);
    struct span rest = span_str(spec), word;
    int result = 0;

    p->all = all;
    p->spec = xstrdup(spec);
    list_init(&p->links);
    set_defaults(p);
    if (rest.len > 1 && rest.at[0] == '{')
        rest = span_of(rest.at + 1, rest.len - 2);
    if (!map_next_spec(&rest, &word) || take_place(p, word, e) < 0)
        result = -1;
    while (result == 0 && map_next_spec(&rest, &word))
        result = take_option(p, word, e);
    if (result == 0)
        return p;
    policy_service_free(p);
    return NULL;
}

void policy_service_free(struct policy_service *p)
{
    if (!p)
        return;
    while (!list_is_empty(&p->links))
        drop_link(list_entry(p->links.next, struct link, list));
    free(p->spec);
    free(p->place);
    free(p->path);
    free(p->host);
    free(p->default_action);
    free(p->context);
    free(p);
}

const char *policy_service_spec(const struct policy_service *p)
{
    return p->spec;
}
