/* SPDX-License-Identifier: Apache-2.0
 *
 * Reading a message back. Every head is checked against its checksum each time it is read, every content once each
 * time it is opened. */
#include "spool/spool_int.h"

#include "base/mem.h"
#include "spool/state.h"
#include "spool/sum.h"

#include <errno.h>
#include <stdlib.h>
#include <unistd.h>

#define HEAD_GUESS   4096u
#define READ_AHEAD   32768u /* messages that came together are wanted together */
#define BODY_IN_CORE 16384u /* smaller contents are read once, checked and handed out from memory */

/* ---- heads -------------------------------------------------------------------------------------------------------- */

static int damaged(const struct spool *s, const struct segment *seg, uint64_t offset, struct err *e)
{
    char text[SPOOL_ID_TEXT];
    return err_set(e, ERR_PERMANENT, "%s/%s/%s: the record at offset %llu is damaged", s->dir, seg->folder,
                   spool_id_format(seg->name, text), (unsigned long long)offset);
}

static int unreadable(const struct spool *s, const struct segment *seg, struct err *e)
{
    char text[SPOOL_ID_TEXT];
    return err_sys(e, "read %s/%s/%s", s->dir, seg->folder, spool_id_format(seg->name, text));
}

/* Up to `len` bytes, at least `least` if they are there. The relay reads through its windows; a looker may not, for what
 * it looks at may be used again under its hands. */
static ssize_t read_at(struct spool *s, const struct segment *seg, char *to, size_t len, size_t least, uint64_t offset)
{
    uint64_t end = seg->is_single ? seg->size : seg->end;
    const char *at;
    size_t n = 0;

    if (s->role != SPOOL_RELAY || least > READ_AHEAD || offset >= end || least > end - offset)
        return io_read(s->io, seg->fd, to, len, offset);
    at = window_find(&s->arrivals, seg->gen, offset, &n);
    if (!at || n < least)
        at = window_find(&s->reads, seg->gen, offset, &n);
    if (!at || n < least) {
        if (window_fill(&s->reads, s->io, seg->fd, seg->gen, offset, end - offset < READ_AHEAD ? end - offset : READ_AHEAD) < 0)
            return io_read(s->io, seg->fd, to, len, offset); /* only a neighbour cannot be read, perhaps */
        at = s->reads.at;
        n = s->reads.len;
    }
    if (n > len)
        n = len;
    memcpy(to, at, n);
    return (ssize_t)n;
}

int read_head(struct spool *s, struct segment *seg, uint64_t offset, struct record *r, struct buf *head, struct err *e)
{
    if (segment_fd(s, seg) < 0)
        return unreadable(s, seg, e);
    buf_clear(head);
    ssize_t n = read_at(s, seg, buf_room(head, HEAD_GUESS), HEAD_GUESS, RECORD_FIXED, offset);
    if (n < 0)
        return unreadable(s, seg, e);
    if (n < (ssize_t)RECORD_FIXED || !record_peek(r, head->at, seg->gen) || offset + r->head_len > seg->size)
        return damaged(s, seg, offset, e);
    if (r->head_len > (size_t)n) {
        head->len = (size_t)n;
        size_t rest = r->head_len - head->len;
        ssize_t more = read_at(s, seg, buf_room(head, rest), rest, rest, offset + head->len);
        if (more < 0)
            return unreadable(s, seg, e);
        n += more;
    }
    if ((size_t)n < r->head_len || !record_is_whole(r, head->at))
        return damaged(s, seg, offset, e);
    head->len = r->head_len;
    return 0;
}

int read_envelope(const struct spool *s, const struct segment *seg, const struct record *r, const char *head,
                  struct envelope *env, struct err *e)
{
    if (envelope_unpack(env, record_body(r, head), e) < 0)
        return -1;
    /* Who put a file into the drop may write into its envelope what he likes, but he owns the file. */
    if (seg->is_single && seg->uid != 0 && seg->uid != s->owner && seg->uid != geteuid())
        env->uid = seg->uid;
    if (id_is_drops(r->id)) {
        free(env->filter);
        env->filter = NULL;
    }
    return 0;
}

/* A state lies in a record of its own, or is attached to the message that reports on it. */
static int unpack_state(const struct entry *en, const struct record *r, const char *head, struct spool_state *st,
                        struct err *e)
{
    if (r->type == RECORD_STATE && r->id == en->id)
        return state_unpack(st, record_body(r, head), e);
    struct span rest = record_settlements(r, head);
    for (struct settlement one; settlement_next(&rest, &one);)
        if (one.id == en->id && !one.is_end && one.seq == en->state_seq)
            return state_unpack(st, one.state, e);
    return err_set(e, ERR_PERMANENT, "there is no state where it should be");
}

int read_state(struct spool *s, const struct entry *en, struct spool_state *st, struct err *e)
{
    struct span packed;
    struct record r;
    struct buf head;

    *st = (struct spool_state){ 0 };
    if (en->is_pending && settle_pending_state(s, en->id, en->state_seq, &packed))
        return state_unpack(st, packed, e);
    struct segment *seg = segment_at(&s->ledger, en->state_segment);
    if (!seg)
        return 0;
    buf_init(&head, BUF_NO_MAX);
    int rc = read_head(s, seg, en->state_offset8 * UINT64_C(8), &r, &head, e);
    if (rc == 0)
        rc = unpack_state(en, &r, head.at, st, e);
    buf_fini(&head);
    return rc;
}

/* ---- by id -------------------------------------------------------------------------------------------------------- */

static struct entry *find(struct spool *s, uint64_t id, struct err *e)
{
    struct entry *en = index_find(&s->index, id);
    char text[SPOOL_ID_TEXT];

