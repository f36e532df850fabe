/* SPDX-License-Identifier: Apache-2.0
 *
 * map_build.c - an index of a whole text: its rows, sorted, which fills each page once. */
#include "map/map_build_int.h"

#include "base/mem.h"

#include <stdlib.h>

struct rows {
    struct map_row *at;
    size_t n, cap;
    size_t room; /* in the index, roughly */
};

struct place { /* for sorting: the first eight bytes decide most comparisons */
    uint64_t prefix;
    uint32_t row;
};

static const struct map_row *sorting; /* what the places of a qsort() are of */

static int by_key(const void *a, const void *b)
{
    const struct place *x = a, *y = b;
    if (x->prefix != y->prefix)
        return x->prefix < y->prefix ? -1 : 1;
    struct span k = sorting[x->row].key, l = sorting[y->row].key;
    int c = memcmp(k.at, l.at, k.len < l.len ? k.len : l.len);
    if (c == 0)
        c = (k.len > l.len) - (k.len < l.len);
    return c ? c : (x->row > y->row) - (x->row < y->row);
}

static struct place *sort(const struct rows *rows)
{
    struct place *places = xreallocarray(NULL, rows->n + 1, sizeof *places);

    for (size_t i = 0; i < rows->n; i++) {
        struct span k = rows->at[i].key;
        uint64_t prefix = 0;
        for (size_t j = 0; j < 8; j++)
            prefix = prefix << 8 | (j < k.len ? (unsigned char)k.at[j] : 0);
        places[i] = (struct place){ prefix, (uint32_t)i };
    }
    sorting = rows->at;
    qsort(places, rows->n, sizeof *places, by_key);
    return places;
}

static void add_row(struct rows *rows, const struct map_row *row)
{
    if (rows->n == rows->cap) {
        rows->cap = rows->cap ? rows->cap * 2 : 1024;
        rows->at = xreallocarray(rows->at, rows->cap, sizeof *rows->at);
    }
    rows->at[rows->n++] = *row;
    rows->room += 2 * (row->key.len + row->value.len + 24) + (row->value.len > 1000 ? 8192 : 0);
}

static void read_rows(struct map_edit *x, struct buf *text, struct rows *rows)
{
    struct map_text t;
    struct map_row row;

    map_text_init(&t, &x->source, x->path, text->at, text->len);
    while (map_text_row(&t, &row)) {
        if (row.key.len > MAP_INDEX_KEY_MAX - 1)
            map_complain(&x->source, "%s:%u: a key longer than %d bytes", x->path, row.line, MAP_INDEX_KEY_MAX - 1);
        else if (rows->n < UINT32_MAX - 1)
            add_row(rows, &row);
    }
}

/* Equal keys stand together, in the order of the text. Which of them counts: */
static size_t choose(struct map_edit *x, const struct rows *rows, const struct place *places, size_t i, size_t *counts)
{
    size_t j = i + 1;

    for (; j < rows->n && span_eq(rows->at[places[j].row].key, rows->at[places[i].row].key); j++) {
        const struct map_row *r = &rows->at[places[j].row];
        if (!(x->flags & (MAP_BUILD_REPLACES | MAP_BUILD_IS_QUIET)))
            map_complain(&x->source, "%s:%u: duplicate entry: \"%.*s\": line %u counts", x->path, r->line,
                         (int)(r->key.len > 200 ? 200 : r->key.len), r->key.at, rows->at[places[i].row].line);
    }
    *counts = x->flags & MAP_BUILD_REPLACES ? j - 1 : i;
    return j;
}

static int put_rows(struct map_edit *x, const struct rows *rows, struct err *e)
{
    struct place *places = sort(rows);
    int rc = 0;

    for (size_t i = 0, counts; i < rows->n && rc == 0;) {
        i = choose(x, rows, places, i, &counts);
        const struct map_row *r = &rows->at[places[counts].row];
        rc = map_new_put(x, r->key, r->value, MDB_APPEND, e);
    }
    free(places);
    return rc;
}

static bool fits(struct map_edit *x, const struct stat *st)
{
    struct map_mark mark = map_mark_of(st);
    struct map_index *there = map_index_open(&x->source, x->path, &mark, NULL);

    map_index_close(there);
    return there != NULL;
}

int map_index_make(const char *path, const struct map_options *o, unsigned flags, struct err *e)
{
    struct rows rows = { 0 };
    struct map_mark mark;
    struct stat st;
    struct buf text;
    int rc = -1;

    if (stat(path, &st) < 0)
        return err_sys(e, "%s", path);
    struct map_edit *x = map_new(path, o, flags, &st, e);
    if (!x)
        return -1;
    if ((flags & MAP_BUILD_IF_NEEDED) && fits(x, &st)) {
        map_edit_abort(x);
        return 0;
    }
    buf_init(&text, BUF_NO_MAX);
    if (map_read_file(path, &text, &mark, e) == 0) {
        read_rows(x, &text, &rows);
        if (map_new_open(x, rows.room, e) == 0 && map_new_put_mark(x, &mark, MDB_APPEND, e) == 0)
            rc = put_rows(x, &rows, e);
    }
    free(rows.at);
    buf_fini(&text);
    if (rc < 0)
        map_edit_abort(x);
    else
        rc = map_edit_commit(x, e);
    return rc;
}

int map_index_build(const struct map_source *src, const char *path, unsigned flags, struct err *e)
{
    return map_index_make(path, &src->o, flags, e);
}

/* ---- names ---- */

bool map_has_index(struct span type)
{
    for (const struct map_kind *k = map_kinds_lmdb; k->type; k++)
        if (span_eq(type, span_str(k->type)))
            return true;
    return false;
}

char *map_index_path(const char *spec, struct err *e)
{
    struct span s = span_str(spec);
    size_t colon = span_find(s, ':');
    struct span type = span_of(s.at, colon);

    if (colon == s.len || span_find(type, '/') < type.len)
        return xstrdup(spec);
    if (map_check_type(type, e) < 0)
        return NULL;
    if (map_has_index(type) && colon + 1 < s.len)
        return span_dup(span_from(s, colon + 1));
    err_set(e, ERR_CONFIG, "%s: tables of type %.*s have no index", spec, (int)type.len, type.at);
    return NULL;
}
