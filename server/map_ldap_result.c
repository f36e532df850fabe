/* SPDX-License-Identifier: Apache-2.0
 *
 * Answers. An entry gives the values of result_attribute, and of leaf_result_attribute if it refers to no others; those that it
 * refers to (special_result_attribute) are looked up in their turn, all of one depth together. One that has a
 * terminal_result_attribute gives only that. No entry is visited twice, so groups that contain each other come to an end. */
#include "server/map_ldap_int.h"

#include "base/mem.h"
#include "server/map_ldap_expand.h"

#include <stdlib.h>
#include <strings.h>

struct reference { /* to one or more entries: a DN, or a URL */
    char *text;
    struct ldap_url url;
    bool is_url;
    char **attrs; /* of a URL: those that it and the table name */
};

struct references {
    struct reference *at;
    size_t n;
};

struct collecting {
    struct ldap_map *map;
    struct span key;
    struct buf *value;
    struct err *err;
    int n_values;
    struct references next; /* what is to be looked up */
    char **seen;            /* a hash table of their texts, in small letters */
    size_t n_seen, seen_size;
};

/* ---- what has been seen ---- */

static size_t seen_place(const struct collecting *c, const char *text)
{
    uint64_t hash = 14695981039346656037u;

    for (const char *p = text; *p; p++)
        hash = (hash ^ (unsigned char)*p) * 1099511628211u;
    size_t i = hash % c->seen_size;
    while (c->seen[i] && strcmp(c->seen[i], text) != 0)
        i = (i + 1) % c->seen_size;
    return i;
}

static void grow_seen(struct collecting *c)
{
    char **old = c->seen;
    size_t old_size = c->seen_size;

    c->seen_size = old_size ? old_size * 2 : 64;
    c->seen = xcalloc(c->seen_size, sizeof *c->seen);
    for (size_t i = 0; i < old_size; i++)
        if (old[i])
            c->seen[seen_place(c, old[i])] = old[i];
    free(old);
}

/* True the first time. */
static bool is_new(struct collecting *c, const char *text)
{
    char *low = xstrdup(text);

    ascii_lower_str(low);
    if (c->n_seen * 2 >= c->seen_size)
        grow_seen(c);
    size_t i = seen_place(c, low);
    if (c->seen[i]) {
        free(low);
        return false;
    }
    c->seen[i] = low;
    c->n_seen++;
    return true;
}

/* ---- references ---- */

static void reference_fini(struct collecting *c, struct reference *r)
{
    if (r->is_url)
        c->map->module->free_url(&r->url);
    free(r->attrs);
    free(r->text);
}

static void references_fini(struct collecting *c, struct references *l)
{
    for (size_t i = 0; i < l->n; i++)
        reference_fini(c, &l->at[i]);
    free(l->at);
    *l = (struct references){ 0 };
}

/* The places of attrs stay those of the table, for the roles: what the URL does not name becomes a name that no entry has. */
static char **attrs_of(const struct ldap_map *m, char *const *wanted)
{
    static char nothing[] = "1.1"; /* RFC 4511 4.5.1.8: no attributes */
    size_t n = 0;

    while (m->attrs[n])
        n++;
    char **attrs = xcalloc(n + 1, sizeof *attrs);
    for (size_t i = 0; i < n; i++) {
        attrs[i] = nothing;
        for (char *const *w = wanted; *w; w++)
            if (strcasecmp(*w, m->attrs[i]) == 0)
                attrs[i] = m->attrs[i];
    }
    return attrs;
}

static void add_reference(struct collecting *c, const struct ldap_value *v)
{
    struct reference r = { .text = span_dup(span_of(v->at, v->len)) };

    r.is_url = c->map->module->is_url(r.text);
    if (!is_new(c, r.text) || (r.is_url && !c->map->module->parse_url(r.text, &r.url))) {
        free(r.text);
        return;
    }
    if (r.is_url && r.url.attrs)
        r.attrs = attrs_of(c->map, r.url.attrs);
    c->next.at = xreallocarray(c->next.at, c->next.n + 1, sizeof *c->next.at);
    c->next.at[c->next.n++] = r;
}

/* ---- entries ---- */

