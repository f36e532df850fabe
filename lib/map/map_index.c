/* SPDX-License-Identifier: Apache-2.0
 *
 * map_index.c - reading an index: an LMDB database of one file, mapped and never written in place, so that it needs no locks and
 * its pages are shared by all processes. The row with the key MAP_INDEX_MARK says what it was made from; one made by others has
 * none, and is right only where there is no text. */
#include "map/map_index.h"

#include "base/mem.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include <lmdb.h>

struct map_index {
    MDB_env *env;
    MDB_txn *txn; /* at rest between lookups */
    MDB_dbi dbi;
    bool is_ours;
    char *path;
};

int map_lmdb_failed(int code, const char *path, struct err *e)
{
    if (code > 0) {
        errno = code;
        return err_sys(e, "%s", path);
    }
    return err_set(e, ERR_PERMANENT, "%s: %s", path, mdb_strerror(code));
}

char *map_index_name(const char *path)
{
    return xasprintf("%s.lmdb", path);
}

size_t map_index_mark_text(char out[MAP_INDEX_MARK_MAX], const struct map_source *src, const struct map_mark *text)
{
    return (size_t)snprintf(out, MAP_INDEX_MARK_MAX, "baton 1 %c%c %llu %lld", src->o.is_aliases ? 'a' : 'k',
                            src->o.keeps_case ? 'c' : 'f', (unsigned long long)text->size, (long long)text->mtime_ns);
}

/* A file that was cut off would end the process when its last pages are touched. */
static int check_whole(struct map_index *x, struct err *e)
{
    MDB_envinfo info;
    MDB_stat st;
    struct stat file;
    int fd;

    mdb_env_info(x->env, &info);
    mdb_env_stat(x->env, &st);
    if (mdb_env_get_fd(x->env, &fd) != 0 || fstat(fd, &file) < 0)
        return err_sys(e, "%s", x->path);
    if ((uint64_t)file.st_size < (uint64_t)(info.me_last_pgno + 1) * st.ms_psize)
        return err_set(e, ERR_PERMANENT, "%s is cut off", x->path);
    return 0;
}

static int open_env(struct map_index *x, struct err *e)
{
    /* LMDB would make a missing file, or say nothing useful of a folder. */
    int fd = open(x->path, O_RDONLY | O_CLOEXEC | O_NOCTTY | O_NONBLOCK);
    struct stat st;
    if (fd < 0)
        return err_sys(e, "%s", x->path);
    bool is_file = fstat(fd, &st) == 0 && S_ISREG(st.st_mode) && st.st_size > 0;
    close(fd);
    if (!is_file)
        return err_set(e, ERR_PERMANENT, "%s is no index", x->path);
    int code = mdb_env_create(&x->env);
    if (code == 0)
        code = mdb_env_open(x->env, x->path, MDB_RDONLY | MDB_NOSUBDIR | MDB_NOLOCK | MDB_NOTLS | MDB_NORDAHEAD, 0600);
    if (code)
        return map_lmdb_failed(code, x->path, e);
    if (check_whole(x, e) < 0)
        return -1;
    code = mdb_txn_begin(x->env, NULL, MDB_RDONLY, &x->txn);
    if (code == 0)
        code = mdb_dbi_open(x->txn, NULL, 0, &x->dbi);
    return code ? map_lmdb_failed(code, x->path, e) : 0;
}

/* Whether it was made from this text, in a way that these options can use. An index of aliases answers questions for keys as
 * well; aliases are not looked up in what was made of them as if they were "key value". */
