/* SPDX-License-Identifier: Apache-2.0
 *
 * Space: segments that nobody needs are killed and used again; when too much of the disk is dead, what still lives in
 * the deadest segment is copied to our own, so that nobody needs that one any more either.
 *
 * No segment is freed before everything that was written is synced: what replaces its records is then on disk for good.
 * A single file has no such records, but for a report that was large. */
#include "spool/arrive.h"
#include "spool/scan.h"
#include "spool/spool_int.h"

#include "base/mem.h"
#include "spool/sum.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>

#define COPY_BYTES (1u << 20) /* read, copied and synced at a time */
#define COPY_ENDS  4096u
#define MAX_KILLS  64u

/* ---- freeing: what goes with the job ------------------------------------------------------------------------------- */

/* What the open ones leave of our share, and never more than half the slack; one at least, for the relay itself. */
static unsigned max_free(const struct spool *s)
{
    uint64_t most = s->limits.slack_bytes / 2 / s->limits.segment_bytes;
    uint64_t share = compact_start(s->limits.slack_bytes) / s->limits.segment_bytes, n_open = 0;

    list_each(at, &s->ledger.journals)
        n_open += !list_entry(at, struct segment, link)->is_sealed;
    share = share > n_open ? share - n_open : 0;
    if (share < most)
        most = share;
    return most ? (unsigned)most : 1;
}

void kills_take(struct spool *s, struct job *job)
{
    /* What was written in vain waits to be written again: until then, what it replaced is all there is on disk. */
    if (list_is_empty(&s->ledger.dying) || s->n_again)
        return;
    job->max_free = max_free(s);
    job->n_free = s->n_free;
    job->kills = xcalloc(MAX_KILLS, sizeof *job->kills);
    list_each(at, &s->ledger.dying)
    {
        struct segment *seg = list_entry(at, struct segment, dying_link);
        if (job->n_kills == MAX_KILLS)
            break;
        if (seg->has_notes && s->pending.n)
            continue; /* they may be among these */
        job->kills[job->n_kills++] = (struct kill){
            .number = seg->number,
            .gen = seg->gen,
            .name = seg->name,
            .size = seg->size,
            .is_single = seg->is_single,
            .wants_sync = !seg->is_single || seg->has_notes,
        };
    }
}

/* K1, K2: after this nothing in it counts, whatever becomes of the rename. */
static int write_kill(struct spool *s, const struct kill *k, const char *path)
{
    char part[PAGE_PART];
    int fd = s->io->open(s->io, path, O_WRONLY, 0);

    if (fd < 0)
        return -1;
    page_kill_encode(k->gen, part);
    int rc = io_write(s->io, fd, part, sizeof part, PAGE_KILL);
    if (rc == 0)
        rc = s->io->fdatasync(s->io, fd);
    s->io->close(s->io, fd);
    return rc;
}

static void count(void *arg, const char *name)
{
    (void)name;
    ++*(unsigned *)arg;
}

/* K3. */
static void recycle(struct spool *s, struct job *job, const struct kill *k, const char *path)
{
    char folder[PATH_MAX], to[PATH_MAX];
    unsigned n = 0;

    snprintf(folder, sizeof folder, "%s/free", s->dir);
    spool_path(s, "free", k->name, to);
    bool is_usable = k->size == s->limits.segment_bytes && s->io->list(s->io, folder, count, &n) == 0;
    if (is_usable && n < job->max_free && s->io->rename(s->io, path, to) == 0)
        n++;
    else
        s->io->unlink(s->io, path);
    if (is_usable)
        job->n_free = n;
}

static void unlink_single(struct spool *s, struct job *job, struct kill *k, const char *path)
{
    k->is_done = s->io->unlink(s->io, path) == 0 || errno == ENOENT;
    job->large_is_dirty |= k->is_done;
}

/* K0: an unlinked file must not come back when the segment with its end is gone. */
static bool large_is_synced(struct spool *s, struct job *job)
{
    char folder[PATH_MAX];

    snprintf(folder, sizeof folder, "%s/large", s->dir);
    if (job->large_is_dirty && s->io->fsync_dir(s->io, folder) == 0)
        job->large_is_dirty = false;
    return !job->large_is_dirty;
}

