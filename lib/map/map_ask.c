/* SPDX-License-Identifier: Apache-2.0
 *
 * map_ask.c - asking without waiting. Questions to a table queue up in it; a round on a thread answers all that wait when it
 * begins, one after the other over the one connection, and those that come meanwhile are for the next round. Once a question of
 * a round has run into the time limit, those behind it are not asked any more: they have waited for just as long.
 *
 * Rounds run on the runner's patient threads. No more than ROUNDS_MAX tables are asked at a time; the others wait in line. All but
 * run_round() and what it calls is called on the loop's thread. */
#include "map/map_int.h"

#include "base/clock.h"
#include "base/list.h"
#include "base/mem.h"

#include <stdlib.h>

enum { ROUNDS_MAX = 16 };

struct map_ask {
    struct list link;
    struct map_asks *in;
    char *key;
    size_t key_len;
    int64_t deadline_us;
    enum map_result result;
    struct buf value;
    struct err err;
    map_answer_fn *done; /* NULL: cancelled */
    void *arg;
};

struct map_asks {
    struct map *map;
    struct runner *runner; /* borrowed */
    struct list waiting;
    struct list round; /* a thread's, while `is_under_way`; then those not yet called back */
    size_t n_round; /* when it began */
    struct list in_line;
    bool is_under_way, is_answering, is_closed;
};

static struct list line; /* of map_asks that wait for their turn */
static unsigned n_rounds;

static void free_ask(struct map_ask *a)
{
    buf_fini(&a->value);
    free(a->key);
    free(a);
}

/* ---- on a thread ---- */

static bool is_too_late(struct map_asks *s, struct map_ask *a)
{
    if (clock_mono_us() < a->deadline_us)
        return false;
    a->result = MAP_CANNOT_TELL;
    err_set(&a->err, ERR_TEMPORARY, "%s: no answer in time", s->map->spec);
    return true;
}

static void ask_one_by_one(struct map_asks *s)
{
    bool is_hanging = false;

    list_each(l, &s->round) {
        struct map_ask *a = list_entry(l, struct map_ask, link);
        if (is_hanging)
            a->deadline_us = 0;
        if (is_too_late(s, a))
            continue;
        a->result = map_lookup(s->map, span_of(a->key, a->key_len), &a->value, &a->err);
        is_hanging = a->result == MAP_CANNOT_TELL && clock_mono_us() >= a->deadline_us;
    }
}

static void ask_together(struct map_asks *s)
{
    struct map_question *all = xcalloc(s->n_round, sizeof *all), **list = xcalloc(s->n_round, sizeof(struct map_question *));
    size_t n = 0;

    list_each(l, &s->round) {
        struct map_ask *a = list_entry(l, struct map_ask, link);
        if (is_too_late(s, a))
            continue;
        all[n] = (struct map_question){ .key = span_of(a->key, a->key_len), .value = &a->value, .err = &a->err };
        list[n] = &all[n];
        n++;
    }
    if (n)
        map_lookup_many(s->map, list, n);
    n = 0;
    list_each(l, &s->round) {
        struct map_ask *a = list_entry(l, struct map_ask, link);
        if (n < s->n_round && all[n].value == &a->value)
            a->result = all[n++].result;
    }
    free(all);
    free(list);
}

static void run_round(void *arg)
{
    struct map_asks *s = arg;

    if (s->map->kind->lookup_many && s->n_round > 1)
        ask_together(s);
    else
        ask_one_by_one(s);
}

/* ---- on the loop's ---- */

static void start_some(void);

static void round_done(void *arg)
{
    struct map_asks *s = arg;

    n_rounds--;
    s->is_under_way = false;
    s->is_answering = true;
    /* A callback may ask for more, cancel others of this round, or close the table. */
    while (!s->is_closed && !list_is_empty(&s->round)) {
        struct map_ask *a = list_entry(s->round.next, struct map_ask, link);
        list_remove(&a->link);
        if (a->done)
            a->done(a->arg, a->result, buf_span(&a->value), &a->err);
        free_ask(a);
    }
    s->is_answering = false;
    if (s->is_closed)
        map_close(s->map);
    start_some();
}

static void start_round(struct map_asks *s)
{
    s->n_round = 0;
    list_each(l, &s->waiting) {
        list_remove(l);
        list_append(&s->round, l);
        s->n_round++;
    }
    s->is_under_way = true;
    n_rounds++;
    runner_run_patiently(s->runner, run_round, round_done, s);
}

/* Those who stand in line, as long as there is room. */
static void start_some(void)
{
    list_each(l, &line) {
        struct map_asks *s = list_entry(l, struct map_asks, in_line);
        if (n_rounds >= ROUNDS_MAX)
            return;
        if (s->is_under_way || s->is_answering)
            continue;
        list_remove(l);
        if (!list_is_empty(&s->waiting))
            start_round(s);
    }
}

static struct map_asks *asks_of(struct map *m, struct runner *r)
{
    if (!line.next)
        list_init(&line);
    if (!m->asks) {
        m->asks = xcalloc(1, sizeof *m->asks);
        m->asks->map = m;
        m->asks->runner = r;
        list_init(&m->asks->waiting);
        list_init(&m->asks->round);
        list_init(&m->asks->in_line);
    }
    return m->asks;
}

static void answer_in_place(struct map *m, struct span key, map_answer_fn *done, void *arg)
{
    struct buf value;
    struct err e = { 0 };

    buf_init(&value, MAP_VALUE_MAX);
    enum map_result result = map_lookup(m, key, &value, &e);
    done(arg, result, buf_span(&value), &e);
    buf_fini(&value);
}

struct map_ask *map_ask(struct map *m, struct runner *r, struct span key, map_answer_fn *done, void *arg)
{
    if (!map_may_block(m) || key.len > MAP_KEY_MAX) {
        answer_in_place(m, key, done, arg);
        return NULL;
    }
    struct map_asks *s = asks_of(m, r);
    struct map_ask *a = xcalloc(1, sizeof *a);
    a->in = s;
    a->key = span_dup(key);
    a->key_len = key.len;
    a->deadline_us = clock_mono_us() + (int64_t)m->source.o.timeout_ms * 1000;
    buf_init(&a->value, MAP_VALUE_MAX);
    a->done = done;
    a->arg = arg;
    list_append(&s->waiting, &a->link);
    if (list_is_empty(&s->in_line))
        list_append(&line, &s->in_line);
    start_some();
    return a;
}

/* One that a thread has is freed when the round is done. */
void map_ask_cancel(struct map_ask *a)
{
    if (a)
        a->done = NULL;
}

static void drop(struct list *asks)
{
    list_each(l, asks) {
        list_remove(l);
        free_ask(list_entry(l, struct map_ask, link));
    }
}

bool map_asks_end(struct map *m)
{
    struct map_asks *s = m->asks;

    if (!s)
        return true;
    drop(&s->waiting);
    list_remove(&s->in_line);
    if (s->is_under_way || s->is_answering) {
        s->is_closed = true;
        return false;
    }
    drop(&s->round);
    m->asks = NULL;
    free(s);
    return true;
}
