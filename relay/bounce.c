/* SPDX-License-Identifier: Apache-2.0 */
#include "relay/bounce.h"

#include "base/clock.h"
#include "base/log.h"
#include "base/mem.h"

#include <stdlib.h>

bool bounce_is_wanted(const struct envelope *env, const struct rcpt *rcpt, enum report_action action)
{
    if (env->sender[0] == '\0' || rcpt->notify == NOTIFY_NEVER)
        return false;
    switch (action) {
    case REPORT_FAILED: return rcpt->notify == NOTIFY_DEFAULT || (rcpt->notify & NOTIFY_FAILURE);
    case REPORT_DELAYED: return rcpt->notify == NOTIFY_DEFAULT || (rcpt->notify & NOTIFY_DELAY);
    default: return rcpt->notify & NOTIFY_SUCCESS;
    }
}

/* As Postfix names them in its log. */
static const char *kind_of(const struct report_job *job)
{
    bool has_delayed = false;

    for (size_t i = 0; i < job->n_rcpts; i++) {
        if (job->rcpts[i].action == REPORT_FAILED)
            return "non-delivery";
        has_delayed |= job->rcpts[i].action == REPORT_DELAYED;
    }
    return has_delayed ? "delay" : "delivery status";
}

static long read_original(void *arg, uint64_t offset, char *to, size_t len, struct err *e)
{
    return spool_body_read(arg, offset, to, len, e);
}

static int write_report(void *arg, struct span data, struct err *e)
{
    return spool_write(arg, data, e);
}

int bounce_send(struct relay *r, const struct report_job *job, spool_done_fn *done, void *arg, struct err *e)
{
    char id[SPOOL_ID_TEXT], report_id[SPOOL_ID_TEXT];
    char *from = xasprintf("MAILER-DAEMON@%s", r->cfg->myhostname);
    struct spool_body *body = NULL;
    struct spool_msg *m = NULL;
    struct envelope env;
    int rc = -1;
    struct report report = {
        .myhostname = r->cfg->myhostname,
        .from = from,
        .to = job->env->sender,
        .id = spool_id_format(job->info->id, id),
        .envid = job->env->envid,
        .arrival_us = job->info->arrival_us,
        .now_us = clock_real_us(),
        .rcpts = job->rcpts,
        .n_rcpts = job->n_rcpts,
        .ret = job->env->ret,
        .smtputf8 = job->env->smtputf8,
        .is_8bit = job->info->is_8bit,
        .size = job->info->size,
        .size_limit = r->cfg->bounce_size_limit,
    };

    envelope_init(&env);
    env.is_bounce = true;
    env.arrival_us = report.now_us;
    envelope_add(&env, job->env->sender);
    report_needs(&report, &env);
    m = spool_begin(r->spool, &env, e);
    if (!m)
        goto out;
    report.report_id = spool_id_format(spool_msg_id(m), report_id);
    body = spool_body_open(r->spool, job->info->id, NULL); /* without it the report has no third part */
    if (report_write(&report, body ? read_original : NULL, body, write_report, m, e) < 0) {
        spool_abort(m);
        goto out;
    }
    spool_msg_settles(m, job->info->id, job->settles);
    log_info("%s: sender %s notification: %s", id, kind_of(job), report_id);
    spool_commit(m, done, arg);
    rc = 0;
out:
    spool_body_close(body);
    envelope_fini(&env);
    free(from);
    return rc;
}
