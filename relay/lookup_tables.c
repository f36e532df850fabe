/* SPDX-License-Identifier: Apache-2.0
 *
 * The tables of a parameter: opened one by one, asked in their order, in place or through lookup.c. */
#include "relay/lookup_int.h"

#include "base/clock.h"
#include "base/log.h"
#include "base/mem.h"

#include <errno.h>
#include <stdlib.h>
#include <sys/stat.h>

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
            log_debug("%s: nobody is in it", e->text);
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
        result = one->may_block && l->runner ? lookup_ask(l, t->param, one->map, key, value)
                                             : find_in_place(l, t, one->map, key, value);
        if (t->opened && map_generation(one->map) != one->generation) {
            one->generation = map_generation(one->map);
            t->opened(t->arg, one->map);
        }
    }
    return result;
}