static int check_mark(struct map_index *x, const struct map_source *src, const struct map_mark *text, struct err *e)
{
    MDB_val key = { sizeof MAP_INDEX_MARK - 1, (void *)(uintptr_t)MAP_INDEX_MARK }, there;
    struct map_source as_aliases = *src;
    char want[MAP_INDEX_MARK_MAX], want_aliases[MAP_INDEX_MARK_MAX];

    x->is_ours = mdb_get(x->txn, x->dbi, &key, &there) == 0;
    if (!text)
        return 0;
    if (!x->is_ours)
        return err_set(e, ERR_PERMANENT, "%s was not made by Baton", x->path);
    as_aliases.o.is_aliases = true;
    struct span mark = span_of(there.mv_data, there.mv_size);
    if (span_eq(mark, span_of(want, map_index_mark_text(want, src, text))) ||
        span_eq(mark, span_of(want_aliases, map_index_mark_text(want_aliases, &as_aliases, text))))
        return 0;
    return err_set(e, ERR_PERMANENT, "%s is older than its text, or was made otherwise", x->path);
}

struct map_index *map_index_open(const struct map_source *src, const char *path, const struct map_mark *text, struct err *e)
{
    struct map_index *x = xcalloc(1, sizeof *x);

    x->path = map_index_name(path);
    if (open_env(x, e) < 0 || check_mark(x, src, text, e) < 0) {
        map_index_close(x);
        return NULL;
    }
    mdb_txn_reset(x->txn);
    return x;
}

void map_index_close(struct map_index *x)
{
    if (!x)
        return;
    if (x->txn)
        mdb_txn_abort(x->txn);
    if (x->env)
        mdb_env_close(x->env);
    free(x->path);
    free(x);
}

/* Others may have stored the NUL behind keys and values. */
static int get(struct map_index *x, struct span key, MDB_val *value)
{
    MDB_val k = { key.len, (void *)(uintptr_t)key.at };
    int code = mdb_get(x->txn, x->dbi, &k, value);

    if (code != MDB_NOTFOUND || x->is_ours)
        return code;
    k.mv_size++;
    code = mdb_get(x->txn, x->dbi, &k, value);
    if (code == 0 && value->mv_size && ((const char *)value->mv_data)[value->mv_size - 1] == '\0')
        value->mv_size--;
    return code;
}

enum map_result map_index_get(struct map_index *x, struct span key, struct buf *value, struct err *e)
{
    enum map_result result = MAP_NOT_FOUND;
    MDB_val v;

    /* A key that begins with a NUL would find the mark; no row has one. */
    if (key.len == 0 || key.at[0] == '\0' || key.len > MAP_INDEX_KEY_MAX - 1)
        return MAP_NOT_FOUND;
    int code = mdb_txn_renew(x->txn);
    if (code == 0) {
        code = get(x, key, &v);
        if (code == 0)
            result = buf_add(value, v.mv_data, v.mv_size) < 0 ? map_value_too_long(key, e) : MAP_FOUND;
        mdb_txn_reset(x->txn);
    }
    if (code && code != MDB_NOTFOUND) {
        map_lmdb_failed(code, x->path, e);
        return MAP_CANNOT_TELL;
    }
    return result;
}

static struct span as_text(const struct map_index *x, const MDB_val *v)
{
    struct span s = span_of(v->mv_data, v->mv_size);
    return !x->is_ours && s.len && s.at[s.len - 1] == '\0' ? span_of(s.at, s.len - 1) : s;
}

int map_index_each(struct map_index *x, map_row_fn *row, void *arg, struct err *e)
{
    MDB_cursor *cursor = NULL;
    MDB_val k, v;
    int rc = 0, code = mdb_txn_renew(x->txn);

    if (code)
        return map_lmdb_failed(code, x->path, e);
    code = mdb_cursor_open(x->txn, x->dbi, &cursor);
    while (rc == 0 && code == 0) {
        code = mdb_cursor_get(cursor, &k, &v, MDB_NEXT);
        if (code == 0 && !(k.mv_size && ((const char *)k.mv_data)[0] == '\0'))
            rc = row(arg, &(struct map_row){ .key = as_text(x, &k), .value = as_text(x, &v) });
    }
    if (cursor)
        mdb_cursor_close(cursor);
    mdb_txn_reset(x->txn);
    return code && code != MDB_NOTFOUND ? map_lmdb_failed(code, x->path, e) : rc;
}
