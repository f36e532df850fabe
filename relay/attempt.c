/* SPDX-License-Identifier: Apache-2.0 */
#include "relay/attempt.h"
#include "relay/outward.h"

#include "base/clock.h"
#include "base/log.h"
#include "base/mem.h"
#include "relay/rewriting.h"
#include "relay/transport.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>

struct attempt_load {
    struct list link; /* of the relay's */
    struct attempt *a;
    bool opens_body;
    bool cannot_tell, is_out_of_order;
    bool is_listed;            /* of the relay's: it waits, or has waited */
    struct attempt_load *kept; /* what was made of it when the first wait began */
    struct resolve_ask *ask;
    struct outward_ask *outward;
    attempt_fn *done;
    void *arg;
};

/* From here on the state names all that are left, whether or not something had become of the message before. Aliases are
 * followed once, here; what is left after the attempt is written down with their result. */
static void list_rcpts(struct attempt *a, const struct resolution *res)
{
    if (a->state.n_rcpts)
        return;
    a->state.rcpts = xcalloc(res->n ? res->n : 1, sizeof *a->state.rcpts);
    for (size_t i = 0; i < res->n; i++) {
        struct rcpt *from = &a->env.rcpts[res->at[i].from], *to = &a->state.rcpts[a->state.n_rcpts++].rcpt;
        bool is_same = strcmp(res->at[i].address, from->address) == 0;
        if (!res->has_changed) {
            *to = *from;
            *from = (struct rcpt){ 0 }; /* moved */
            continue;
        }
        const char *original = from->original ? from->original : is_same ? NULL : from->address;
        *to = (struct rcpt){
            .address = xstrdup(res->at[i].address),
            .orcpt = xstrdup_or_null(from->orcpt),
            .original = xstrdup_or_null(original),
            .notify = from->notify,
        };
    }
    if (!res->has_changed)
        a->env.n_rcpts = 0;
}

/* Which of them are the job's; what the resolver refuses has its fate with that. */
static void find_mine(struct attempt *a, const struct resolution *res)
{
    const char *nexthop = a->job->dest->nexthop;

    a->mine = xcalloc(res->n ? res->n : 1, sizeof *a->mine);
    for (size_t i = 0; i < res->n; i++)
        if (strcmp(intake_nexthop(&res->at[i].route), nexthop) == 0)
            a->mine[a->n++] = i;
    a->fates = xcalloc(a->n ? a->n : 1, sizeof *a->fates);
    for (size_t i = 0; i < a->n; i++) {
        const struct route *route = &res->at[a->mine[i]].route;
        if (route->kind == ROUTE_REFUSED)
            attempt_decide(a, i, route->status[0] == '4' ? VERDICT_TEMPORARY : VERDICT_RCPT, route->status,
                           route->text ? route->text : "refused");
    }
}

/* A message for thousands of destinations would be in memory as often as there are connections. So its recipients are written down
 * before the first attempt, and each attempt keeps its own. */
enum { SLIM_FROM = 100 };

static void write_down_all(struct attempt *a)
{
    struct message *m = a->job->message;

    m->is_noted = true;
    a->state.is_held = m->is_held;
    a->state.attempts = a->job->attempts;
    spool_put_state(a->relay->spool, m->id, &a->state, NULL, NULL);
}

static void make_slim(struct attempt *a, bool is_written)
{
    struct spool_state *st = &a->state;
    size_t next = 0;

    a->n_all = st->n_rcpts;
    if (st->n_rcpts < SLIM_FROM || a->n == st->n_rcpts || a->job->dest->rules == NULL)
        return;
    if (!is_written && a->job->message->is_noted) /* what is known here is older: another job has ended since */
        return;
    if (!is_written)
        write_down_all(a);
    a->is_slim = true;
    envelope_forget_rcpts(&a->env);
    for (size_t i = 0; i < st->n_rcpts; i++) {
        struct spool_rcpt *r = &st->rcpts[i];
        if (next < a->n && a->mine[next] == i) {
            st->rcpts[next] = *r;
            a->mine[next] = next;
            next++;
        } else {
            spool_rcpt_fini(r);
        }
    }
    st->n_rcpts = next;
    st->rcpts = xreallocarray(st->rcpts, next ? next : 1, sizeof *st->rcpts);
    a->mine = xreallocarray(a->mine, next ? next : 1, sizeof *a->mine);
}

/* Tables may have changed since the jobs were made: a destination that only now has recipients gets its job, and one that has
 * none any more loses it. */
