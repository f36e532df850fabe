/* SPDX-License-Identifier: Apache-2.0
 *
 * scan.h - walking through the records of a segment, over whatever is damaged in it.
 *
 * Only heads are read, unless contents are to be checked. Where a record should be and none is, the walk looks for the
 * next one of the same generation; how much that skipped, and whether it matters, is the caller's to say: what was
 * skipped at the end of a segment that was being written is nothing but a write that was never synced. */
#ifndef SPOOL_SCAN_H
#define SPOOL_SCAN_H

#include "spool/io.h"
#include "spool/record.h"
#include "spool/window.h"

#define SCAN_CHECK_NONE UINT64_MAX

struct gap { /* no good record from `from` to `to` */
    uint64_t from, to;
    uint64_t before, after; /* batches of the good records around it; 0: none */
};

struct scan {
    struct spool_io *io; /* borrowed */
    int fd;
    uint64_t gen;
    uint64_t offset;      /* of the next record */
    uint64_t limit;       /* of the file, or of what is known to be there */
    uint64_t check_from;  /* contents of records of this batch and of later ones are read and checked */
    uint64_t search_max;  /* looks so far for the next good record; 0: stops at the first bad one */
    uint64_t end;         /* behind the last good record */
    uint64_t last_batch;
    bool is_newer;        /* met a record that this Baton does not know and must not pass over */
    struct gap *gaps;
    size_t n_gaps;
    size_t ahead; /* how much to read at once */
    bool has_bad_sectors;  /* zeroes in the window stand for them */
    struct window *window; /* its own, or borrowed */
    struct window own;
};

/* `lent` is used for reading, and afterwards holds what was read last, if all of it could be read; it must not be used
 * otherwise meanwhile. NULL: a window of its own. The scan must not be copied. */
void scan_init(struct scan *sc, struct spool_io *io, int fd, uint64_t gen, uint64_t from, uint64_t limit,
               struct window *lent);
void scan_fini(struct scan *sc);
/* The next good record and its head, which is valid until the next call; sc->end - record_bytes(r) is its offset.
 * False at the end. */
bool scan_next(struct scan *sc, struct record *r, const char **head);
static inline uint64_t scan_at(const struct scan *sc, const struct record *r)
{
    return sc->end - record_bytes(r);
}

#endif
