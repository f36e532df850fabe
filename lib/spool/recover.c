/* SPDX-License-Identifier: Apache-2.0
 *
 * Starting: everything is read before anything is told, for what became of a message may be written anywhere behind
 * it. First pass: places into the index, ends too. Then the ended are struck out, and the accounts made. Second pass:
 * found() for what is left. */
#include "spool/arrive.h"

#include "base/mem.h"
#include "spool/scan.h"

#include <errno.h>

/* During the first pass entries hold raw places; nothing is counted. */
static struct entry *entry_of(struct spool *s, uint64_t id)
{
    struct entry *en = index_find(&s->index, id);
    return en ? en : index_add(&s->index, id);
}

static void note_end(struct spool *s, uint64_t id, const struct segment *by)
{
    struct entry *en = entry_of(s, id);

    if (en->is_ended)
        return;
    en->is_ended = true;
    en->state_segment = by->number;
}

static void note_state(struct spool *s, uint64_t id, uint64_t seq, const struct segment *seg, uint64_t offset)
{
    struct entry *en = entry_of(s, id);

    if (seq > s->last_seq)
        s->last_seq = seq;
    if (en->is_ended || seq <= en->state_seq)
        return;
    en->state_seq = seq;
    en->state_segment = seg->number;
    en->state_offset8 = (uint32_t)(offset / 8);
}

static void note_message(struct spool *s, struct segment *seg, uint64_t offset, const struct record *r,
                         const char *head)
{
    struct span rest = record_settlements(r, head);
    struct entry *en = entry_of(s, r->id);

    if (en->segment == PLACE_NONE) {
        en->segment = seg->number;
        en->offset8 = (uint32_t)(offset / 8);
        en->head_len = r->head_len;
        en->size = r->size & ((UINT64_C(1) << 56) - 1);
    } else {
        settle_add_copy(s, r->id, seg);
    }
    seg->has_notes |= seg->is_single && rest.len;
    for (struct settlement st; settlement_next(&rest, &st);) {
        if (st.is_end)
            note_end(s, st.id, seg);
        else
            note_state(s, st.id, st.seq, seg, offset);
    }
}

static void note_record(struct spool *s, struct segment *seg, uint64_t offset, const struct record *r, const char *head)
{
    /* The clock may have been set back since: ids and generations go on from the highest there is. Those of the drop
     * were not made by us. */
    if (!id_is_drops(r->id) && r->id > s->last_id)
        s->last_id = r->id;
    if (r->type == RECORD_MESSAGE)
        note_message(s, seg, offset, r, head);
    else if (r->type == RECORD_STATE)
        note_state(s, r->id, r->seq, seg, offset);
    else
        note_end(s, r->id, seg);
}

/* ---- between the passes ------------------------------------------------------------------------------------------- */

static void resolve_ended(struct spool *s, struct entry *en)
{
    struct segment *by = segment_at(&s->ledger, en->state_segment);

    if (en->segment != PLACE_NONE) {
        struct segment *seg = segment_at(&s->ledger, en->segment);
        do {
            /* A single file goes with its own message; what it says of others moves to the journal first. */
            if (by->is_single && s->role == SPOOL_RELAY)
                settle_queue_end(s, en->id, seg);
            else
                segment_ended(seg, en->id, by);
        } while (settle_take_copy(s, en->id, &seg));
    }
    index_remove(&s->index, en);
}

static void resolve(void *arg, struct entry *en)
{
    struct spool *s = arg;
    struct segment *state = segment_at(&s->ledger, en->state_segment);
    struct record r = { .head_len = en->head_len, .size = en->size };

    if (en->is_ended) {
        resolve_ended(s, en);
    } else if (en->segment == PLACE_NONE) {
        index_remove(&s->index, en); /* a state of a message that is gone */
    } else {
        settle_place(s, en, segment_at(&s->ledger, en->segment), en->offset8 * UINT64_C(8), &r);
        en->state_segment = PLACE_NONE;
        if (state)
            settle_state_at(s, en, state, en->state_offset8 * UINT64_C(8));
    }
}

/* ---- second pass -------------------------------------------------------------------------------------------------- */

static void tell_at(struct spool *s, struct segment *seg, uint64_t offset, const struct record *r, const char *head)
{
    struct entry *en = r->type == RECORD_MESSAGE ? index_find(&s->index, r->id) : NULL;

    if (en && en->segment == seg->number && en->offset8 == offset / 8) {
        en->is_told = true;
        s->n_told++;
        arrive_tell(s, en, r, head);
    }
}

