/* SPDX-License-Identifier: Apache-2.0
 *
 * A decision is a pass over the recipients asked for (lookup.h): expand.c makes them a list of addresses that stand for no other,
 * then each gets its route. Where all tables answer in place a pass is made once, in memory that the resolver keeps; else a
 * struct resolve_ask holds it, and a copy of what was asked, till the answers are there. */
#include "relay/resolve_int.h"

#include "base/log.h"
#include "mail/address.h"
#include "relay/alias.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>

struct resolve_ask {
    struct list link;
    struct pass *pass;
    struct envelope env; /* sender and recipients */
    resolve_rcpt_fn *rcpt_done;
    resolve_list_fn *list_done;
    void *arg;
};

/* ---- opening ---- */

static void complain(void *arg, const char *text)
{
    (void)arg;
    log_warn("alias_maps: %s", text);
}

static void look_at_aliases(void *arg, struct map *m)
{
    const struct resolver *r = arg;
    alias_look_through(m, r->has_local, complain, NULL);
}

static char *join_relayhosts(const struct config *cfg)
{
    struct buf b;
    buf_init(&b, BUF_NO_MAX);
    for (size_t i = 0; i < cfg->relayhost.n; i++)
        buf_addf(&b, "%s%s", i ? " " : "", cfg->relayhost.at[i].text);
    buf_addc(&b, '\0');
    return buf_take(&b);
}

/* A way that does not depend on the address. */
static void fixed_route(struct resolver *r, const struct transport *t, struct route *out)
{
    bool takes_relayhost = strcmp(t->name, "smtp") == 0 || strcmp(t->name, "relay") == 0;

    if (t->nexthop[0] || !takes_relayhost)
        route_by(&r->fixed, t->name, t->nexthop, out);
    else if (r->relayhost[0])
        route_by(&r->fixed, t->name, r->relayhost, out);
    else
        *out = (struct route){ .kind = ROUTE_NOWHERE, .nexthop = "" };
}

static void look_for_accounts(void *arg, const char *param, const char *spec)
{
    struct resolver *r = arg;

    if (strcmp(param, "local_recipient_maps") == 0 && !r->has_local) /* nobody asks it */
        return;
    r->has_accounts |= strstr(spec, "unix:") != NULL; /* also within unionmap:{} */
}

static int open_tables(struct resolver *r, struct err *e)
{
    const struct config *cfg = r->cfg;
    const struct tables_options o = { .aliases = &cfg->alias_maps, .may_be_missing = true, .opened = look_at_aliases, .arg = r };

    r->mydestination = match_open("mydestination", &cfg->mydestination, false, e);
    if (!r->mydestination)
        return -1;
    r->has_local = route_hooks && cfg->mydestination.n;
    config_each_map(cfg, look_for_accounts, r);
    r->aliases = tables_open("alias_maps", &cfg->alias_maps, &o, e);
    if (!r->aliases)
        return -1;
    if (route_hooks && route_hooks->open(r, cfg, &r->server, e) < 0)
        return -1;
    r->may_block = tables_may_block(r->aliases) || match_may_block(r->mydestination) ||
                   (r->server && route_hooks->may_block(r->server));
    if (r->may_block)
        r->cache = lookup_cache_new();
    return 0;
}

struct resolver *resolver_new(const struct config *cfg, struct err *e)
{
    struct resolver *r = xcalloc(1, sizeof *r);

    r->cfg = cfg;
    list_init(&r->asks);
    list_init(&r->rewritings);
    r->relayhost = join_relayhosts(cfg);
    r->is_direct = config_delivers_directly(cfg);
    r->local_localhost = xasprintf("localhost.%s", cfg->mydomain);
    fixed_route(r, &cfg->local_transport, &r->to_local);
    fixed_route(r, &cfg->default_transport, &r->elsewhere);
    if (open_tables(r, e) < 0) {
        resolver_free(r);
        return NULL;
    }
    return r;
}

