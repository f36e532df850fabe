/* SPDX-License-Identifier: Apache-2.0
 *
 * rbl.c - reject_rbl_client and its kin. An A record says that the list has it (and in which of its parts: the filter behind "="),
 * a TXT record why. A list that does not answer refuses nobody. */
#include "server/rbl.h"

#include "base/log.h"
#include "base/mem.h"
#include "config/template.h"
#include "mail/address.h"
#include "net/dns.h"
#include "server/access.h"
#include "server/restrict_fns.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { KNOWN_MAX = 64 };

struct rbl_known {
    struct rbl_known *next;
    char *query;
    enum dns_outcome outcome;
    struct addr_list found;
    char *reason; /* NULL: not asked for yet */
};

struct rbl_job {
    struct check *c;
    struct dns_query *dns;
    struct rbl_known *known; /* borrowed */
    char *domain;            /* of the list */
    const char *arg;         /* as in the configuration */
    struct subject subject;
    const char *what;        /* [what] */
    bool permits;            /* a list of who is welcome */
};

void rbl_forget(struct rbl_known *k)
{
    while (k) {
        struct rbl_known *next = k->next;
        free(k->query);
        free(k->reason);
        addr_list_fini(&k->found);
        free(k);
        k = next;
    }
}

static struct rbl_known *find(const struct check *c, const char *query)
{
    for (struct rbl_known *k = c->rbl; k; k = k->next)
        if (strcmp(k->query, query) == 0)
            return k;
    return NULL;
}

/* The oldest goes when there are many. */
static struct rbl_known *remember(struct check *c, const char *query)
{
    struct rbl_known *k = xcalloc(1, sizeof *k), *last = k;
    unsigned n = 1;

    k->query = xstrdup(query);
    k->next = c->rbl;
    c->rbl = k;
    for (; last->next && n < KNOWN_MAX; n++)
        last = last->next;
    rbl_forget(last->next);
    last->next = NULL;
    return k;
}

bool rbl_reverse(const union addr *a, struct buf *out)
{
    const unsigned char *b;

    if (a->sa.sa_family == AF_INET6 && IN6_IS_ADDR_V4MAPPED(&a->in6.sin6_addr)) {
        b = a->in6.sin6_addr.s6_addr + 12;
        buf_addf(out, "%u.%u.%u.%u", b[3], b[2], b[1], b[0]);
    } else if (a->sa.sa_family == AF_INET6) {
        for (int i = 15; i >= 0; i--)
            buf_addf(out, "%x.%x%s", a->in6.sin6_addr.s6_addr[i] & 15, a->in6.sin6_addr.s6_addr[i] >> 4, i ? "." : "");
    } else if (a->sa.sa_family == AF_INET) {
        b = (const unsigned char *)&a->in4.sin_addr;
        buf_addf(out, "%u.%u.%u.%u", b[3], b[2], b[1], b[0]);
    } else {
        return false;
    }
    return true;
}

/* ---- the text of a reply ---- */

struct rbl_facts { /* of one hit */
    const struct check *c;
    const char *code, *domain, *class, *what, *reason;
};

static struct span value_of(struct span name, const struct rbl_facts *f)
{
    const struct gate_facts *g = &f->c->f;
    const char *sender = g->env ? g->env->sender : "", *rcpt = check_recipient(f->c) ? check_recipient(f->c) : "";
    const struct {
        const char *name;
        struct span value;
    } all[] = {
        { "rbl_code", span_str(f->code) },
        { "rbl_domain", span_str(f->domain) },
        { "rbl_class", span_str(f->class) },
        { "rbl_what", span_str(f->what) },
        { "rbl_reason", span_str(f->reason) },
        { "rbl_txt", span_str(f->reason) },
        { "client", span_str(g->client) },
        { "client_address", span_str(g->client_address) },
        { "client_name", span_str(g->client_name) },
        { "helo_name", span_str(g->helo ? g->helo : "") },
        { "sender", span_str(sender) },
        { "sender_domain", address_text_domain(sender) },
        { "sender_name", address_text_local(sender) },
        { "recipient", span_str(rcpt) },
        { "recipient_domain", address_text_domain(rcpt) },
        { "recipient_name", address_text_local(rcpt) },
    };

