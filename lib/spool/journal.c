/* SPDX-License-Identifier: Apache-2.0
 *
 * The invariant that recovery stands on: a batch is written only after the batch before it was synced, also across
 * segments. So in each segment only the records of its last batch can be torn; and when a segment was left for the
 * next, its seal says where it ends. The numbers (W1...) are those of FORMAT. */
#include "spool/journal.h"

#include "base/mem.h"
#include "spool/io.h"
#include "spool/sum.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>

#define BUFFER_KEEP (64u << 10)

/* ---- records in memory -------------------------------------------------------------------------------------------- */

struct rec *rec_new(uint8_t type, uint64_t id)
{
    struct rec *r = xcalloc(1, sizeof *r);

    r->type = type;
    r->id = id;
    r->from = UINT32_MAX;
    buf_init(&r->content, BUF_NO_MAX);
    record_head_init(&r->head);
    return r;
}

void rec_free(struct rec *r)
{
    if (!r)
        return;
    buf_fini(&r->head);
    buf_fini(&r->content);
    free(r);
}

uint64_t rec_bytes(const struct rec *r)
{
    return r->type ? pad8(r->head.len) + pad8(r->content.len) : 0;
}

void rec_queue_init(struct rec_queue *q)
{
    *q = (struct rec_queue){ .last = &q->first };
}

void rec_queue_add(struct rec_queue *q, struct rec *r)
{
    r->next = NULL;
    *q->last = r;
    q->last = &r->next;
    q->n++;
    q->n_wanting += r->wants_sync;
    q->bytes += rec_bytes(r);
}

struct rec *rec_queue_take(struct rec_queue *q)
{
    struct rec *r = q->first;

    if (!r)
        return NULL;
    q->first = r->next;
    if (!q->first)
        q->last = &q->first;
    q->n--;
    q->n_wanting -= r->wants_sync;
    q->bytes -= rec_bytes(r);
    return r;
}

void rec_queue_move(struct rec_queue *q, struct rec_queue *from)
{
    if (from->first) {
        *q->last = from->first;
        q->last = from->last;
        q->n += from->n;
        q->n_wanting += from->n_wanting;
        q->bytes += from->bytes;
    }
    rec_queue_init(from);
}

void rec_queue_free(struct rec_queue *q)
{
    for (struct rec *r; (r = rec_queue_take(q));)
        rec_free(r);
}

/* ---- claiming a segment ------------------------------------------------------------------------------------------- */

void journal_init(struct journal *j, struct spool_io *io, const char *dir, uint64_t segment_bytes)
{
    *j = (struct journal){ .io = io, .dir = dir, .segment_bytes = segment_bytes, .fd = -1 };
}

uint64_t journal_room(const struct journal *j)
{
    return j->fd < 0 || j->end > j->size ? 0 : j->size - j->end;
}

uint64_t journal_capacity(const struct journal *j)
{
    return j->segment_bytes - PAGE_BYTES;
}

struct free_names {
    uint64_t name[32];
    size_t n;
};

static void note_free(void *arg, const char *name)
{
    struct free_names *f = arg;
    uint64_t id;

    if (f->n < ARRAY_LEN(f->name) && spool_id_parse(span_str(name), &id))
        f->name[f->n++] = id;
}

/* Whether the file may become generation `gen`: it must be higher than all that the file has been. */
static bool fits_generation(struct journal *j, int fd, uint64_t gen, uint64_t *size)
{
    char bytes[PAGE_BYTES];
    struct spool_io_stat st;
    struct page page;

    if (j->io->stat(j->io, fd, &st) < 0 || io_read(j->io, fd, bytes, sizeof bytes, 0) != (ssize_t)sizeof bytes)
        return false;
    page_decode(bytes, &page);
    *size = st.size;
    return st.size >= j->segment_bytes && page.header.gen < gen && page.killed < gen && page.killed != 0;
}

/* Others claim, too: whoever renames first has it. Returns the fd or -1. */
static int claim_free(struct journal *j, uint64_t gen, const char *path, uint64_t *size)
{
    char folder[PATH_MAX], from[PATH_MAX + SPOOL_ID_TEXT + 1], text[SPOOL_ID_TEXT];
    struct free_names names = { .n = 0 };

    snprintf(folder, sizeof folder, "%s/free", j->dir);
    if (j->io->list(j->io, folder, note_free, &names) < 0)
        return -1;
    for (size_t i = 0; i < names.n; i++) {
        snprintf(from, sizeof from, "%s/%s", folder, spool_id_format(names.name[i], text));
        if (j->io->rename(j->io, from, path) < 0) /* W1 */
            continue;
        int fd = j->io->open(j->io, path, O_RDWR, 0);
        if (fd >= 0 && fits_generation(j, fd, gen, size))
            return fd;
        if (fd >= 0)
            j->io->close(j->io, fd);
        j->io->unlink(j->io, path);
    }
    return -1;
}

static int claim_new(struct journal *j, const char *path, uint64_t size, struct err *e)
{
    int fd = j->io->open(j->io, path, O_RDWR | O_CREAT | O_EXCL, 0600);

    if (fd < 0)
        return err_sys(e, "create %s", path);
    if (j->io->allocate(j->io, fd, size) < 0) {
        err_sys(e, "make room for %s", path);
        j->io->close(j->io, fd);
        j->io->unlink(j->io, path);
        return -1;
    }
    return fd;
}

