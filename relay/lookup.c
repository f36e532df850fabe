/* SPDX-License-Identifier: Apache-2.0
 *
 * An answer under way is a struct lookup_answer with `ask` set. It is found again by table and key in each later pass. When the
 * last one that a decision waits for has come, the decision is made again; not before, for most need them all. */
#include "relay/lookup.h"

#include "base/clock.h"
#include "base/log.h"
#include "base/mem.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>

enum {
    CHUNK = 4000,
    UNDER_WAY_MAX = 20,    /* questions of one decision: a table answers them one after the other */
    CACHE_SLOTS = 4096,
    CACHE_VALUE_MAX = 4096,
    CACHE_US = 2000000,
};

struct lookup_answer {
    struct lookup_answer *next;
    struct lookup *of;
    struct map *map;
    struct tables *tables;
    char *key;
    size_t key_len;
    struct map_ask *ask; /* NULL: it has come */
    enum map_result result;
    char *value;
    size_t value_len;
};

struct table {
    char *spec;
    struct map *map; /* NULL: its file is not there */
    bool is_alias, is_pattern, may_block;
    int64_t look_us;
    unsigned generation;
};

struct tables {
    char *param;
    struct table *at;
    size_t n;
    unsigned n_opened; /* files that appeared */
    bool is_stale;
    void (*opened)(void *arg, struct map *m);
    void *arg;
};

/* ---- memory of a pass ---- */

void *lookup_alloc(struct lookup *l, size_t size)
{
    struct lookup_chunk *c = l->chunks;

    size = (size + 15) & ~(size_t)15;
    if (!c || c->cap - c->len < size) {
        size_t cap = size > CHUNK ? size : CHUNK;
        c = xmalloc(sizeof *c + cap + 16);
        *c = (struct lookup_chunk){ .next = l->chunks, .cap = cap };
        l->chunks = c;
    }
    char *at = c->at + c->len;
    at += (16 - (uintptr_t)c->at % 16) % 16;
    c->len += size;
    return at;
}

char *lookup_strdup(struct lookup *l, struct span s)
{
    char *at = lookup_alloc(l, s.len + 1);
    if (s.len)
        memcpy(at, s.at, s.len);
    at[s.len] = '\0';
    return at;
}

char *lookup_printf(struct lookup *l, const char *fmt, ...)
{
    char text[2048];
    va_list ap;

    va_start(ap, fmt);
    vsnprintf(text, sizeof text, fmt, ap);
    va_end(ap);
    return lookup_strdup(l, span_str(text));
}

static void free_chunks(struct lookup *l, struct lookup_chunk *but)
{
    while (l->chunks != but) {
        struct lookup_chunk *c = l->chunks;
        l->chunks = c->next;
        free(c);
    }
}

/* The first chunk stays, if it is not large: most passes need no more. */
static void reuse_chunks(struct lookup *l)
{
    struct lookup_chunk *first = l->chunks;

    while (first && first->next)
        first = first->next;
    free_chunks(l, first && first->cap == CHUNK ? first : NULL);
    if (l->chunks)
        l->chunks->len = 0;
}

/* ---- the cache ---- */

struct cached {
    struct map *map;
    char *key; /* NULL: free */
    size_t key_len;
    int64_t until_us;
    enum map_result result;
    char *value;
    size_t value_len;
};

struct lookup_cache {
    struct cached at[CACHE_SLOTS]; /* the place is that of the hash: the newer one wins */
};

struct lookup_cache *lookup_cache_new(void)
{
    return xcalloc(1, sizeof(struct lookup_cache));
}

void lookup_cache_free(struct lookup_cache *c)
{
    for (size_t i = 0; c && i < CACHE_SLOTS; i++) {
        free(c->at[i].key);
        free(c->at[i].value);
    }
    free(c);
}

static uint64_t hash_of(const struct map *m, struct span key)
{
    uint64_t h = UINT64_C(14695981039346656037) ^ (uintptr_t)m;

    for (size_t i = 0; i < key.len; i++)
        h = (h ^ (unsigned char)key.at[i]) * UINT64_C(1099511628211);
    return h ^ h >> 29;
}

static void remember(struct lookup_cache *c, const struct lookup_answer *a)
{
    if (!c || a->result == MAP_CANNOT_TELL || a->value_len > CACHE_VALUE_MAX)
        return;
    struct cached *at = &c->at[hash_of(a->map, span_of(a->key, a->key_len)) % CACHE_SLOTS];
    free(at->key);
    free(at->value);
    *at = (struct cached){
        .map = a->map,
        .key = span_dup(span_of(a->key, a->key_len)),
        .key_len = a->key_len,
        .until_us = clock_mono_us() + CACHE_US,
        .result = a->result,
        .value = span_dup(span_of(a->value, a->value_len)),
        .value_len = a->value_len,
    };
}

