/* SPDX-License-Identifier: Apache-2.0
 *
 * journal.h - the writer's side of the journal: a segment of its own, to which it appends batches of records.
 *
 * Blocks: these functions run on the runner, one at a time, or in spool_close(). FORMAT numbers the crash points. */
#ifndef SPOOL_JOURNAL_H
#define SPOOL_JOURNAL_H

#include "spool/record.h"
#include "spool/spool.h"

struct segment;

struct rec { /* a record that is to be written */
    struct rec *next;
    uint8_t type; /* 0: nothing to write, only somebody to answer */
    uint8_t flags;
    bool wants_sync;
    bool is_copy; /* of compaction */
    bool is_again; /* was written before, in vain: what it replaced may be needed still */
    uint64_t id, seq;
    struct buf head; /* RECORD_FIXED zeroes, envelope or state, settlements */
    uint32_t body_len;
    struct buf content;
    spool_done_fn *done; /* or NULL */
    void *arg;
    /* Of an end: where its message lies. Of a copy: where the original does. */
    uint32_t from;
    uint64_t from_gen, from_offset;
    /* Where it was written. */
    uint64_t gen, offset;
};

struct rec_queue {
    struct rec *first, **last;
    size_t n, n_wanting; /* n_wanting: of those that want a sync, which is settled before they are added */
    uint64_t bytes;
};

struct rec *rec_new(uint8_t type, uint64_t id);
void rec_free(struct rec *r);
uint64_t rec_bytes(const struct rec *r);
void rec_queue_init(struct rec_queue *q);
void rec_queue_add(struct rec_queue *q, struct rec *r);
struct rec *rec_queue_take(struct rec_queue *q); /* the first, or NULL */
/* Appends all of `from`, which is empty afterwards. */
void rec_queue_move(struct rec_queue *q, struct rec_queue *from);
void rec_queue_free(struct rec_queue *q); /* and all in it */

struct journal {
    struct spool_io *io; /* borrowed */
    const char *dir;     /* borrowed */
    uint64_t segment_bytes;
    int fd; /* -1: the next batch claims a segment */
    uint64_t gen, size;
    uint64_t end;        /* written up to here */
    uint64_t synced_end; /* synced up to here */
    uint64_t batch;      /* number of the batch that is being written */
    bool is_dirty;       /* something was written since the last sync */
    bool is_new;         /* its name in the folder was not synced yet */
    bool has_lost;       /* something that was written could not be synced; for the caller to reset */
    char *buffer;
    size_t buffer_cap;
    uint64_t n_syncs;
};

void journal_init(struct journal *j, struct spool_io *io, const char *dir, uint64_t segment_bytes);
/* Bytes that fit into the segment of now. */
uint64_t journal_room(const struct journal *j);
uint64_t journal_capacity(const struct journal *j); /* of an empty one */
/* Appends the records, all in one segment; claims a new one, of generation `next_gen`, when they do not fit. No sync. */
int journal_write(struct journal *j, struct rec_queue *recs, uint64_t next_gen, struct err *e);
int journal_sync(struct journal *j, struct err *e);
/* After an error: what was not synced does not count, and is never synced again as if nothing had happened. */
void journal_abandon(struct journal *j);
void journal_close(struct journal *j);
/* Nothing is to be written for now: gives back the memory that a crowd needed. */
void journal_trim(struct journal *j);

#endif
