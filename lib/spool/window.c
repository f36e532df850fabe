/* SPDX-License-Identifier: Apache-2.0 */
#include "spool/window.h"

#include "base/mem.h"

#include <stdlib.h>

void window_fini(struct window *w)
{
    free(w->at);
    *w = (struct window){ 0 };
}

/* What was in it is gone. */
static void make_room(struct window *w, size_t size)
{
    w->len = 0;
    if (size <= w->cap)
        return;
    free(w->at);
    w->at = xmalloc(size);
    w->cap = size;
}

const char *window_find(const struct window *w, uint64_t gen, uint64_t offset, size_t *n)
{
    if (!w->len || w->gen != gen || offset < w->offset || offset >= w->offset + w->len)
        return NULL;
    *n = (size_t)(w->offset + w->len - offset);
    return w->at + (offset - w->offset);
}

int window_fill(struct window *w, struct spool_io *io, int fd, uint64_t gen, uint64_t offset, size_t want)
{
    make_room(w, want);
    ssize_t n = io_read(io, fd, w->at, want, offset);
    if (n < 0)
        return -1;
    w->gen = gen;
    w->offset = offset;
    w->len = (size_t)n;
    return 0;
}