    if (!en)
        err_set(e, ERR_PERMANENT, "there is no message %s", spool_id_format(id, text));
    return en;
}

static int read_message(struct spool *s, const struct entry *en, struct record *r, struct buf *head,
                        struct envelope *env, struct err *e)
{
    struct segment *seg = segment_at(&s->ledger, en->segment);

    if (read_head(s, seg, en->offset8 * UINT64_C(8), r, head, e) < 0)
        return -1;
    if (r->id != en->id || r->type != RECORD_MESSAGE)
        return damaged(s, seg, en->offset8 * UINT64_C(8), e);
    return env ? read_envelope(s, seg, r, head->at, env, e) : 0;
}

int spool_load(struct spool *s, uint64_t id, struct envelope *env, struct spool_state *st, struct err *e)
{
    struct entry *en = find(s, id, e);
    struct buf head;
    struct record r;

    if (!en)
        return -1;
    buf_init(&head, BUF_NO_MAX);
    int rc = read_message(s, en, &r, &head, env, e);
    buf_fini(&head);
    if (rc == 0 && (rc = read_state(s, en, st, e)) < 0)
        envelope_fini(env);
    if (rc == 0 && en->state_segment == PLACE_NONE && !en->is_pending)
        st->is_held = env->is_held;
    return rc;
}

int spool_stat(struct spool *s, uint64_t id, struct spool_info *info, struct err *e)
{
    struct entry *en = find(s, id, e);
    struct envelope env;
    struct buf head;
    struct record r;

    if (!en)
        return -1;
    buf_init(&head, BUF_NO_MAX);
    int rc = read_message(s, en, &r, &head, &env, e);
    buf_fini(&head);
    if (rc < 0)
        return -1;
    *info = (struct spool_info){
        .id = id,
        .size = r.size,
        .arrival_us = env.arrival_us,
        .has_dot_line = r.flags & RECORD_DOT_LINE,
        .has_long_line = r.flags & RECORD_LONG_LINE,
        .is_8bit = r.flags & RECORD_8BIT,
        .is_from_drop = id_is_drops(id),
    };
    envelope_fini(&env);
    return 0;
}

/* ---- contents ----------------------------------------------------------------------------------------------------- */

struct spool_body {
    struct spool *spool;     /* borrowed */
    struct segment *segment; /* held */
    uint64_t at, size;
    char *bytes; /* all of it, when it is small */
};

uint64_t read_content_offset(const struct segment *seg, uint64_t offset, uint32_t head_len)
{
    return seg->is_single ? PAGE_BYTES : offset + pad8(head_len);
}

static int check_body(struct spool_body *b, const struct record *r, struct err *e)
{
    struct spool *s = b->spool;
    int fd = b->segment->fd;
    uint64_t sum;

    if (b->size > BODY_IN_CORE) {
        if (sum_file(s->io, fd, b->at, b->size, r->gen, &sum) < 0)
            return unreadable(s, b->segment, e);
    } else {
        b->bytes = xmalloc(b->size);
        ssize_t n = read_at(s, b->segment, b->bytes, b->size, b->size, b->at);
        if (n < 0)
            return unreadable(s, b->segment, e);
        sum = sum_of(r->gen, b->bytes, (size_t)n);
    }
    return sum == r->content_sum ? 0 : damaged(s, b->segment, b->at, e);
}

struct spool_body *spool_body_open(struct spool *s, uint64_t id, struct err *e)
{
    struct entry *en = find(s, id, e);
    struct buf head;
    struct record r;

    if (!en)
        return NULL;
    buf_init(&head, BUF_NO_MAX);
    int rc = read_message(s, en, &r, &head, NULL, e);
    buf_fini(&head);
    if (rc < 0)
        return NULL;
    struct spool_body *b = xcalloc(1, sizeof *b);
    b->spool = s;
    b->segment = segment_at(&s->ledger, en->segment);
    b->size = r.size;
    b->at = read_content_offset(b->segment, en->offset8 * UINT64_C(8), r.head_len);
    segment_hold(b->segment);
    if (check_body(b, &r, e) < 0) {
        spool_body_close(b);
        return NULL;
    }
    return b;
}

/* Beside a daemon nobody keeps the segment for a looker. */
static bool is_taken_away(struct spool_body *b)
{
    char bytes[PAGE_BYTES] = { 0 };
    struct page page;

    if (b->spool->role != SPOOL_LOOK || b->segment->is_single)
        return false;
    io_read(b->spool->io, b->segment->fd, bytes, sizeof bytes, 0);
    page_decode(bytes, &page);
    return page.killed >= b->segment->gen;
}

long spool_body_read(struct spool_body *b, uint64_t offset, char *to, size_t len, struct err *e)
{
    if (offset >= b->size)
        return 0;
    if (len > b->size - offset)
        len = (size_t)(b->size - offset);
    if (b->bytes) {
        memcpy(to, b->bytes + offset, len);
        return (long)len;
    }
    ssize_t n = io_read(b->spool->io, b->segment->fd, to, len, b->at + offset);
    if (n < 0)
        return unreadable(b->spool, b->segment, e);
    if (n == 0 || is_taken_away(b))
        return err_set(e, ERR_PERMANENT, "the message was taken away while it was read");
    return n;
}

uint64_t spool_body_size(const struct spool_body *b)
{
    return b->size;
}

void spool_body_close(struct spool_body *b)
{
    if (!b)
        return;
    struct spool *s = b->spool;
    segment_unhold(s, b->segment);
    free(b->bytes);
    free(b);
    if (s->role == SPOOL_RELAY)
        commit_kick(s);
}
