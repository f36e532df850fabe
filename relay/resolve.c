/* SPDX-License-Identifier: Apache-2.0
 *
 * Expansion walks a list that grows at its end: an address that an alias stands for is replaced by the alias's values,
 * which are looked at in their turn. An address that is already in the list is not added again, which also ends loops. */
#include "relay/resolve.h"

#include "base/log.h"
#include "base/mem.h"
#include "mail/address.h"
#include "relay/alias.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>

/* Postfix's virtual_alias_expansion_limit; nobody means to have more. */
enum { EXPANSION_MAX = 1000 };

struct resolver {
    const struct config *cfg; /* borrowed */
    struct aliases *aliases;
    char *relayhost;          /* "smtp:" and all of relayhost, as written, blanks between; "" when there is none */
    char *local, *elsewhere;  /* the next hops of local_transport and default_transport */
    char *local_localhost;    /* "localhost.example.com" */
};

static void complain(void *arg, const char *text)
{
    (void)arg;
    log_warn("alias_maps: %s", text);
}

static char *join_relayhosts(const struct config *cfg)
{
    struct buf b;
    buf_init(&b, BUF_NO_MAX);
    for (size_t i = 0; i < cfg->relayhost.n; i++)
        buf_addf(&b, "%s%s", i ? " " : "smtp:", cfg->relayhost.at[i].text);
    return buf_take(&b);
}

static char *nexthop_of(const struct transport *t, const char *relayhost)
{
    return t->nexthop[0] ? xasprintf("%s:%s", t->name, t->nexthop) : xstrdup(relayhost);
}

struct resolver *resolver_new(const struct config *cfg, struct err *e)
{
    struct resolver *r = xcalloc(1, sizeof *r);

    r->cfg = cfg;
    r->aliases = aliases_new();
    r->relayhost = join_relayhosts(cfg);
    r->local = nexthop_of(&cfg->local_transport, r->relayhost);
    r->elsewhere = nexthop_of(&cfg->default_transport, r->relayhost);
    r->local_localhost = xasprintf("localhost.%s", cfg->mydomain);
    for (size_t i = 0; i < cfg->alias_maps.n; i++)
        if (aliases_add(r->aliases, cfg->alias_maps.at[i], complain, NULL, e) < 0) {
            if (e->sys == ENOENT) { /* the default names /etc/aliases, which many machines do not have */
                log_info("%s: local names have no aliases", e->text);
                continue;
            }
            resolver_free(r);
            return NULL;
        }
    return r;
}

void resolver_free(struct resolver *r)
{
    if (!r)
        return;
    aliases_free(r->aliases);
    free(r->relayhost);
    free(r->local);
    free(r->elsewhere);
    free(r->local_localhost);
    free(r);
}

static bool is_in_mydestination(const struct resolver *r, struct span domain)
{
    for (size_t i = 0; i < r->cfg->mydestination.n; i++)
        if (span_ieq_str(domain, r->cfg->mydestination.at[i]))
            return true;
    return false;
}

/* Names of this machine that nobody else can deliver to. */
static bool is_this_machine(const struct resolver *r, struct span domain)
{
    return domain.len == 0 || span_ieq_str(domain, "localhost") || span_ieq_str(domain, r->local_localhost);
}

static bool is_local(const struct resolver *r, struct span domain)
{
    return is_this_machine(r, domain) || span_ieq_str(domain, r->cfg->myhostname) || is_in_mydestination(r, domain);
}

static void refuse(struct route *out, const char *status, const char *text)
{
    out->kind = ROUTE_REFUSED;
    out->text = text;
    snprintf(out->status, sizeof out->status, "%s", status);
}

