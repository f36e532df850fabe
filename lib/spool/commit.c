/* SPDX-License-Identifier: Apache-2.0
 *
 * From pending to kept. One job at a time writes all that is pending and syncs it, while the loop gathers what goes with
 * the next: a single client pays one sync, a thousand share it, and nobody waits for a timer.
 *
 * States and ends that nobody waits for are written without a sync and on this thread: an append to the page cache. They
 * are kept in memory until a sync covers them, for when it fails they must be written again elsewhere.
 *
 * With spool_gather() a job begins at the end of the loop's turn and not with the first record of it: half the syncs,
 * and as many writes, of a busy receiver. */
#include "spool/spool_int.h"

#include "base/mem.h"

#include <stdlib.h>

#define BATCH_BYTES   (4u << 20)   /* written and synced together at most */
#define UNSYNCED_MAX (256u << 10) /* more than that asks for a sync */
#define GATHER_MAX   (512u << 10) /* more than that is not kept till the end of a turn */

/* ---- the job ------------------------------------------------------------------------------------------------------ */

/* On the runner. */
static void job_work(void *arg)
{
    struct spool *s = arg;
    struct job *job = &s->job;

    job->has_failed = journal_write(&s->journal, &job->recs, job->next_gen, &job->err) < 0 ||
                      (job->wants_sync && journal_sync(&s->journal, &job->err) < 0);
    if (job->has_failed)
        journal_abandon(&s->journal);
    /* On a full disk a new segment can be had only by freeing others. */
    if (!s->journal.has_lost)
        kills_run(s, job);
}

static void answer(struct spool *s, struct rec *r, enum spool_result result, const struct err *e)
{
    spool_done_fn *done = r->done;

    if (!done)
        return;
    r->done = NULL;
    if (s->is_closed)
        return;
    s->depth++;
    done(r->arg, result, e);
    s->depth--;
}

static void succeeded(struct spool *s, struct rec_queue *recs, bool was_synced)
{
    /* First all accounts, then the callbacks: these may ask and commit. What the job freed goes last: ends that it
     * wrote are accounted for where their messages lie. */
    if (s->role == SPOOL_RELAY)
        for (struct rec *r = recs->first; r; r = r->next)
            settle_written(s, r);
    kills_done(s, &s->job);
    s->job.is_running = false;
    if (was_synced) {
        rec_queue_free(&s->unsynced);
        s->compaction.is_blocked = false;
        if (s->shared && recs->n) {
            if (s->role == SPOOL_RECEIVE)
                shared_publish(s->shared, s->slot, s->journal.gen, s->journal.synced_end);
            shared_wake(s->shared);
        }
    }
    for (struct rec *r; (r = rec_queue_take(recs));) {
        s->n_again -= r->is_again;
        r->is_again = false;
        answer(s, r, SPOOL_KEPT, NULL);
        if (was_synced || !r->type)
            rec_free(r);
        else
            rec_queue_add(&s->unsynced, r);
    }
}

/* It was written where nothing can be relied on any more: until it is written again, it is read from memory. */
static void take_back(struct spool *s, struct rec *r)
{
    struct entry *en = r->type == RECORD_STATE ? index_find(&s->index, r->id) : NULL;

    r->is_again = true;
    s->n_again++;
    if (en && en->state_seq == r->seq)
        en->is_pending = true;
}

/* Messages are given back to whom they came from; what the relay noted stays to be written. */
static void failed(struct spool *s, struct rec_queue *recs, const struct err *e)
{
    struct rec_queue again, lost;

    rec_queue_init(&again);
    rec_queue_init(&lost);
    if (s->journal.has_lost) {
        for (struct rec *r = s->unsynced.first; r; r = r->next)
            take_back(s, r);
        rec_queue_move(&again, &s->unsynced);
    }
    rec_queue_free(&s->unsynced);
    s->journal.has_lost = false;
    for (struct rec *r; (r = rec_queue_take(recs));) {
        if (r->is_copy || r->type == RECORD_MESSAGE || !r->type) {
            rec_queue_add(&lost, r);
            continue;
        }
        struct rec *waiting = NULL;
        if (r->done) {
            waiting = rec_new(0, r->id);
            waiting->done = r->done;
            waiting->arg = r->arg;
            rec_queue_add(&lost, waiting);
        }
        r->done = NULL;
        r->wants_sync = false;
        rec_queue_add(&again, r);
    }
    rec_queue_move(&again, &s->pending);
    s->pending = again;
    if (!again.first)
        rec_queue_init(&s->pending);
    for (struct rec *r; (r = rec_queue_take(&lost));) {
        if (r->is_copy)
            compact_dropped(s, r);
        answer(s, r, SPOOL_FAILED, e);
        rec_free(r);
    }
}

