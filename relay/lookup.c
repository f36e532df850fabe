/* SPDX-License-Identifier: Apache-2.0
 *
 * An answer that is not there yet is a struct lookup_answer that waits in line, or has `ask` set. It is found again by table and key
 * in each later pass. When the last one that a decision waits for has come, the decision is made again; not before, for most need
 * them all. So there are as many passes as questions depend on each other, however many addresses there are. */
#include "relay/lookup_int.h"

#include "base/clock.h"
#include "base/mem.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

enum {
    CHUNK = 4000,
    UNDER_WAY_MAX = 20,    /* questions of one decision: a table answers them one after the other */
    BUCKETS_MIN = 32,      /* a power of two */
    CACHE_SLOTS = 4096,
    CACHE_VALUE_MAX = 4096,
};

struct lookup_answer {
    struct lookup_answer *next;
    struct lookup *of;
    struct map *map;
    const char *param; /* borrowed from the tables */
    char *key;
    size_t key_len;
    bool is_waiting;     /* in line */
    struct lookup_answer *next_waiting;
    struct map_ask *ask; /* NULL, and not in line: it has come */
    enum map_result result;
    char *value;
    size_t value_len;
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
    int64_t keep_us = c ? map_keep_us(a->map) : 0;

    if (!keep_us || a->result == MAP_CANNOT_TELL || a->value_len > CACHE_VALUE_MAX)
        return;
    struct cached *at = &c->at[hash_of(a->map, span_of(a->key, a->key_len)) % CACHE_SLOTS];
    free(at->key);
    free(at->value);
    *at = (struct cached){
        .map = a->map,
        .key = span_dup(span_of(a->key, a->key_len)),
        .key_len = a->key_len,
        .until_us = clock_mono_us() + keep_us,
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
    for (size_t i = 0; i < l->n_buckets; i++)
        while (l->buckets[i]) {
            struct lookup_answer *a = l->buckets[i];
            l->buckets[i] = a->next;
            free_answer(a);
        }
    if (l->n_buckets > BUCKETS_MIN) {
        free(l->buckets);
        l->buckets = NULL;
        l->n_buckets = 0;
    }
    l->waiting = l->last_waiting = NULL;
    l->n_answers = 0;
    l->n_under_way = 0;
    lookup_begin(l);
}

void lookup_fini(struct lookup *l)
{
    lookup_forget(l);
    free(l->buckets);
    l->buckets = NULL;
    l->n_buckets = 0;
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
    return &l->buckets[hash_of(m, key) & (l->n_buckets - 1)];
}

static struct lookup_answer *known(struct lookup *l, const struct map *m, struct span key)
{
    struct lookup_answer *a = l->n_answers ? *bucket(l, m, key) : NULL;

    while (a && !(a->map == m && span_eq(key, span_of(a->key, a->key_len))))
        a = a->next;
    return a;
}

static void make_room(struct lookup *l)
{
    struct lookup_answer **was = l->buckets;
    size_t n = l->n_buckets;

    if (l->n_answers < n * 2)
        return;
    l->n_buckets = n ? n * 4 : BUCKETS_MIN;
    l->buckets = xcalloc(l->n_buckets, sizeof(struct lookup_answer *));
    for (size_t i = 0; i < n; i++)
        while (was[i]) {
            struct lookup_answer *a = was[i], **at = bucket(l, a->map, span_of(a->key, a->key_len));
            was[i] = a->next;
            a->next = *at;
            *at = a;
        }
    free(was);
}

static struct lookup_answer *new_answer(struct lookup *l, const char *param, struct map *m, struct span key)
{
    struct lookup_answer *a = xcalloc(1, sizeof *a);

    make_room(l);
    struct lookup_answer **at = bucket(l, m, key);
    *a = (struct lookup_answer){ .next = *at, .of = l, .map = m, .param = param, .key = span_dup(key), .key_len = key.len };
    *at = a;
    l->n_answers++;
    return a;
}

static void set_answer(struct lookup_answer *a, enum map_result result, struct span value)
{
    a->ask = NULL;
    a->result = result;
    a->value = span_dup(value);
    a->value_len = value.len;
}

/* ---- asking ---- */

static struct lookup_answer *take_waiting(struct lookup *l)
{
    struct lookup_answer *a = l->waiting;

    if (a) {
        l->waiting = a->next_waiting;
        a->is_waiting = false;
    }
    return a;
}

/* A decision that has failed needs no more answers. */
static void give_up_waiting(struct lookup *l)
{
    struct lookup_answer *a;

    while ((a = take_waiting(l)))
        set_answer(a, MAP_CANNOT_TELL, SPAN(""));
}

static void told(void *arg, enum map_result result, struct span value, const struct err *e);

static void ask_waiting(struct lookup *l)
{
    struct lookup_answer *a;

    while (l->n_under_way < UNDER_WAY_MAX && (a = take_waiting(l))) {
        l->n_under_way++;
        a->ask = map_ask(a->map, l->runner, span_of(a->key, a->key_len), told, a);
        BUG_IF(!a->ask); /* a table that says it blocks does not answer in place */
    }
}

static void told(void *arg, enum map_result result, struct span value, const struct err *e)
{
    struct lookup_answer *a = arg;
    struct lookup *l = a->of;

    set_answer(a, result, value);
    if (result == MAP_CANNOT_TELL) {
        map_log_trouble(a->map, a->param, e);
        give_up_waiting(l);
    } else {
        remember(l->cache, a);
    }
    l->n_under_way--;
    ask_waiting(l);
    if (l->n_under_way == 0)
        l->when_told(l->arg);
}

static void start_asking(struct lookup *l, const char *param, struct map *m, struct span key)
{
    l->waits = true;
    if (!l->may_ask)
        return;
    struct lookup_answer *a = new_answer(l, param, m, key);
    a->is_waiting = true;
    if (l->waiting)
        l->last_waiting->next_waiting = a;
    else
        l->waiting = a;
    l->last_waiting = a;
    ask_waiting(l);
}

enum map_result lookup_ask(struct lookup *l, const char *param, struct map *m, struct span key, struct span *value)
{
    const struct lookup_answer *a = known(l, m, key);
    const struct cached *c = a ? NULL : recall(l->cache, m, key);

    if (c) {
        set_answer(new_answer(l, param, m, key), c->result, span_of(c->value, c->value_len));
        a = known(l, m, key);
    }
    if (!a || a->ask || a->is_waiting) {
        if (a)
            l->waits = true;
        else
            start_asking(l, param, m, key);
        return MAP_CANNOT_TELL;
    }
    if (a->result == MAP_CANNOT_TELL)
        l->has_failed = l->is_out_of_order = true;
    *value = span_of(a->value, a->value_len);
    return a->result;
}
