/* SPDX-License-Identifier: Apache-2.0
 *
 * What addresses stand for. A list of work is walked: its first item is replaced by what its virtual alias, or else its alias,
 * says, which is looked at in its turn, until something stands for nothing but itself. What has been expanded once is not
 * expanded again for others of the message: its addresses are there. One that comes out of its own expansion is a loop: of
 * aliases alone it is where the mail goes, as "root: root, me"; with a virtual alias in it nobody knows, and the mail waits. */
#include "relay/resolve_int.h"

#include "base/log.h"
#include "mail/address.h"
#include "relay/alias.h"
#include "relay/extension.h"

#include <stdlib.h>

/* Beyond anything that people mean. */
enum { ALIASES_MAX = 100000 };

struct work {
    struct work *next;
    const struct work *parent; /* what it came of */
    const char *address;
    unsigned depth;
    bool no_virtual, no_alias; /* it is meant itself */
    bool by_virtual;           /* it came of a virtual alias */
};

/* ---- sets ---- */

static uint64_t hash_of(const char *s)
{
    uint64_t h = UINT64_C(14695981039346656037);

    while (*s)
        h = (h ^ (unsigned char)*s++) * UINT64_C(1099511628211);
    return h ^ h >> 29;
}

static void set_clear(struct pass_set *s)
{
    if (s->n)
        memset(s->at, 0, s->cap * sizeof *s->at);
    s->n = 0;
}

static size_t place_of(const struct pass_set *s, const char *name)
{
    size_t i = hash_of(name) & (s->cap - 1);

    while (s->at[i] && strcmp(s->at[i], name) != 0)
        i = (i + 1) & (s->cap - 1);
    return i;
}

static void set_grow(struct pass_set *s)
{
    struct pass_set old = *s;

    s->cap = old.cap ? old.cap * 2 : 32;
    s->at = xcalloc(s->cap, sizeof *s->at);
    for (size_t i = 0; i < old.cap; i++)
        if (old.at[i])
            s->at[place_of(s, old.at[i])] = old.at[i];
    free(old.at);
}

/* False: it is in there already. */
static bool set_add(struct pass_set *s, const char *name)
{
    if ((s->n + 1) * 2 > s->cap)
        set_grow(s);
    size_t i = place_of(s, name);
    if (s->at[i])
        return false;
    s->at[i] = name;
    s->n++;
    return true;
}

/* ---- what is local ---- */

/* Names of this machine that nobody else can deliver to. */
static bool is_this_machine(const struct resolver *r, struct span domain)
{
    return domain.len == 0 || span_ieq_str(domain, "localhost") || span_ieq_str(domain, r->local_localhost);
}

static enum map_result is_local(const struct resolver *r, struct lookup *l, struct span domain)
{
    if (is_this_machine(r, domain) || span_ieq_str(domain, r->cfg->myhostname))
        return MAP_FOUND;
    return match_count(r->mydestination) ? match_find(r->mydestination, l, domain) : MAP_NOT_FOUND;
}

const char *pass_complete(struct pass *p, const char *address)
{
    return address_text_domain(address).len ? address : lookup_printf(&p->l, "%s@%s", address, p->r->cfg->myorigin);
}

/* ---- the list ---- */

static void put(struct pass *p, const char *address, size_t from)
{
    if (p->n == p->cap) {
        p->cap = p->cap ? p->cap * 2 : 8;
        p->at = xreallocarray(p->at, p->cap, sizeof *p->at);
    }
    p->at[p->n++] = (struct resolved){ .address = address, .from = from };
}

static void add(struct pass *p, const char *address, size_t from)
{
    if (!set_add(&p->seen, address)) {
        p->has_changed = true;
        return;
    }
    if (strcmp(address, pass_address(p, from)) != 0)
        p->has_changed = true;
    put(p, address, from);
}

static void give_up(struct pass *p, const char *what, const char *address)
{
    if (!p->is_too_much)
        log_warn("%s for %s: the message is not accepted, or waits: put the tables right", what, log_safe_str(address));
    p->is_too_much = true;
}

/* ---- aliases ---- */

static enum map_result find_alias(struct pass *p, struct span local, struct span *rhs)
{
    struct resolver *r = p->r;
    enum map_result result = MAP_NOT_FOUND;
    struct buf name;

    buf_init(&name, ADDRESS_MAX);
    if (address_local_unquoted(local, &name) == 0) {
        result = tables_find(r->aliases, &p->l, buf_span(&name), true, rhs);
        size_t plain = extension_at(buf_span(&name), r->cfg->recipient_delimiter);
        if (result == MAP_NOT_FOUND && plain < name.len)
            result = tables_find(r->aliases, &p->l, span_of(name.at, plain), true, rhs);
    }
    buf_fini(&name);
    return result;
}

