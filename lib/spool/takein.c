/* SPDX-License-Identifier: Apache-2.0
 *
 * Single files: what sendmail left in drop/ moves to large/, where the relay's own large messages are.
 *
 * The drop is where strangers put files: all that is in one is checked, the content too, before its message exists. It
 * moves by rename, which needs no sync: if a crash undoes it, the file is taken again. */
#include "spool/arrive.h"

#include "base/clock.h"
#include "base/mem.h"
#include "spool/single.h"
#include "spool/sum.h"
#include "spool/traits.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>

#define TMP_AGE_US (3600 * USEC_PER_SEC)

struct single_view {
    struct spool_io_stat st;
    struct record record;
    struct buf head;
    uint64_t first;
};

/* Everything but the content. */
static int read_single(struct spool *s, int fd, uint64_t id, struct single_view *v, struct err *e)
{
    char bytes[PAGE_BYTES] = { 0 };
    struct page page;

    if (s->io->stat(s->io, fd, &v->st) < 0)
        return err_sys(e, "stat");
    if (!v->st.is_file)
        return err_set(e, ERR_PERMANENT, "not a file");
    if (io_read(s->io, fd, bytes, sizeof bytes, 0) < 0)
        return err_sys(e, "read");
    page_decode(bytes, &page);
    if (!page.has_header)
        return err_set(e, ERR_PERMANENT, "not a message file");
    if (page.header.version > SPOOL_VERSION)
        return err_set(e, ERR_CONFIG, "written by a newer Baton (version %u)", page.header.version);
    v->first = page.header.first;
    if (page.header.kind != SEGMENT_SINGLE || page.header.gen != id || v->first < PAGE_BYTES || v->first % 8 ||
        v->first > v->st.size || v->st.size - v->first < RECORD_FIXED)
        return err_set(e, ERR_PERMANENT, "its first page does not fit it");
    char *fixed = buf_room(&v->head, RECORD_FIXED);
    if (io_read(s->io, fd, fixed, RECORD_FIXED, v->first) != RECORD_FIXED ||
        !record_peek(&v->record, fixed, id) || v->record.head_len > v->st.size - v->first)
        return err_set(e, ERR_PERMANENT, "no record");
    char *head = buf_room(&v->head, v->record.head_len);
    if (io_read(s->io, fd, head, v->record.head_len, v->first) != (ssize_t)v->record.head_len ||
        !record_is_whole(&v->record, head))
        return err_set(e, ERR_PERMANENT, "its record is damaged");
    v->head.len = v->record.head_len;
    if (v->record.type != RECORD_MESSAGE || v->record.id != id || pad8(PAGE_BYTES + v->record.size) != v->first)
        return err_set(e, ERR_PERMANENT, "its record does not fit it");
    return 0;
}

/* The flags decide whether lines are dot-stuffed on the way out: they are believed of nobody but ourselves. */
static int check_content(struct spool *s, int fd, const struct single_view *v, struct err *e)
{
    struct traits traits = { 0 };
    struct sum *sum = sum_new(v->record.gen);
    char *piece = xmalloc(65536);
    uint64_t left = v->record.size, at = PAGE_BYTES;
    ssize_t n = 1;

    for (; left && n > 0; left -= (uint64_t)n, at += (uint64_t)n) {
        n = io_read(s->io, fd, piece, left < 65536 ? (size_t)left : 65536, at);
        if (n <= 0)
            break;
        sum_add(sum, piece, (size_t)n);
        traits_add(&traits, span_of(piece, (size_t)n));
    }
    uint64_t value = sum_value(sum);
    sum_free(sum);
    free(piece);
    if (n < 0)
        return err_sys(e, "read");
    if (left || value != v->record.content_sum)
        return err_set(e, ERR_PERMANENT, "its content is damaged");
    if ((traits_flags(&traits) ^ v->record.flags) & ~RECORD_LONG_LINE) /* which sendmail did not always note */
        return err_set(e, ERR_PERMANENT, "its content is not as its record says");
    return 0;
}

static struct segment *enter(struct spool *s, uint64_t id, const struct single_view *v, const char *folder, record_fn *fn)
{
    struct segment *seg = segment_new(&s->ledger, id, id, true);

    seg->is_sealed = seg->is_viewed = true;
    seg->folder = folder;
    seg->uid = v->st.uid;
    seg->size = v->st.size;
    s->ledger.disk_bytes += seg->size;
    fn(s, seg, v->first, &v->record, v->head.at);
    return seg;
}

/* Opens, reads and checks folder/ID; -1 with e filled in: it is not a message. 1: it is not there (any more). */
static int open_single(struct spool *s, const char *folder, uint64_t id, bool with_content, struct single_view *v,
                       struct err *e)
{
    char path[PATH_MAX];

    *v = (struct single_view){ 0 };
    buf_init(&v->head, BUF_NO_MAX);
    spool_path(s, folder, id, path);
    /* O_NONBLOCK: somebody may have put a FIFO there. */
    int fd = s->io->open(s->io, path, O_RDONLY | O_NOFOLLOW | O_NONBLOCK, 0);
    if (fd < 0 && errno == ENOENT)
        return 1;
    if (fd < 0)
        return err_sys(e, "open");
    int rc = read_single(s, fd, id, v, e);
    if (rc == 0 && with_content)
        rc = check_content(s, fd, v, e);
    s->io->close(s->io, fd);
    return rc;
}

/* ---- large/ ------------------------------------------------------------------------------------------------------- */

