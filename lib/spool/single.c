/* SPDX-License-Identifier: Apache-2.0 */
#include "spool/single.h"

#include "base/mem.h"
#include "spool/spool_int.h"
#include "spool/sum.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>

struct single {
    struct spool_io *io; /* borrowed */
    char *folder, *tmp_path, *path;
    uint64_t id, size;
    struct sum *sum;
    int fd;
    bool is_finished;
};

struct single *single_new(struct spool_io *io, const char *dir, const char *folder, uint64_t id, mode_t mode, struct err *e)
{
    struct single *s = xcalloc(1, sizeof *s);
    char text[SPOOL_ID_TEXT];

    spool_id_format(id, text);
    s->io = io;
    s->id = id;
    s->folder = xasprintf("%s/%s", dir, folder);
    s->tmp_path = xasprintf("%s/" SINGLE_TMP "%s", s->folder, text);
    s->path = xasprintf("%s/%s", s->folder, text);
    s->sum = sum_new(id);
    s->fd = io->open(io, s->tmp_path, O_RDWR | O_CREAT | O_EXCL | O_NOFOLLOW, mode);
    if (s->fd < 0) {
        errno == ENOENT ? folder_missing(dir, e) : err_sys(e, "create %s", s->tmp_path);
        s->is_finished = true; /* it is not ours to remove */
        single_free(s);
        return NULL;
    }
    return s;
}

int single_share(struct single *s, struct err *e)
{
    return s->io->share(s->io, s->fd, s->folder) < 0 ? err_sys(e, "hand over %s", s->tmp_path) : 0;
}

int single_write(struct single *s, struct span data, struct err *e)
{
    if (io_write(s->io, s->fd, data.at, data.len, PAGE_BYTES + s->size) < 0)
        return err_sys(e, "write %s", s->tmp_path);
    sum_add(s->sum, data.at, data.len);
    s->size += data.len;
    return 0;
}

static int write_record(struct single *s, struct record *r, struct buf *head, struct err *e)
{
    struct page_header h = { SPOOL_VERSION, SEGMENT_SINGLE, s->id, pad8(PAGE_BYTES + s->size) };
    char page[PAGE_BYTES] = { 0 };

    r->gen = r->id = s->id;
    r->size = s->size;
    r->batch = 1;
    r->content_sum = sum_value(s->sum);
    r->head_len = (uint32_t)head->len;
    record_encode(r, head->at);
    page_header_encode(&h, page);
    if (io_write(s->io, s->fd, head->at, head->len, h.first) < 0 || io_write(s->io, s->fd, page, sizeof page, 0) < 0)
        return err_sys(e, "write %s", s->tmp_path);
    return 0;
}

int single_finish(struct single *s, struct record *r, struct buf *head, struct err *e)
{
    /* 1. data. */
    if (write_record(s, r, head, e) < 0)
        return -1;
    /* 2. sync. */
    if (s->io->fdatasync(s->io, s->fd) < 0)
        return err_sys(e, "sync %s", s->tmp_path);
    /* 3. rename. */
    if (s->io->rename(s->io, s->tmp_path, s->path) < 0)
        return err_sys(e, "rename %s", s->tmp_path);
    /* 4. sync the folder. Who may put files into the drop may not read it, and so not open it either: there the
     * file is synced once more, with its new name. */
    int rc = s->io->fsync_dir(s->io, s->folder);
    if (rc < 0 && (errno == EACCES || errno == EPERM))
        rc = s->io->fsync(s->io, s->fd);
    if (rc < 0) {
        err_sys(e, "sync %s", s->folder);
        /* The caller will say that it failed: so let it not come back. */
        s->io->unlink(s->io, s->path);
        s->is_finished = true;
        return -1;
    }
    s->is_finished = true;
    return 0;
}

void single_free(struct single *s)
{
    if (!s)
        return;
    if (!s->is_finished)
        s->io->unlink(s->io, s->tmp_path);
    if (s->fd >= 0)
        s->io->close(s->io, s->fd);
    sum_free(s->sum);
    free(s->folder);
    free(s->tmp_path);
    free(s->path);
    free(s);
}