static void pass_free(struct pass *p)
{
    if (!p)
        return;
    lookup_fini(&p->l);
    free(p->at);
    free(p->seen.at);
    free(p->visited.at);
    free(p);
}

void resolver_free(struct resolver *r)
{
    if (!r)
        return;
    while (!list_is_empty(&r->asks))
        resolve_cancel(list_entry(r->asks.next, struct resolve_ask, link));
    pass_free(r->spare);
    rewritings_end(r);
    if (r->server)
        route_hooks->close(r->server);
    tables_close(r->aliases);
    match_close(r->mydestination);
    lookup_cache_free(r->cache);
    lookup_fini(&r->fixed);
    free(r->relayhost);
    free(r->local_localhost);
    free(r);
}

void resolver_run_on(struct resolver *r, struct runner *runner)
{
    r->runner = runner;
}

bool resolver_is_stale(const struct resolver *r)
{
    return tables_are_stale(r->aliases) || match_is_stale(r->mydestination) || (r->server && route_hooks->is_stale(r->server));
}

const char *const *resolver_files(const struct resolver *r)
{
    static const char *const accounts[] = {
        "/etc/passwd", "/etc/group", "/etc/nsswitch.conf", "/var/lib/extrausers", "/run/systemd/userdb", NULL,
    };
    return r->has_accounts ? accounts : NULL;
}

void resolver_remarks(struct resolver *r, void (*fn)(void *arg, bool is_fault, const char *text), void *arg)
{
    if (r->server)
        route_hooks->remarks(r->server, fn, arg);
}

/* ---- routes ---- */

static void refuse(struct route *out, const char *status, const char *text)
{
    out->kind = ROUTE_REFUSED;
    out->nexthop = "";
    out->text = text;
    snprintf(out->status, sizeof out->status, "%s", status);
}

/* "5.1.1 local delivery disabled": the status may lead the text (error(8)). */
static void refuse_as_written(struct route *out, bool is_retry, const char *text)
{
    size_t n = strspn(text, "0123456789.");

    if (n >= 5 && n < sizeof out->status && (text[0] == '4' || text[0] == '5') && text[1] == '.') {
        refuse(out, "", text + n + strspn(text + n, " \t"));
        memcpy(out->status, text, n);
        out->status[n] = '\0';
        return;
    }
    refuse(out, is_retry ? "4.0.0" : "5.0.0", *text ? text : "mail for this address is not delivered here");
}

void route_by(struct lookup *l, const char *name, const char *nexthop, struct route *out)
{
    *out = (struct route){ .nexthop = "" };
    if (strcmp(name, "error") == 0 || strcmp(name, "retry") == 0)
        refuse_as_written(out, name[0] == 'r', lookup_strdup(l, span_str(nexthop)));
    else
        out->nexthop = lookup_printf(l, "%s:%s", name, nexthop);
}

bool resolver_is_rcpt(const struct lookup *l)
{
    return container_of(l, const struct pass, l)->is_rcpt;
}

const char *resolver_relayhost(const struct resolver *r)
{
    return r->relayhost;
}

enum map_result resolver_is_destination(const struct resolver *r, struct lookup *l, struct span domain)
{
    return match_find(r->mydestination, l, domain);
}

const struct match *resolver_destinations(const struct resolver *r)
{
    return r->mydestination;
}

static const char *domain_of(struct pass *p, const char *address)
{
    char *domain = lookup_strdup(&p->l, address_text_domain(address));

    ascii_lower_str(domain);
    return domain;
}

/* "smtp:[127.0.0.1]:10024", whatever the address is. */
static void route_by_filter(struct pass *p, const char *address, struct route *out)
{
    const char *filter = p->env->filter, *colon = strchr(filter, ':');
    const char *nexthop = colon && colon[1] ? colon + 1 : domain_of(p, address);

    route_by(&p->l, lookup_strdup(&p->l, span_of(filter, colon ? (size_t)(colon - filter) : strlen(filter))), nexthop, out);
}