/* "5.1.1 local delivery disabled": the status may lead the text (error(8)). */
static void refuse_as_written(struct route *out, const struct transport *t)
{
    bool is_retry = strcmp(t->name, "retry") == 0;
    const char *text = t->nexthop;
    size_t n = strspn(text, "0123456789.");

    if (n >= 5 && n < sizeof out->status && (text[0] == '4' || text[0] == '5') && text[1] == '.') {
        refuse(out, "", text + n + strspn(text + n, " \t"));
        memcpy(out->status, text, n);
        out->status[n] = '\0';
        return;
    }
    refuse(out, is_retry ? "4.0.0" : "5.0.0", *text ? text : "mail for this address is not delivered here");
}

static void follow(const struct transport *t, const char *nexthop, struct route *out)
{
    if (strcmp(t->name, "error") == 0 || strcmp(t->name, "retry") == 0) {
        refuse_as_written(out, t);
        return;
    }
    out->nexthop = nexthop;
    out->kind = out->nexthop[0] ? ROUTE_NEXT_HOP : ROUTE_NOWHERE;
}

void resolve_route(const struct resolver *r, const char *address, struct route *out)
{
    *out = (struct route){ .nexthop = "" };
    struct span domain = address_text_domain(address);
    if (domain.len && is_in_mydestination(r, domain))
        follow(&r->cfg->local_transport, r->local, out);
    else
        follow(&r->cfg->default_transport, r->elsewhere, out);
}

/* ---- aliases ---- */

struct expansion {
    const struct resolver *r;
    struct spool_state *out;
    bool has_changed;
    bool has_failed; /* a table could not tell */
};

static bool is_there(const struct spool_state *st, const char *address)
{
    for (size_t i = 0; i < st->n_rcpts; i++)
        if (strcmp(st->rcpts[i].rcpt.address, address) == 0)
            return true;
    return false;
}

/* The values of its alias. */
static enum map_result values_of(const struct resolver *r, const char *address, struct alias_values *out)
{
    enum map_result result = MAP_NOT_FOUND;
    struct buf local;
    struct err e;

    *out = (struct alias_values){ 0 };
    if (!is_local(r, address_text_domain(address)))
        return result;
    buf_init(&local, ADDRESS_MAX);
    if (address_local_unquoted(address_text_local(address), &local) == 0)
        result = aliases_find(r->aliases, buf_span(&local), out, &e);
    buf_fini(&local);
    if (result == MAP_CANNOT_TELL)
        log_warn("alias_maps: %s", e.text);
    return result;
}

static void add(struct expansion *x, const char *address, const struct rcpt *from, bool is_same)
{
    struct spool_state *st = x->out;

    if (is_there(st, address)) {
        x->has_changed = true;
        return;
    }
    if ((st->n_rcpts & (st->n_rcpts - 1)) == 0)
        st->rcpts = xreallocarray(st->rcpts, st->n_rcpts ? st->n_rcpts * 2 : 1, sizeof *st->rcpts);
    const char *original = from->original ? from->original : is_same ? NULL : from->address;
    st->rcpts[st->n_rcpts++] = (struct spool_rcpt){ .rcpt = {
        .address = xstrdup(address),
        .orcpt = from->orcpt ? xstrdup(from->orcpt) : NULL,
        .original = original ? xstrdup(original) : NULL,
        .notify = from->notify,
    } };
}

/* A value as an address: "\name" is not to be expanded further, which completing it sees to. */
static bool parse_value(const struct resolver *r, const char *value, char out[ADDRESS_MAX + 1])
{
    struct address a;
    struct err e;
    bool is_final = value[0] == '\\';

    if (address_parse(&a, span_str(value + is_final), ADDRESS_LOCAL | ADDRESS_UTF8, &e) < 0 ||
        (is_final && address_complete(&a, r->cfg->myorigin, &e) < 0)) {
        log_warn("alias_maps: %s", e.text);
        return false;
    }
    memcpy(out, a.text, a.len + 1);
    return true;
}

static void expand_one(struct expansion *x, const char *address, const struct rcpt *from, int depth);

