/* SPDX-License-Identifier: Apache-2.0
 *
 * map.c - the door: the registry of types, opening by name, folding the key, and handing on to the kind. */
#include "map/map_int.h"

#include "base/clock.h"
#include "base/log.h"
#include "base/mem.h"

#include <assert.h>
#include <stdio.h>
#include <stdlib.h>

/* ---- the registry ---- */

static const struct map_kind *kinds[48];
static size_t n_kinds;
static unsigned n_blocking; /* open tables of those that block */

static const struct map_kind **find_kind(struct span type)
{
    for (size_t i = 0; i < n_kinds; i++)
        if (span_eq(type, span_str(kinds[i]->type)))
            return &kinds[i];
    return NULL;
}

void map_register(const struct map_kind *k)
{
    const struct map_kind **there = find_kind(span_str(k->type));

    if (there) {
        *there = k;
        return;
    }
    if (n_kinds == ARRAY_LEN(kinds))
        bug("more types of tables than there is room for");
    kinds[n_kinds++] = k;
}

/* ---- opening ---- */

void map_complain(const struct map_source *src, const char *fmt, ...)
{
    char text[1000], safe[1200];
    va_list ap;

    if (!src->o.complain)
        return;
    va_start(ap, fmt);
    vsnprintf(text, sizeof text, fmt, ap);
    va_end(ap);
    src->o.complain(src->o.arg, log_escape(span_str(text), safe, sizeof safe)); /* it quotes the file */
}

/* The two halves of "type:name". */
static int part(struct span spec, struct span *type, struct span *name, struct err *e)
{
    spec = span_trim(spec);
    if (spec.len && spec.at[0] == '/') {
        *type = SPAN("hash");
        *name = spec;
        return 0;
    }
    size_t colon = span_find(spec, ':');
    *type = span_trim(span_of(spec.at, colon));
    *name = span_trim(span_from(spec, colon + 1));
    if (colon == spec.len || type->len == 0 || name->len == 0)
        return err_set(e, ERR_CONFIG, "\"%.*s\" is no table: it is \"type:name\", like hash:/etc/baton/virtual",
                       (int)(spec.len > 200 ? 200 : spec.len), spec.at);
    if (memchr(spec.at, '\0', spec.len))
        return err_set(e, ERR_CONFIG, "the name of a table holds a NUL");
    return 0;
}

static struct map *open_span(struct span spec, const struct map_options *o, struct map_state *state, struct err *e)
{
    struct span type, name;

    if (part(spec, &type, &name, e) < 0)
        return NULL;
    const struct map_kind **kind = find_kind(type);
    if (!kind) {
        map_no_such_type(type, e);
        return NULL;
    }
    struct map *m = xcalloc(1, sizeof *m);
    m->kind = *kind;
    m->type = span_dup(type);
    m->name = span_dup(name);
    m->spec = xasprintf("%s:%s", m->type, m->name);
    m->source = (struct map_source){ .type = m->type, .name = m->name, .state = state ? state : &m->own_state };
    if (o)
        m->source.o = *o;
    if (m->source.o.timeout_ms == 0)
        m->source.o.timeout_ms = MAP_TIMEOUT_MS;
    m->self = m->kind->open(&m->source, e);
    if (!m->self) {
        map_free(m);
        return NULL;
    }
    n_blocking += (m->kind->flags & MAP_BLOCKS) != 0;
    return m;
}

bool map_can_open(const char *spec)
{
    struct span type, name;

    return part(span_str(spec), &type, &name, NULL) == 0 && find_kind(type);
}

struct map *map_open(const char *spec, const struct map_options *o, struct err *e)
{
    return open_span(span_str(spec), o, NULL, e);
}

struct map *map_open_member(const struct map_source *whole, struct span spec, struct err *e)
{
    return open_span(spec, &whole->o, whole->state, e);
}

void map_free(struct map *m)
{
    n_blocking -= m->self && (m->kind->flags & MAP_BLOCKS);
    m->kind->close(m->self);
    free(m->spec);
    free(m->type);
    free(m->name);
    free(m);
}

void map_close(struct map *m)
{
    if (m && map_asks_end(m))
        map_free(m);
}

const char *map_spec(const struct map *m)
{
    return m->spec;
}

