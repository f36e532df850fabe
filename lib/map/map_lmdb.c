/* SPDX-License-Identifier: Apache-2.0
 *
 * map_lmdb.c - hash:, lmdb:, btree:, dbm:, cdb: - all the same here: a text, and beside it an index that makes large ones fast and
 * shared by all processes.
 *
 * The text is what counts. An index that fits it answers; one that does not, or is missing, is made anew, where this process may
 * and the text is large enough to be worth it; else the text itself is read. Without a text the index alone is the table. */
#include "map/map_index.h"

#include "base/mem.h"

#include <errno.h>
#include <stdlib.h>
#include <unistd.h>

enum { LARGE_BYTES = 65536 }; /* smaller texts are read in less time than it takes to open an index */

struct backend {
    struct map_index *index; /* one of the two */
    struct map_table *table;
    struct map_mark text_mark, index_mark; /* zeroes: not there */
};

struct hash {
    const struct map_source *source; /* borrowed */
    char *index_name;
    struct backend now;
    int64_t look_us;
    bool has_told_of_text, has_complained;
};

static void close_backend(struct backend *b)
{
    map_index_close(b->index);
    map_table_free(b->table);
}

static struct map_mark mark_of(const char *name)
{
    struct stat st;
    return stat(name, &st) == 0 ? map_mark_of(&st) : (struct map_mark){ 0 };
}

/* Root makes no files where others could play tricks with their names. */
static bool folder_is_safe(const char *path, const struct stat *text)
{
    char *folder = xstrdup(path), *slash = strrchr(folder, '/');
    struct stat st;

    if (slash)
        slash[slash == folder] = '\0';
    bool is_safe = stat(slash ? folder : ".", &st) == 0 && access(slash ? folder : ".", W_OK) == 0 &&
                   (geteuid() != 0 || ((st.st_uid == 0 || st.st_uid == text->st_uid) && !(st.st_mode & 022)));
    free(folder);
    return is_safe;
}

static bool is_worth_an_index(const struct hash *h, const struct stat *text, const struct backend *b)
{
    return !h->source->o.is_read_only && (b->index_mark.inode || text->st_size >= LARGE_BYTES) &&
           folder_is_safe(h->source->name, text);
}

static void tell_of_text(struct hash *h, const struct stat *text, const struct err *why)
{
    if (!h->has_told_of_text && text->st_size >= LARGE_BYTES)
        map_complain(h->source, "%s: read as text, for there is no index that fits it and none can be made here: %s", h->source->name,
                     why->text);
    h->has_told_of_text = true;
}

/* The index that fits, perhaps after making it. */
static struct map_index *index_of(struct hash *h, const struct stat *text, struct backend *b, struct err *e)
{
    struct map_mark mark = map_mark_of(text);
    struct map_index *x = map_index_open(h->source, h->source->name, &mark, e);

    if (!x && is_worth_an_index(h, text, b) && map_index_build(h->source, h->source->name, MAP_BUILD_IF_NEEDED, e) == 0)
        x = map_index_open(h->source, h->source->name, &mark, e);
    return x;
}

static int open_backend(struct hash *h, struct backend *b, struct err *e)
{
    const char *path = h->source->name;
    struct stat text;
    struct err why;

    *b = (struct backend){ .index_mark = mark_of(h->index_name) };
    if (stat(path, &text) < 0) {
        int missing = errno;
        b->index = missing == ENOENT ? map_index_open(h->source, path, NULL, &why) : NULL;
        errno = missing;
        return b->index ? 0 : err_sys(e, "%s", path);
    }
    b->text_mark = map_mark_of(&text);
    b->index = index_of(h, &text, b, &why);
    b->index_mark = mark_of(h->index_name);
    if (b->index)
        return 0;
    b->table = map_table_load(h->source, path, &b->text_mark, e);
    if (!b->table)
        return -1;
    tell_of_text(h, &text, &why);
    return 0;
}

static struct backend *newest(struct hash *h)
{
    struct backend next;
    struct err e;

    if (!map_is_time_to_look(&h->look_us))
        return &h->now;
    errno = 0;
    struct map_mark text = mark_of(h->source->name), index = mark_of(h->index_name);
    if (errno == EACCES) /* a folder that we may not search: nothing is known, so nothing has changed */
        return &h->now;
    if (map_mark_eq(&text, &h->now.text_mark) && map_mark_eq(&index, &h->now.index_mark))
        return &h->now;
    if (open_backend(h, &next, &e) == 0) {
        close_backend(&h->now);
        h->now = next;
        h->source->state->generation++;
        h->source->state->is_stale = h->has_complained = false;
        return &h->now;
    }
    h->source->state->is_stale = e.sys == EACCES || e.sys == EPERM;
    if (!h->has_complained && !h->source->state->is_stale)
        map_complain(h->source, "%s; what was read before stays in force", e.text);
    h->has_complained = true;
    return &h->now;
}

/* ---- the kind ---- */

static void close_hash(void *self)
{
    struct hash *h = self;

    if (!h)
        return;
    close_backend(&h->now);
    free(h->index_name);
    free(h);
}

static void *open_hash(const struct map_source *src, struct err *e)
{
    struct hash *h = xcalloc(1, sizeof *h);

    h->source = src;
    h->index_name = map_index_name(src->name);
    map_is_time_to_look(&h->look_us);
    if (open_backend(h, &h->now, e) == 0)
        return h;
    close_hash(h);
    return NULL;
}

static enum map_result look_up(void *self, struct span key, struct buf *value, struct err *e)
{
    struct backend *b = newest(self);

    if (b->index)
        return map_index_get(b->index, key, value, e);
    const struct map_row *row = map_table_find(b->table, key);
    if (!row)
        return MAP_NOT_FOUND;
    return buf_addspan(value, row->value) < 0 ? map_value_too_long(key, e) : MAP_FOUND;
}

static int each(void *self, map_row_fn *fn, void *arg, struct err *e)
{
    struct backend *b = newest(self);
    int rc = 0;

    if (b->index)
        return map_index_each(b->index, fn, arg, e);
    for (size_t i = 0; i < map_table_count(b->table) && rc == 0; i++)
        rc = fn(arg, map_table_at(b->table, i));
    return rc;
}

#define HASH_KIND(name)                                                                                                \
    {                                                                                                                  \
        .type = name, .flags = MAP_FOLDS, .open = open_hash, .close = close_hash, .lookup = look_up, .each = each      \
    }

const struct map_kind map_kinds_lmdb[] = {
    HASH_KIND("hash"), HASH_KIND("lmdb"), HASH_KIND("btree"), HASH_KIND("dbm"), HASH_KIND("cdb"), { .type = NULL },
};