static void expand_alias(struct expansion *x, const struct alias_values *v, const struct rcpt *from, const char *name,
                         int depth)
{
    char value[ADDRESS_MAX + 1];

    for (size_t i = 0; i < v->n && x->out->n_rcpts < EXPANSION_MAX; i++) {
        if (!parse_value(x->r, v->at[i], value))
            continue;
        /* "root: root, me@example.com": itself is the way on, not a loop. */
        if (span_ieq(address_text_local(value), address_text_local(name)) &&
            is_local(x->r, address_text_domain(value)))
            expand_one(x, value, from, 0);
        else
            expand_one(x, value, from, depth - 1);
    }
}

/* `depth` 0: no more aliases. */
static void expand_one(struct expansion *x, const char *address, const struct rcpt *from, int depth)
{
    struct alias_values v = { 0 };
    enum map_result alias = depth > 0 ? values_of(x->r, address, &v) : MAP_NOT_FOUND;
    struct span domain = address_text_domain(address);

    if (alias == MAP_CANNOT_TELL) {
        x->has_failed = true;
    } else if (alias == MAP_FOUND) {
        x->has_changed = true;
        expand_alias(x, &v, from, address, depth);
        alias_values_fini(&v);
    } else if (is_this_machine(x->r, domain) && !(domain.len && is_in_mydestination(x->r, domain))) {
        struct span local = address_text_local(address);
        char *whole = xasprintf("%.*s@%s", (int)local.len, local.at, x->r->cfg->myorigin);
        x->has_changed = true;
        add(x, whole, from, false);
        free(whole);
    } else {
        add(x, address, from, address == from->address || strcmp(address, from->address) == 0);
    }
}

int resolve_expand(const struct resolver *r, const struct envelope *env, struct spool_state *out)
{
    struct expansion x = { .r = r, .out = out };

    *out = (struct spool_state){ 0 };
    /* The common case touches nothing: no local name among them. */
    bool is_needed = false;
    for (size_t i = 0; i < env->n_rcpts && !is_needed; i++)
        is_needed = is_local(r, address_text_domain(env->rcpts[i].address));
    if (!is_needed)
        return 0;
    for (size_t i = 0; i < env->n_rcpts; i++)
        expand_one(&x, env->rcpts[i].address, &env->rcpts[i], 20);
    if (!x.has_changed || out->n_rcpts == 0 || x.has_failed) {
        spool_state_fini(out);
        *out = (struct spool_state){ 0 };
        return x.has_failed ? -1 : 0;
    }
    return 1;
}

/* Whether mail for it is meant for this machine: its domain is in mydestination, or it has an alias here. */
static bool is_ours(const struct resolver *r, const char *address)
{
    struct alias_values v;

    if (is_in_mydestination(r, address_text_domain(address)))
        return true;
    enum map_result alias = values_of(r, address, &v);
    alias_values_fini(&v);
    return alias == MAP_FOUND;
}

static void route_all(const struct resolver *r, const struct spool_state *st, struct route *out)
{
    for (size_t i = 0; i < st->n_rcpts; i++) {
        resolve_route(r, st->rcpts[i].rcpt.address, out);
        if (out->kind == ROUTE_REFUSED)
            return;
    }
}

struct resolve_ask *resolve_rcpt(struct resolver *r, const char *sender, const char *address, resolve_rcpt_fn *done, void *arg)
{
    struct resolve_verdict v = { .class = CLASS_DEFAULT };
    struct envelope env;
    struct spool_state st;

    (void)sender;
    envelope_init(&env);
    envelope_add(&env, address);
    int expanded = resolve_expand(r, &env, &st);
    v.cannot_tell = expanded < 0;
    v.is_ours = is_ours(r, address);
    if (v.is_ours)
        v.class = CLASS_LOCAL;
    if (expanded == 0)
        resolve_route(r, address, &v.route);
    if (expanded > 0)
        route_all(r, &st, &v.route);
    done(arg, &v);
    spool_state_fini(&st);
    envelope_fini(&env);
    return NULL;
}

void resolve_cancel(struct resolve_ask *a)
{
    (void)a;
}

bool resolver_is_stale(const struct resolver *r)
{
    return aliases_are_stale(r->aliases);
}
