/* SPDX-License-Identifier: Apache-2.0
 *
 * Content on its way: see "a place for content" in spool.h. */
#include "spool/spool.h"

#include "base/mem.h"
#include "spool/id.h"
#include "spool/single.h"
#include "spool/spool_int.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>

struct scratch {
    struct spool *spool; /* borrowed */
    size_t keep;
    struct buf memory;
    int fd; /* or -1: all is in memory */
    uint64_t size;
};

struct scratch *scratch_new(struct spool *s, size_t keep)
{
    struct scratch *c = xcalloc(1, sizeof *c);

    c->spool = s;
    c->keep = keep;
    c->fd = -1;
    buf_init(&c->memory, BUF_NO_MAX); /* `keep` bounds it */
    return c;
}

void scratch_free(struct scratch *c)
{
    if (!c)
        return;
    if (c->fd >= 0)
        c->spool->io->close(c->spool->io, c->fd);
    buf_fini(&c->memory);
    free(c);
}

/* Where it stands for a moment with a name, that is one which takein_sweep() removes if we die in between. */
static int open_nameless(struct spool *s, struct err *e)
{
    char path[PATH_MAX], text[SPOOL_ID_TEXT];

    snprintf(path, sizeof path, "%s/large/%s%s", s->dir, SINGLE_TMP, spool_id_format(spool_next_id(s), text));
    int fd = s->io->open(s->io, path, O_RDWR | O_CREAT | O_EXCL, 0600);
    if (fd < 0)
        return err_sys(e, "create %s", path);
    if (s->io->unlink(s->io, path) < 0) {
        err_sys(e, "unlink %s", path);
        s->io->close(s->io, fd);
        return -1;
    }
    return fd;
}

static int write_out(struct scratch *c, struct span data, struct err *e)
{
    if (io_write(c->spool->io, c->fd, data.at, data.len, c->size) < 0)
        return err_sys(e, "write to a file in %s/large", c->spool->dir);
    c->size += data.len;
    return 0;
}

int scratch_spill(struct scratch *c, struct err *e)
{
    if (c->fd >= 0)
        return 0;
    c->fd = open_nameless(c->spool, e);
    if (c->fd < 0)
        return -1;
    c->size = 0;
    int rc = write_out(c, buf_span(&c->memory), e);
    buf_fini(&c->memory);
    return rc;
}

int scratch_add(struct scratch *c, struct span data, struct err *e)
{
    if (c->fd < 0 && c->memory.len + data.len > c->keep && scratch_spill(c, e) < 0)
        return -1;
    if (c->fd >= 0)
        return write_out(c, data, e);
    buf_addspan(&c->memory, data);
    c->size = c->memory.len;
    return 0;
}

size_t scratch_memory(const struct scratch *c)
{
    return sizeof *c + c->memory.cap;
}

int scratch_look(struct scratch *c, uint64_t offset, char *room, size_t len, struct span *found, struct err *e)
{
    *found = span_of("", 0);
    if (offset >= c->size)
        return 0;
    if (len > c->size - offset)
        len = (size_t)(c->size - offset);
    if (c->fd < 0) {
        *found = span_of(c->memory.at + offset, len);
        return 0;
    }
    ssize_t n = io_read(c->spool->io, c->fd, room, len, offset);
    if (n < 0)
        return err_sys(e, "read from a file in %s/large", c->spool->dir);
    *found = span_of(room, (size_t)n);
    return 0;
}
