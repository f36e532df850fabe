/* SPDX-License-Identifier: Apache-2.0
 *
 * Taking a message. It gathers in memory; one that outgrows large_bytes moves into a file of its own and streams on
 * there, so that memory stays bounded whatever clients send. */
#include "spool/spool_int.h"

#include "base/mem.h"
#include "spool/single.h"
#include "spool/state.h"
#include "spool/traits.h"

#include <errno.h>
#include <stdlib.h>

struct spool_msg {
    struct spool *spool; /* borrowed */
    struct rec *rec;
    struct single *single; /* once it is large */
    struct traits traits;
    /* While a runner finishes `single`: */
    struct record record;
    int rc;
    struct err err;
    spool_done_fn *done;
    void *arg;
};

struct spool_msg *spool_begin(struct spool *s, const struct envelope *env, struct err *e)
{
    struct spool_msg *m = xcalloc(1, sizeof *m);

    m->spool = s;
    m->rec = rec_new(RECORD_MESSAGE, spool_next_id(s));
    if (spool_msg_envelope(m, env, e) < 0) {
        spool_abort(m);
        return NULL;
    }
    return m;
}

int spool_msg_envelope(struct spool_msg *m, const struct envelope *env, struct err *e)
{
    struct buf packed;
    int rc = 0;

    buf_init(&packed, BUF_NO_MAX);
    envelope_pack(env, &packed);
    if (RECORD_FIXED + packed.len > RECORD_MAX_HEAD / 2) {
        rc = err_set(e, ERR_PERMANENT, "too many recipients for one message");
    } else {
        BUG_IF(m->rec->head.len != RECORD_FIXED + m->rec->body_len);
        m->rec->head.len = RECORD_FIXED;
        buf_addspan(&m->rec->head, buf_span(&packed));
        m->rec->body_len = (uint32_t)packed.len;
    }
    buf_fini(&packed);
    return rc;
}

uint64_t spool_msg_id(const struct spool_msg *m)
{
    return m->rec->id;
}

size_t spool_msg_memory(const struct spool_msg *m)
{
    enum { SINGLE_BYTES = 1024 }; /* names and the sum */
    return sizeof *m + sizeof *m->rec + m->rec->head.cap + m->rec->content.cap + (m->single ? SINGLE_BYTES : 0);
}

static int become_large(struct spool_msg *m, struct err *e)
{
    struct spool *s = m->spool;

    m->single = single_new(s->io, s->dir, "large", m->rec->id, 0600, e);
    if (!m->single || single_write(m->single, buf_span(&m->rec->content), e) < 0)
        return -1;
    buf_fini(&m->rec->content);
    return 0;
}

int spool_spill(struct spool_msg *m, struct err *e)
{
    return m->single ? 0 : become_large(m, e);
}

int spool_write(struct spool_msg *m, struct span data, struct err *e)
{
    const struct spool_limits *limits = &m->spool->limits;

    traits_add(&m->traits, data);
    if (!m->single && m->rec->head.len + m->rec->content.len + data.len > limits->large_bytes && become_large(m, e) < 0)
        return -1;
    if (m->single)
        return single_write(m->single, data, e);
    buf_add(&m->rec->content, data.at, data.len);
    return 0;
}

void spool_msg_settles(struct spool_msg *m, uint64_t id, const struct spool_state *st)
{
    struct buf packed;

    BUG_IF(m->spool->role != SPOOL_RELAY);
    buf_init(&packed, BUF_NO_MAX);
    if (st)
        state_pack(st, &packed);
    settlement_add(&m->rec->head, &(struct settlement){
        .id = id,
        .seq = ++m->spool->last_seq,
        .is_end = !st,
        .state = buf_span(&packed),
    });
    buf_fini(&packed);
}

void spool_abort(struct spool_msg *m)
{
    if (!m)
        return;
    single_free(m->single);
    rec_free(m->rec);
    free(m);
}

/* ---- a large one: a job of its own, for its file is its own -------------------------------------------------------- */

static void finish_single(void *arg)
{
    struct spool_msg *m = arg;

    if (m->rec->head.len > RECORD_MAX_HEAD) {
        m->rc = err_set(&m->err, ERR_PERMANENT, "the message settles too many others");
        return;
    }
    m->record = (struct record){ .type = RECORD_MESSAGE, .flags = m->rec->flags, .body_len = m->rec->body_len };
    m->rc = single_finish(m->single, &m->record, &m->rec->head, &m->err);
}

/* A file goes when its message does: what it settles of others must lie elsewhere by then. It is written to the journal
 * now, and nothing is freed before the journal is synced (kills_run). */
static void repeat_settlements(struct spool *s, const struct record *r, const char *head)
{
    struct span rest = record_settlements(r, head);

    for (struct settlement st; settlement_next(&rest, &st);) {
        struct entry *en = index_find(&s->index, st.id);
        if (!en)
            continue;
        if (st.is_end) {
            settle_forget(s, en);
        } else if (st.seq > en->state_seq) {
            struct rec *copy = rec_new(RECORD_STATE, st.id);
            copy->seq = en->state_seq = st.seq;
            copy->body_len = (uint32_t)st.state.len;
            en->is_pending = true;
            buf_addspan(&copy->head, st.state);
            rec_queue_add(&s->pending, copy);
        }
    }
}

static void single_finished(void *arg)
{
    struct spool_msg *m = arg;
    struct spool *s = m->spool;

    s->n_singles--;
    s->n_syncs += m->rc == 0 ? 2 : 1;
    if (m->rc == 0 && s->role == SPOOL_RELAY) {
        struct segment *seg = segment_new(&s->ledger, m->rec->id, m->rec->id, true);
        seg->is_sealed = true;
        seg->uid = s->owner;
        seg->has_notes = record_settlements(&m->record, m->rec->head.at).len;
        seg->size = pad8(PAGE_BYTES + m->record.size) + m->rec->head.len;
        s->ledger.disk_bytes += seg->size;
        settle_own_message(s, seg, pad8(PAGE_BYTES + m->record.size), &m->record, m->rec->head.at);
        repeat_settlements(s, &m->record, m->rec->head.at);
    }
    if (s->shared && m->rc == 0) {
        if (s->role == SPOOL_RECEIVE)
            shared_count_large(s->shared);
        shared_wake(s->shared);
    }
    if (!s->is_closed) {
        s->depth++;
        m->done(m->arg, m->rc == 0 ? SPOOL_KEPT : SPOOL_FAILED, m->rc == 0 ? NULL : &m->err);
        s->depth--;
    }
    spool_abort(m);
    if (s->is_closed)
        spool_close(s);
    else
        commit_kick(s);
}

void spool_commit(struct spool_msg *m, spool_done_fn *done, void *arg)
{
    struct spool *s = m->spool;
    struct rec *r = m->rec;

    s->n_commits++;
    r->flags = traits_flags(&m->traits);
    m->done = done;
    m->arg = arg;
    if (m->single || r->head.len > RECORD_MAX_HEAD) {
        s->n_singles++;
        runner_run(s->runner, finish_single, single_finished, m);
        return;
    }
    r->wants_sync = true;
    r->done = done;
    r->arg = arg;
    rec_queue_add(&s->pending, r);
    m->rec = NULL;
    spool_abort(m);
    commit_kick(s);
}