static const struct cached *recall(const struct lookup_cache *c, const struct map *m, struct span key)
{
    const struct cached *at = c ? &c->at[hash_of(m, key) % CACHE_SLOTS] : NULL;

    return at && at->key && at->map == m && span_eq(key, span_of(at->key, at->key_len)) && clock_mono_us() < at->until_us ? at
                                                                                                                         : NULL;
}

/* ---- answers ---- */

static void free_answer(struct lookup_answer *a)
{
    map_ask_cancel(a->ask);
    free(a->key);
    free(a->value);
    free(a);
}

void lookup_forget(struct lookup *l)
{
    for (size_t i = 0; i < ARRAY_LEN(l->buckets); i++)
        while (l->buckets[i]) {
            struct lookup_answer *a = l->buckets[i];
            l->buckets[i] = a->next;
            free_answer(a);
        }
    l->n_under_way = 0;
    lookup_begin(l);
}

void lookup_fini(struct lookup *l)
{
    lookup_forget(l);
    free_chunks(l, NULL);
}

void lookup_begin(struct lookup *l)
{
    reuse_chunks(l);
    l->waits = l->has_failed = l->is_out_of_order = false;
}

bool lookup_waits(const struct lookup *l)
{
    return l->waits;
}

bool lookup_has_failed(const struct lookup *l)
{
    return l->has_failed;
}

bool lookup_is_out_of_order(const struct lookup *l)
{
    return l->is_out_of_order;
}

void lookup_fail(struct lookup *l)
{
    l->has_failed = true;
}

static struct lookup_answer **bucket(struct lookup *l, const struct map *m, struct span key)
{
    return &l->buckets[hash_of(m, key) % ARRAY_LEN(l->buckets)];
}

static struct lookup_answer *known(struct lookup *l, const struct map *m, struct span key)
{
    struct lookup_answer *a = *bucket(l, m, key);

    while (a && !(a->map == m && span_eq(key, span_of(a->key, a->key_len))))
        a = a->next;
    return a;
}

static void set_answer(struct lookup_answer *a, enum map_result result, struct span value)
{
    a->ask = NULL;
    a->result = result;
    a->value = span_dup(value);
    a->value_len = value.len;
}

static void told(void *arg, enum map_result result, struct span value, const struct err *e)
{
    struct lookup_answer *a = arg;
    struct lookup *l = a->of;

    set_answer(a, result, value);
    if (result == MAP_CANNOT_TELL)
        map_log_trouble(a->map, a->tables->param, e);
    else
        remember(l->cache, a);
    if (--l->n_under_way == 0)
        l->when_told(l->arg);
}

static struct lookup_answer *new_answer(struct lookup *l, struct tables *t, struct map *m, struct span key)
{
    struct lookup_answer *a = xcalloc(1, sizeof *a), **at = bucket(l, m, key);

    *a = (struct lookup_answer){ .next = *at, .of = l, .map = m, .tables = t, .key = span_dup(key), .key_len = key.len };
    *at = a;
    return a;
}

static void start_asking(struct lookup *l, struct tables *t, struct map *m, struct span key)
{
    l->waits = true;
    if (!l->may_ask || l->n_under_way >= UNDER_WAY_MAX)
        return;
    struct lookup_answer *a = new_answer(l, t, m, key);
    l->n_under_way++;
    a->ask = map_ask(m, l->runner, key, told, a);
    BUG_IF(!a->ask); /* a table that says it blocks does not answer in place */
}

/* ---- tables ---- */

static bool is_pattern(const char *spec)
{
    static const char *const types[] = { "regexp:", "pcre:", "tcp:" };
    for (size_t i = 0; i < ARRAY_LEN(types); i++)
        if (span_starts(span_str(spec), types[i]))
            return true;
    return false;
}

static bool is_listed(const struct strlist *l, const char *spec)
{
    for (size_t i = 0; l && i < l->n; i++)
        if (strcmp(l->at[i], spec) == 0)
            return true;
    return false;
}

static void complain(void *arg, const char *text)
{
    log_warn("%s: %s", (const char *)arg, text);
}

static int open_one(struct tables *t, struct table *one, struct err *e)
{
    const struct map_options o = { .is_aliases = one->is_alias, .complain = complain, .arg = t->param };

    e->sys = 0;
    one->look_us = clock_mono_us() + USEC_PER_SEC;
    one->map = map_open(one->spec, &o, e);
    if (!one->map)
        return err_prefix(e, "%s", t->param);
    one->may_block = map_may_block(one->map);
    one->generation = map_generation(one->map);
    if (t->opened)
        t->opened(t->arg, one->map);
    return 0;
}

struct tables *tables_open(const char *param, const struct strlist *specs, const struct tables_options *o, struct err *e)
{
    struct tables *t = xcalloc(1, sizeof *t);

