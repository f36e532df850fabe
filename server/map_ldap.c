/* SPDX-License-Identifier: Apache-2.0
 *
 * A table of type ldap: opening it, and what of a lookup needs no directory. */
#include "server/map_ldap_int.h"

#include "base/clock.h"
#include "base/mem.h"
#include "server/map_ldap_expand.h"

#include <stdlib.h>

static const struct config *config;

void map_ldap_use(const struct config *cfg)
{
    config = cfg;
}

/* ---- opening ---- */

static void close_ldap(void *self)
{
    struct ldap_map *m = self;

    if (!m)
        return;
    if (m->wire)
        m->module->close(m->wire);
    for (size_t i = 0; i < m->n_domains; i++)
        map_close(m->domains[i]);
    free(m->domains);
    ldap_cache_free(m->cache);
    config_secret_free(m->password);
    free(m->filter);
    free(m->attrs);
    free(m->roles);
    config_ldap_table_free(m->table);
    free(m);
}

static void add_attrs(struct ldap_map *m, const struct strlist *names, enum ldap_role role, size_t *n)
{
    for (size_t i = 0; i < names->n; i++) {
        m->attrs[*n] = names->at[i];
        m->roles[(*n)++] = role;
    }
}

/* Of an attribute that is named twice the role that says more counts. */
static void list_attrs(struct ldap_map *m)
{
    const struct ldap_table *t = m->table;
    size_t n = 0, all = t->result_attribute.n + t->special_result_attribute.n + t->leaf_result_attribute.n +
                        t->terminal_result_attribute.n;

    m->attrs = xcalloc(all + 1, sizeof *m->attrs);
    m->roles = xcalloc(all + 1, sizeof *m->roles);
    add_attrs(m, &t->special_result_attribute, LDAP_SPECIAL, &n);
    add_attrs(m, &t->terminal_result_attribute, LDAP_TERMINAL, &n);
    add_attrs(m, &t->leaf_result_attribute, LDAP_LEAF, &n);
    add_attrs(m, &t->result_attribute, LDAP_RESULT, &n);
}

static int open_domains(struct ldap_map *m, struct err *e)
{
    const struct strlist *l = &m->table->domain;

    m->domains = xcalloc(l->n + 1, sizeof *m->domains);
    for (size_t i = 0; i < l->n; i++) {
        if (l->at[i][0] == '/')
            return err_set(e, ERR_CONFIG, "domain: a file is written as a table: texthash:%s", l->at[i]);
        if (!strchr(l->at[i], ':'))
            continue;
        struct map *of = map_open_member(m->source, span_str(l->at[i]), e);
        if (!of)
            return err_prefix(e, "domain");
        m->domains[m->n_domains++] = of;
    }
    return 0;
}

static int check_templates(struct ldap_map *m, struct err *e)
{
    const struct ldap_table *t = m->table;
    struct span filter = span_str(t->query_filter);

    if (ldap_template_check(t->query_filter, e) < 0)
        return err_prefix(e, "query_filter");
    if (ldap_template_check(t->search_base, e) < 0)
        return err_prefix(e, "search_base");
    if (ldap_template_check(t->result_format, e) < 0)
        return err_prefix(e, "result_format");
    m->filter = filter.at[0] == '(' ? span_dup(filter) : xasprintf("(%s)", t->query_filter);
    if (ldap_template_is_fixed(t->query_filter) && ldap_template_is_fixed(t->search_base))
        map_complain(m->source, "ldap:%s: query_filter \"%s\" has no %%s or the like: each key finds the same; write it as "
                     "(mail=%%s)", m->source->name, t->query_filter);
    return 0;
}

static int open_all(struct ldap_map *m, struct err *e)
{
    m->table = config_ldap_table(config, m->source->name, &m->password, e);
    if (!m->table)
        return -1;
    list_attrs(m);
    if (check_templates(m, e) < 0 || open_domains(m, e) < 0)
        return err_prefix(e, "ldap:%s", m->source->name);
    if (m->table->cache)
        m->cache = ldap_cache_new(m->table->cache_size, m->table->cache_expiry);
    m->module = (const struct ldap_module *)(const void *)module_load("ldap", "tables of type ldap", e);
    if (!m->module)
        return -1;
    m->wire = m->module->open(m->table, m->password, e);
    return m->wire ? 0 : err_prefix(e, "ldap:%s", m->source->name);
}