/* A looker's: where the message was first seen it is no more, but this is a copy of it. */
static void tell_copy(struct spool *s, struct segment *seg, uint64_t offset, const struct record *r, const char *head)
{
    struct entry *en = r->type == RECORD_MESSAGE ? index_find(&s->index, r->id) : NULL;

    if (!en || en->is_told)
        return;
    en->segment = seg->number; /* of the accounts nobody asks here */
    en->offset8 = (uint32_t)(offset / 8);
    tell_at(s, seg, offset, r, head);
}

static int tell_journal(struct spool *s, struct segment *seg, record_fn *tell, struct err *e)
{
    struct scan sc;
    struct record r;
    const char *head;

    if (segment_fd(s, seg) < 0)
        return s->role == SPOOL_LOOK ? 0 : err_sys(e, "open a segment of %s/journal", s->dir);
    segment_hold(seg);
    scan_init(&sc, s->io, seg->fd, seg->gen, PAGE_BYTES, seg->end, NULL);
    while (scan_next(&sc, &r, &head))
        tell(s, seg, scan_at(&sc, &r), &r, head);
    scan_fini(&sc);
    segment_unhold(s, seg);
    return 0;
}

static bool is_gone(const struct spool *s, const struct err *e)
{
    return s->role == SPOOL_LOOK && e->sys == ENOENT;
}

static void tell_single(struct spool *s, struct segment *seg)
{
    struct entry *en = index_find(&s->index, seg->name);
    struct buf head;
    struct record r;
    struct err e;

    if (!en || en->segment != seg->number)
        return;
    buf_init(&head, BUF_NO_MAX);
    int rc = read_head(s, seg, en->offset8 * UINT64_C(8), &r, &head, &e);
    if (rc < 0 && is_gone(s, &e)) {
        /* Beside a daemon: taken in meanwhile, or sent. */
        seg->folder = "large";
        rc = read_head(s, seg, en->offset8 * UINT64_C(8), &r, &head, &e);
    }
    s->n_told++; /* or has ended: it is nowhere else */
    if (rc == 0)
        arrive_tell(s, en, &r, head.at);
    else if (!is_gone(s, &e))
        spool_damaged(s, "%s", e.text);
    buf_fini(&head);
}

/* Beside a daemon segments go, and are used again, between the two passes: what lived in them was copied elsewhere before.
 * What is found nowhere has ended. */
static int tell_moved(struct spool *s, struct err *e)
{
    bool vanished = true;

    list_each(at, &s->ledger.journals)
    {
        struct segment *seg = list_entry(at, struct segment, link);
        if (tell_journal(s, seg, tell_copy, e) < 0)
            return -1;
    }
    for (int rounds = 0; rounds < 3 && vanished; rounds++) {
        vanished = false;
        if (arrive_journals(s, tell_copy, &vanished, e) < 0)
            return -1;
    }
    return 0;
}

static int tell_all(struct spool *s, struct err *e)
{
    list_each(at, &s->ledger.journals)
    {
        struct segment *seg = list_entry(at, struct segment, link);
        if (seg->live && tell_journal(s, seg, tell_at, e) < 0)
            return -1;
    }
    list_each(at, &s->ledger.singles)
    {
        struct segment *seg = list_entry(at, struct segment, link);
        if (seg->live)
            tell_single(s, seg);
    }
    return s->role == SPOOL_LOOK && s->n_told < s->index.n ? tell_moved(s, e) : 0;
}

static void check_all(struct spool *s)
{
    for (size_t i = 0; i < s->ledger.n; i++)
        if (s->ledger.all[i])
            segment_check(s, s->ledger.all[i]);
}

/* Beside a daemon that copies and frees, a looker may miss what moved meanwhile: it looks again then. */
static int read_all(struct spool *s, struct err *e)
{
    bool vanished;
    int rounds = 0;

    do {
        vanished = false;
        if (arrive_journals(s, note_record, &vanished, e) < 0)
            return -1;
    } while (vanished && s->role == SPOOL_LOOK && ++rounds < 3);
    return takein_drop(s, note_record, e) < 0 || takein_large(s, note_record, e) < 0 ? -1 : 0;
}

int spool_start(struct spool *s, struct err *e)
{
    BUG_IF(s->role == SPOOL_RECEIVE || s->is_started);
    if (s->role == SPOOL_RELAY) {
        takein_sweep(s);
        compact_sweep(s);
    }
    if (read_all(s, e) < 0)
        return -1;
    index_each(&s->index, resolve, s);
    s->is_started = true;
    if (s->shared)
        shared_raise_floor(s->shared, s->last_id);
    check_all(s);
    return tell_all(s, e);
}