static void kill_one(struct spool *s, struct job *job, struct kill *k)
{
    char path[PATH_MAX];

    spool_path(s, k->is_single ? "large" : "journal", k->name, path);
    if (k->is_single) {
        unlink_single(s, job, k, path);
    } else if (large_is_synced(s, job) && write_kill(s, k, path) == 0) {
        k->is_done = true;
        recycle(s, job, k, path);
    }
}

void kills_run(struct spool *s, struct job *job)
{
    bool wants_sync = false;

    for (size_t i = 0; i < job->n_kills; i++)
        wants_sync |= job->kills[i].wants_sync;
    if (wants_sync && journal_sync(&s->journal, &job->err) < 0) {
        job->has_failed = true;
        journal_abandon(&s->journal);
        return;
    }
    job->has_run = true;
    for (size_t i = 0; i < job->n_kills; i++)
        kill_one(s, job, &job->kills[i]);
}

void compact_sweep(struct spool *s)
{
    struct names names;
    struct spool_io_stat st;
    char path[PATH_MAX];

    if (names_list(s, "free", &names) < 0)
        return;
    for (size_t i = 0; i < names.n; i++) {
        spool_path(s, "free", names.id[i], path);
        int fd = s->io->open(s->io, path, O_RDONLY, 0);
        bool is_usable = fd >= 0 && s->io->stat(s->io, fd, &st) == 0 && st.size == s->limits.segment_bytes;
        if (fd >= 0)
            s->io->close(s->io, fd);
        if (is_usable)
            s->n_free++;
        else
            s->io->unlink(s->io, path);
    }
    names_fini(&names);
}

/* ---- afterwards, on the loop --------------------------------------------------------------------------------------- */

static void bury(struct spool *s, struct segment *seg)
{
    for (size_t i = s->n_copies; i-- > 0;)
        if (s->copies[i].segment == seg->number)
            s->copies[i] = s->copies[--s->n_copies];
    segment_unpin_all(s, seg);
    segment_free(&s->ledger, s->io, seg);
}

bool kills_done(struct spool *s, struct job *job)
{
    bool has_freed = false;

    for (size_t i = 0; i < job->n_kills; i++) {
        struct segment *seg = segment_at(&s->ledger, job->kills[i].number);
        if (job->kills[i].is_done) {
            bury(s, seg);
            has_freed = true;
        } else if (job->has_run) {
            seg->is_stuck = true;
            list_remove(&seg->dying_link);
            spool_damaged(s, "%s/%s: a segment could not be freed; it is tried again after a restart", s->dir, seg->folder);
        }
    }
    if (job->has_run && job->n_kills)
        s->n_free = job->n_free;
    free(job->kills);
    job->kills = NULL;
    job->n_kills = 0;
    return has_freed;
}

/* ---- compaction: which -------------------------------------------------------------------------------------------- */

static uint64_t dead_bytes(const struct segment *seg)
{
    uint64_t alive = PAGE_BYTES + seg->live_bytes + seg->pins * (uint64_t)RECORD_FIXED;
    return alive < seg->size ? seg->size - alive : 0;
}

static struct segment *choose_victim(struct spool *s)
{
    struct segment *best = NULL;
    uint64_t bound = 2 * s->live_bytes + compact_start(s->limits.slack_bytes);

    if (s->ledger.disk_bytes + s->n_free * s->limits.segment_bytes <= bound || !list_is_empty(&s->ledger.dying))
        return NULL;
    list_each(at, &s->ledger.journals)
    {
        struct segment *seg = list_entry(at, struct segment, link);
        if (seg->is_sealed && !seg->is_stuck && !seg->is_kept && !seg->holds && dead_bytes(seg) >= seg->size / 4 &&
            (!best || dead_bytes(seg) > dead_bytes(best)))
            best = seg;
    }
    return best;
}

/* ---- compaction: copying ------------------------------------------------------------------------------------------- */

static void add_copy(struct spool *s, struct rec *r, const struct segment *from, uint64_t offset)
{
    r->is_copy = r->wants_sync = true;
    r->from = from->number;
    r->from_gen = from->gen;
    r->from_offset = offset;
    rec_queue_add(&s->pending, r);
    s->compaction.n_in_flight++;
}

static void copy_state(struct spool *s, const struct segment *seg, uint64_t offset, uint64_t id, uint64_t seq,
                       struct span packed)
{
    struct entry *en = index_find(&s->index, id);

