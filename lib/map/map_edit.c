/* SPDX-License-Identifier: Apache-2.0
 *
 * map_edit.c - changing rows of an index: the new one begins as a copy of the old. */
#include "map/map_build_int.h"

#include "base/mem.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <unistd.h>

/* The new file begins as what the old one holds. */
static int copy_old(struct map_edit *x, const struct map_mark *mark, struct err *e)
{
    char chunk[65536];
    size_t total = 0;
    ssize_t n = 0;
    int fd = open(x->name, O_RDONLY | O_CLOEXEC);

    if (fd < 0 && errno != ENOENT)
        return err_sys(e, "%s", x->name);
    while (fd >= 0 && (n = read(fd, chunk, sizeof chunk)) > 0) {
        if (write(x->lock_fd, chunk, (size_t)n) != n) {
            err_sys(e, "%s", x->new_name);
            close(fd);
            return -1;
        }
        total += (size_t)n;
    }
    if (fd >= 0)
        close(fd);
    if (n < 0)
        return err_sys(e, "%s", x->name);
    if (map_new_open(x, total * 2 + (1u << 30), e) < 0)
        return -1;
    return fd < 0 && mark ? map_new_put_mark(x, mark, 0, e) : 0;
}

struct map_edit *map_edit_begin(const char *path, const struct map_options *o, unsigned flags, struct err *e)
{
    struct stat st, index = { .st_mode = 0644, .st_uid = geteuid(), .st_gid = getegid() };
    bool has_text = stat(path, &st) == 0;
    char *name = map_index_name(path);
    struct map_mark mark;

    if (stat(name, &index) < 0 && errno != ENOENT) {
        err_sys(e, "%s", name);
        free(name);
        return NULL;
    }
    free(name);
    if (has_text && map_index_make(path, o, flags | MAP_BUILD_IF_NEEDED, e) < 0)
        return NULL;
    struct map_edit *x = map_new(path, o, flags, has_text ? &st : &index, e);
    if (has_text)
        mark = map_mark_of(&st);
    if (x && copy_old(x, has_text ? &mark : NULL, e) < 0) {
        map_edit_abort(x);
        return NULL;
    }
    return x;
}

/* `out` has room for the longest key; false: no index has such a key. */
static bool fold(const struct map_edit *x, struct span key, char out[MAP_INDEX_KEY_MAX])
{
    if (key.len == 0 || key.len >= MAP_INDEX_KEY_MAX || key.at[0] == '\0')
        return false;
    for (size_t i = 0; i < key.len; i++)
        out[i] = x->source.o.keeps_case ? key.at[i] : (char)ascii_lower((unsigned char)key.at[i]);
    return true;
}

static enum map_result result_of(struct map_edit *x, int code, struct err *e)
{
    if (code == 0)
        return MAP_FOUND;
    if (code == MDB_NOTFOUND)
        return MAP_NOT_FOUND;
    map_lmdb_failed(code, x->new_name, e);
    return MAP_CANNOT_TELL;
}

enum map_result map_edit_put(struct map_edit *x, struct span key, struct span value, struct err *e)
{
    char folded[MAP_INDEX_KEY_MAX];
    MDB_val there;

    if (!fold(x, key, folded)) {
        err_set(e, ERR_PERMANENT, "a key longer than %d bytes", MAP_INDEX_KEY_MAX - 1);
        return MAP_CANNOT_TELL;
    }
    MDB_val k = { key.len, folded };
    enum map_result result = result_of(x, mdb_get(x->txn, x->dbi, &k, &there), e);
    if (result == MAP_CANNOT_TELL || (result == MAP_FOUND && !(x->flags & MAP_BUILD_REPLACES)))
        return result;
    return map_new_put(x, span_of(folded, key.len), value, 0, e) < 0 ? MAP_CANNOT_TELL : result;
}

int map_edit_put_text(struct map_edit *x, const char *what, struct buf *text, struct err *e)
{
    struct map_text t;
    struct map_row row;

    map_text_init(&t, &x->source, what, text->at, text->len);
    while (map_text_row(&t, &row)) {
        enum map_result result = map_edit_put(x, row.key, row.value, e);
        if (result == MAP_CANNOT_TELL)
            return err_prefix(e, "%s:%u", what, row.line);
        if (result == MAP_FOUND && !(x->flags & (MAP_BUILD_REPLACES | MAP_BUILD_IS_QUIET)))
            map_complain(&x->source, "%s:%u: duplicate entry: \"%.*s\": the one that is there counts", what, row.line,
                         (int)(row.key.len > 200 ? 200 : row.key.len), row.key.at);
    }
    return 0;
}

enum map_result map_edit_delete(struct map_edit *x, struct span key, struct err *e)
{
    char folded[MAP_INDEX_KEY_MAX];

    if (!fold(x, key, folded))
        return MAP_NOT_FOUND;
    MDB_val k = { key.len, folded };
    return result_of(x, mdb_del(x->txn, x->dbi, &k, NULL), e);
}