bool map_may_block(const struct map *m)
{
    return m->kind->may_block ? m->kind->may_block(m->self) : (m->kind->flags & MAP_BLOCKS) != 0;
}

int64_t map_keep_us(const struct map *m)
{
    if (m->kind->keep_us)
        return m->kind->keep_us(m->self);
    return map_may_block(m) ? (int64_t)MAP_KEEP_MS * 1000 : 0;
}

unsigned map_n_blocking(void)
{
    return n_blocking;
}

unsigned map_generation(const struct map *m)
{
    return m->source.state->generation;
}

bool map_is_stale(const struct map *m)
{
    return m->source.state->is_stale;
}

/* ---- asking ---- */

enum map_result map_value_too_long(struct span key, struct err *e)
{
    err_set(e, ERR_PERMANENT, "the value of \"%.*s\" is too long", (int)(key.len > 200 ? 200 : key.len), key.at);
    return MAP_CANNOT_TELL;
}

/* In `small`, or in memory of its own. */
static char *fold(const struct map *m, struct span key, char *small, size_t size)
{
    bool folds = (m->kind->flags & MAP_FOLDS) && !m->source.o.keeps_case;
    char *copy = key.len < size ? small : xmalloc(key.len + 1);

    for (size_t i = 0; i < key.len; i++)
        copy[i] = folds ? (char)ascii_lower((unsigned char)key.at[i]) : key.at[i];
    copy[key.len] = '\0';
    return copy;
}

bool map_cannot_have(const struct map *m, struct span key)
{
    char small[512];

    if (!m->kind->cannot_have)
        return false;
    if (key.len > MAP_KEY_MAX)
        return true;
    char *copy = fold(m, key, small, sizeof small);
    bool cannot = m->kind->cannot_have(m->self, span_of(copy, key.len));
    if (copy != small)
        free(copy);
    return cannot;
}

enum map_result map_lookup(struct map *m, struct span key, struct buf *value, struct err *e)
{
    char small[512];

    buf_clear(value);
    if (key.len > MAP_KEY_MAX)
        return MAP_NOT_FOUND;
    char *copy = fold(m, key, small, sizeof small);
    enum map_result result = m->kind->lookup(m->self, span_of(copy, key.len), value, e);
    if (copy != small)
        free(copy);
    if (result == MAP_CANNOT_TELL)
        err_prefix(e, "%s", m->spec);
    return result;
}

void map_lookup_many(struct map *m, struct map_question *const *questions, size_t n)
{
    struct span *keys = xcalloc(n, sizeof *keys);

    for (size_t i = 0; i < n; i++) {
        struct map_question *q = questions[i];
        buf_clear(q->value);
        keys[i] = q->key;
        q->key = span_of(fold(m, q->key, NULL, 0), q->key.len);
    }
    if (m->kind->lookup_many)
        m->kind->lookup_many(m->self, questions, n);
    for (size_t i = 0; i < n; i++) {
        struct map_question *q = questions[i];
        if (!m->kind->lookup_many)
            q->result = m->kind->lookup(m->self, q->key, q->value, q->err);
        if (q->result == MAP_CANNOT_TELL)
            err_prefix(q->err, "%s", m->spec);
        free((char *)(uintptr_t)q->key.at);
        q->key = keys[i];
    }
    free(keys);
}

enum { TROUBLE_EVERY_S = 30 };

void map_log_trouble(struct map *m, const char *param, const struct err *e)
{
    int64_t now = clock_mono_us();

    if (m->trouble_us && now - m->trouble_us < TROUBLE_EVERY_S * USEC_PER_SEC) {
        m->n_untold++;
        return;
    }
    if (m->n_untold)
        log_warn("%s: %s (and no answer to %u questions before)", param, e->text, m->n_untold);
    else
        log_warn("%s: %s", param, e->text);
    m->trouble_us = now;
    m->n_untold = 0;
}

int map_try(struct map *m, struct err *e)
{
    return m->kind->try && m->kind->try(m->self, e) < 0 ? err_prefix(e, "%s", m->spec) : 0;
}

int map_each(struct map *m, map_row_fn *row, void *arg, struct err *e)
{
    if (!m->kind->each)
        return err_set(e, ERR_CONFIG, "%s: a table of type %s cannot tell all of its rows", m->spec, m->type);
    return m->kind->each(m->self, row, arg, e);
}
