/* SPDX-License-Identifier: Apache-2.0
 *
 * map_union.c - tables made of tables. unionmap:{ A, B } puts together what all of them say, with commas; pipemap:{ A, B } asks
 * B for what A has said; randmap:{ x, y } answers with any of its words. A member that fails fails the whole: half an answer
 * would be a wrong one. */
#include "map/map_int.h"

#include "base/mem.h"

#include <stdio.h>
#include <stdlib.h>
#include <sys/random.h>

struct members {
    struct map **at;
    size_t n;
    bool may_block;
};

static void close_members(void *self)
{
    struct members *u = self;

    if (!u)
        return;
    for (size_t i = 0; i < u->n; i++)
        map_close(u->at[i]);
    free(u->at);
    free(u);
}

static int add_member(struct members *u, const struct map_source *src, struct span spec, struct err *e)
{
    struct span inner;

    if (spec.at[0] == '{' && map_unbrace(spec, &inner))
        spec = inner;
    struct map *m = map_open_member(src, spec, e);
    if (!m)
        return -1;
    u->at = xreallocarray(u->at, u->n + 1, sizeof *u->at);
    u->at[u->n++] = m;
    u->may_block |= map_may_block(m);
    return 0;
}

static void *open_members(const struct map_source *src, struct err *e)
{
    struct members *u = xcalloc(1, sizeof *u);
    struct span rest, spec;
    int rc = 0;

    if (!map_unbrace(span_str(src->name), &rest) || !rest.len)
        rc = err_set(e, ERR_CONFIG, "%s:%s: bad syntax; it is %s:{ type:name, type:name }", src->type, src->name, src->type);
    while (rc == 0 && map_next_spec(&rest, &spec))
        rc = add_member(u, src, spec, e);
    if (rc == 0)
        return u;
    close_members(u);
    return NULL;
}

static bool members_may_block(const void *self)
{
    return ((const struct members *)self)->may_block;
}

/* As the one that says least; those that do not block need nobody to keep what they say. */
static int64_t members_keep_us(const void *self)
{
    const struct members *u = self;
    int64_t least = INT64_MAX;

    for (size_t i = 0; i < u->n; i++)
        if (map_may_block(u->at[i]) && map_keep_us(u->at[i]) < least)
            least = map_keep_us(u->at[i]);
    return u->may_block ? least : 0;
}

static enum map_result look_up_union(void *self, struct span key, struct buf *value, struct err *e)
{
    struct members *u = self;
    enum map_result result = MAP_NOT_FOUND;
    struct buf part;

    buf_init(&part, MAP_VALUE_MAX);
    for (size_t i = 0; i < u->n && result != MAP_CANNOT_TELL; i++) {
        enum map_result r = map_lookup(u->at[i], key, &part, e);
        if (r == MAP_NOT_FOUND)
            continue;
        if (r == MAP_FOUND && ((value->len && buf_addc(value, ',') < 0) || buf_addspan(value, buf_span(&part)) < 0))
            r = map_value_too_long(key, e);
        result = r;
    }
    buf_fini(&part);
    return result;
}

static enum map_result look_up_pipe(void *self, struct span key, struct buf *value, struct err *e)
{
    struct members *u = self;
    enum map_result result = MAP_NOT_FOUND;
    struct buf in;

    buf_init(&in, MAP_VALUE_MAX);
    buf_addspan(&in, key);
    for (size_t i = 0; i < u->n; i++) {
        result = map_lookup(u->at[i], buf_span(&in), value, e);
        if (result != MAP_FOUND)
            break;
        buf_clear(&in);
        if (buf_addspan(&in, buf_span(value)) < 0) {
            result = map_value_too_long(key, e);
            break;
        }
    }
    buf_fini(&in);
    return result;
}

const struct map_kind map_kind_unionmap = {
    .type = "unionmap", .open = open_members, .close = close_members, .lookup = look_up_union, .may_block = members_may_block,
    .keep_us = members_keep_us,
};
const struct map_kind map_kind_pipemap = {
    .type = "pipemap", .open = open_members, .close = close_members, .lookup = look_up_pipe, .may_block = members_may_block,
    .keep_us = members_keep_us,
};

/* ---- randmap: ---- */

struct words {
    char **at;
    size_t n;
};

static void close_words(void *self)
{
    struct words *w = self;

    if (!w)
        return;
    for (size_t i = 0; i < w->n; i++)
        free(w->at[i]);
    free(w->at);
    free(w);
}

static void *open_words(const struct map_source *src, struct err *e)
{
    struct words *w = xcalloc(1, sizeof *w);
    struct span rest, word, inner;

    if (map_unbrace(span_str(src->name), &rest))
        while (map_next_spec(&rest, &word)) {
            w->at = xreallocarray(w->at, w->n + 1, sizeof *w->at);
            w->at[w->n++] = span_dup(map_unbrace(word, &inner) ? inner : word);
        }
    if (w->n)
        return w;
    err_set(e, ERR_CONFIG, "randmap:%s: bad syntax; it is randmap:{ value, value }", src->name);
    close_words(w);
    return NULL;
}

static enum map_result look_up_random(void *self, struct span key, struct buf *value, struct err *e)
{
    struct words *w = self;
    uint32_t n = 0;

    if (getrandom(&n, sizeof n, GRND_NONBLOCK) != (ssize_t)sizeof n)
        n = (uint32_t)clock();
    return buf_adds(value, w->at[n % w->n]) < 0 ? map_value_too_long(key, e) : MAP_FOUND;
}

const struct map_kind map_kind_randmap = {
    .type = "randmap", .open = open_words, .close = close_words, .lookup = look_up_random,
};