    t->param = xstrdup(param);
    t->at = xcalloc(specs->n ? specs->n : 1, sizeof *t->at);
    t->opened = o ? o->opened : NULL;
    t->arg = o ? o->arg : NULL;
    for (size_t i = 0; i < specs->n; i++) {
        struct table *one = &t->at[t->n++];
        *one = (struct table){
            .spec = xstrdup(specs->at[i]),
            .is_alias = o && is_listed(o->aliases, specs->at[i]),
            .is_pattern = is_pattern(specs->at[i]),
        };
        if (open_one(t, one, e) == 0)
            continue;
        if (e->sys != ENOENT || !((o && o->may_be_missing) || one->is_alias)) {
            tables_close(t);
            return NULL;
        }
        if (o && o->may_be_missing)
            log_info("%s: nobody is in it", e->text);
    }
    return t;
}

void tables_close(struct tables *t)
{
    if (!t)
        return;
    for (size_t i = 0; i < t->n; i++) {
        map_close(t->at[i].map);
        free(t->at[i].spec);
    }
    free(t->at);
    free(t->param);
    free(t);
}

size_t tables_count(const struct tables *t)
{
    return t ? t->n : 0;
}

bool tables_may_block(const struct tables *t)
{
    for (size_t i = 0; t && i < t->n; i++)
        if (t->at[i].may_block)
            return true;
    return false;
}

bool tables_are_stale(const struct tables *t)
{
    for (size_t i = 0; t && i < t->n; i++)
        if (t->at[i].map && map_is_stale(t->at[i].map))
            return true;
    return t && t->is_stale;
}

unsigned tables_generation(const struct tables *t)
{
    unsigned sum = t->n_opened;
    for (size_t i = 0; i < t->n; i++)
        sum += t->at[i].map ? map_generation(t->at[i].map) : 0;
    return sum;
}

bool tables_each(struct tables *t, map_row_fn *row, void *arg)
{
    bool is_all = true;
    struct err e;

    for (size_t i = 0; i < t->n; i++)
        if (t->at[i].map && map_each(t->at[i].map, row, arg, &e) < 0)
            is_all = false;
    return is_all;
}

/* Whether a file that was missing is there, once a second. */
static void look_for_file(struct tables *t, struct table *one)
{
    const char *colon = strchr(one->spec, ':');
    const char *file = one->spec[0] == '/' || !colon ? one->spec : colon + 1;
    struct stat st;
    struct err e;

    if (clock_mono_us() < one->look_us)
        return;
    one->look_us = clock_mono_us() + USEC_PER_SEC;
    if (stat(file, &st) < 0)
        return;
    if (open_one(t, one, &e) == 0)
        t->n_opened++;
    else
        t->is_stale |= e.sys == EACCES || e.sys == EPERM;
}

/* The value is put where the pass has its memory. */
static enum map_result find_in_place(struct lookup *l, struct tables *t, struct map *m, struct span key, struct span *value)
{
    enum map_result result;
    struct buf found;
    struct err e = { 0 };

    buf_init(&found, MAP_VALUE_MAX);
    result = map_lookup(m, key, &found, &e);
    if (result == MAP_FOUND)
        *value = span_of(lookup_strdup(l, buf_span(&found)), found.len);
    buf_fini(&found);
    if (result == MAP_CANNOT_TELL) {
        map_log_trouble(m, t->param, &e);
        l->has_failed = l->is_out_of_order = true;
    }
    return result;
}

static enum map_result find_by_asking(struct lookup *l, struct tables *t, struct map *m, struct span key, struct span *value)
{
    const struct lookup_answer *a = known(l, m, key);
    const struct cached *c = a ? NULL : recall(l->cache, m, key);

    if (c) {
        set_answer(new_answer(l, t, m, key), c->result, span_of(c->value, c->value_len));
        a = known(l, m, key);
    }
    if (!a || a->ask) {
        if (a)
            l->waits = true;
        else
            start_asking(l, t, m, key);
        return MAP_CANNOT_TELL;
    }
    if (a->result == MAP_CANNOT_TELL)
        l->has_failed = l->is_out_of_order = true;
    *value = span_of(a->value, a->value_len);
    return a->result;
}

enum map_result tables_find(struct tables *t, struct lookup *l, struct span key, bool is_whole, struct span *value)
{
    enum map_result result = MAP_NOT_FOUND;

    if (key.len == 0 || key.len > MAP_KEY_MAX)
        return MAP_NOT_FOUND;
    for (size_t i = 0; t && i < t->n && result == MAP_NOT_FOUND; i++) {
        struct table *one = &t->at[i];
        if (!one->map)
            look_for_file(t, one);
        if (!one->map || (one->is_pattern && !is_whole) || (one->may_block && map_cannot_have(one->map, key)))
            continue;
        result = one->may_block && l->runner ? find_by_asking(l, t, one->map, key, value)
                                             : find_in_place(l, t, one->map, key, value);
        if (t->opened && map_generation(one->map) != one->generation) {
            one->generation = map_generation(one->map);
            t->opened(t->arg, one->map);
        }
    }
    return result;
}
