/* SPDX-License-Identifier: Apache-2.0 */
#include "spool/scan.h"

#include "base/mem.h"
#include "spool/sum.h"

#include <stdlib.h>

#define WINDOW_LONG  65536u /* where records are short, one read brings many */
#define WINDOW_SHORT 4096u  /* where they are long, only their heads are wanted */
#define LONG_RECORD  16384u

void scan_init(struct scan *sc, struct spool_io *io, int fd, uint64_t gen, uint64_t from, uint64_t limit,
               struct window *lent)
{
    *sc = (struct scan){
        .io = io,
        .fd = fd,
        .gen = gen,
        .offset = from,
        .end = from,
        .limit = limit,
        .check_from = SCAN_CHECK_NONE,
        .search_max = UINT64_MAX,
        .ahead = WINDOW_LONG,
        .window = lent ? lent : &sc->own,
    };
}

void scan_fini(struct scan *sc)
{
    free(sc->gaps);
    if (sc->has_bad_sectors)
        sc->window->len = 0;
    window_fini(&sc->own);
    sc->gaps = NULL;
    sc->window = NULL;
}

/* A sector that cannot be read costs what lies in it: it is taken for zeroes, and the walk goes on behind it. */
static void read_around(struct scan *sc, uint64_t offset, size_t want)
{
    struct window *w = sc->window;

    for (size_t at = 0; at < want; at += 512) {
        size_t n = want - at < 512 ? want - at : 512;
        memset(w->at + at, 0, n);
        if (io_read(sc->io, sc->fd, w->at + at, n, offset + at) < 0)
            continue;
    }
    w->gen = sc->gen;
    w->offset = offset;
    w->len = want;
    sc->has_bad_sectors = true;
}

/* `len` bytes at `offset`, with some more behind them for the next call; NULL when they are not there. */
static const char *look(struct scan *sc, uint64_t offset, size_t len, size_t ahead)
{
    size_t n = 0;

    if (offset > sc->limit || len > sc->limit - offset)
        return NULL;
    const char *at = window_find(sc->window, sc->gen, offset, &n);
    if (at && n >= len)
        return at;
    size_t want = len > ahead ? len : ahead;
    if (want > sc->limit - offset)
        want = (size_t)(sc->limit - offset);
    if (window_fill(sc->window, sc->io, sc->fd, sc->gen, offset, want) < 0)
        read_around(sc, offset, want);
    return sc->window->len >= len ? sc->window->at : NULL;
}

/* A whole head at `offset`, which ends, with its content, before the limit. */
static bool head_at(struct scan *sc, uint64_t offset, size_t ahead, struct record *r, const char **head)
{
    const char *at = look(sc, offset, RECORD_FIXED, ahead);

    if (!at || !record_peek(r, at, sc->gen) || record_bytes(r) > sc->limit - offset)
        return false;
    at = look(sc, offset, r->head_len, ahead);
    if (!at || !record_is_whole(r, at))
        return false;
    *head = at;
    return true;
}

static bool content_is_good(struct scan *sc, uint64_t offset, const struct record *r)
{
    uint64_t sum;

    return r->size == 0 ||
           (sum_file(sc->io, sc->fd, offset + pad8(r->head_len), r->size, sc->gen, &sum) == 0 && sum == r->content_sum);
}

static void add_gap(struct scan *sc, uint64_t from, uint64_t to, uint64_t after)
{
    struct gap *last = sc->n_gaps ? &sc->gaps[sc->n_gaps - 1] : NULL;

    if (last && last->to == from) {
        last->to = to;
        last->after = after;
        return;
    }
    sc->gaps = xreallocarray(sc->gaps, sc->n_gaps + 1, sizeof *sc->gaps);
    sc->gaps[sc->n_gaps++] = (struct gap){ from, to, sc->last_batch, after };
}

static bool is_good_now(struct scan *sc, uint64_t offset, struct record *r, const char **head)
{
    sc->window->len = 0;
    return head_at(sc, offset, WINDOW_LONG, r, head);
}

/* The next whole head behind sc->offset, or false. Records lie at multiples of 8. */
static bool search(struct scan *sc, struct record *r, const char **head)
{
    uint64_t until = sc->limit;

    if (sc->search_max == 0)
        return false;
    if (sc->search_max < sc->limit - sc->offset)
        until = sc->offset + sc->search_max;
    for (uint64_t at = sc->offset + 8; at + RECORD_FIXED <= until; at += 8) {
        if (!head_at(sc, at, WINDOW_LONG, r, head))
            continue;
        /* Beside a writer: it may have been in the middle of this record, and be done with it by now. */
        if (is_good_now(sc, sc->offset, r, head))
            return true;
        if (!is_good_now(sc, at, r, head))
            continue;
        add_gap(sc, sc->offset, at, r->batch);
        sc->offset = at;
        return true;
    }
    return false;
}

static bool is_known(struct scan *sc, const struct record *r)
{
    bool is_known = r->type >= RECORD_MESSAGE && r->type <= RECORD_END;

    sc->is_newer |= !is_known && !(r->flags & RECORD_OPTIONAL);
    return is_known;
}

bool scan_next(struct scan *sc, struct record *r, const char **head)
{
    for (;;) {
        if (sc->offset + RECORD_FIXED > sc->limit)
            return false;
        if (!head_at(sc, sc->offset, sc->ahead, r, head) && !search(sc, r, head))
            return false;
        uint64_t at = sc->offset, bytes = record_bytes(r);
        if (r->batch >= sc->check_from && !content_is_good(sc, at, r)) {
            if (sc->search_max == 0)
                return false;
            add_gap(sc, at, at + bytes, r->batch);
            sc->offset = at + bytes;
            continue;
        }
        sc->offset = sc->end = at + bytes;
        if (r->batch > sc->last_batch)
            sc->last_batch = r->batch;
        sc->ahead = bytes > LONG_RECORD ? WINDOW_SHORT : WINDOW_LONG;
        if (is_known(sc, r))
            return true;
    }
}
