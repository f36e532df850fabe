/* SPDX-License-Identifier: Apache-2.0
 *
 * Mail that the spool has found becomes jobs: one for each destination that some of its recipients go to. Nothing is
 * written here; aliases are followed again when an attempt begins, and count as they are then.
 *
 * Where a table has to be waited for, the message is for a destination of its own first, NEXTHOP_UNKNOWN, whose jobs are looked up
 * a few at a time: a million that are found at a start are no million questions. */
#include "relay/attempt.h"

#include "base/clock.h"
#include "base/log.h"
#include "base/mem.h"
#include "relay/rewriting.h"
#include "relay/tls_policy.h"
#include "relay/transport.h"
#include "relay/worker.h"

#include <errno.h>
#include <stdlib.h>

const char *intake_nexthop(const struct route *route)
{
    switch (route->kind) {
    case ROUTE_REFUSED: return NEXTHOP_REFUSED;
    case ROUTE_NOWHERE: return NEXTHOP_NONE;
    default: return route->nexthop;
    }
}

/* A table has changed, and we cannot read it: a new relay worker will. What has just come waits for it a moment. */
enum { WAIT_FOR_TABLES_US = 1000000 };

/* Due at once, also after a restart: what kept it may be gone, and nobody knows how long we were away. */
static void add_job_for(struct relay *r, struct message *m, const char *nexthop, unsigned attempts)
{
    struct dest *d = transport_dest(r->transports, r->queue, nexthop);
    int64_t due = resolver_is_stale(r->resolver) ? clock_real_us() + WAIT_FOR_TABLES_US : 0;

    if (d->mark == r->mark)
        return;
    d->mark = r->mark;
    queue_add_job(r->queue, m, d, due, attempts);
}

/* A message may be for thousands of destinations: those that have a job of it are marked. */
static void mark_those_of(struct relay *r, const struct message *m)
{
    r->mark++;
    for (const struct job *j = m->jobs; j; j = j->next)
        j->dest->mark = r->mark;
}

void intake_add_jobs(struct relay *r, struct message *m, const struct resolution *res, unsigned attempts)
{
    mark_those_of(r, m);
    for (size_t i = 0; i < res->n; i++)
        add_job_for(r, m, intake_nexthop(&res->at[i].route), attempts);
}

/* ---- what the spool finds ---- */

static void log_found(const struct spool_info *info, const struct envelope *env, size_t n_rcpts, bool is_held)
{
    char id[SPOOL_ID_TEXT];
    log_info("%s: from=<%s>, size=%llu, nrcpt=%zu (queue %s)", spool_id_format(info->id, id), log_safe_str(env->sender),
             (unsigned long long)info->size, n_rcpts, is_held ? "hold" : "active");
}

struct found {
    struct relay *relay;
    struct message *message;
    unsigned attempts;
    size_t n;
};

static void found_ways(void *arg, const struct resolution *res)
{
    struct found *f = arg;

    f->n = res->n;
    intake_add_jobs(f->relay, f->message, res, f->attempts);
}

/* It was left in the drop: filters have not been asked or named, and addresses not been rewritten. */
static bool has_to_come_again(const struct relay *r, const struct spool_info *info)
{
    return info->is_from_drop && (r->cfg->non_smtpd_milters.n > 0 || r->cfg->content_filter.name[0] ||
                                  resolver_rewrites(r->resolver, REWRITE_ON_THE_WAY_IN));
}

void intake_found(void *arg, const struct spool_info *info, const struct envelope *env, const struct spool_state *state)
{
    struct relay *r = arg;
    struct message *m = queue_add(r->queue, info->id, info->size, info->arrival_us, state && state->is_held);

    if (!m)
        return;
    struct found f = { .relay = r, .message = m, .attempts = state ? state->attempts : 0 };
    bool comes_again = has_to_come_again(r, info);
    bool is_known = !comes_again && resolve_list_now(r->resolver, env, state, found_ways, &f) && f.n;
    mark_those_of(r, m);
    if (comes_again)
        add_job_for(r, m, NEXTHOP_AGAIN, f.attempts);
    else if (!is_known)
        add_job_for(r, m, NEXTHOP_UNKNOWN, f.attempts);
    if (f.n == 0)
        f.n = state && state->n_rcpts ? state->n_rcpts : env->n_rcpts;
    if (r->is_started || log_level() >= LOG_LEVEL_DEBUG)
        log_found(info, env, f.n, m->is_held);
    if (resolver_is_stale(r->resolver) || tls_policies_are_stale(r->tls_policies))
        worker_is_stale(r->env);
    pressure_watch(r);
    schedule_run(r);
}

/* ---- where it goes, asked of others ---- */

/* Deleted meanwhile, perhaps; else it waits for the destinations that it turned out to have. */
static void sorted_out(void *arg, struct job *j, struct attempt *a, const struct err *e)
{
    struct relay *r = arg;
    struct message *m = j->message;
    uint64_t id = m->id;

    if (m->is_doomed) {
        queue_defer(r->queue, j, INT64_MAX - 1);
        if (queue_remove(r->queue, m))
            spool_end(r->spool, id);
    } else if (a) {
        schedule_dest_works(r, j->dest);
        queue_finish(r->queue, j); /* loading it has made the other jobs */
    } else if (e->kind == ERR_TEMPORARY) {
        struct dest *d = j->dest;
        queue_postpone(r->queue, j, clock_real_us() + r->cfg->minimal_backoff_time);
        if (e->sys == EAGAIN && d->retry_us <= clock_real_us()) /* the others need not find out, too */
            schedule_dest_failed(r, d, TROUBLE_TEMPORARY, "a table cannot be asked");
        else if (e->sys != EAGAIN)
            schedule_dest_works(r, d);
    } else {
        attempt_set_aside(r, j, e);
    }
    attempt_free(a);
    schedule_run(r);
}

void intake_sort_out(struct relay *r, struct job *j)
{
    attempt_load(r, j, false, sorted_out, r);
}
