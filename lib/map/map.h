/* SPDX-License-Identifier: Apache-2.0
 *
 * map.h - lookup tables: a key goes in, a value comes out, from a file, a directory, or somebody else's program.
 *
 * A table is named as in Postfix, "type:name": hash:/etc/baton/virtual, regexp:/etc/baton/access, static:OK,
 * inline:{ a = 1, b = 2 }, unionmap:{ hash:/x, hash:/y }. An answer is one of three, which nobody may confuse: found, not
 * found, and "ask again later". The types are a registry (map_kind.h); a program registers those that it wants to be able to
 * open, so that sendmail does not link LMDB and only the server module links libldap.
 *
 * Keys are folded to lower case (ASCII) for the types whose keys are fixed strings, in the table and in the question; the
 * patterns (regexp, pcre, cidr) and what others serve (tcp, socketmap) get the key as it is.
 *
 * A table that is a file follows it: at most once a second a lookup looks whether the file has changed, and reads the new one.
 * While that is not possible (it is half there, or a jail forbids it) the old contents answer and map_is_stale() says so.
 *
 * A table belongs to one thread, the one that opened it; lookups that may wait for others go through map_ask(). */
#ifndef MAP_MAP_H
#define MAP_MAP_H

#include "base/buf.h"
#include "base/err.h"
#include "base/runner.h"
#include "base/span.h"

struct map;

enum map_result {
    MAP_FOUND,
    MAP_NOT_FOUND,
    MAP_CANNOT_TELL, /* nobody knows at the moment; temporary, whatever the reason. (MAP_FAILED is mmap's.) */
};

enum {
    MAP_KEY_MAX = 10000,       /* longer keys are in no table */
    MAP_VALUE_MAX = 1 << 20,   /* a longer value is MAP_CANNOT_TELL */
    MAP_KEEP_MS = 2000,        /* answers of tables that others serve, where nothing says how long */
    MAP_TIMEOUT_MS = 10000,    /* of a lookup that waits for others, unless the options say otherwise */
};

/* "FILE:LINE: what is wrong": rows that are passed over, and what else somebody should know. */
typedef void map_complain_fn(void *arg, const char *text);

struct map_options { /* zeroes are right for most */
    bool keeps_case;      /* keys are not folded */
    bool is_aliases;      /* texts are "name: value" (aliases(5)) instead of "key value" */
    bool is_read_only;    /* no index is built on the way */
    bool takes_any_bytes; /* rows that are not UTF-8 count too */
    unsigned timeout_ms;  /* 0: MAP_TIMEOUT_MS */
    map_complain_fn *complain; /* called while opening, and again when a changed file is read */
    void *arg;
};

/* ---- which types there are ---- */

/* Those that need nothing but the C library; hash: and its like are then read as text. Both may be called twice. */
void map_register_texts(void);
/* All types of this library: texts, LMDB, regexp, pcre, cidr, ... */
void map_register_all(void);

/* Whether Baton has such a type at all, registered or not ("hash" of "hash:/x"). If not: an ERR_CONFIG that names those that
 * there are, the nearest first. */
int map_check_type(struct span type, struct err *e);

/* Whether the name of such a table is a file's. */
bool map_is_file(struct span type);

/* "texthash:/etc/aliases" of "hash:/etc/aliases", to be freed; NULL when it has no index, or no text beside it. */
char *map_text_of(const char *spec);

/* Whether this program has the type of "type:name" registered. */
bool map_can_open(const char *spec);

/* Cuts the next "type:name" off the front of *rest: parted by commas and blanks, {} keep together what they hold. False at the
 * end. An unbalanced { goes to the end of *rest, for map_open() to complain of. */
bool map_next_spec(struct span *rest, struct span *spec);

/* ---- a table ---- */

/* NULL with ERR_CONFIG: no such type, bad syntax, no such file; with ERR_TEMPORARY: it may work later. Rows that are wrong are
 * complained of and passed over. `o` may be NULL; it is copied. A name that begins with "/" alone is a hash. */
struct map *map_open(const char *spec, const struct map_options *o, struct err *e);
void map_close(struct map *m);

const char *map_spec(const struct map *m);
/* Whether a lookup may wait for another program or machine: then it belongs into map_ask(). */
bool map_may_block(const struct map *m);

/* How long whoever has asked may keep an answer, in microseconds: of a table that says so itself (ldap:) it is 0, for it keeps them. */
int64_t map_keep_us(const struct map *m);

/* Whether it is known, without waiting for anybody, that the key is not there: a directory that serves other domains. */
bool map_cannot_have(const struct map *m, struct span key);

/* How many such tables this process has open: whoever enters a jail leaves itself what they need. */
unsigned map_n_blocking(void);

/* The value is copied to `value` (the caller's, emptied before; its ceiling holds). `e` is filled in for MAP_CANNOT_TELL only. */
enum map_result map_lookup(struct map *m, struct span key, struct buf *value, struct err *e);

/* For whoever has asked: a warning that the table cannot tell, in the name of `param`, with the reason. At once, and as long as it
 * goes on every half minute, with the number of questions that had no answer meanwhile. */
void map_log_trouble(struct map *m, const char *param, const struct err *e);

/* Several questions at once, each of which gets its result: as map_lookup() for each, but a table that others serve need not
 * answer one before it hears the next. */
struct map_question;
void map_lookup_many(struct map *m, struct map_question *const *questions, size_t n);

/* Whether a table that others serve could be asked now: connects and logs in. 0, also for those that nobody serves. */
int map_try(struct map *m, struct err *e);

/* All rows of a table that can tell them (texts and indexes), in the order in which they lie there, as borrowed spans. row()
 * returns 0 to go on; anything else ends it and is returned. -1 with *e: this type cannot, or it failed. */
struct map_row {
    struct span key, value;
    unsigned line; /* of the text, where the row begins; 0: there is no text */
};
typedef int map_row_fn(void *arg, const struct map_row *row);
int map_each(struct map *m, map_row_fn *row, void *arg, struct err *e);

/* Counts how often changed files have been read again. */
unsigned map_generation(const struct map *m);
/* A file has changed and cannot be read by this process: a new process may. */
bool map_is_stale(const struct map *m);

/* ---- asking without waiting ---- */

struct map_ask;
/* `value` is the callback's for as long as it runs. */
typedef void map_answer_fn(void *arg, enum map_result result, struct span value, const struct err *e);

/* Tables that do not block answer in place: done() has been called when this returns NULL. Those that do are asked on a thread
 * of the runner, and done() is called later, from the loop, once. One table is asked by one thread at a time; the questions
 * that have come meanwhile are the next round. Whatever hangs there, other tables and the spool have threads of their own. An answer comes within twice the time limit. */
struct map_ask *map_ask(struct map *m, struct runner *r, struct span key, map_answer_fn *done, void *arg);
/* done() will not be called. */
void map_ask_cancel(struct map_ask *a);
/* map_close() while questions are under way: they are never answered, as if cancelled. */

#endif
