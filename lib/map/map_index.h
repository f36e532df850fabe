/* SPDX-License-Identifier: Apache-2.0
 *
 * map_index.h - between those who read an index, those who make it, and the kind that has one. */
#ifndef MAP_MAP_INDEX_H
#define MAP_MAP_INDEX_H

#include "map/map_build.h"
#include "map/map_int.h"

#define MAP_INDEX_MARK "\0baton" /* no row of a text has such a key */
enum { MAP_INDEX_MARK_MAX = 100, MAP_INDEX_KEY_MAX = 511 /* LMDB's */ };

char *map_index_name(const char *path);
/* What the mark of an index says that is made of `text`. Returns its length. */
size_t map_index_mark_text(char out[MAP_INDEX_MARK_MAX], const struct map_source *src, const struct map_mark *text);
/* What LMDB has returned, in words; -1. */
int map_lmdb_failed(int code, const char *path, struct err *e);

/* map_index_make() for a table that is being opened. */
int map_index_build(const struct map_source *src, const char *path, unsigned flags, struct err *e);

#endif
