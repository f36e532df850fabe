/* SPDX-License-Identifier: Apache-2.0
 *
 * map_build_int.h - an index that is being written, from inside: map_new.c brings it to disk, map_build.c fills it from a text,
 * map_edit.c changes rows of what is there. */
#ifndef MAP_MAP_BUILD_INT_H
#define MAP_MAP_BUILD_INT_H

#include "map/map_build.h"
#include "map/map_index.h"

#include <lmdb.h>
#include <sys/stat.h>

struct rights {
    bool is_changed;
    uid_t uid;
    gid_t gid;
};

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

/* Takes the lock on the file to be, with the rights that it is written with. `st` is of the text, or of the index when there is none.
 * map_edit_commit() or map_edit_abort() it. */
struct map_edit *map_new(const char *path, const struct map_options *o, unsigned flags, const struct stat *st, struct err *e);
/* Begins to write: what is in the file already counts. `room` is for that and for what comes. */
int map_new_open(struct map_edit *x, size_t room, struct err *e);
/* `how`: of mdb_put(). */
int map_new_put(struct map_edit *x, struct span key, struct span value, unsigned how, struct err *e);
/* What the index was made of. */
int map_new_put_mark(struct map_edit *x, const struct map_mark *text, unsigned how, struct err *e);

#endif
