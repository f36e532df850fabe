/* SPDX-License-Identifier: Apache-2.0
 *
 * shared.h - what workers tell the relay through shared memory: "generation G of slot S is synced up to here".
 *
 * Only hints of what to read: what counts is on disk. A line is a small lock for one writer and any readers (seqlock),
 * for its two numbers belong together; a writer that dies in the middle of it leaves it odd, which its successor
 * mends. */
#ifndef SPOOL_SHARED_H
#define SPOOL_SHARED_H

#include "spool/spool.h"

struct shared_line {
    uint64_t opened; /* the writer of now: all its generations are above this one, all of its predecessors' below */
    uint64_t gen;    /* its segment of now, or 0 */
    uint64_t end;    /* synced up to this offset */
};

unsigned shared_slots(const struct spool_shared *sh);
/* A new writer on `slot`. */
void shared_opened(struct spool_shared *sh, unsigned slot, uint64_t opened);
void shared_publish(struct spool_shared *sh, unsigned slot, uint64_t gen, uint64_t end);
/* False when no line could be had: try again at the next poll. */
bool shared_read(struct spool_shared *sh, unsigned slot, struct shared_line *out);

/* Counts the files that have come into large/. */
void shared_count_large(struct spool_shared *sh);
uint64_t shared_large(const struct spool_shared *sh);

/* No id or generation from now on is below the floor: holds when the clock steps back between two writers. */
uint64_t shared_floor(const struct spool_shared *sh);
void shared_raise_floor(struct spool_shared *sh, uint64_t to);

void shared_wake(struct spool_shared *sh);

#endif
