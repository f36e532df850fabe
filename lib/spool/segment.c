/* SPDX-License-Identifier: Apache-2.0 */
#include "spool/segment.h"
#include "spool/spool_int.h"

#include "base/mem.h"

#include <fcntl.h>
#include <limits.h>
#include <stdlib.h>

#define MAX_OPEN 64 /* segments whose fd is kept for the next reader */

void ledger_init(struct ledger *l)
{
    *l = (struct ledger){ 0 };
    list_init(&l->journals);
    list_init(&l->singles);
    list_init(&l->open);
    list_init(&l->dying);
    index_init(&l->ids);
}

void ledger_fini(struct ledger *l, struct spool_io *io)
{
    for (size_t i = 0; i < l->n; i++)
        if (l->all[i])
            segment_free(l, io, l->all[i]);
    free(l->all);
    index_fini(&l->ids);
    *l = (struct ledger){ 0 };
}

static uint32_t take_number(struct ledger *l)
{
    if (l->n == l->cap) {
        /* Numbers of segments that are gone are used again: look for one before growing. */
        for (size_t i = l->n; i-- > 0;)
            if (!l->all[i])
                return (uint32_t)i;
        l->cap = l->cap ? l->cap * 2 : 16;
        l->all = xreallocarray(l->all, l->cap, sizeof(struct segment *));
    }
    l->all[l->n] = NULL;
    return (uint32_t)l->n++;
}

struct segment *segment_new(struct ledger *l, uint64_t gen, uint64_t name, bool is_single)
{
    struct segment *seg = xcalloc(1, sizeof *seg);

    seg->number = take_number(l);
    l->all[seg->number] = seg;
    seg->gen = gen;
    seg->name = name;
    seg->slot = ID_SLOT(name);
    seg->folder = is_single ? "large" : "journal";
    seg->is_single = is_single;
    seg->fd = -1;
    list_init(&seg->open_link);
    list_init(&seg->dying_link);
    list_append(is_single ? &l->singles : &l->journals, &seg->link);
    if (is_single)
        index_add(&l->ids, name)->segment = seg->number;
    ++*(is_single ? &l->n_singles : &l->n_journals);
    return seg;
}

static void close_fd(struct ledger *l, struct spool_io *io, struct segment *seg)
{
    if (seg->fd < 0)
        return;
    io->close(io, seg->fd);
    seg->fd = -1;
    list_remove(&seg->open_link);
    l->n_open--;
}

void segment_free(struct ledger *l, struct spool_io *io, struct segment *seg)
{
    close_fd(l, io, seg);
    list_remove(&seg->link);
    list_remove(&seg->dying_link);
    if (seg->is_single)
        index_remove(&l->ids, index_find(&l->ids, seg->name));
    --*(seg->is_single ? &l->n_singles : &l->n_journals);
    l->disk_bytes -= seg->size;
    l->all[seg->number] = NULL;
    free(seg->ended);
    free(seg);
}

struct segment *segment_same(const struct ledger *l, uint32_t number, uint64_t gen)
{
    struct segment *seg = segment_at(l, number);
    return seg && seg->gen == gen ? seg : NULL;
}

struct segment *segment_find_journal(const struct ledger *l, uint64_t name)
{
    /* From the newest: that is what is asked for most. */
    for (struct list *at = l->journals.prev; at != &l->journals; at = at->prev) {
        struct segment *seg = list_entry(at, struct segment, link);
        if (seg->name == name)
            return seg;
    }
    return NULL;
}

/* ---- reading them ------------------------------------------------------------------------------------------------- */

static void close_oldest(struct spool *s)
{
    list_each(at, &s->ledger.open)
    {
        struct segment *seg = list_entry(at, struct segment, open_link);
        if (seg->holds == 0) {
            close_fd(&s->ledger, s->io, seg);
            return;
        }
    }
}

int segment_fd(struct spool *s, struct segment *seg)
{
    char path[PATH_MAX];

    if (seg->fd >= 0) {
        list_remove(&seg->open_link);
        list_append(&s->ledger.open, &seg->open_link);
        return seg->fd;
    }
    spool_path(s, seg->folder, seg->name, path);
    if (s->ledger.n_open >= MAX_OPEN)
        close_oldest(s);
    seg->fd = s->io->open(s->io, path, O_RDONLY | O_NOFOLLOW, 0);
    if (seg->fd < 0)
        return -1;
    list_append(&s->ledger.open, &seg->open_link);
    s->ledger.n_open++;
    return seg->fd;
}

void segment_hold(struct segment *seg)
{
    seg->holds++;
}

void segment_unhold(struct spool *s, struct segment *seg)
{
    seg->holds--;
    segment_check(s, seg);
}

/* ---- who needs them ----------------------------------------------------------------------------------------------- */

static void add_ended(struct segment *seg, struct ended ended)
{
    if (seg->n_ended == seg->cap_ended) {
        seg->cap_ended = seg->cap_ended ? seg->cap_ended * 2 : 4;
        seg->ended = xreallocarray(seg->ended, seg->cap_ended, sizeof *seg->ended);
    }
    seg->ended[seg->n_ended++] = ended;
}

/* A message and its end in one segment go together: that pins nothing. */
void segment_ended(struct segment *seg, uint64_t id, struct segment *by)
{
    add_ended(seg, (struct ended){ id, by->number });
    if (by != seg)
        by->pins++;
}

static void unpin(struct spool *s, const struct segment *seg, uint32_t by)
{
    struct segment *other = segment_at(&s->ledger, by);

    if (other && other != seg) {
        other->pins--;
        segment_check(s, other);
    }
}

void segment_ended_moves(struct spool *s, struct segment *seg, size_t n, struct segment *by)
{
    uint32_t was = seg->ended[n].by;

    seg->ended[n].by = by->number;
    if (by != seg)
        by->pins++;
    unpin(s, seg, was);
}

void segment_unpin_all(struct spool *s, const struct segment *seg)
{
    for (size_t i = 0; i < seg->n_ended; i++)
        unpin(s, seg, seg->ended[i].by);
}

void segment_check(struct spool *s, struct segment *seg)
{
    if (s->role != SPOOL_RELAY || !s->is_started || !seg->is_sealed || seg->is_dying || seg->is_stuck || seg->live ||
        seg->states || seg->pins || seg->holds || seg == s->compaction.victim)
        return;
    seg->is_dying = true;
    list_append(&s->ledger.dying, &seg->dying_link);
}
