/* SPDX-License-Identifier: Apache-2.0
 *
 * map_kind.h - a type of table, for those who add one. The registry is how lib/map has ldap: without knowing libldap: the server
 * module registers its kind before any table is opened. */
#ifndef MAP_MAP_KIND_H
#define MAP_MAP_KIND_H

#include "map/map.h"

/* What has become of a table, shared by the members of a composed one. */
struct map_state {
    unsigned generation;
    bool is_stale;
};

/* What a table is opened with. Borrowed from the map, as long as that is open. */
struct map_source {
    const char *type; /* as it was written: one kind may serve several names */
    const char *name; /* behind the colon, trimmed */
    struct map_options o;
    struct map_state *state;
};

enum { /* of struct map_kind.flags */
    MAP_FOLDS = 1,  /* the key comes in lower case, unless the options keep its case */
    MAP_BLOCKS = 2, /* a lookup may wait for others: it runs on another thread, but never two of a table at once */
};

struct map_question {
    struct span key;   /* as for lookup() */
    struct buf *value; /* empty */
    struct err *err;
    enum map_result result;
};

struct map_kind {
    const char *type;
    unsigned flags;
    /* The kind's own state, or NULL with *e. */
    void *(*open)(const struct map_source *src, struct err *e);
    void (*close)(void *self); /* NULL is fine */
    /* A NUL stands behind the key. `value` is empty; -1 of a buf_add*() is MAP_CANNOT_TELL, see map_value_too_long(). */
    enum map_result (*lookup)(void *self, struct span key, struct buf *value, struct err *e);
    /* The same for several, none of which has to wait for another; or NULL. Each gets its result. */
    void (*lookup_many)(void *self, struct map_question *const *questions, size_t n);
    /* Of one that blocks: whether it is known without asking anybody that the key is not there. Called on the loop's thread, maybe
     * while a lookup runs on another; or NULL. */
    bool (*cannot_have)(const void *self, struct span key);
    int64_t (*keep_us)(const void *self); /* map_keep_us(), or NULL: MAP_KEEP_MS where it blocks */
    int (*try)(void *self, struct err *e); /* whether it could be asked now: connects to whoever serves it; or NULL */
    int (*each)(void *self, map_row_fn *row, void *arg, struct err *e); /* or NULL */
    bool (*may_block)(const void *self);                                /* or NULL: MAP_BLOCKS says it */
};

/* `k` stays valid. A type that is there already is replaced: by an index where there was only text. */
void map_register(const struct map_kind *k);

/* Calls src->o.complain, if there is one. */
void map_complain(const struct map_source *src, const char *fmt, ...) __attribute__((format(printf, 2, 3)));
/* Sets *e; returns MAP_CANNOT_TELL. */
enum map_result map_value_too_long(struct span key, struct err *e);

/* A member of a composed table: opened with the options and the state of the whole. */
struct map *map_open_member(const struct map_source *whole, struct span spec, struct err *e);

/* "{ ... }" without the braces and the blanks inside of them; false when `s` is not in one pair of braces. */
bool map_unbrace(struct span s, struct span *inner);

#endif