    /* A newer one, written or waiting, takes its place anyway. */
    if (!en || en->state_segment != seg->number || en->state_offset8 != offset / 8 || en->state_seq != seq)
        return;
    struct rec *r = rec_new(RECORD_STATE, id);
    r->seq = seq;
    r->body_len = (uint32_t)packed.len;
    buf_addspan(&r->head, packed);
    add_copy(s, r, seg, offset);
}

static void copy_message(struct spool *s, struct segment *seg, uint64_t offset, const struct record *r, const char *head)
{
    struct entry *en = index_find(&s->index, r->id);

    if (!en || en->segment != seg->number || en->offset8 != offset / 8)
        return;
    struct rec *copy = rec_new(RECORD_MESSAGE, r->id);
    char *to = buf_room(&copy->content, r->size);
    ssize_t n = io_read(s->io, seg->fd, to, r->size, read_content_offset(seg, offset, r->head_len));
    if (n != (ssize_t)r->size || sum_of(seg->gen, to, r->size) != r->content_sum) {
        /* It must not get a good checksum: it stays where it is, and whoever wants to send it is told. */
        seg->is_kept = true;
        rec_free(copy);
        return;
    }
    copy->content.len = r->size;
    copy->flags = r->flags;
    copy->body_len = r->body_len;
    buf_addspan(&copy->head, record_body(r, head));
    add_copy(s, copy, seg, offset);
}

/* Copies some of what lives in the victim; false when it was read to its end. */
static bool copy_some(struct spool *s, struct segment *seg)
{
    uint64_t until = s->pending.bytes + COPY_BYTES;
    struct scan sc;
    struct record r;
    const char *head;
    bool is_more = false;

    if (segment_fd(s, seg) < 0) {
        seg->is_kept = true;
        return false;
    }
    scan_init(&sc, s->io, seg->fd, seg->gen, s->compaction.offset, seg->end, NULL);
    while (!(is_more = s->pending.bytes >= until) && scan_next(&sc, &r, &head)) {
        uint64_t offset = scan_at(&sc, &r);
        if (r.type == RECORD_MESSAGE) {
            struct span rest = record_settlements(&r, head);
            for (struct settlement st; settlement_next(&rest, &st);)
                if (!st.is_end)
                    copy_state(s, seg, offset, st.id, st.seq, st.state);
            copy_message(s, seg, offset, &r, head);
        } else if (r.type == RECORD_STATE) {
            copy_state(s, seg, offset, r.id, r.seq, record_body(&r, head));
        }
    }
    s->compaction.offset = is_more ? sc.end : seg->end;
    scan_fini(&sc);
    return is_more;
}

/* Ends in the victim whose messages are still on disk elsewhere: from the accounts, not from the victim. */
static void copy_ends(struct spool *s, const struct segment *seg)
{
    size_t n = 0;

    for (size_t i = 0; i < s->ledger.n && seg->pins; i++) {
        struct segment *of = s->ledger.all[i];
        for (size_t k = 0; of && k < of->n_ended && of != seg; k++) {
            if (of->ended[k].by != seg->number)
                continue;
            struct rec *r = rec_new(RECORD_END, of->ended[k].id);
            add_copy(s, r, of, k);
            if (++n == COPY_ENDS)
                return;
        }
    }
}

void compact_feed(struct spool *s)
{
    struct compaction *c = &s->compaction;

    if (!s->is_started || c->n_in_flight || c->is_blocked)
        return;
    if (!c->victim) {
        c->victim = choose_victim(s);
        c->offset = PAGE_BYTES;
    }
    if (!c->victim)
        return;
    while (c->offset < c->victim->end && copy_some(s, c->victim) && !c->n_in_flight)
        ;
    if (!c->n_in_flight)
        copy_ends(s, c->victim);
    if (c->n_in_flight)
        return;
    struct segment *done = c->victim;
    c->victim = NULL;
    done->is_kept |= done->live || done->states; /* something in it could not be copied: not again */
    segment_check(s, done);
}

void compact_written(struct spool *s, struct rec *r)
{
    (void)r;
    s->compaction.n_in_flight--;
}

void compact_dropped(struct spool *s, const struct rec *r)
{
    (void)r;
    s->compaction.n_in_flight--;
    s->compaction.is_blocked = true;
    s->compaction.victim = NULL;
}