static void resolved(struct attempt_load *l, const struct resolution *res)
{
    struct attempt *a = l->a;

    l->cannot_tell = res->cannot_tell;
    l->is_out_of_order = res->is_out_of_order;
    if (res->cannot_tell)
        return;
    bool is_written = a->state.n_rcpts > 0;
    list_rcpts(a, res);
    find_mine(a, res);
    intake_add_jobs(a->relay, a->job->message, res, a->state.attempts);
    make_slim(a, is_written);
}

static void resolved_now(void *arg, const struct resolution *res)
{
    resolved(arg, res);
}

/* Whoever takes the message there will see where its recipients lead. */
static void take_as_they_are(struct attempt_load *l)
{
    struct attempt *a = l->a;
    size_t n = a->state.n_rcpts ? a->state.n_rcpts : a->env.n_rcpts;
    struct resolved *at = xcalloc(n ? n : 1, sizeof *at);

    for (size_t i = 0; i < n; i++)
        at[i] = (struct resolved){
            .address = a->state.n_rcpts ? a->state.rcpts[i].rcpt.address : a->env.rcpts[i].address,
            .from = i,
            .route = { .kind = ROUTE_NEXT_HOP, .nexthop = a->job->dest->nexthop },
        };
    resolved(l, &(struct resolution){ .at = at, .n = n });
    free(at);
}

/* ---- loading ---- */

/* From the first wait on it lives on its own. */
static struct attempt_load *keep(struct attempt_load *l)
{
    struct relay *r = l->a->relay;

    if (l->is_listed)
        return l;
    struct attempt_load *kept = xmalloc(sizeof *kept);
    *kept = *l;
    kept->is_listed = true;
    list_append(&r->loads, &kept->link);
    r->n_loads++;
    l->kept = kept;
    return kept;
}

static void end(struct attempt_load *l, const struct err *why)
{
    struct attempt_load was = *l;
    struct relay *r = was.a->relay;
    struct job *j = was.a->job;

    if (was.is_listed) {
        r->n_loads--;
        list_remove(&l->link);
        free(l);
    }
    if (why)
        attempt_free(was.a);
    was.done(was.arg, j, why ? NULL : was.a, why);
    if (was.is_listed)
        schedule_run(r); /* there is room for another one */
}

/* smtp_generic_maps have been asked. */
static void dressed(void *arg, int rc, const struct err *e)
{
    struct attempt_load *l = arg;

    l->outward = NULL;
    l->a->is_put_off = rc < 0;
    if (rc < 0)
        attempt_decide_rest(l->a, VERDICT_TEMPORARY, "4.3.0", e->text);
    end(l, NULL);
}

/* False: it is done, and what was kept is gone. */
static bool dress(struct attempt_load *l)
{
    struct err e;
    int rc;

    if (outward_now(l->a, &rc, &e)) {
        dressed(l, rc, &e);
        return false;
    }
    struct attempt_load *kept = keep(l);
    struct outward_ask *o = outward_start(kept->a, dressed, kept);
    if (!o)
        return false;
    kept->outward = o;
    return true;
}

/* Where its recipients go is known. True: it waits, as what was kept. */
static bool open_it(struct attempt_load *l)
{
    struct attempt *a = l->a;
    struct relay *r = a->relay;
    struct err e = { 0 };

    if (l->cannot_tell) {
        err_set(&e, ERR_TEMPORARY, "where its recipients are to go cannot be told");
        e.sys = l->is_out_of_order ? EAGAIN : 0;
        end(l, &e);
    } else if (spool_stat(r->spool, a->job->message->id, &a->info, &e) < 0 ||
               (l->opens_body && !(a->body = spool_body_open(r->spool, a->job->message->id, &e)))) {
        e.kind = ERR_PERMANENT;
        end(l, &e);
    } else if (a->body && a->job->dest->rules->way == TRANSPORT_SMTP && !a->env.filter && /* to a filter mail does not leave yet */
               resolver_rewrites(r->resolver, REWRITE_GENERIC)) {
        return dress(l);
    } else {
        end(l, NULL);
    }
    return false;
}

static void resolved_later(void *arg, const struct resolution *res)
{
    struct attempt_load *l = arg;

    l->ask = NULL;
    resolved(l, res);
    open_it(l);
}

struct attempt_load *attempt_load(struct relay *r, struct job *j, bool opens_body, attempt_fn *done, void *arg)
{
    struct attempt *a = xcalloc(1, sizeof *a);
    struct attempt_load here = { .a = a, .opens_body = opens_body, .done = done, .arg = arg };
    struct err e;