static void route_one(struct pass *p, const char *address, struct route *out)
{
    struct resolver *r = p->r;

    *out = (struct route){ .nexthop = "" };
    if (p->env->filter) {
        route_by_filter(p, address, out);
        return;
    }
    if (r->server) {
        route_hooks->route(r->server, &p->l, p->sender, address, out);
        return;
    }
    bool is_local = match_count(r->mydestination) &&
                    match_find(r->mydestination, &p->l, address_text_domain(address)) == MAP_FOUND;
    *out = is_local ? r->to_local : r->elsewhere;
    if (!is_local && r->is_direct && out->kind == ROUTE_NOWHERE)
        route_by(&p->l, r->cfg->default_transport.name, domain_of(p, address), out);
}

/* ---- a pass ---- */

static struct pass *take_pass(struct resolver *r)
{
    struct pass *p = r->spare;

    r->spare = NULL;
    if (!p) {
        p = xcalloc(1, sizeof *p);
        p->r = r;
    }
    p->l.runner = r->runner;
    p->l.cache = r->cache;
    p->l.may_ask = false;
    return p;
}

static void give_back(struct pass *p)
{
    struct resolver *r = p->r;

    if (r->spare || p->cap > 1024) {
        pass_free(p);
        return;
    }
    if (r->may_block)
        lookup_forget(&p->l);
    r->spare = p;
}

static void route_all(struct pass *p)
{
    for (size_t i = 0; i < p->n; i++)
        route_one(p, p->at[i].address, &p->at[i].route);
}

static void judge_route(struct pass *p)
{
    struct resolve_verdict *v = &p->verdict;

    for (size_t i = 0; i < p->n; i++)
        if (i == 0 || p->at[i].route.kind != ROUTE_REFUSED)
            v->route = p->at[i].route;
}

/* Its class, and whether anybody is there. */
static void judge(struct pass *p)
{
    struct resolver *r = p->r;
    struct resolve_verdict *v = &p->verdict;
    const char *address = p->env->rcpts[0].address;

    *v = (struct resolve_verdict){ .class = CLASS_DEFAULT, .route = { .nexthop = "" } };
    judge_route(p);
    if (!r->server) {
        v->is_ours = p->was_aliased ||
                     match_find(r->mydestination, &p->l, address_text_domain(address)) == MAP_FOUND;
        v->class = v->is_ours ? CLASS_LOCAL : CLASS_DEFAULT;
        return;
    }
    const char *whole = pass_complete(p, address);
    if (route_hooks->classify(r->server, &p->l, whole, &v->class) == MAP_CANNOT_TELL)
        return;
    v->is_ours = v->class != CLASS_DEFAULT || p->was_aliased || (p->was_virtual && route_hooks->infers(r->server));
    if (p->was_aliased)
        v->class = v->class == CLASS_DEFAULT ? CLASS_LOCAL : v->class;
    else if (!p->was_virtual)
        route_hooks->unlisted(r->server, &p->l, whole, v->class, &v->unlisted);
}

static void run(struct pass *p)
{
    lookup_begin(&p->l);
    pass_expand(p);
    route_all(p);
    if (p->is_rcpt)
        judge(p);
}

static void tell(struct pass *p, resolve_rcpt_fn *rcpt_done, resolve_list_fn *list_done, void *arg)
{
    bool has_failed = lookup_has_failed(&p->l) || p->is_too_much;

    if (p->is_rcpt) {
        p->verdict.cannot_tell = has_failed;
        rcpt_done(arg, &p->verdict);
    } else {
        const struct resolution res = {
            .cannot_tell = has_failed, .is_out_of_order = lookup_is_out_of_order(&p->l), .has_changed = p->has_changed, .at = p->at, .n = has_failed ? 0 : p->n,
        };
        list_done(arg, &res);
    }
}

/* ---- asking ---- */

static void free_ask(struct resolve_ask *a)
{
    list_remove(&a->link);
    pass_free(a->pass);
    envelope_fini(&a->env);
    free(a);
}