static void job_done(void *arg)
{
    struct spool *s = arg;
    struct job *job = &s->job;
    struct rec_queue recs;
    bool has_failed = job->has_failed;
    struct err err = job->err;

    rec_queue_init(&recs);
    rec_queue_move(&recs, &job->recs);
    s->n_syncs += s->journal.n_syncs;
    s->journal.n_syncs = 0;
    bool is_synced = !s->journal.is_dirty, has_freed = false;
    if (has_failed && s->own) {
        s->own->is_sealed = true;
        s->own = NULL;
    }
    s->depth++;
    if (has_failed) {
        has_freed = kills_done(s, job);
        job->is_running = false;
        failed(s, &recs, &err);
    } else {
        succeeded(s, &recs, is_synced);
    }
    s->depth--;
    /* What failed is not tried again by itself: a full disk would keep us busy. */
    if (s->is_closed)
        spool_close(s);
    else if (!has_failed || has_freed || s->pending.n_wanting)
        commit_kick(s);
}

/* ---- what goes with the next one ---------------------------------------------------------------------------------- */

static void take_batch(struct spool *s, struct job *job)
{
    uint64_t room = journal_room(&s->journal);
    struct rec *r = s->pending.first;

    if (r && rec_bytes(r) > room)
        room = journal_capacity(&s->journal);
    if (room > BATCH_BYTES)
        room = BATCH_BYTES;
    job->wants_sync = s->unsynced.bytes > UNSYNCED_MAX;
    while ((r = s->pending.first) && (!job->recs.n || job->recs.bytes + rec_bytes(r) <= room)) {
        job->wants_sync |= r->wants_sync;
        rec_queue_add(&job->recs, rec_queue_take(&s->pending));
    }
}

/* Nobody waits, and nothing has to be opened: an append to the page cache. */
static bool is_quick(const struct spool *s, const struct job *job)
{
    return !job->wants_sync && !job->n_kills && job->recs.bytes <= journal_room(&s->journal);
}

static void start_job(struct spool *s)
{
    struct job *job = &s->job;

    s->owes_kick = false;
    if (s->role == SPOOL_RELAY)
        compact_feed(s);
    take_batch(s, job);
    kills_take(s, job);
    if (!job->recs.n && !job->n_kills) {
        journal_trim(&s->journal);
        return;
    }
    job->is_running = true;
    job->has_failed = job->has_run = false;
    job->err = (struct err){ 0 };
    job->next_gen = spool_next_id(s);
    if (s->shared)
        shared_raise_floor(s->shared, job->next_gen);
    if (is_quick(s, job)) {
        job_work(s);
        job_done(s);
    } else {
        runner_run(s->runner, job_work, job_done, s);
    }
}

void commit_kick(struct spool *s)
{
    if (s->job.is_running)
        return;
    if (s->is_gathering && s->pending.bytes <= GATHER_MAX)
        s->owes_kick = true;
    else
        start_job(s);
}

void spool_gather(struct spool *s)
{
    s->is_gathering = true;
}

void spool_write_out(struct spool *s)
{
    if (s->owes_kick && !s->job.is_running)
        start_job(s);
}

static int flush_into_journal(struct spool *s, struct rec_queue *recs)
{
    int rc = journal_write(&s->journal, recs, spool_next_id(s), NULL);

    if (rc == 0)
        rc = journal_sync(&s->journal, NULL);
    if (rc < 0)
        journal_abandon(&s->journal);
    return rc;
}

void commit_flush(struct spool *s)
{
    struct rec_queue all;

    if (s->role == SPOOL_LOOK || flush_into_journal(s, &s->pending) == 0)
        return;
    /* Once more, in another segment, with all that the last sync did not cover. After that there is nobody to tell: what
     * could not be written may come back, which is allowed. */
    rec_queue_init(&all);
    rec_queue_move(&all, &s->unsynced);
    rec_queue_move(&all, &s->pending);
    flush_into_journal(s, &all);
    rec_queue_free(&all);
}