    a->relay = r;
    a->job = j;
    a->taken_us = a->connected_us = clock_real_us();
    if (spool_load(r->spool, j->message->id, &a->env, &a->state, &e) < 0) {
        free(a);
        e.kind = ERR_PERMANENT;
        done(arg, j, NULL, &e);
        return NULL;
    }
    if (j->dest->rules && j->dest->rules->way == TRANSPORT_AGAIN) {
        take_as_they_are(&here);
        return open_it(&here) ? here.kept : NULL;
    }
    if (resolve_list_now(r->resolver, &a->env, &a->state, resolved_now, &here))
        return open_it(&here) ? here.kept : NULL;
    keep(&here);
    struct resolve_ask *ask = resolve_list(r->resolver, &a->env, &a->state, resolved_later, here.kept);
    if (!ask)
        return NULL; /* done() was called from inside, and what was kept is gone */
    here.kept->ask = ask;
    return here.kept;
}

void attempt_load_cancel(struct attempt_load *l)
{
    if (!l)
        return;
    resolve_cancel(l->ask);
    outward_cancel(l->outward);
    l->a->relay->n_loads--;
    list_remove(&l->link);
    attempt_free(l->a);
    free(l);
}

void attempt_drop_loads(struct relay *r)
{
    while (!list_is_empty(&r->loads))
        attempt_load_cancel(list_entry(r->loads.next, struct attempt_load, link));
}

void attempt_set_aside(struct relay *r, struct job *j, const struct err *e)
{
    char id[SPOOL_ID_TEXT];
    log_error("%s: cannot be read, put on hold: %s", spool_id_format(j->message->id, id), e->text);
    queue_hold(r->queue, j->message);
    queue_defer(r->queue, j, 0);
}

void attempt_free(struct attempt *a)
{
    if (!a)
        return;
    for (size_t i = 0; i < a->n && a->fates; i++) {
        free(a->fates[i].reason);
        free(a->fates[i].diagnostic);
    }
    free(a->fates);
    free(a->mine);
    free(a->remote);
    free(a->remote_name);
    outward_free(a->outward);
    spool_body_close(a->body);
    envelope_fini(&a->env);
    spool_state_fini(&a->state);
    free(a);
}

size_t attempt_next_chunk(struct attempt *a, size_t max)
{
    a->chunk_first += a->chunk_n;
    a->chunk_n = a->n - a->chunk_first < max ? a->n - a->chunk_first : max;
    return a->chunk_n;
}

const struct rcpt *attempt_rcpt(const struct attempt *a, size_t i)
{
    return &a->state.rcpts[a->mine[i]].rcpt;
}

void attempt_result(struct attempt *a, size_t i, const struct smtp_result *result, bool next_hop_reports)
{
    char said[SMTP_REPLY_TEXT + 64], dsn[12];
    bool is_relayhost = a->is_fallback || !transport_is_direct(a->job->dest, attempt_rcpt(a, i)->address);
    enum verdict verdict = smtp_verdict(result, is_relayhost);
    char *reason;

    if (a->fates[i].is_decided)
        return;
    smtp_reply_format(&result->reply, said, sizeof said);
    if (a->job->dest->rules->way == TRANSPORT_SERVICE)
        reason = xstrdup(result->reply.text);
    else if (verdict == VERDICT_OK)
        reason = xstrdup(said);
    else if (result->is_ours)
        reason = xstrdup(result->reply.text);
    else
        reason = xasprintf("host %s said: %s (in reply to %s command)", a->remote ? a->remote : "unknown", said,
                           smtp_stage_name(result->stage));
    attempt_decide(a, i, verdict, smtp_reply_dsn(&result->reply, dsn), reason);
    free(reason);
    a->fates[i].is_reported_on = next_hop_reports && verdict == VERDICT_OK;
    a->fates[i].diagnostic = result->is_ours ? NULL : xstrdup(said);
}

void attempt_decide(struct attempt *a, size_t i, enum verdict verdict, const char *dsn, const char *reason)
{
    struct fate *f = &a->fates[i];

    if (f->is_decided)
        return;
    f->is_decided = true;
    f->verdict = verdict;
    f->reason = xstrdup(reason);
    snprintf(f->dsn, sizeof f->dsn, "%s", dsn);
}

void attempt_decide_rest(struct attempt *a, enum verdict verdict, const char *dsn, const char *reason)
{
    for (size_t i = 0; i < a->n; i++)
        attempt_decide(a, i, verdict, dsn, reason);
}
