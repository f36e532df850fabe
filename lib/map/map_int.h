/* SPDX-License-Identifier: Apache-2.0
 *
 * map_int.h - between the files of this folder: reading texts, following files, rules, and the kinds themselves. */
#ifndef MAP_MAP_INT_H
#define MAP_MAP_INT_H

#include "map/map_kind.h"

#include <stdint.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <time.h>

struct map {
    const struct map_kind *kind;
    char *spec;
    char *type, *name;
    struct map_source source; /* its strings are ours */
    struct map_state own_state;
    void *self; /* the kind's */
    struct map_asks *asks; /* map_ask.c; NULL until the first question */
    int64_t trouble_us;    /* when it was last told that it cannot tell */
    unsigned n_untold;     /* how often it could not since */
};

/* map_ask.c: drops the questions. False: a thread is still asking, and map_free() is called when it is done. */
bool map_asks_end(struct map *m);
void map_free(struct map *m);

/* map_names.c: what a type that is not registered lacks, an ERR_CONFIG. */
int map_no_such_type(struct span type, struct err *e);

/* ---- files that change (map_file.c) ---- */

struct map_mark { /* what a file looked like; of zeroes: it is not there */
    uint64_t size;
    int64_t mtime_ns;
    uint64_t inode, device;
};

struct map_mark map_mark_of(const struct stat *st);
bool map_mark_eq(const struct map_mark *a, const struct map_mark *b);

/* At most once a second: true when a second has passed. Zero to begin with. */
bool map_is_time_to_look(int64_t *look_us);

/* The whole file, with its mark from before the first byte, so that a change while reading is seen the next time. */
int map_read_file(const char *path, struct buf *out, struct map_mark *mark, struct err *e);

/* What was made of a file: made again when the file has changed. */
struct map_follow {
    const struct map_source *source; /* borrowed */
    void *(*load)(const struct map_source *src, struct map_mark *mark, struct err *e, const void *arg);
    const void *arg; /* borrowed */
    void (*free)(void *made);
    void *made;
    struct map_mark mark;
    int64_t look_us;
    bool has_complained;
};

int map_follow_open(struct map_follow *f, struct err *e);
/* The newest that can be had. */
void *map_follow_get(struct map_follow *f);
void map_follow_close(struct map_follow *f);

/* ---- texts (map_text.c) ---- */

/* Reads rows out of a text in memory. The text is overwritten on the way (keys are folded, lines are joined); rows are spans
 * of it. */
struct map_text {
    const struct map_source *source; /* borrowed */
    const char *what;                /* borrowed: the file, for complaints */
    char *at;
    size_t len, next;
    unsigned line;      /* of `next` */
    unsigned n_refused; /* rows complained of and passed over */
    bool has_told_brackets;
};

void map_text_init(struct map_text *t, const struct map_source *src, const char *what, char *at, size_t len);
/* The next logical line, comments and blank lines left out; false at the end. */
bool map_text_line(struct map_text *t, struct span *line, unsigned *number);
/* The next row that is right. */
bool map_text_row(struct map_text *t, struct map_row *row);

/* ---- rows in memory (map_table.c) ---- */

struct map_table;
enum map_twice { MAP_FIRST_COUNTS, MAP_LAST_COUNTS };

struct map_table *map_table_new(void);
void map_table_free(struct map_table *t);
/* What rows point into: takes the bytes of `b`, which is empty then. */
char *map_table_own(struct map_table *t, struct buf *b);
/* False: the key is there already. */
bool map_table_add(struct map_table *t, const struct map_row *row, enum map_twice twice);
const struct map_row *map_table_find(const struct map_table *t, struct span key);
size_t map_table_count(const struct map_table *t);
const struct map_row *map_table_at(const struct map_table *t, size_t i);

/* A text file as a table, with complaints about what is wrong with it. */
struct map_table *map_table_load(const struct map_source *src, const char *path, struct map_mark *mark, struct err *e);

/* ---- indexes (map_index.c) ---- */

struct map_index;

/* Opens PATH.lmdb. `text` is the mark of the text, or NULL if there is none: then any index is right. NULL with *e, ERR_PERMANENT
 * when it does not fit the text, or how it was made does not fit the options. */
struct map_index *map_index_open(const struct map_source *src, const char *path, const struct map_mark *text, struct err *e);
void map_index_close(struct map_index *x);
enum map_result map_index_get(struct map_index *x, struct span key, struct buf *value, struct err *e);
int map_index_each(struct map_index *x, map_row_fn *row, void *arg, struct err *e);

/* ---- rules (map_rules.c): cidr, regexp, pcre ---- */

enum { MAP_GROUPS_MAX = 100 };

struct map_groups { /* what ( ) have matched; at[0] is the whole */
    size_t n;
    struct span at[MAP_GROUPS_MAX];
};

struct map_subject { /* what is looked up */
    struct span key; /* a NUL behind it */
    struct sockaddr_storage address; /* of the key, for those who have made it one */
};

struct map_engine {
    bool has_groups; /* $1 in results */
    /* Takes the pattern off the front of *rest. Says how many groups it has. NULL with *e: this rule is passed over. With both,
     * the rule counts, and *e says what somebody should know. */
    void *(*compile)(struct span *rest, size_t *n_groups, struct err *e);
    void (*free)(void *pattern);
    /* 1: it matches, 0: it does not, 2: neither it nor its contrary does, -1 with *e: it could not be found out. */
    int (*match)(const void *pattern, const struct map_subject *s, struct map_groups *g, struct err *e);
    /* Once for each lookup, before the patterns: false when such a key is in no table. May be NULL. */
    bool (*prepare)(struct map_subject *s);
};

/* For the open, close and lookup of a kind. */
void *map_rules_open(const struct map_source *src, const struct map_engine *engine, struct err *e);
void map_rules_close(void *self);
enum map_result map_rules_lookup(void *self, struct span key, struct buf *value, struct err *e);

/* ---- "/pattern/flags" (map_pattern.c) ---- */

/* Cuts both off the front of *rest; any delimiter. */
int map_cut_pattern(struct span *rest, struct span *pattern, struct span *flags, struct err *e);

struct map_flag {
    char letter; /* 0: the end of the table */
    uint32_t bits;
};
/* Each letter turns over what it stands for in *flags. */
int map_turn_flags(struct span letters, const struct map_flag *known, uint32_t *flags, struct err *e);

/* ---- sockets (map_dial.c) ---- */

/* A connection that waits no longer than a deadline, for use on a thread. */
struct map_wire {
    int fd; /* -1: not connected */
    int64_t deadline_us;
    size_t len, next;
    char in[4096]; /* read and not yet taken */
};

/* "unix:/path", "inet:host:port", "host:port". */
int map_wire_connect(struct map_wire *w, const char *where, struct err *e);
void map_wire_close(struct map_wire *w);
int map_wire_send(struct map_wire *w, struct span bytes, struct err *e);
/* One byte, or -1. */
int map_wire_getc(struct map_wire *w, struct err *e);
int map_wire_read(struct map_wire *w, size_t n, struct buf *out, struct err *e);

/* ---- the kinds ---- */

extern const struct map_kind map_kind_texthash, map_kind_inline, map_kind_static, map_kind_fail, map_kind_environ,
    map_kind_unionmap, map_kind_pipemap, map_kind_randmap, map_kind_unix, map_kind_cidr, map_kind_regexp, map_kind_pcre,
    map_kind_socketmap, map_kind_tcp;
/* hash and its other names: as text, and with an index. */
extern const struct map_kind map_kinds_text[], map_kinds_lmdb[];

#endif
