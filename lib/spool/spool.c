/* SPDX-License-Identifier: Apache-2.0 */
#include "spool/spool.h"
#include "spool/spool_int.h"

#include "base/mem.h"

#include <limits.h>
#include <stdio.h>
#include <stdlib.h>

#define SEGMENT_MAX (16u << 20)
#define SEGMENT_MIN (1u << 20) /* a quarter of it is large_bytes */

/* Each writer may hold one with next to nothing in it: all of them, and the relay's, are to fit into the slack. */
static uint64_t segment_bytes_for(uint64_t slack_bytes, unsigned n_receivers)
{
    uint64_t bytes = SEGMENT_MAX;

    while (bytes > SEGMENT_MIN && (n_receivers + 1) * bytes > compact_start(slack_bytes))
        bytes /= 2;
    return bytes;
}

static void set_limits(struct spool_limits *to, const struct spool_limits *from)
{
    *to = (struct spool_limits){
        .large_bytes = from->large_bytes ? from->large_bytes : 256u << 10,
        .slack_bytes = from->slack_bytes ? from->slack_bytes : 128u << 20,
        .n_receivers = from->n_receivers ? from->n_receivers : 2,
    };
    to->segment_bytes = from->segment_bytes ? from->segment_bytes : segment_bytes_for(to->slack_bytes, to->n_receivers);
    if (to->segment_bytes < 4 * PAGE_BYTES)
        to->segment_bytes = 4 * PAGE_BYTES;
    to->segment_bytes = (to->segment_bytes + PAGE_BYTES - 1) / PAGE_BYTES * PAGE_BYTES;
    if (to->large_bytes > to->segment_bytes / 4)
        to->large_bytes = to->segment_bytes / 4;
}

static void note_highest(void *arg, const char *name)
{
    uint64_t id, *highest = arg;

    if (spool_id_parse(span_str(name), &id) && id > *highest)
        *highest = id;
}

/* The clock may have been set back since the last writer: our generations are to be above all that there are. */
static uint64_t highest_generation(struct spool *s)
{
    char path[PATH_MAX];
    uint64_t highest = 0;

    snprintf(path, sizeof path, "%s/journal", s->dir);
    s->io->list(s->io, path, note_highest, &highest);
    return highest;
}

struct spool *spool_open(const struct spool_config *cfg, struct err *e)
{
    struct spool_io *io = cfg->io ? cfg->io : spool_io_real();
    uid_t owner;

    if (strlen(cfg->dir) > PATH_MAX - 64) {
        err_set(e, ERR_CONFIG, "the name of the spool is too long");
        return NULL;
    }
    if (folder_version(io, cfg->dir, &owner, e) < 0)
        return NULL;
    struct spool *s = xcalloc(1, sizeof *s);
    s->dir = xstrdup(cfg->dir);
    s->role = cfg->role;
    s->slot = cfg->role == SPOOL_RECEIVE ? cfg->slot : ID_SLOT_RELAY;
    BUG_IF(s->role == SPOOL_RECEIVE && s->slot >= ID_SLOT_DROP);
    BUG_IF(s->role != SPOOL_LOOK && !cfg->runner);
    set_limits(&s->limits, &cfg->limits);
    s->shared = cfg->role == SPOOL_LOOK ? NULL : cfg->shared;
    s->runner = cfg->runner;
    s->io = io;
    s->ops = cfg->ops;
    s->arg = cfg->arg;
    s->owner = owner;
    journal_init(&s->journal, io, s->dir, s->limits.segment_bytes);
    rec_queue_init(&s->pending);
    rec_queue_init(&s->unsynced);
    rec_queue_init(&s->job.recs);
    s->job.large_is_dirty = true;
    index_init(&s->index);
    ledger_init(&s->ledger);
    if (s->role != SPOOL_LOOK)
        s->last_id = highest_generation(s);
    if (s->shared && s->role == SPOOL_RECEIVE)
        shared_opened(s->shared, s->slot, spool_next_id(s));
    return s;
}

void spool_close(struct spool *s)
{
    if (!s)
        return;
    /* The runner still works with it: job_done() and single_finished() come back here. */
    s->is_closed = true;
    if (s->job.is_running || s->n_singles || s->depth)
        return;
    commit_flush(s);
    journal_close(&s->journal);
    rec_queue_free(&s->pending);
    rec_queue_free(&s->unsynced);
    rec_queue_free(&s->job.recs);
    ledger_fini(&s->ledger, s->io);
    index_fini(&s->index);
    window_fini(&s->arrivals);
    window_fini(&s->reads);
    free(s->copies);
    free(s->arrived);
    free(s->dir);
    free(s);
}

bool spool_is_idle(const struct spool *s)
{
    if (s->job.is_running || s->n_singles || s->depth)
        return false;
    return s->pending.n_wanting == 0;
}

uint64_t spool_next_id(struct spool *s)
{
    return id_next(s->slot, &s->last_id, s->shared ? shared_floor(s->shared) : 0);
}

void spool_path(const struct spool *s, const char *folder, uint64_t name, char *out)
{
    char text[SPOOL_ID_TEXT];
    snprintf(out, PATH_MAX, "%s/%s/%s", s->dir, folder, spool_id_format(name, text));
}

void spool_damaged(struct spool *s, const char *fmt, ...)
{
    char text[1200];
    va_list ap;

    if (!s->ops || !s->ops->damaged || s->is_closed)
        return;
    va_start(ap, fmt);
    vsnprintf(text, sizeof text, fmt, ap);
    va_end(ap);
    s->ops->damaged(s->arg, text);
}

int spool_space(const struct spool *s, uint64_t *free_bytes, struct err *e)
{
    if (s->io->space(s->io, s->dir, free_bytes) < 0)
        return err_sys(e, "ask for the space left in %s", s->dir);
    return 0;
}

static void count(void *arg, const char *name)
{
    (void)name;
    ++*(uint64_t *)arg;
}

void spool_stats(const struct spool *s, struct spool_stats *out)
{
    char path[PATH_MAX];

    *out = (struct spool_stats){
        .messages = s->index.n,
        .content_bytes = s->content_bytes,
        .segments = s->ledger.n_journals,
        .large_files = s->ledger.n_singles,
        .syncs = s->n_syncs,
        .commits = s->n_commits,
    };
    snprintf(path, sizeof path, "%s/free", s->dir);
    s->io->list(s->io, path, count, &out->free_segments);
    out->disk_bytes = s->ledger.disk_bytes + out->free_segments * s->limits.segment_bytes;
}
