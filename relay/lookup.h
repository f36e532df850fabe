/* SPDX-License-Identifier: Apache-2.0
 *
 * lookup.h - tables that are asked in the middle of a decision, some of which have to wait for others.
 *
 * Whoever decides writes it down as if every table answered at once, and gives up at MAP_CANNOT_TELL. When that was because an
 * answer is under way, the whole decision is made again, from the top, when it has come: what is known by then is kept here, so
 * nothing is asked twice. Where no table blocks there is one pass, and nothing is kept.
 *
 *     lookup_begin(l);                        a pass
 *     ... tables_find(t, l, key, &value) ...  FOUND, NOT_FOUND, or CANNOT_TELL: give up
 *     lookup_waits(l) ? when_told() comes, begin again : lookup_has_failed(l) ? a table is out of order : that is the answer */
#ifndef RELAY_LOOKUP_H
#define RELAY_LOOKUP_H

#include "base/runner.h"
#include "config/config.h"
#include "map/map.h"

/* ---- the answers of one decision ---- */

struct lookup_cache;

struct lookup_chunk {
    struct lookup_chunk *next;
    size_t len, cap;
    char at[];
};

struct lookup {
    struct runner *runner;      /* NULL: tables that block are asked in place, and may keep the caller waiting */
    struct lookup_cache *cache; /* borrowed; NULL: none */
    bool may_ask;               /* false: an answer that has to be waited for is only noted as such */
    void (*when_told)(void *arg); /* from the loop, when all that was asked for has been answered */
    void *arg;
    /* lookup.c's: */
    struct lookup_answer **buckets; /* of tables that block; NULL: none yet */
    size_t n_buckets, n_answers;
    struct lookup_answer *waiting, *last_waiting; /* to be asked for, when there is room */
    unsigned n_under_way;
    bool waits, has_failed, is_out_of_order;
    struct lookup_chunk *chunks; /* what a pass has made: lookup_alloc() */
};

/* Zeroes are a good beginning. */
void lookup_fini(struct lookup *l); /* nobody will be called back */
/* A new pass: what was allocated by the last one is gone, answers stay. */
void lookup_begin(struct lookup *l);
/* A pass from the first on: nothing is known. */
void lookup_forget(struct lookup *l);
bool lookup_waits(const struct lookup *l);
bool lookup_has_failed(const struct lookup *l);
/* It has failed because a table could not be asked: others would fare no better. */
bool lookup_is_out_of_order(const struct lookup *l);
/* What a table has said cannot be used: the same as if it had said nothing. */
void lookup_fail(struct lookup *l);

/* Memory till the next lookup_begin(). */
void *lookup_alloc(struct lookup *l, size_t size);
char *lookup_strdup(struct lookup *l, struct span s);
char *lookup_printf(struct lookup *l, const char *fmt, ...) __attribute__((format(printf, 2, 3)));

/* Answers of tables that block, kept as long as each allows (map_keep_us()): what is new in the queue is looked up, and again when it
 * is tried at once. Bounded. */
struct lookup_cache *lookup_cache_new(void);
void lookup_cache_free(struct lookup_cache *c);

/* ---- the tables of a parameter ---- */

struct tables;

struct tables_options { /* zeroes are right for most */
    const struct strlist *aliases; /* those of them that are aliases: their texts are "name: value" */
    bool may_be_missing;           /* a file that is not there counts as empty till it appears */
    void (*opened)(void *arg, struct map *m); /* it was opened, or read again; may be NULL */
    void *arg;
};

/* NULL: one cannot be opened; the text begins with the parameter. */
struct tables *tables_open(const char *param, const struct strlist *specs, const struct tables_options *o, struct err *e);
void tables_close(struct tables *t); /* NULL is fine */
size_t tables_count(const struct tables *t);
bool tables_may_block(const struct tables *t);
/* A file has changed, and this process may not read it. */
bool tables_are_stale(const struct tables *t);

/* The first table that has the key; *value is valid till the next pass. What cannot be told has been logged. `is_whole`: the key is
 * all of an address; tables of patterns, and those that others serve by TCP, are asked for nothing less. */
enum map_result tables_find(struct tables *t, struct lookup *l, struct span key, bool is_whole, struct span *value);

/* All rows of those that can be listed. False: one cannot. */
bool tables_each(struct tables *t, map_row_fn *row, void *arg);
/* Changes when one was read again. */
unsigned tables_generation(const struct tables *t);

#endif
