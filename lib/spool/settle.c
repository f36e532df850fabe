/* SPDX-License-Identifier: Apache-2.0
 *
 * What becomes of messages: states, ends, and the accounts of who needs which segment.
 *
 * An end counts at once in memory, whether or not its record is on disk: losing it is allowed. A state counts at once
 * too, but the place of the one before it is given up only when the new one has been written; and before anything is
 * freed, all that was written is synced. */
#include "spool/spool_int.h"

#include "base/mem.h"
#include "spool/state.h"

#include <stdlib.h>

#define STATE_ESTIMATE 256u /* bytes of a state, for deciding what to compact */

static uint64_t entry_bytes(const struct entry *en)
{
    return pad8(en->head_len) + pad8(en->size);
}

/* ---- places ------------------------------------------------------------------------------------------------------- */

void settle_place(struct spool *s, struct entry *en, struct segment *seg, uint64_t offset, const struct record *r)
{
    en->segment = seg->number;
    en->offset8 = (uint32_t)(offset / 8);
    en->head_len = r->head_len;
    en->size = r->size & ((UINT64_C(1) << 56) - 1);
    seg->live++;
    seg->live_bytes += entry_bytes(en);
    s->live_bytes += entry_bytes(en);
    s->content_bytes += en->size;
}

static void leave_place(struct spool *s, struct entry *en)
{
    struct segment *seg = segment_at(&s->ledger, en->segment);

    en->segment = PLACE_NONE;
    s->live_bytes -= entry_bytes(en);
    s->content_bytes -= en->size;
    seg->live--;
    seg->live_bytes -= entry_bytes(en);
    segment_check(s, seg);
}

void settle_state_at(struct spool *s, struct entry *en, struct segment *seg, uint64_t offset)
{
    struct segment *was = segment_at(&s->ledger, en->state_segment);

    en->state_segment = seg ? seg->number : PLACE_NONE;
    en->state_offset8 = (uint32_t)(offset / 8);
    if (seg) {
        seg->states++;
        seg->live_bytes += STATE_ESTIMATE;
    }
    if (was) {
        was->states--;
        was->live_bytes -= STATE_ESTIMATE;
        segment_check(s, was);
    }
}

/* ---- copies that compaction, or a crash in the middle of it, left behind ------------------------------------------- */

void settle_add_copy(struct spool *s, uint64_t id, const struct segment *seg)
{
    s->copies = xreallocarray(s->copies, s->n_copies + 1, sizeof *s->copies);
    s->copies[s->n_copies++] = (struct copy){ id, seg->number };
}

bool settle_take_copy(struct spool *s, uint64_t id, struct segment **seg)
{
    for (size_t i = 0; i < s->n_copies; i++) {
        if (s->copies[i].id == id) {
            *seg = segment_at(&s->ledger, s->copies[i].segment);
            s->copies[i] = s->copies[--s->n_copies];
            return true;
        }
    }
    return false;
}

/* ---- ends --------------------------------------------------------------------------------------------------------- */

void settle_queue_end(struct spool *s, uint64_t id, const struct segment *seg)
{
    struct rec *r = rec_new(RECORD_END, id);

    r->from = seg->number;
    r->from_gen = seg->gen;
    rec_queue_add(&s->pending, r);
}

/* `by` is the segment that has the end already; NULL: it is to be written. */
static void forget(struct spool *s, struct entry *en, struct segment *by)
{
    uint64_t id = en->id;
    struct segment *seg = segment_at(&s->ledger, en->segment);

    do {
        if (by)
            segment_ended(seg, id, by);
        else
            settle_queue_end(s, id, seg);
    } while (settle_take_copy(s, id, &seg));
    settle_state_at(s, en, NULL, 0);
    leave_place(s, en);
    index_remove(&s->index, en);
}

void settle_forget(struct spool *s, struct entry *en)
{
    forget(s, en, NULL);
}

void spool_end(struct spool *s, uint64_t id)
{
    struct entry *en = index_find(&s->index, id);

    BUG_IF(s->role != SPOOL_RELAY);
    if (!en)
        return;
    settle_forget(s, en);
    commit_kick(s);
}

/* ---- states ------------------------------------------------------------------------------------------------------- */

/* One that waits to be written and that nobody waits for: it says nothing any more. A message for thousands of destinations has a
 * new state with each of them, and the disk may be slower. */
static void drop_superseded(struct spool *s, uint64_t id)
{
    for (struct rec *r = s->pending.first; r; r = r->next) {
        if (r->type != RECORD_STATE || r->id != id || r->done || r->is_again || r->is_copy)
            continue;
        s->pending.bytes -= rec_bytes(r);
        r->type = 0;
        buf_fini(&r->head);
        buf_init(&r->head, BUF_NO_MAX);
        r->body_len = 0;
        s->pending.bytes += rec_bytes(r);
        return;
    }
}

