/* SPDX-License-Identifier: Apache-2.0
 *
 * sum.h - checksums: XXH3, 64 bits, seeded with the generation of the segment, so that nothing left over from the
 * earlier life of a file, or of its blocks, can pass for part of the present one. */
#ifndef SPOOL_SUM_H
#define SPOOL_SUM_H

#include "spool/io.h"

struct sum; /* of bytes that come in pieces */

struct sum *sum_new(uint64_t seed);
void sum_free(struct sum *s);
void sum_add(struct sum *s, const void *at, size_t len);
uint64_t sum_value(const struct sum *s);

uint64_t sum_of(uint64_t seed, const void *at, size_t len);
/* Of `len` bytes of a file; -1 with errno when they cannot be read, or are fewer (EIO). */
int sum_file(struct spool_io *io, int fd, uint64_t offset, uint64_t len, uint64_t seed, uint64_t *sum);

#endif
