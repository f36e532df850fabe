/* SPDX-License-Identifier: Apache-2.0
 *
 * map_table.c - rows in memory, and texthash: a file of them.
 *
 * The rows point into the text itself, which was read in one piece. Beside it stand 40 bytes a row, and a table of places with
 * open addressing, at most half full: part of the hash and the number of the row, 16 bytes a row. */
#include "map/map_int.h"

#include "base/mem.h"

#define XXH_INLINE_ALL
#include <xxhash.h>

#include <stdlib.h>

struct slot {
    uint32_t tag; /* of the hash */
    uint32_t row; /* from 1; 0: empty */
};

struct map_table {
    struct map_row *rows;
    size_t n, cap;
    struct slot *slots;
    size_t n_slots; /* a power of two, or 0 */
    char **texts;
    size_t n_texts;
};

struct map_table *map_table_new(void)
{
    return xcalloc(1, sizeof(struct map_table));
}

void map_table_free(struct map_table *t)
{
    if (!t)
        return;
    for (size_t i = 0; i < t->n_texts; i++)
        free(t->texts[i]);
    free(t->texts);
    free(t->slots);
    free(t->rows);
    free(t);
}

char *map_table_own(struct map_table *t, struct buf *b)
{
    t->texts = xreallocarray(t->texts, t->n_texts + 1, sizeof *t->texts);
    t->texts[t->n_texts] = buf_take(b);
    return t->texts[t->n_texts++];
}

static uint64_t hash_of(struct span key)
{
    return XXH3_64bits(key.at, key.len);
}

/* The place of the key, or the empty one where it belongs. */
static struct slot *find_slot(const struct map_table *t, struct span key, uint64_t hash)
{
    for (size_t i = hash & (t->n_slots - 1);; i = (i + 1) & (t->n_slots - 1)) {
        struct slot *s = &t->slots[i];
        if (s->row == 0 || (s->tag == (uint32_t)(hash >> 32) && span_eq(t->rows[s->row - 1].key, key)))
            return s;
    }
}

static void grow(struct map_table *t)
{
    size_t n = t->n_slots ? t->n_slots * 2 : 64;

    free(t->slots);
    t->slots = xcalloc(n, sizeof *t->slots);
    t->n_slots = n;
    for (size_t i = 0; i < t->n; i++) {
        uint64_t hash = hash_of(t->rows[i].key);
        *find_slot(t, t->rows[i].key, hash) = (struct slot){ (uint32_t)(hash >> 32), (uint32_t)i + 1 };
    }
}

bool map_table_add(struct map_table *t, const struct map_row *row, enum map_twice twice)
{
    uint64_t hash = hash_of(row->key);

    if ((t->n + 1) * 2 > t->n_slots)
        grow(t);
    struct slot *s = find_slot(t, row->key, hash);
    if (s->row) {
        if (twice == MAP_LAST_COUNTS)
            t->rows[s->row - 1].value = row->value;
        return false;
    }
    if (t->n == t->cap) {
        t->cap = t->cap ? t->cap * 2 : 32;
        t->rows = xreallocarray(t->rows, t->cap, sizeof *t->rows);
    }
    t->rows[t->n++] = *row;
    *s = (struct slot){ (uint32_t)(hash >> 32), (uint32_t)t->n };
    return true;
}

const struct map_row *map_table_find(const struct map_table *t, struct span key)
{
    if (t->n == 0)
        return NULL;
    const struct slot *s = find_slot(t, key, hash_of(key));
    return s->row ? &t->rows[s->row - 1] : NULL;
}

size_t map_table_count(const struct map_table *t)
{
    return t->n;
}

const struct map_row *map_table_at(const struct map_table *t, size_t i)
{
    return &t->rows[i];
}

/* ---- texthash ---- */

struct map_table *map_table_load(const struct map_source *src, const char *path, struct map_mark *mark, struct err *e)
{
    struct map_table *t = map_table_new();
    struct map_text text;
    struct map_row row;
    struct buf b;

    buf_init(&b, BUF_NO_MAX);
    if (map_read_file(path, &b, mark, e) < 0) {
        buf_fini(&b);
        map_table_free(t);
        return NULL;
    }
    size_t len = b.len;
    map_text_init(&text, src, path, map_table_own(t, &b), len);
    while (map_text_row(&text, &row)) {
        if (t->n == UINT32_MAX - 1) {
            map_complain(src, "%s:%u: more rows than a table can have; the rest is left out", path, row.line);
            break;
        }
        if (!map_table_add(t, &row, MAP_FIRST_COUNTS))
            map_complain(src, "%s:%u: duplicate entry: \"%.*s\": line %u counts", path, row.line,
                         (int)(row.key.len > 200 ? 200 : row.key.len), row.key.at, map_table_find(t, row.key)->line);
    }
    return t;
}

static void *load(const struct map_source *src, struct map_mark *mark, struct err *e, const void *arg)
{
    (void)arg;
    return map_table_load(src, src->name, mark, e);
}

static void free_table(void *made)
{
    map_table_free(made);
}

static void close_text(void *self)
{
    if (self)
        map_follow_close(self);
    free(self);
}

static void *open_text(const struct map_source *src, struct err *e)
{
    struct map_follow *f = xcalloc(1, sizeof *f);

    *f = (struct map_follow){ .source = src, .load = load, .free = free_table };
    if (map_follow_open(f, e) == 0)
        return f;
    close_text(f);
    return NULL;
}

static enum map_result look_up(void *self, struct span key, struct buf *value, struct err *e)
{
    const struct map_row *row = map_table_find(map_follow_get(self), key);

    if (!row)
        return MAP_NOT_FOUND;
    return buf_addspan(value, row->value) < 0 ? map_value_too_long(key, e) : MAP_FOUND;
}

static int each(void *self, map_row_fn *fn, void *arg, struct err *e)
{
    const struct map_table *t = map_follow_get(self);
    int rc = 0;

    (void)e;
    for (size_t i = 0; i < t->n && rc == 0; i++)
        rc = fn(arg, &t->rows[i]);
    return rc;
}

#define TEXT_KIND(name)                                                                                                \
    {                                                                                                                  \
        .type = name, .flags = MAP_FOLDS, .open = open_text, .close = close_text, .lookup = look_up, .each = each      \
    }

const struct map_kind map_kind_texthash = TEXT_KIND("texthash");
const struct map_kind map_kinds_text[] = {
    TEXT_KIND("hash"), TEXT_KIND("lmdb"), TEXT_KIND("btree"), TEXT_KIND("dbm"), TEXT_KIND("cdb"), { .type = NULL },
};