void spool_put_state(struct spool *s, uint64_t id, const struct spool_state *st, spool_done_fn *done, void *arg)
{
    struct entry *en = index_find(&s->index, id);
    struct rec *r = rec_new(en ? RECORD_STATE : 0, id);

    BUG_IF(s->role != SPOOL_RELAY);
    r->done = done;
    r->arg = arg;
    r->wants_sync = done != NULL;
    if (en && en->is_pending)
        drop_superseded(s, id);
    if (en) {
        r->seq = en->state_seq = ++s->last_seq;
        en->is_pending = true;
        state_pack(st, &r->head);
        r->body_len = (uint32_t)(r->head.len - RECORD_FIXED);
    }
    rec_queue_add(&s->pending, r);
    commit_kick(s);
}

static bool find_state(const struct rec_queue *q, uint64_t id, uint64_t seq, struct span *packed)
{
    for (const struct rec *r = q->first; r; r = r->next) {
        if (r->type == RECORD_STATE && r->id == id && r->seq == seq) {
            *packed = span_of(r->head.at + RECORD_FIXED, r->body_len);
            return true;
        }
    }
    return false;
}

bool settle_pending_state(struct spool *s, uint64_t id, uint64_t seq, struct span *packed)
{
    return find_state(&s->pending, id, seq, packed) || find_state(&s->job.recs, id, seq, packed) ||
           find_state(&s->unsynced, id, seq, packed);
}

/* ---- what the job has written ------------------------------------------------------------------------------------- */

static struct segment *own_segment(struct spool *s, uint64_t gen)
{
    if (s->own && s->own->gen == gen)
        return s->own;
    struct segment *before = s->own;
    s->own = segment_new(&s->ledger, gen, gen, false);
    s->own->size = s->journal.size;
    s->own->end = PAGE_BYTES;
    s->ledger.disk_bytes += s->own->size;
    if (before) {
        before->is_sealed = true;
        segment_check(s, before);
    }
    return s->own;
}

static void arrived_add(struct spool *s, uint64_t id)
{
    if (s->n_arrived == s->cap_arrived) {
        s->cap_arrived = s->cap_arrived ? s->cap_arrived * 2 : 16;
        s->arrived = xreallocarray(s->arrived, s->cap_arrived, sizeof *s->arrived);
    }
    s->arrived[s->n_arrived++] = id;
}

void settle_own_message(struct spool *s, struct segment *seg, uint64_t offset, const struct record *r, const char *head)
{
    struct span rest = record_settlements(r, head);

    settle_place(s, index_add(&s->index, r->id), seg, offset, r);
    arrived_add(s, r->id);
    if (seg->is_single) /* message.c repeats them in the journal */
        return;
    for (struct settlement st; settlement_next(&rest, &st);) {
        struct entry *en = index_find(&s->index, st.id);
        if (!en)
            continue;
        if (st.is_end) {
            forget(s, en, seg);
        } else if (st.seq > en->state_seq) {
            en->state_seq = st.seq;
            en->is_pending = false;
            settle_state_at(s, en, seg, offset);
        }
    }
}

static void message_written(struct spool *s, struct rec *r, struct segment *seg)
{
    struct record rec = {
        .id = r->id,
        .head_len = (uint32_t)r->head.len,
        .body_len = r->body_len,
        .size = r->content.len,
    };
    if (!r->is_copy) {
        settle_own_message(s, seg, r->offset, &rec, r->head.at);
        return;
    }
    struct entry *en = index_find(&s->index, r->id);
    if (!en || en->segment != r->from || en->offset8 != r->from_offset / 8) {
        /* It ended while it was being copied, and its end is written for the original: so again for the copy. */
        settle_queue_end(s, r->id, seg);
        return;
    }
    settle_add_copy(s, r->id, segment_at(&s->ledger, r->from));
    leave_place(s, en);
    settle_place(s, en, seg, r->offset, &rec);
}

static void state_written(struct spool *s, struct rec *r, struct segment *seg)
{
    struct entry *en = index_find(&s->index, r->id);

    if (!en || en->state_seq != r->seq)
        return;
    en->is_pending = false;
    settle_state_at(s, en, seg, r->offset);
}

static void end_written(struct spool *s, struct rec *r, struct segment *seg)
{
    struct segment *of = segment_same(&s->ledger, r->from, r->from_gen);

    if (!of)
        return;
    if (r->is_copy)
        segment_ended_moves(s, of, r->from_offset, seg);
    else
        segment_ended(of, r->id, seg);
}

void settle_written(struct spool *s, struct rec *r)
{
    static void (*const written[])(struct spool *, struct rec *, struct segment *) = {
        [RECORD_MESSAGE] = message_written,
        [RECORD_STATE] = state_written,
        [RECORD_END] = end_written,
    };

    if (!r->type)
        return;
    struct segment *seg = own_segment(s, r->gen);
    seg->end = r->offset + rec_bytes(r);
    written[r->type](s, r, seg);
    if (r->is_copy)
        compact_written(s, r);
}
