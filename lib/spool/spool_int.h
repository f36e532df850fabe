/* SPDX-License-Identifier: Apache-2.0
 *
 * spool_int.h - the object behind spool.h, and what the files of this folder ask of each other.
 *
 *   message.c   taking: begin, write, commit        commit.c   what is pending -> one job at a time -> called back
 *   journal.c   the writer (in the job)             single.c   one message, one file
 *   segment.c   the files, and who needs them       index.c    where each message lies
 *   scan.c      walking through a segment           recover.c  start    arrive.c  what has come since
 *   settle.c    states and ends                     compact.c  freeing and copying     read.c  reading */
#ifndef SPOOL_SPOOL_INT_H
#define SPOOL_SPOOL_INT_H

#include "spool/id.h"
#include "spool/index.h"
#include "spool/io.h"
#include "spool/journal.h"
#include "spool/record.h"
#include "spool/segment.h"
#include "spool/shared.h"
#include "spool/spool.h"
#include "spool/window.h"

/* A segment that is to be freed by the job. */
struct kill {
    uint32_t number;
    uint64_t gen, name, size;
    bool is_single, wants_sync, is_done;
};

struct job {
    bool is_running;
    struct rec_queue recs;
    bool wants_sync;
    uint64_t next_gen;
    struct kill *kills;
    size_t n_kills;
    unsigned max_free;
    uint64_t n_free; /* in free/, as it was counted last */
    bool large_is_dirty; /* files in large/ were unlinked, by us or by our predecessor, and that was not synced */
    /* What came of it. */
    bool has_failed;
    bool has_run; /* the kills were tried */
    struct err err;
};

/* A second copy of a waiting message on disk; it goes with its segment. Few, if any. */
struct copy {
    uint64_t id;
    uint32_t segment;
};

struct compaction {
    struct segment *victim; /* or NULL */
    uint64_t offset;        /* read up to here */
    size_t n_in_flight;     /* copies that are not written yet */
    bool is_blocked;        /* the last one failed: not again before something was synced */
};

struct spool {
    char *dir;
    enum spool_role role;
    unsigned slot;
    struct spool_limits limits;
    struct spool_shared *shared; /* borrowed, or NULL */
    struct runner *runner;       /* borrowed */
    struct spool_io *io;         /* borrowed */
    const struct spool_ops *ops; /* borrowed */
    void *arg;
    uid_t owner; /* of the spool's files */
    uint64_t last_id, last_seq;

    struct journal journal; /* of the job's while it runs */
    struct job job;
    struct rec_queue pending;  /* to be written by the next job */
    struct rec_queue unsynced; /* states and ends that were written since the last sync: again if it fails */
    size_t n_again;            /* of the pending: is_again */
    bool is_gathering;         /* spool_gather() */
    bool owes_kick;
    unsigned n_singles;        /* being finished by the runner */
    unsigned depth;            /* of callbacks that we are in */
    bool is_closed;            /* goes when the runner has come back */
    uint64_t n_commits, n_syncs;

    /* Relay and look. */
    bool is_started;
    size_t n_told; /* at the start */
    struct index index;
    struct ledger ledger;
    struct segment *own; /* that we write now, or NULL */
    struct copy *copies;
    size_t n_copies;
    uint64_t *arrived; /* our own messages that found() was not told of yet */
    size_t n_arrived, cap_arrived;
    uint64_t content_bytes, live_bytes;
    uint64_t n_free; /* segments in free/, at most: receivers take some of them without telling */
    uint64_t large_seen; /* shared_large() when large/ was listed last */
    struct compaction compaction;
    struct window arrivals; /* what spool_poll() read last: most of it is wanted again at once */
    struct window reads;    /* what was read otherwise */
};

/* spool.c */
uint64_t spool_next_id(struct spool *s);
void spool_path(const struct spool *s, const char *folder, uint64_t name, char *out /* PATH_MAX */);
void spool_damaged(struct spool *s, const char *fmt, ...) __attribute__((format(printf, 2, 3)));

/* folder.c: the error of a spool that is not there. */
int folder_missing(const char *dir, struct err *e);
/* Refuses a newer spool. */
int folder_version(struct spool_io *io, const char *dir, uid_t *owner, struct err *e);

/* commit.c: starts a job when none runs and something waits for one. */
void commit_kick(struct spool *s);
/* The same before spool_close(): on this thread, now. */
void commit_flush(struct spool *s);

/* settle.c: a record of ours was written (and synced, when it wanted that): the index learns of it. */
void settle_written(struct spool *s, struct rec *r);
/* A message record of ours lies in `seg` at `offset`; only what follows the fixed part of `head` is looked at. */
void settle_own_message(struct spool *s, struct segment *seg, uint64_t offset, const struct record *r, const char *head);
/* Removes the message from the index and all accounts; its end is to be written for each place where it lies. */
void settle_forget(struct spool *s, struct entry *en);
/* Its newest state lies there; `seg` NULL: nowhere. */
void settle_state_at(struct spool *s, struct entry *en, struct segment *seg, uint64_t offset);
/* The newest state that still waits to be written, packed. */
bool settle_pending_state(struct spool *s, uint64_t id, uint64_t seq, struct span *packed);
/* A message lies in `seg`: counts it there. `en` has no place yet. */
void settle_place(struct spool *s, struct entry *en, struct segment *seg, uint64_t offset, const struct record *r);
/* Queues the end of message `id` that lies in `seg`. */
void settle_queue_end(struct spool *s, uint64_t id, const struct segment *seg);
/* Another record of a message that is known already: compaction was here, or a crash was in the middle of it. */
void settle_add_copy(struct spool *s, uint64_t id, const struct segment *seg);
bool settle_take_copy(struct spool *s, uint64_t id, struct segment **seg);

/* compact.c */
/* That much beside 2 x what lives, and compaction begins; the rest of the slack is for what comes while it works. What
 * is open or free is kept below it, so that what is sealed is then mostly dead. */
static inline uint64_t compact_start(uint64_t slack_bytes)
{
    return slack_bytes - slack_bytes / 8;
}
/* At the start: removes from free/ what an earlier configuration left there, of another size. */
void compact_sweep(struct spool *s);
/* Adds copies to what is pending, when space is short; called when no job runs. */
void compact_feed(struct spool *s);
void compact_written(struct spool *s, struct rec *r);
void compact_dropped(struct spool *s, const struct rec *r);
/* In the job: frees, after everything that was written is synced. */
void kills_run(struct spool *s, struct job *job);
/* Afterwards, on the loop. */
bool kills_done(struct spool *s, struct job *job); /* whether anything was freed */
void kills_take(struct spool *s, struct job *job);

/* read.c: the head of the record at `offset` into `head` (cleared first). ERR_PERMANENT when it is damaged. */
int read_head(struct spool *s, struct segment *seg, uint64_t offset, struct record *r, struct buf *head, struct err *e);
/* `st` zeroes when there is none. */
int read_state(struct spool *s, const struct entry *en, struct spool_state *st, struct err *e);
int read_envelope(const struct spool *s, const struct segment *seg, const struct record *r, const char *head,
                  struct envelope *env, struct err *e);
uint64_t read_content_offset(const struct segment *seg, uint64_t offset, uint32_t head_len);

#endif