static void go_on(struct resolve_ask *a)
{
    struct pass *p = a->pass;

    run(p);
    if (lookup_waits(&p->l) && p->l.n_under_way)
        return;
    BUG_IF(lookup_waits(&p->l));
    struct resolve_ask was = *a; /* done() may free the resolver */
    list_remove(&a->link);
    a->pass = NULL;
    tell(p, was.rcpt_done, was.list_done, was.arg);
    pass_free(p);
    envelope_fini(&a->env);
    free(a);
}

static void told(void *arg)
{
    go_on(arg);
}

/* What was asked is copied, to be asked again, this time of others. */
static struct resolve_ask *wait_for(struct pass *p)
{
    struct resolve_ask *a = xcalloc(1, sizeof *a);
    size_t n = pass_count(p);

    envelope_init(&a->env);
    envelope_set_sender(&a->env, p->sender);
    a->env.filter = p->env->filter ? xstrdup(p->env->filter) : NULL;
    a->env.is_unmapped = p->env->is_unmapped;
    for (size_t i = 0; i < n; i++)
        envelope_add(&a->env, pass_address(p, i));
    list_append(&p->r->asks, &a->link);
    a->pass = p;
    p->env = &a->env;
    p->state = NULL;
    p->sender = a->env.sender;
    p->l.may_ask = true;
    p->l.when_told = told;
    p->l.arg = a;
    return a;
}

/* True: done. */
static bool try_now(struct pass *p, resolve_rcpt_fn *rcpt_done, resolve_list_fn *list_done, void *arg)
{
    run(p);
    if (lookup_waits(&p->l))
        return false;
    tell(p, rcpt_done, list_done, arg);
    give_back(p);
    return true;
}

static struct resolve_ask *ask(struct pass *p, resolve_rcpt_fn *rcpt_done, resolve_list_fn *list_done, void *arg)
{
    if (try_now(p, rcpt_done, list_done, arg))
        return NULL;
    struct resolve_ask *a = wait_for(p);
    a->rcpt_done = rcpt_done;
    a->list_done = list_done;
    a->arg = arg;
    go_on(a);
    return a;
}

void resolve_cancel(struct resolve_ask *a)
{
    if (a)
        free_ask(a);
}

struct resolve_ask *resolve_rcpt(struct resolver *r, const char *sender, const char *address, resolve_rcpt_fn *done, void *arg)
{
    struct pass *p = take_pass(r);
    struct rcpt rcpt = { .address = (char *)(uintptr_t)address };
    struct envelope env = { .rcpts = &rcpt, .n_rcpts = 1 };

    p->env = &env;
    p->state = NULL;
    p->is_final = false;
    p->sender = sender;
    p->is_rcpt = true;
    return ask(p, done, NULL, arg);
}

static struct pass *list_pass(struct resolver *r, const struct envelope *env, const struct spool_state *state)
{
    struct pass *p = take_pass(r);

    p->env = env;
    p->state = state && state->n_rcpts ? state : NULL;
    p->is_final = p->state != NULL;
    p->sender = env->sender;
    p->is_rcpt = false;
    return p;
}

struct resolve_ask *resolve_list(struct resolver *r, const struct envelope *env, const struct spool_state *state,
                                 resolve_list_fn *done, void *arg)
{
    return ask(list_pass(r, env, state), NULL, done, arg);
}

bool resolve_list_now(struct resolver *r, const struct envelope *env, const struct spool_state *state, resolve_list_fn *done,
                      void *arg)
{
    struct pass *p = list_pass(r, env, state);

    if (try_now(p, NULL, done, arg))
        return true;
    give_back(p);
    return false;
}

const char *address_class_name(enum address_class class)
{
    static const char *const names[] = {
        [CLASS_LOCAL] = "local",  [CLASS_VIRTUAL_ALIAS] = "virtual alias", [CLASS_VIRTUAL_MAILBOX] = "virtual mailbox",
        [CLASS_RELAY] = "relay",  [CLASS_INFERRED] = "inferred virtual alias", [CLASS_DEFAULT] = "default",
    };
    return names[class];
}
