/* SPDX-License-Identifier: Apache-2.0
 *
 * map_build.c - writing an index. The way to disk: 1. PATH.lmdb.new, locked, so that one process builds and the others wait and
 * find it done; 2. the rows, sorted, which fills each page once; 3. sync; 4. rename; 5. sync the folder. */
#include "map/map_build.h"

#include "base/mem.h"
#include "map/map_index.h"

#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/file.h>
#include <unistd.h>

#include <lmdb.h>

/* ---- whose rights ---- */

struct rights {
    bool is_changed;
    uid_t uid;
    gid_t gid;
};

/* In a folder of somebody else's root writes as that somebody. */
static int become_owner(struct rights *r, const struct stat *st, unsigned flags, struct err *e)
{
    *r = (struct rights){ .uid = geteuid(), .gid = getegid() };
    if (r->uid != 0 || st->st_uid == 0 || (flags & MAP_BUILD_STAYS_ROOT))
        return 0;
    if (setegid(st->st_gid) < 0 || seteuid(st->st_uid) < 0) {
        err_sys(e, "become uid %ld, the owner of the text", (long)st->st_uid);
        return setegid(r->gid) < 0 ? -1 : -1;
    }
    r->is_changed = true;
    return 0;
}

static void become_root_again(const struct rights *r)
{
    if (r->is_changed && (seteuid(r->uid) < 0 || setegid(r->gid) < 0))
        bug("cannot be root again");
}

/* ---- the file ---- */

struct map_edit { /* an index that is being written */
    struct map_source source;
    struct map_state state;
    struct rights rights;
    unsigned flags;
    char *path, *name, *new_name; /* of the text, of the index, of the one to be */
    int lock_fd;
    mode_t mode;
    MDB_env *env;
    MDB_txn *txn;
    MDB_dbi dbi;
};

/* The new file, ours alone. */
static int lock_new(struct map_edit *x, struct err *e)
{
    struct stat ours, there;

    for (int attempt = 0; attempt < 100; attempt++) {
        x->lock_fd = open(x->new_name, O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0600);
        if (x->lock_fd < 0)
            return err_sys(e, "%s", x->new_name);
        while (flock(x->lock_fd, LOCK_EX) < 0)
            if (errno != EINTR)
                return err_sys(e, "lock %s", x->new_name);
        /* Who had it before has renamed it. */
        if (fstat(x->lock_fd, &ours) == 0 && stat(x->new_name, &there) == 0 && ours.st_ino == there.st_ino &&
            ours.st_dev == there.st_dev)
            return ftruncate(x->lock_fd, 0) < 0 ? err_sys(e, "%s", x->new_name) : 0;
        close(x->lock_fd);
        x->lock_fd = -1;
    }
    return err_set(e, ERR_TEMPORARY, "%s: others build it all the time", x->name);
}

static int open_new(struct map_edit *x, size_t room, struct err *e)
{
    int code = mdb_env_create(&x->env);

    if (code == 0)
        code = mdb_env_set_mapsize(x->env, (room + (16u << 20)) & ~(size_t)0xffff);
    if (code == 0)
        code = mdb_env_open(x->env, x->new_name, MDB_NOSUBDIR | MDB_NOLOCK | MDB_NOSYNC | MDB_NOTLS, 0600);
    if (code == 0)
        code = mdb_txn_begin(x->env, NULL, 0, &x->txn);
    if (code == 0)
        code = mdb_dbi_open(x->txn, NULL, 0, &x->dbi);
    return code ? map_lmdb_failed(code, x->new_name, e) : 0;
}

