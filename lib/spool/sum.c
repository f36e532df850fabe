/* SPDX-License-Identifier: Apache-2.0 */
#include "spool/sum.h"

#include "base/mem.h"

#include <errno.h>
#include <stdlib.h>

/* Inline: nothing to link, and sendmail starts without one more library. */
#define XXH_INLINE_ALL
#include <xxhash.h>

struct sum {
    XXH3_state_t *state;
};

struct sum *sum_new(uint64_t seed)
{
    struct sum *s = xcalloc(1, sizeof *s);

    s->state = XXH3_createState();
    if (!s->state)
        bug("no memory for a checksum");
    XXH3_64bits_reset_withSeed(s->state, seed);
    return s;
}

void sum_free(struct sum *s)
{
    if (!s)
        return;
    XXH3_freeState(s->state);
    free(s);
}

void sum_add(struct sum *s, const void *at, size_t len)
{
    if (len)
        XXH3_64bits_update(s->state, at, len);
}

uint64_t sum_value(const struct sum *s)
{
    return XXH3_64bits_digest(s->state);
}

uint64_t sum_of(uint64_t seed, const void *at, size_t len)
{
    return XXH3_64bits_withSeed(len ? at : "", len, seed);
}

int sum_file(struct spool_io *io, int fd, uint64_t offset, uint64_t len, uint64_t seed, uint64_t *sum)
{
    enum { PIECE = 65536 };
    char *piece = xmalloc(len < PIECE ? len : PIECE);
    struct sum *s = sum_new(seed);
    int rc = 0;

    while (len && rc == 0) {
        size_t want = len < PIECE ? (size_t)len : PIECE;
        ssize_t n = io_read(io, fd, piece, want, offset);
        if (n < 0) {
            rc = -1;
        } else if ((size_t)n < want) {
            errno = EIO;
            rc = -1;
        } else {
            sum_add(s, piece, want);
            offset += want;
            len -= want;
        }
    }
    *sum = sum_value(s);
    int sys = errno;
    sum_free(s);
    free(piece);
    errno = sys;
    return rc;
}
