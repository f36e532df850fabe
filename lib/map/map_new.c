/* SPDX-License-Identifier: Apache-2.0
 *
 * map_new.c - the way of an index to disk: 1. PATH.lmdb.new, locked, so that one process builds and the others wait and find it done;
 * 2. the rows; 3. sync; 4. rename; 5. sync the folder. */
#include "map/map_build_int.h"

#include "base/mem.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/file.h>
#include <unistd.h>

/* ---- whose rights ---- */

/* In a folder of somebody else's root writes as that somebody. */
static int become_owner(struct rights *r, const struct stat *st, unsigned flags, struct err *e)
{
    *r = (struct rights){ .uid = geteuid(), .gid = getegid() };
    if (r->uid != 0 || st->st_uid == 0 || (flags & MAP_BUILD_STAYS_ROOT))
        return 0;
    r->is_changed = true; /* half of it is to be undone, too */
    if (setegid(st->st_gid) < 0 || seteuid(st->st_uid) < 0)
        return err_sys(e, "become uid %ld, the owner of the text", (long)st->st_uid);
    return 0;
}

static void become_root_again(const struct rights *r)
{
    if (r->is_changed && (seteuid(r->uid) < 0 || setegid(r->gid) < 0))
        bug("cannot be root again");
}

/* ---- the file ---- */

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

int map_new_open(struct map_edit *x, size_t room, struct err *e)
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

struct map_edit *map_new(const char *path, const struct map_options *o, unsigned flags, const struct stat *st, struct err *e)
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

int map_new_put(struct map_edit *x, struct span key, struct span value, unsigned how, struct err *e)
{
    MDB_val k = { key.len, (void *)(uintptr_t)key.at }, v = { value.len, (void *)(uintptr_t)value.at };
    int code = mdb_put(x->txn, x->dbi, &k, &v, how);
    return code ? map_lmdb_failed(code, x->new_name, e) : 0;
}

int map_new_put_mark(struct map_edit *x, const struct map_mark *text, unsigned how, struct err *e)
{
    char mark[MAP_INDEX_MARK_MAX];
    size_t n = map_index_mark_text(mark, &x->source, text);

    return map_new_put(x, SPAN(MAP_INDEX_MARK), span_of(mark, n), how, e);
}
