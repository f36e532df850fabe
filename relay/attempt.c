/* SPDX-License-Identifier: Apache-2.0 */
#include "relay/attempt.h"

#include "base/clock.h"
#include "base/mem.h"

#include <stdio.h>
#include <stdlib.h>

/* From here on the state names all that are left, whether or not something had become of the message before. Aliases are
 * followed once, here; what is left after the attempt is written down with their result. They may have changed since the
 * jobs were made: a destination that only now has recipients gets its job, and one that has none any more loses it. */
static int list_rcpts(struct attempt *a, struct err *e)
{
    struct spool_state expanded;

    if (a->state.n_rcpts)
        return 0;
    int rc = resolve_expand(a->relay->resolver, &a->env, &expanded);
    if (rc < 0)
        return err_set(e, ERR_TEMPORARY, "its aliases cannot be told");
    if (rc > 0) {
        a->state.rcpts = expanded.rcpts;
        a->state.n_rcpts = expanded.n_rcpts;
        intake_add_jobs(a->relay, a->job->message, &a->state);
        return 0;
    }
    a->state.rcpts = xcalloc(a->env.n_rcpts, sizeof *a->state.rcpts);
    for (size_t i = 0; i < a->env.n_rcpts; i++) {
        struct rcpt *from = &a->env.rcpts[i], *to = &a->state.rcpts[a->state.n_rcpts++].rcpt;
        *to = *from;
        *from = (struct rcpt){ 0 }; /* moved */
    }
    a->env.n_rcpts = 0;
    intake_add_jobs(a->relay, a->job->message, &a->state);
    return 0;
}

static bool goes_to(const struct relay *r, const char *address, const struct dest *d)
{
    return strcmp(intake_nexthop(r, address), d->nexthop) == 0;
}

struct attempt *attempt_new(struct relay *r, struct job *j, bool opens_body, struct err *e)
{
    struct attempt *a = xcalloc(1, sizeof *a);

    a->relay = r;
    a->job = j;
    a->taken_us = a->connected_us = clock_real_us();
    if (spool_load(r->spool, j->message->id, &a->env, &a->state, e) < 0) {
        free(a);
        if (e)
            e->kind = ERR_PERMANENT;
        return NULL;
    }
    if (list_rcpts(a, e) < 0)
        goto wait;
    if (spool_stat(r->spool, j->message->id, &a->info, e) < 0)
        goto fail;
    if (opens_body && !(a->body = spool_body_open(r->spool, j->message->id, e)))
        goto fail;
    a->mine = xcalloc(a->state.n_rcpts, sizeof *a->mine);
    for (size_t i = 0; i < a->state.n_rcpts; i++)
        if (goes_to(r, a->state.rcpts[i].rcpt.address, j->dest))
            a->mine[a->n++] = i;
    a->fates = xcalloc(a->n, sizeof *a->fates);
    return a;
fail:
    if (e)
        e->kind = ERR_PERMANENT;
wait:
    attempt_free(a);
    return NULL;
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
    enum verdict verdict = smtp_verdict(result, true);
    char *reason;

    if (a->fates[i].is_decided)
        return;
    smtp_reply_format(&result->reply, said, sizeof said);
    if (verdict == VERDICT_OK)
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