    for (size_t i = 0; i < ARRAY_LEN(all); i++)
        if (span_eq(name, span_str(all[i].name)))
            return all[i].value;
    return SPAN("");
}

static enum template_value give_value(void *arg, struct span name, struct buf *out)
{
    buf_addspan(out, value_of(name, arg));
    return TEMPLATE_DEFINED;
}

/* ---- a hit ---- */

static void stop(struct check *c)
{
    struct rbl_job *j = c->job;

    dns_cancel(j->dns);
    free(j->domain);
    free(j);
}

static void end(struct rbl_job *j, enum outcome o)
{
    struct check *c = j->c;

    free(j->domain);
    free(j);
    check_answer(c, o);
}

/* A template's own code and status may lead. */
static enum outcome say(struct rbl_job *j, const char *template)
{
    struct check *c = j->c;
    char number[12];
    struct rbl_facts f = { c, number, j->domain, j->subject.what, j->what, j->known->reason };
    struct access_action a;
    struct buf text;
    struct err e;

    snprintf(number, sizeof number, "%d", c->f.cfg->maps_rbl_reject_code);
    buf_init(&text, 1000);
    if (template_expand(span_str(template), give_value, &f, &text, &e) < 0)
        log_warn("access restrictions: the reply for %s: %s", j->domain, e.text);
    access_parse(span_str(buf_cstr(&text)), &a);
    int code = a.verb == ACCESS_CODE ? a.code : c->f.cfg->maps_rbl_reject_code;
    struct span words = a.verb == ACCESS_CODE ? a.text : buf_span(&text);
    enum outcome o = check_reject(c, code, a.status[0] ? a.status : "5.7.1", "%s", log_safe(words));
    buf_fini(&text);
    return o;
}

static void hit(struct rbl_job *j)
{
    char *template = restrictions_rbl_reply(j->c, j->arg, j->domain);
    enum outcome o = say(j, template ? template : j->c->f.cfg->default_rbl_reply);

    free(template);
    end(j, o);
}

static void got_reason(void *arg, enum dns_outcome outcome, char *const *found, size_t n, const struct err *why)
{
    struct rbl_job *j = arg;

    (void)why;
    j->known->reason = xstrdup(outcome == DNS_FOUND && n ? found[0] : "");
    hit(j);
}

static bool counts(const struct rbl_job *j)
{
    const char *filter = strchr(j->arg, '=');

    for (size_t i = 0; i < j->known->found.n; i++) {
        const union addr *a = &j->known->found.at[i];
        if (a->sa.sa_family != AF_INET)
            continue;
        const unsigned char *b = (const unsigned char *)&a->in4.sin_addr;
        if (filter ? restriction_filter_match(span_str(filter + 1), b) == 1 : b[0] == 127)
            return true;
    }
    return false;
}

static void judge(struct rbl_job *j)
{
    struct rbl_known *k = j->known;

    if (k->outcome == DNS_FAILED && j->permits)
        end(j, check_defer_if_reject(j->c, j->subject, "4.7.1", "Service unavailable; %s does not answer", j->domain));
    else if (k->outcome != DNS_FOUND || !counts(j))
        end(j, GO_ON);
    else if (j->permits)
        end(j, PERMIT);
    else if (k->reason)
        hit(j);
    else
        j->dns = dns_txt(j->c->all->dns, k->query, got_reason, j);
}

static void got_addresses(void *arg, enum dns_outcome outcome, const struct addr_list *found, const struct err *why)
{
    struct rbl_job *j = arg;

    j->known->outcome = outcome;
    addr_list_copy(&j->known->found, found);
    if (outcome == DNS_FAILED)
        log_warn("access restrictions: %s: %s", j->domain, why->text);
    judge(j);
}

static void judge_later(void *arg)
{
    judge(arg);
}

static void stop_judging(struct check *c)
{
    struct rbl_job *j = c->job;

    timer_stop(&c->timer);
    free(j->domain);
    free(j);
}

