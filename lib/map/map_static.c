/* SPDX-License-Identifier: Apache-2.0
 *
 * map_static.c - tables without rows: static:TEXT answers each key with TEXT, fail:TEXT each with a failure, environ: with the
 * variable of that name. */
#include "map/map_int.h"

#include "base/mem.h"

#include <stdlib.h>

/* ---- static: ---- */

static void *open_static(const struct map_source *src, struct err *e)
{
    struct span text = span_str(src->name);

    if (text.at[0] == '{' && !map_unbrace(text, &text)) {
        err_set(e, ERR_CONFIG, "static:%s: a { that is not closed at the end", src->name);
        return NULL;
    }
    return span_dup(text);
}

static enum map_result look_up_static(void *self, struct span key, struct buf *value, struct err *e)
{
    return buf_adds(value, self) < 0 ? map_value_too_long(key, e) : MAP_FOUND;
}

const struct map_kind map_kind_static = {
    .type = "static", .open = open_static, .close = free, .lookup = look_up_static,
};

/* ---- fail: ---- */

static void *open_name(const struct map_source *src, struct err *e)
{
    (void)e;
    return xstrdup(src->name);
}

static enum map_result look_up_fail(void *self, struct span key, struct buf *value, struct err *e)
{
    (void)self;
    (void)key;
    (void)value;
    err_set(e, ERR_TEMPORARY, "a table that always fails");
    return MAP_CANNOT_TELL;
}

const struct map_kind map_kind_fail = {
    .type = "fail", .open = open_name, .close = free, .lookup = look_up_fail,
};

/* ---- environ: ---- */

static enum map_result look_up_environ(void *self, struct span key, struct buf *value, struct err *e)
{
    const char *text = memchr(key.at, '\0', key.len) ? NULL : getenv(key.at);

    (void)self;
    if (!text)
        return MAP_NOT_FOUND;
    return buf_adds(value, text) < 0 ? map_value_too_long(key, e) : MAP_FOUND;
}

extern char **environ;

static int each_environ(void *self, map_row_fn *fn, void *arg, struct err *e)
{
    int rc = 0;

    (void)self;
    (void)e;
    for (char **at = environ; *at && rc == 0; at++) {
        struct span s = span_str(*at);
        size_t equals = span_find(s, '=');
        const struct map_row row = { .key = span_of(s.at, equals), .value = span_from(s, equals + 1) };
        rc = fn(arg, &row);
    }
    return rc;
}

/* Names of variables keep their case: folded, hardly one would be found. */
const struct map_kind map_kind_environ = {
    .type = "environ", .open = open_name, .close = free, .lookup = look_up_environ, .each = each_environ,
};