static int claim(struct journal *j, uint64_t gen, uint64_t need, struct err *e)
{
    char path[PATH_MAX], text[SPOOL_ID_TEXT], part[PAGE_PART];
    uint64_t size = j->segment_bytes;
    int fd = -1;

    snprintf(path, sizeof path, "%s/journal/%s", j->dir, spool_id_format(gen, text));
    if (need <= journal_capacity(j))
        fd = claim_free(j, gen, path, &size);
    else
        size = (need + 2 * PAGE_BYTES - 1) / PAGE_BYTES * PAGE_BYTES;
    if (fd < 0 && (fd = claim_new(j, path, size, e)) < 0)
        return -1;
    struct page_header h = { SPOOL_VERSION, SEGMENT_JOURNAL, gen, PAGE_BYTES };
    page_header_encode(&h, part);
    if (io_write(j->io, fd, part, sizeof part, PAGE_HEADER) < 0) { /* W2 */
        err_sys(e, "write %s", path);
        j->io->close(j->io, fd);
        j->io->unlink(j->io, path);
        return -1;
    }
    j->fd = fd;
    j->gen = gen;
    j->size = size;
    j->end = j->synced_end = PAGE_BYTES;
    j->batch = 1;
    j->is_dirty = j->is_new = true;
    return 0;
}

/* ---- leaving one -------------------------------------------------------------------------------------------------- */

/* W6. Not synced: it only ever says less than what is true. */
static void seal(struct journal *j)
{
    char part[PAGE_PART];

    page_seal_encode(j->gen, j->synced_end, part);
    if (io_write(j->io, j->fd, part, sizeof part, PAGE_SEAL) < 0)
        return; /* recovery then looks for itself */
}

void journal_abandon(struct journal *j)
{
    if (j->fd < 0)
        return;
    seal(j);
    j->io->close(j->io, j->fd);
    j->fd = -1;
    j->has_lost |= j->is_dirty;
    j->is_dirty = false;
}

static int leave(struct journal *j, struct err *e)
{
    if (j->fd < 0)
        return 0;
    if (j->is_dirty && journal_sync(j, e) < 0)
        return -1;
    journal_abandon(j);
    return 0;
}

void journal_close(struct journal *j)
{
    leave(j, NULL);
    journal_abandon(j);
    free(j->buffer);
    j->buffer = NULL;
}

/* ---- writing ------------------------------------------------------------------------------------------------------ */

static char *buffer_for(struct journal *j, uint64_t bytes)
{
    if (j->buffer_cap < bytes) {
        free(j->buffer);
        j->buffer_cap = bytes > 4096 ? bytes : 4096;
        j->buffer = xmalloc(j->buffer_cap);
    }
    return j->buffer;
}

void journal_trim(struct journal *j)
{
    if (j->buffer_cap <= BUFFER_KEEP)
        return;
    free(j->buffer);
    j->buffer = NULL;
    j->buffer_cap = 0;
}

/* The generation and the batch are known only now, and they go into the checksums. */
static char *stamp(struct journal *j, struct rec *r, uint64_t offset, char *to)
{
    struct record rec = {
        .type = r->type,
        .flags = r->flags,
        .head_len = (uint32_t)r->head.len,
        .body_len = r->body_len,
        .gen = j->gen,
        .id = r->id,
        .batch = j->batch,
        .size = r->content.len,
        .seq = r->seq,
        .content_sum = sum_of(j->gen, r->content.at, r->content.len),
    };
    r->gen = j->gen;
    r->offset = offset;
    memcpy(to, r->head.at, r->head.len);
    memset(to + r->head.len, 0, pad8(r->head.len) - r->head.len);
    record_encode(&rec, to);
    to += pad8(r->head.len);
    if (r->content.len)
        memcpy(to, r->content.at, r->content.len);
    memset(to + r->content.len, 0, pad8(r->content.len) - r->content.len);
    return to + pad8(r->content.len);
}

int journal_write(struct journal *j, struct rec_queue *recs, uint64_t next_gen, struct err *e)
{
    if (recs->bytes == 0)
        return 0;
    if (journal_room(j) < recs->bytes && (leave(j, e) < 0 || claim(j, next_gen, recs->bytes, e) < 0))
        return -1;
    char *from = buffer_for(j, recs->bytes), *to = from;
    for (struct rec *r = recs->first; r; r = r->next)
        if (r->type)
            to = stamp(j, r, j->end + (uint64_t)(to - from), to);
    j->is_dirty = true;
    if (io_write(j->io, j->fd, from, recs->bytes, j->end) < 0) /* W3 */
        return err_sys(e, "write the journal");
    j->end += recs->bytes;
    return 0;
}

int journal_sync(struct journal *j, struct err *e)
{
    char folder[PATH_MAX];

    if (!j->is_dirty)
        return 0;
    j->n_syncs++;
    if (j->io->fdatasync(j->io, j->fd) < 0) /* W4 */
        return err_sys(e, "sync the journal");
    snprintf(folder, sizeof folder, "%s/journal", j->dir);
    if (j->is_new && j->io->fsync_dir(j->io, folder) < 0) /* W5 */
        return err_sys(e, "sync %s", folder);
    j->is_dirty = j->is_new = false;
    j->synced_end = j->end;
    j->batch++;
    return 0;
}
