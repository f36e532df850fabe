/* SPDX-License-Identifier: Apache-2.0
 *
 * segment.h - the files of the spool as the relay (or a looker) sees them, and what still needs each.
 *
 * A segment is needed while a message in it waits (live), while the newest state of a message lies in it (states), while
 * an end lies in it whose message is still on disk somewhere else (pins), and while a body is open (holds). Ends are
 * accounted for where their messages lie: segment->ended names each dead message in it and the segment that says so. */
#ifndef SPOOL_SEGMENT_H
#define SPOOL_SEGMENT_H

#include "base/list.h"
#include "spool/index.h"
#include "spool/io.h"

#include <stdbool.h>
#include <stdint.h>

struct ended {
    uint64_t id;
    uint32_t by; /* number of the segment with its end */
};

struct segment {
    uint32_t number;
    unsigned slot;
    const char *folder; /* "journal", "large"; "drop" for a looker only */
    bool is_single;   /* a file in large/, with one message */
    bool is_viewed;   /* its first page was read */
    bool is_sealed;   /* nothing will be added */
    bool is_dying;    /* in ledger.dying */
    bool is_stuck;    /* could not be freed, or is damaged: left alone until the next start */
    bool has_notes;   /* a single file that also settles others: freed only when that is synced elsewhere */
    bool is_kept;     /* holds something damaged: not compacted */
    uint64_t gen;
    uint64_t name;    /* the file is called so: its generation, but for a crash in the middle of a claim */
    uint64_t size;    /* on disk */
    uint64_t end;     /* records are known up to here */
    uint64_t live_bytes;
    uint32_t live, states, pins, holds;
    uid_t uid;        /* owner of the file */
    struct ended *ended;
    size_t n_ended, cap_ended;
    int fd;           /* for reading, opened when wanted; -1 */
    struct list link; /* in ledger.journals or ledger.singles, in the order they became known */
    struct list open_link, dying_link;
};

struct ledger {
    struct segment **all; /* by number; NULL where free */
    size_t n, cap;
    struct list journals, singles;
    struct list open; /* the least recently used first */
    unsigned n_open;
    struct list dying;
    struct index ids; /* of the singles: id -> number */
    uint64_t disk_bytes;
    size_t n_journals, n_singles;
};

struct spool;

void ledger_init(struct ledger *l);
void ledger_fini(struct ledger *l, struct spool_io *io);

struct segment *segment_new(struct ledger *l, uint64_t gen, uint64_t name, bool is_single);
void segment_free(struct ledger *l, struct spool_io *io, struct segment *seg);
static inline struct segment *segment_at(const struct ledger *l, uint32_t number)
{
    return number < l->n ? l->all[number] : NULL;
}
/* Of that number if it is still the one of that generation. */
struct segment *segment_same(const struct ledger *l, uint32_t number, uint64_t gen);
struct segment *segment_find_journal(const struct ledger *l, uint64_t name);

/* An fd for reading that stays open as long as it is held or wanted often. -1 with errno. */
int segment_fd(struct spool *s, struct segment *seg);
void segment_hold(struct segment *seg);
void segment_unhold(struct spool *s, struct segment *seg);

/* It is gone: the segments with its ends are needed no more for it. */
void segment_unpin_all(struct spool *s, const struct segment *seg);
/* Message `id` of `seg` is ended by a record in `by`. */
void segment_ended(struct segment *seg, uint64_t id, struct segment *by);
/* The n-th end of `seg` lies in `by` from now on. */
void segment_ended_moves(struct spool *s, struct segment *seg, size_t n, struct segment *by);
/* To be called after anything that it needed went away: frees it (when the next job runs) if nothing is left. */
void segment_check(struct spool *s, struct segment *seg);

#endif