static int add_value(struct collecting *c, const struct ldap_value *v)
{
    const struct ldap_table *t = c->map->table;
    struct span value = span_of(v->at, v->len);
    size_t before = c->value->len;

    if (value.len == 0)
        return 0;
    if (t->expansion_limit && c->n_values >= t->expansion_limit)
        return err_set(c->err, ERR_PERMANENT, "the answer has more than expansion_limit = %d values", t->expansion_limit);
    if (before && buf_addc(c->value, ',') < 0)
        return map_value_too_long(c->key, c->err), -1;
    if (ldap_expand(t->result_format, c->key, value, LDAP_QUOTE_NONE, c->value)) {
        c->n_values++;
        return 0;
    }
    c->value->len = before; /* it lacks what the format asks for, or there is no room */
    return c->value->max - before < value.len + 1 ? (map_value_too_long(c->key, c->err), -1) : 0;
}

static bool has_role(const struct ldap_map *m, const struct ldap_entry *entry, enum ldap_role role)
{
    for (size_t i = 0; i < entry->n; i++)
        if (m->roles[entry->values[i].attr] == role)
            return true;
    return false;
}

static int take_entry(struct collecting *c, const struct ldap_entry *entry)
{
    const struct ldap_map *m = c->map;
    bool is_terminal = has_role(m, entry, LDAP_TERMINAL), refers = has_role(m, entry, LDAP_SPECIAL);

    for (size_t i = 0; i < entry->n; i++) {
        const struct ldap_value *v = &entry->values[i];
        enum ldap_role role = m->roles[v->attr];
        bool counts = is_terminal ? role == LDAP_TERMINAL : role == LDAP_RESULT || (role == LDAP_LEAF && !refers);
        if (counts && add_value(c, v) < 0)
            return -1;
        if (role == LDAP_SPECIAL && !is_terminal)
            add_reference(c, v);
    }
    return 0;
}

static int take_entries(struct collecting *c, const struct ldap_search *s)
{
    for (size_t i = 0; i < s->n; i++)
        if (take_entry(c, &s->at[i]) < 0)
            return -1;
    return 0;
}

/* ---- the next depth ---- */

static struct ldap_search search_for(const struct ldap_map *m, const struct reference *r)
{
    if (r->is_url)
        return (struct ldap_search){
            .base = r->url.base, .filter = r->url.filter, .scope = r->url.scope, .attrs = r->attrs ? r->attrs : m->attrs
        };
    return (struct ldap_search){ .base = r->text, .filter = "(objectClass=*)", .scope = CONFIG_LDAP_BASE, .attrs = m->attrs };
}

static int look_up_all(struct collecting *c, const struct references *l)
{
    struct ldap_search *all = xcalloc(l->n, sizeof *all), **list = xcalloc(l->n, sizeof(struct ldap_search *));
    int rc = 0;

    for (size_t i = 0; i < l->n; i++) {
        all[i] = search_for(c->map, &l->at[i]);
        list[i] = &all[i];
    }
    c->map->module->search(c->map->wire, list, l->n);
    for (size_t i = 0; i < l->n; i++) {
        if (rc == 0 && all[i].outcome == LDAP_ANSWERED)
            rc = take_entries(c, &all[i]);
        else if (rc == 0 && all[i].outcome == LDAP_NO_ANSWER) {
            *c->err = all[i].err;
            rc = -1;
        } /* LDAP_NO_BASE: a member that has gone */
        c->map->module->forget(&all[i]);
    }
    free(all);
    free(list);
    return rc;
}

static int follow(struct collecting *c)
{
    int rc = 0;

    for (int depth = 1; c->next.n && rc == 0; depth++) {
        struct references now = c->next;
        c->next = (struct references){ 0 };
        rc = depth > c->map->table->recursion_limit
                 ? err_set(c->err, ERR_PERMANENT, "entries refer to others deeper than recursion_limit = %d",
                           c->map->table->recursion_limit)
                 : look_up_all(c, &now);
        references_fini(c, &now);
    }
    return rc;
}

enum map_result ldap_collect(struct ldap_map *m, struct ldap_search *first, struct span key, struct buf *value, struct err *e)
{
    struct collecting c = { .map = m, .key = key, .value = value, .err = e };
    int rc = 0;

    for (size_t i = 0; i < first->n && m->table->special_result_attribute.n; i++)
        is_new(&c, first->at[i].dn);
    rc = take_entries(&c, first);
    if (rc == 0)
        rc = follow(&c);
    references_fini(&c, &c.next);
    for (size_t i = 0; i < c.seen_size; i++)
        free(c.seen[i]);
    free(c.seen);
    if (rc < 0)
        return MAP_CANNOT_TELL;
    return value->len ? MAP_FOUND : MAP_NOT_FOUND;
}
