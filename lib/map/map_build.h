/* SPDX-License-Identifier: Apache-2.0
 *
 * map_build.h - making and changing indexes: what postmap(1) does, and what opening a table does on the way.
 *
 * An index is PATH.lmdb beside the text PATH. It is made in PATH.lmdb.new, synced, and renamed: whoever opens it sees the old one
 * or the new one, whole. It remembers size and time of the text it was made from. As root it is made with the rights of the
 * owner of the text (of the old index, when there is no text), with the text's permissions. */
#ifndef MAP_MAP_BUILD_H
#define MAP_MAP_BUILD_H

#include "map/map.h"

enum { /* flags */
    MAP_BUILD_REPLACES = 1,    /* of two rows with one key the last counts, and nothing is said */
    MAP_BUILD_IS_QUIET = 2,    /* the first counts, and nothing is said */
    MAP_BUILD_MODE_0644 = 4,   /* whatever the permissions of the text */
    MAP_BUILD_STAYS_ROOT = 8,
    MAP_BUILD_IF_NEEDED = 16,  /* not when the index that is there fits */
};

/* Whether tables of that type have an index: hash, lmdb, btree, dbm, cdb. */
bool map_has_index(struct span type);

/* "type:path" or "/path" or, other than map_open(), any "path": the path, to be freed; NULL when it has no index. */
char *map_index_path(const char *spec, struct err *e);

/* Makes the index of the text `path` anew. */
int map_index_make(const char *path, const struct map_options *o, unsigned flags, struct err *e);

/* Changes rows of the index: of what is there, after making it of the text when it does not fit that. Rows that are only in the
 * index are lost when it is made anew. */
struct map_edit;
struct map_edit *map_edit_begin(const char *path, const struct map_options *o, unsigned flags, struct err *e);
/* MAP_FOUND: there was such a row; put changes it only with MAP_BUILD_REPLACES. Keys are folded here. */
enum map_result map_edit_put(struct map_edit *x, struct span key, struct span value, struct err *e);
/* All rows of a text, as map_edit_put(). `what` names it in complaints. Overwrites the text on the way. */
int map_edit_put_text(struct map_edit *x, const char *what, struct buf *text, struct err *e);
enum map_result map_edit_delete(struct map_edit *x, struct span key, struct err *e);
/* Both free it. */
int map_edit_commit(struct map_edit *x, struct err *e);
void map_edit_abort(struct map_edit *x);

#endif