static void *open_ldap(const struct map_source *src, struct err *e)
{
    struct ldap_map *m = xcalloc(1, sizeof *m);
    struct err ignored;

    m->source = src;
    if (open_all(m, e ? e : &ignored) == 0)
        return m;
    close_ldap(m);
    return NULL;
}

/* ---- asking ---- */

/* Nothing in here changes after opening: it may be called while another thread asks. */
static bool cannot_have(const void *self, struct span key)
{
    const struct ldap_map *m = self;
    const struct strlist *domains = &m->table->domain;
    size_t at = span_rfind(key, '@');

    if (key.len == 0 || !span_is_utf8(key) || memchr(key.at, '\0', key.len) || !ldap_template_suits(m->table->result_format, key))
        return true;
    if (domains->n == 0)
        return false;
    if (at == 0 || at >= key.len)
        return true;
    for (size_t i = 0; i < domains->n; i++)
        if (span_ieq_str(span_from(key, at + 1), domains->at[i]))
            return false;
    return m->n_domains == 0;
}

static bool is_in_domains(const struct ldap_map *m, struct span domain)
{
    for (size_t i = 0; i < m->table->domain.n; i++)
        if (span_ieq_str(domain, m->table->domain.at[i]))
            return true;
    return false;
}

static enum map_result is_in_tables(struct ldap_map *m, struct span domain, struct err *e)
{
    enum map_result result = MAP_NOT_FOUND;
    struct buf value;

    buf_init(&value, MAP_VALUE_MAX);
    for (size_t i = 0; i < m->n_domains && result == MAP_NOT_FOUND; i++)
        result = map_lookup(m->domains[i], domain, &value, e);
    buf_fini(&value);
    return result;
}

/* MAP_NOT_FOUND without a query, or MAP_FOUND: the directory has to be asked. */
static enum map_result is_to_be_asked(struct ldap_map *m, struct span key, struct err *e)
{
    struct span domain = span_from(key, span_rfind(key, '@') + 1);

    if (cannot_have(m, key))
        return MAP_NOT_FOUND;
    return m->table->domain.n == 0 || is_in_domains(m, domain) ? MAP_FOUND : is_in_tables(m, domain, e);
}

static bool is_answered_here(struct ldap_map *m, struct map_question *q)
{
    q->result = is_to_be_asked(m, q->key, q->err);
    if (q->result != MAP_FOUND)
        return true;
    if (m->cache && (q->result = ldap_cache_find(m->cache, q->key, q->value)) != MAP_CANNOT_TELL)
        return true;
    buf_clear(q->value);
    if (clock_mono_us() >= m->paused_until_us)
        return false;
    q->result = MAP_CANNOT_TELL;
    *q->err = m->why_paused;
    return true;
}

static void look_up_many(void *self, struct map_question *const *questions, size_t n)
{
    struct ldap_map *m = self;
    struct map_question **rest = xcalloc(n, sizeof(struct map_question *));
    size_t n_rest = 0;

    for (size_t i = 0; i < n; i++)
        if (!is_answered_here(m, questions[i]))
            rest[n_rest++] = questions[i];
    if (n_rest)
        ldap_ask(m, rest, n_rest);
    for (size_t i = 0; i < n_rest && m->cache; i++)
        ldap_cache_put(m->cache, rest[i]->key, rest[i]->result, buf_span(rest[i]->value));
    free(rest);
}

static enum map_result look_up(void *self, struct span key, struct buf *value, struct err *e)
{
    struct err ignored;
    struct map_question q = { .key = key, .value = value, .err = e ? e : &ignored }, *list = &q;

    look_up_many(self, &list, 1);
    return q.result;
}

/* It keeps its answers itself, for as long as `cache` and `cache_expiry` say. */
static int64_t keep_us(const void *self)
{
    (void)self;
    return 0;
}

static int try(void *self, struct err *e)
{
    struct ldap_map *m = self;
    return m->module->connect(m->wire, e);
}

const struct map_kind map_kind_ldap = {
    .type = "ldap",
    .flags = MAP_FOLDS | MAP_BLOCKS,
    .open = open_ldap,
    .close = close_ldap,
    .lookup = look_up,
    .lookup_many = look_up_many,
    .cannot_have = cannot_have,
    .keep_us = keep_us,
    .try = try,
};
