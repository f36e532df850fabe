/* SPDX-License-Identifier: Apache-2.0
 *
 * Mail that the spool has found becomes jobs: one for each destination that some of its recipients go to. Nothing is
 * written here; aliases are followed again when an attempt begins, and count as they are then. */
#include "relay/relay_int.h"

#include "base/clock.h"
#include "base/log.h"
#include "relay/worker.h"

const char *intake_nexthop(const struct relay *r, const char *address)
{
    struct route route;

    resolve_route(r->resolver, address, &route);
    switch (route.kind) {
    case ROUTE_REFUSED: return NEXTHOP_REFUSED;
    case ROUTE_NOWHERE: return NEXTHOP_NONE;
    default: return route.nexthop;
    }
}

/* A table has changed, and we cannot read it: a new relay worker will. What has just come waits for it a moment. */
enum { WAIT_FOR_TABLES_US = 1000000 };

/* Due at once, also after a restart: what kept it may be gone, and nobody knows how long we were away. */
static void add_job_for(struct relay *r, struct message *m, const char *address, unsigned attempts)
{
    const char *nexthop = intake_nexthop(r, address);

    for (struct job *j = m->jobs; j; j = j->next)
        if (strcmp(j->dest->nexthop, nexthop) == 0)
            return;
    int64_t due = resolver_is_stale(r->resolver) ? clock_real_us() + WAIT_FOR_TABLES_US : 0;
    queue_add_job(r->queue, m, queue_dest(r->queue, nexthop), due, attempts);
}

void intake_add_jobs(struct relay *r, struct message *m, const struct spool_state *state)
{
    for (size_t i = 0; i < state->n_rcpts; i++)
        add_job_for(r, m, state->rcpts[i].rcpt.address, state->attempts);
}

static void log_found(const struct spool_info *info, const struct envelope *env, size_t n_rcpts, bool is_held)
{
    char id[SPOOL_ID_TEXT];
    log_info("%s: from=<%s>, size=%llu, nrcpt=%zu (queue %s)", spool_id_format(info->id, id), log_safe_str(env->sender),
             (unsigned long long)info->size, n_rcpts, is_held ? "hold" : "active");
}

void intake_found(void *arg, const struct spool_info *info, const struct envelope *env, const struct spool_state *state)
{
    struct relay *r = arg;
    struct spool_state expanded = { 0 };
    bool has_list = state && state->n_rcpts;
    struct message *m = queue_add(r->queue, info->id, info->size, info->arrival_us, state && state->is_held);

    if (!m)
        return;
    if (!has_list && resolve_expand(r->resolver, env, &expanded) > 0) {
        state = &expanded;
        has_list = true;
    }
    size_t n = has_list ? state->n_rcpts : env->n_rcpts;
    for (size_t i = 0; i < n; i++)
        add_job_for(r, m, has_list ? state->rcpts[i].rcpt.address : env->rcpts[i].address,
                    state ? state->attempts : 0);
    if (r->is_started || log_level() >= LOG_LEVEL_DEBUG)
        log_found(info, env, n, m->is_held);
    spool_state_fini(&expanded);
    if (resolver_is_stale(r->resolver))
        worker_is_stale(r->env);
    pressure_watch(r);
    schedule_run(r);
}
