/* SPDX-License-Identifier: Apache-2.0
 *
 * window.h - bytes of one segment that were read lately, so that what lies side by side is read with one call.
 *
 * Only what cannot change any more belongs in it: records that are synced, or whose writer is gone. A segment that is
 * used again has another generation, and so another key. */
#ifndef SPOOL_WINDOW_H
#define SPOOL_WINDOW_H

#include "spool/io.h"

#include <stddef.h>
#include <stdint.h>

struct window { /* zeroes: nothing is in it */
    uint64_t gen; /* of the segment */
    uint64_t offset;
    size_t len, cap;
    char *at;
};

void window_fini(struct window *w);
/* The bytes from `offset` on, and in `n` how many there are; NULL: none. Valid till the next change of `w`. */
const char *window_find(const struct window *w, uint64_t gen, uint64_t offset, size_t *n);
/* Reads `want` bytes into it. -1 with errno: then nothing is in it. */
int window_fill(struct window *w, struct spool_io *io, int fd, uint64_t gen, uint64_t offset, size_t want);

#endif