/* Somebody answers for the list: bounces of its members go there, which local delivery sees to. */
static enum map_result has_owner(struct pass *p, const char *address)
{
    struct span local = address_text_local(address), rhs;
    char *owner = lookup_printf(&p->l, "owner-%.*s", (int)local.len, local.at);

    return find_alias(p, span_str(owner), &rhs);
}

/* MAP_FOUND: `v` is its alias, to be finished; it may be empty. */
static enum map_result values_of(struct pass *p, const char *address, struct alias_values *v)
{
    struct span rhs;
    enum map_result result = is_local(p->r, &p->l, address_text_domain(address));

    *v = (struct alias_values){ 0 };
    if (result == MAP_FOUND)
        result = find_alias(p, address_text_local(address), &rhs);
    if (result != MAP_FOUND)
        return result;
    alias_values_of(rhs, v);
    if (p->r->has_local && v->n && !v->needs_local) {
        enum map_result owner = has_owner(p, address);
        v->needs_local = owner == MAP_FOUND;
        if (owner == MAP_CANNOT_TELL) {
            alias_values_fini(v);
            return owner;
        }
    }
    if (v->n || (v->needs_local && p->r->has_local))
        return MAP_FOUND;
    alias_values_fini(v);
    return MAP_NOT_FOUND;
}

enum map_result resolver_alias_needs_local(const struct resolver *r, struct lookup *l, const char *address)
{
    struct pass *p = container_of(l, struct pass, l);
    struct alias_values v;

    (void)r;
    enum map_result result = values_of(p, address, &v);
    if (result == MAP_FOUND && !v.needs_local)
        result = MAP_NOT_FOUND;
    alias_values_fini(&v);
    return result;
}

/* A value as an address: "\name" is not to be expanded further. */
static const char *parse_value(struct pass *p, const char *value, bool *is_final)
{
    struct address a;
    struct err e;

    *is_final = value[0] == '\\';
    if (address_parse(&a, span_str(value + *is_final), ADDRESS_LOCAL | ADDRESS_UTF8, &e) < 0 ||
        (*is_final && address_complete(&a, p->r->cfg->myorigin, &e) < 0)) {
        log_warn("alias_maps: %s", e.text);
        return NULL;
    }
    return lookup_strdup(&p->l, span_of(a.text, a.len));
}

/* ---- a step ---- */

static bool is_among_parents(const struct work *w, bool *by_virtual)
{
    *by_virtual = w->by_virtual;
    for (const struct work *up = w->parent; up; up = up->parent) {
        if (span_ieq(span_str(up->address), span_str(w->address)))
            return true;
        *by_virtual |= up->by_virtual;
    }
    return false;
}

static struct work *new_work(struct pass *p, const struct work *parent, const char *address)
{
    struct work *w = lookup_alloc(&p->l, sizeof *w);

    *w = (struct work){ .parent = parent, .address = address, .depth = parent ? parent->depth + 1 : 0 };
    return w;
}

/* In front of what waits, in their order. */
struct branch {
    struct work **at;
    struct work *rest;
};

static void branch_add(struct branch *b, struct work *w)
{
    w->next = b->rest;
    *b->at = w;
    b->at = &w->next;
}

static void expand_alias(struct pass *p, const struct work *w, const struct alias_values *v, struct work **todo)
{
    struct branch b = { todo, *todo };

    for (size_t i = 0; i < v->n; i++) {
        bool is_final;
        const char *value = parse_value(p, v->at[i], &is_final);
        if (!value)
            continue;
        struct work *child = new_work(p, w, value);
        /* "root: root, me@example.com": itself is the way on, not a loop. */
        child->no_alias = is_final || (span_ieq(address_text_local(value), address_text_local(w->address)) &&
                                       is_local(p->r, &p->l, address_text_domain(value)) == MAP_FOUND);
        branch_add(&b, child);
    }
}

/* True: it has been taken care of, or nobody can tell. */
static bool try_virtual(struct pass *p, const struct work *w, struct work **todo)
{
    struct resolver *r = p->r;
    struct route_values v = { 0 };
    struct branch b = { todo, *todo };

    if (!r->server || w->no_virtual || p->env->is_unmapped)
        return false;
    const char *address = pass_complete(p, w->address);
    enum map_result result = route_hooks->virtual_alias(r->server, &p->l, address, &v);
    if (result != MAP_FOUND)
        return result == MAP_CANNOT_TELL;
    p->was_virtual |= w->depth == 0;
    if (w->depth >= (unsigned)r->cfg->virtual_alias_recursion_limit)
        give_up(p, "unreasonable virtual_alias_maps map nesting", address);
    for (size_t i = 0; i < v.n && !p->is_too_much; i++) {
        struct work *child = new_work(p, w, v.at[i]);
        child->by_virtual = true;
        child->no_virtual = span_ieq(span_str(v.at[i]), span_str(address));
        if (strlen(v.at[i]) > (size_t)r->cfg->virtual_alias_address_length_limit)
            give_up(p, "unreasonable virtual_alias_maps result", address);
        branch_add(&b, child);
    }
    return true;
}