static int sync_folder(const char *name, struct err *e)
{
    char *folder = xstrdup(name), *slash = strrchr(folder, '/');

    if (slash)
        slash[slash == folder] = '\0';
    int fd = open(slash ? folder : ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    int rc = fd < 0 || fsync(fd) < 0 ? err_sys(e, "sync %s", slash ? folder : ".") : 0;
    if (fd >= 0)
        close(fd);
    free(folder);
    return rc;
}

static int finish(struct map_edit *x, struct err *e)
{
    int code = mdb_txn_commit(x->txn);

    x->txn = NULL;
    if (code == 0)
        code = mdb_env_sync(x->env, 1);
    if (code)
        return map_lmdb_failed(code, x->new_name, e);
    mdb_env_close(x->env);
    x->env = NULL;
    if (fchmod(x->lock_fd, x->mode) < 0 || rename(x->new_name, x->name) < 0)
        return err_sys(e, "%s", x->name);
    return sync_folder(x->name, e);
}

static void free_edit(struct map_edit *x)
{
    if (x->txn)
        mdb_txn_abort(x->txn);
    if (x->env)
        mdb_env_close(x->env);
    if (x->lock_fd >= 0)
        close(x->lock_fd);
    become_root_again(&x->rights);
    free(x->path);
    free(x->name);
    free(x->new_name);
    free(x);
}

void map_edit_abort(struct map_edit *x)
{
    if (!x)
        return;
    if (x->lock_fd >= 0)
        unlink(x->new_name);
    free_edit(x);
}

int map_edit_commit(struct map_edit *x, struct err *e)
{
    int rc = finish(x, e);

    if (rc < 0)
        map_edit_abort(x);
    else
        free_edit(x);
    return rc;
}

static struct map_edit *new_edit(const char *path, const struct map_options *o, unsigned flags, const struct stat *st,
                                 struct err *e)
{
    struct map_edit *x = xcalloc(1, sizeof *x);

    x->path = xstrdup(path);
    x->source = (struct map_source){ .type = "hash", .name = x->path, .state = &x->state };
    if (o)
        x->source.o = *o;
    x->name = map_index_name(path);
    x->new_name = xasprintf("%s.new", x->name);
    x->flags = flags;
    x->lock_fd = -1;
    x->mode = flags & MAP_BUILD_MODE_0644 ? 0644 : st->st_mode & 0666;
    if (become_owner(&x->rights, st, flags, e) == 0 && lock_new(x, e) == 0)
        return x;
    map_edit_abort(x);
    return NULL;
}

/* ---- a whole text ---- */

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

static int put(struct map_edit *x, struct span key, struct span value, unsigned how, struct err *e)
{
    MDB_val k = { key.len, (void *)(uintptr_t)key.at }, v = { value.len, (void *)(uintptr_t)value.at };
    int code = mdb_put(x->txn, x->dbi, &k, &v, how);
    return code ? map_lmdb_failed(code, x->new_name, e) : 0;
}

static int put_mark(struct map_edit *x, const struct map_mark *text, unsigned how, struct err *e)
{
    char mark[MAP_INDEX_MARK_MAX];
    size_t n = map_index_mark_text(mark, &x->source, text);

    return put(x, SPAN(MAP_INDEX_MARK), span_of(mark, n), how, e);
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
        rc = put(x, r->key, r->value, MDB_APPEND, e);
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
    struct map_edit *x = new_edit(path, o, flags, &st, e);
    if (!x)
        return -1;
    if ((flags & MAP_BUILD_IF_NEEDED) && fits(x, &st)) {
        map_edit_abort(x);
        return 0;
    }
    buf_init(&text, BUF_NO_MAX);
    if (map_read_file(path, &text, &mark, e) == 0) {
        read_rows(x, &text, &rows);
        if (open_new(x, rows.room, e) == 0 && put_mark(x, &mark, MDB_APPEND, e) == 0)
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

/* ---- single rows ---- */

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
    if (open_new(x, total * 2 + (1u << 30), e) < 0)
        return -1;
    return fd < 0 && mark ? put_mark(x, mark, 0, e) : 0;
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
    struct map_edit *x = new_edit(path, o, flags, has_text ? &st : &index, e);
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
    return put(x, span_of(folded, key.len), value, 0, e) < 0 ? MAP_CANNOT_TELL : result;
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