static enum outcome ask(struct check *c, const struct rbl_job *how, struct span of)
{
    struct rbl_job *j = xmalloc(sizeof *j);
    size_t n = strcspn(how->arg, "=");

    *j = *how;
    j->c = c;
    j->domain = span_dup(span_of(how->arg, n));
    c->job = j;
    char *query = xasprintf("%.*s.%s", (int)of.len, of.at, j->domain);
    j->known = find(c, query);
    if (j->known) {
        c->stop = stop_judging;
        timer_start(&c->timer, c->f.loop, 0, judge_later, j);
    } else {
        j->known = remember(c, query);
        j->known->outcome = DNS_FAILED;
        c->stop = stop;
        j->dns = dns_hosts(c->all->dns, query, 0, DNS_IPV4, got_addresses, j);
    }
    free(query);
    return LATER;
}

/* ---- the restrictions ---- */

static enum outcome ask_address(struct check *c, const struct restriction *r, bool permits)
{
    const struct rbl_job how = { .arg = r->arg, .subject = about_client(c), .what = c->f.client_address, .permits = permits };
    struct buf reversed;

    buf_init(&reversed, BUF_NO_MAX);
    enum outcome o = rbl_reverse(c->f.peer, &reversed) ? ask(c, &how, buf_span(&reversed)) : GO_ON;
    buf_fini(&reversed);
    return o;
}

static enum outcome ask_domain(struct check *c, const struct restriction *r, struct span domain, struct subject s, bool permits)
{
    const struct rbl_job how = { .arg = r->arg, .subject = s, .what = s.name, .permits = permits };

    return !domain.len || domain.at[0] == '[' ? GO_ON : ask(c, &how, domain);
}

enum outcome restrict_reject_rbl_client(struct check *c, const struct restriction *r)
{
    return ask_address(c, r, false);
}

static struct span client_domain(const struct check *c)
{
    return c->f.name_status == NAME_FOUND ? span_str(c->f.client_name) : SPAN("");
}

enum outcome restrict_reject_rhsbl_client(struct check *c, const struct restriction *r)
{
    return ask_domain(c, r, client_domain(c), (struct subject){ c->f.client_name, "Client host" }, false);
}

enum outcome restrict_reject_rhsbl_reverse_client(struct check *c, const struct restriction *r)
{
    const char *name = c->f.reverse_name;

    return name ? ask_domain(c, r, span_str(name), (struct subject){ name, "Unverified Client host" }, false) : GO_ON;
}

enum outcome restrict_reject_rhsbl_helo(struct check *c, const struct restriction *r)
{
    return c->f.helo ? ask_domain(c, r, span_str(c->f.helo), about_helo(c), false) : GO_ON;
}

enum outcome restrict_reject_rhsbl_sender(struct check *c, const struct restriction *r)
{
    return c->f.env ? ask_domain(c, r, address_text_domain(c->f.env->sender), about_sender(c), false) : GO_ON;
}

enum outcome restrict_reject_rhsbl_recipient(struct check *c, const struct restriction *r)
{
    const char *to = check_recipient(c);

    return to ? ask_domain(c, r, address_text_domain(to), about_recipient(c), false) : GO_ON;
}

/* A list of who is welcome does not decide what is relayed. */
static enum outcome check_ours(struct check *c)
{
    if (c->place != RESTRICT_RELAY && c->place != RESTRICT_RECIPIENT)
        return PERMIT;
    if (!c->rcpt.is_known)
        return check_resolve_recipient(c);
    return c->rcpt.is_ours ? PERMIT : GO_ON;
}

enum outcome restrict_permit_dnswl_client(struct check *c, const struct restriction *r)
{
    enum outcome ours = check_ours(c);
    return ours == PERMIT ? ask_address(c, r, true) : ours;
}

enum outcome restrict_permit_rhswl_client(struct check *c, const struct restriction *r)
{
    enum outcome ours = check_ours(c);
    return ours == PERMIT ? ask_domain(c, r, client_domain(c), about_client(c), true) : ours;
}