/* A local name that only local delivery can do something with: it stays, with a domain that is ours. */
static const char *as_local(struct pass *p, const char *address)
{
    struct resolver *r = p->r;
    struct span local = address_text_local(address), domain = address_text_domain(address);
    struct lookup *l = &p->l;

    if (domain.len && match_find(r->mydestination, l, domain) == MAP_FOUND)
        return address;
    if (match_find(r->mydestination, l, span_str(r->cfg->myorigin)) == MAP_FOUND)
        return lookup_printf(l, "%.*s@%s", (int)local.len, local.at, r->cfg->myorigin);
    for (size_t i = 0; i < r->cfg->mydestination.n; i++) {
        const char *name = r->cfg->mydestination.at[i];
        if (match_find(r->mydestination, l, span_str(name)) == MAP_FOUND)
            return lookup_printf(l, "%.*s@%s", (int)local.len, local.at, name);
    }
    return address;
}

static bool try_alias(struct pass *p, const struct work *w, size_t from, struct work **todo)
{
    struct alias_values v;

    if (w->no_alias || p->env->filter) /* aliases are local delivery's, behind the filter */
        return false;
    enum map_result result = values_of(p, w->address, &v);
    if (result != MAP_FOUND)
        return result == MAP_CANNOT_TELL;
    p->was_aliased |= w->depth == 0;
    if (v.needs_local && p->r->has_local)
        add(p, as_local(p, w->address), from);
    else
        expand_alias(p, w, &v, todo);
    p->has_changed = true;
    alias_values_fini(&v);
    return true;
}

static void end(struct pass *p, const struct work *w, size_t from)
{
    struct span domain = address_text_domain(w->address), local = address_text_local(w->address);
    const char *address = w->address;

    if (is_this_machine(p->r, domain) &&
        (domain.len == 0 || match_find(p->r->mydestination, &p->l, domain) == MAP_NOT_FOUND))
        address = lookup_printf(&p->l, "%.*s@%s", (int)local.len, local.at, p->r->cfg->myorigin);
    add(p, address, from);
}

static void step(struct pass *p, struct work *w, size_t from, struct work **todo)
{
    bool by_virtual;
    char *key = lookup_strdup(&p->l, span_str(w->address));

    ascii_lower_str(key);
    if (!w->no_virtual && !w->no_alias && !set_add(&p->visited, key)) {
        p->has_changed = true;
        if (!is_among_parents(w, &by_virtual))
            return;
        if (by_virtual) {
            give_up(p, "unreasonable virtual_alias_maps map nesting (a loop)", w->address);
            return;
        }
        w->no_alias = true;
    }
    if (!try_virtual(p, w, todo) && !try_alias(p, w, from, todo))
        end(p, w, from);
}

static void expand_one(struct pass *p, size_t i)
{
    struct work *todo = new_work(p, NULL, pass_address(p, i));
    size_t before = p->n;

    while (todo && !p->is_too_much) {
        struct work *w = todo;
        todo = w->next;
        step(p, w, i, &todo);
        size_t limit = w->by_virtual ? (size_t)p->r->cfg->virtual_alias_expansion_limit : ALIASES_MAX;
        if (p->n - before > limit)
            give_up(p, w->by_virtual ? "unreasonable virtual_alias_maps map expansion size" : "an unreasonable number of aliases",
                    pass_address(p, i));
    }
}

/* The common case of a null client touches nothing: no local name among them. */
static bool is_needed(struct pass *p)
{
    if (p->is_final)
        return false;
    if (p->r->server)
        return true;
    for (size_t i = 0; i < pass_count(p); i++)
        if (is_local(p->r, &p->l, address_text_domain(pass_address(p, i))) != MAP_NOT_FOUND)
            return true;
    return false;
}

void pass_expand(struct pass *p)
{
    size_t n = pass_count(p);

    p->n = 0;
    p->has_changed = p->was_aliased = p->was_virtual = p->is_too_much = false;
    if (!is_needed(p)) {
        for (size_t i = 0; i < n; i++)
            put(p, pass_address(p, i), i);
        return;
    }
    set_clear(&p->seen);
    set_clear(&p->visited);
    for (size_t i = 0; i < n && !p->is_too_much; i++)
        expand_one(p, i);
}