static void take_large(struct spool *s, uint64_t id, record_fn *fn)
{
    struct single_view v;
    struct err e;
    char text[SPOOL_ID_TEXT];
    int rc = open_single(s, "large", id, false, &v, &e);

    if (rc == 0) {
        enter(s, id, &v, "large", fn);
    } else if (rc < 0) {
        spool_damaged(s, "%s/large/%s: %s: this message is lost", s->dir, spool_id_format(id, text), e.text);
        /* Known, so that it is said once. */
        struct segment *seg = segment_new(&s->ledger, id, id, true);
        seg->is_stuck = seg->is_sealed = true;
    }
    buf_fini(&v.head);
}

int takein_large(struct spool *s, record_fn *fn, struct err *e)
{
    struct names names;
    uint64_t seen = s->shared ? shared_large(s->shared) : 0;

    if (names_list(s, "large", &names) < 0)
        return err_sys(e, "list %s/large", s->dir);
    for (size_t i = 0; i < names.n; i++)
        /* Ours are entered when they are finished. */
        if (!(s->is_started && ID_SLOT(names.id[i]) == ID_SLOT_RELAY) && !index_find(&s->ledger.ids, names.id[i]))
            take_large(s, names.id[i], fn);
    names_fini(&names);
    s->large_seen = seen;
    return 0;
}

static bool is_left_over(struct spool *s, const char *name)
{
    struct shared_line line;
    uint64_t id;

    if (!spool_id_parse(span_from(span_str(name), strlen(SINGLE_TMP)), &id))
        return false;
    if (ID_SLOT(id) == ID_SLOT_RELAY || (s->shared && ID_SLOT(id) >= shared_slots(s->shared)))
        return true;
    if (!s->shared)
        return (int64_t)(id >> ID_SLOT_BITS) < clock_real_us() - TMP_AGE_US;
    return shared_read(s->shared, ID_SLOT(id), &line) && (!line.opened || id < line.opened);
}

void takein_sweep(struct spool *s)
{
    struct names names;
    char path[PATH_MAX];

    if (names_list(s, "large", &names) < 0)
        return;
    for (size_t i = 0; i < names.n_tmp; i++) {
        snprintf(path, sizeof path, "%s/large/%s", s->dir, names.tmp[i]);
        if (is_left_over(s, names.tmp[i]))
            s->io->unlink(s->io, path);
    }
    names_fini(&names);
}

/* ---- drop/ -------------------------------------------------------------------------------------------------------- */

static void set_aside(struct spool *s, uint64_t id, const char *why)
{
    char from[PATH_MAX], to[PATH_MAX], text[SPOOL_ID_TEXT];

    spool_path(s, "drop", id, from);
    snprintf(to, sizeof to, "%s/drop/bad-%s", s->dir, spool_id_format(id, text));
    if (s->io->rename(s->io, from, to) < 0)
        spool_damaged(s, "%s: %s; and it cannot be set aside: %s", from, why, strerror(errno));
    else
        spool_damaged(s, "%s: %s; set aside as bad-%s", from, why, text);
}

/* A state or an end alone does not count: a crash may have put the file back after its message was known. */
static bool is_taken(const struct spool *s, uint64_t id)
{
    const struct entry *en = index_find(&s->index, id);
    return index_find(&s->ledger.ids, id) || (en && en->segment != PLACE_NONE);
}

static void take_drop(struct spool *s, uint64_t id, record_fn *fn)
{
    char from[PATH_MAX], to[PATH_MAX];
    struct single_view v = { 0 };
    struct err e;
    bool is_look = s->role == SPOOL_LOOK;
    /* Any other id could be one that we give out ourselves. */
    int rc = id_is_drops(id) ? open_single(s, "drop", id, !is_look, &v, &e)
                             : err_set(&e, ERR_PERMANENT, "its name is none that sendmail gives");

    spool_path(s, "drop", id, from);
    spool_path(s, "large", id, to);
    if (rc < 0 && !is_look) {
        /* What cannot be read now (no memory, too many files) may be readable later: only what is wrong goes aside. */
        if (e.kind == ERR_PERMANENT)
            set_aside(s, id, e.text);
        else
            spool_damaged(s, "%s: %s", from, e.text);
    } else if (rc == 0 && is_taken(s, id)) {
        if (!is_look)
            set_aside(s, id, "there is a message of that name already");
    } else if (rc == 0 && is_look) {
        enter(s, id, &v, "drop", fn);
    } else if (rc == 0 && s->io->rename(s->io, from, to) < 0) {
        spool_damaged(s, "%s: cannot be taken in: %s", from, strerror(errno));
    } else if (rc == 0) {
        enter(s, id, &v, "large", fn);
    }
    buf_fini(&v.head);
}

static void sweep_drop(struct spool *s, const char *name)
{
    char path[PATH_MAX];
    struct spool_io_stat st;

    snprintf(path, sizeof path, "%s/drop/%s", s->dir, name);
    int fd = s->io->open(s->io, path, O_RDONLY | O_NOFOLLOW | O_NONBLOCK, 0);
    if (fd < 0)
        return;
    int rc = s->io->stat(s->io, fd, &st);
    s->io->close(s->io, fd);
    if (rc == 0 && st.is_file && st.mtime_us < clock_real_us() - TMP_AGE_US)
        s->io->unlink(s->io, path);
}

int takein_drop(struct spool *s, record_fn *fn, struct err *e)
{
    struct names names;

    if (names_list(s, "drop", &names) < 0)
        return s->role == SPOOL_LOOK && errno == EACCES ? 0 : err_sys(e, "list %s/drop", s->dir);
    for (size_t i = 0; i < names.n; i++)
        take_drop(s, names.id[i], fn);
    for (size_t i = 0; i < names.n_tmp && s->role == SPOOL_RELAY; i++)
        sweep_drop(s, names.tmp[i]);
    names_fini(&names);
    return 0;
}
