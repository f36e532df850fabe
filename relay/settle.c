/* SPDX-License-Identifier: Apache-2.0
 *
 * After an attempt: each recipient is sent, bounced, or left. What is left becomes the message's new state; what has to
 * be reported becomes a report, whose record carries that state with it; with nothing left the message ends.
 *
 * A job is finished or deferred only when that is written: with a report that is when its sync has come back; an end
 * or a state alone waits for nobody (a crash may send twice, it never loses). Meanwhile other jobs of the message are not
 * settled: what they would write down as left would still hold those who are reported on, and the report, written later,
 * would hold theirs. */
#include "relay/attempt.h"
#include "relay/bounce.h"
#include "relay/logline.h"
#include "relay/transport.h"

#include "base/clock.h"
#include "base/log.h"
#include "base/mem.h"

#include <stdlib.h>

struct settlement {
    struct attempt *a;
    struct spool_state left;       /* the recipients that stay, and when again */
    struct report_rcpt *reported;
    size_t n_reported;
    bool is_expired, is_faulty, warns;
    bool is_unsure;                /* the others of the message could not be read: nothing is written */
    int64_t now_us, next_us;
};

static const char *const expired_dsn = "5.4.7";

/* ---- when again ---- */

/* As old as it is: so the waits double. A tenth of jitter keeps what came together from coming back together. */
static int64_t next_attempt(const struct relay *r, const struct attempt *a, int64_t now)
{
    int64_t wait = now - a->info.arrival_us;

    if (wait < r->cfg->minimal_backoff_time)
        wait = r->cfg->minimal_backoff_time;
    if (wait > r->cfg->maximal_backoff_time)
        wait = r->cfg->maximal_backoff_time;
    return now + wait + (int64_t)((double)wait * ((double)random() / (double)RAND_MAX - 0.5) / 5);
}

static bool is_too_old(const struct relay *r, const struct attempt *a, int64_t now)
{
    int64_t lifetime = a->env.sender[0] ? r->cfg->maximal_queue_lifetime : r->cfg->bounce_queue_lifetime;
    return now - a->info.arrival_us >= lifetime;
}

/* ---- a recipient ---- */

static void log_rcpt(const struct settlement *s, const struct rcpt *to, const struct fate *f, const char *status)
{
    const struct attempt *a = s->a;
    const struct logline line = {
        .id = a->info.id,
        .to = to->address,
        .orig_to = to->original,
        .remote = a->remote,
        .arrival_us = a->info.arrival_us,
        .taken_us = a->taken_us,
        .connected_us = a->connected_us,
        .now_us = s->now_us,
        .dsn = f->dsn,
        .status = status,
        .text = f->reason,
    };
    logline_delivery(&line);
}

static void report_on(struct settlement *s, const struct rcpt *to, const struct fate *f, enum report_action action,
                      const char *dsn)
{
    const struct attempt *a = s->a;

    if (!bounce_is_wanted(&a->env, to, action))
        return;
    s->reported = xreallocarray(s->reported, s->n_reported + 1, sizeof *s->reported);
    s->reported[s->n_reported++] = (struct report_rcpt){
        .address = to->address,
        .original = to->original,
        .orcpt = to->orcpt,
        .action = action,
        .status = dsn,
        .reason = f->reason,
        .remote_mta = f->diagnostic ? a->remote_name : NULL,
        .diagnostic = f->diagnostic,
        .last_attempt_us = s->now_us,
        .will_retry_us = action == REPORT_DELAYED ? a->info.arrival_us + a->relay->cfg->maximal_queue_lifetime : 0,
    };
}

static void keep(struct settlement *s, struct rcpt *to, const char *reason)
{
    struct spool_rcpt *left = &s->left.rcpts[s->left.n_rcpts++];

    left->rcpt = *to;
    *to = (struct rcpt){ 0 }; /* moved */
    left->reason = xstrdup_or_null(reason);
}

/* Behind LMTP there is a mailbox. */
static bool is_final(const struct dest *d)
{
    return d->rules && d->rules->way != TRANSPORT_SMTP && d->rules->way != TRANSPORT_AGAIN;
}

static void settle_rcpt(struct settlement *s, struct rcpt *to, struct fate *f)
{
    switch (f->verdict) {
    case VERDICT_OK:
        log_rcpt(s, to, f, "sent");
        if (!f->is_reported_on)
            report_on(s, to, f, is_final(s->a->job->dest) ? REPORT_DELIVERED : REPORT_RELAYED, f->dsn);
        return;
    case VERDICT_RCPT:
    case VERDICT_MESSAGE:
        log_rcpt(s, to, f, "bounced");
        report_on(s, to, f, REPORT_FAILED, f->dsn[0] == '5' ? f->dsn : "5.0.0");
        return;
    default:
        if (s->is_expired && f->verdict != VERDICT_CONFIG) {
            log_rcpt(s, to, f, "expired");
            report_on(s, to, f, REPORT_FAILED, expired_dsn);
            return;
        }
        s->is_faulty |= f->verdict == VERDICT_CONFIG;
        log_rcpt(s, to, f, f->is_soft ? "SOFTBOUNCE" : "deferred");
        if (s->warns)
            report_on(s, to, f, REPORT_DELAYED, f->dsn[0] == '4' ? f->dsn : "4.0.0");
    }
}

static bool is_left(const struct settlement *s, const struct fate *f)
{
    return f->verdict != VERDICT_OK && f->verdict != VERDICT_RCPT && f->verdict != VERDICT_MESSAGE &&
           (f->verdict == VERDICT_CONFIG || !s->is_expired);
}

/* ---- the message ---- */

/* A relay that refuses everybody does not know us; one that refuses some has something against those. */
static void judge_relaying(struct attempt *a)
{
    bool is_everybody = true;

    for (size_t i = 0; i < a->n; i++)
        is_everybody &= a->fates[i].verdict == VERDICT_RELAYING;
    for (size_t i = 0; i < a->n; i++)
        if (a->fates[i].verdict == VERDICT_RELAYING)
            a->fates[i].verdict = is_everybody ? VERDICT_CONFIG : VERDICT_RCPT;
}

/* soft_bounce: nothing is returned before its time is over. */
static void soften(struct attempt *a)
{
    for (size_t i = 0; a->relay->cfg->soft_bounce && i < a->n; i++) {
        struct fate *f = &a->fates[i];
        f->is_soft = f->verdict == VERDICT_RCPT || f->verdict == VERDICT_MESSAGE;
        if (f->is_soft)
            f->verdict = VERDICT_TEMPORARY;
    }
}

static int by_address(const void *a, const void *b)
{
    return strcmp(*(const char *const *)a, *(const char *const *)b);
}

/* Those of this job, whatever becomes of them, in order. */
static const char **list_mine(const struct attempt *a)
{
    const char **all = xcalloc(a->n ? a->n : 1, sizeof *all);

    for (size_t i = 0; i < a->n; i++)
        all[i] = attempt_rcpt(a, i)->address;
    if (a->n)
        qsort(all, a->n, sizeof *all, by_address);
    return all;
}

/* As the spool has them now: another job of the same message may have settled meanwhile. */
static void keep_those_of(struct settlement *s, struct spool_state *fresh, const char **mine)
{
    s->left.rcpts = xreallocarray(s->left.rcpts, s->a->n + fresh->n_rcpts, sizeof *s->left.rcpts);
    for (size_t i = 0; i < fresh->n_rcpts; i++) {
        struct spool_rcpt *other = &fresh->rcpts[i];
        const char *address = other->rcpt.address;
        if (!s->a->n || !bsearch(&address, mine, s->a->n, sizeof *mine, by_address))
            keep(s, &other->rcpt, other->reason);
    }
}

/* Nothing has become of any of them yet. */
static void keep_all_others(struct settlement *s)
{
    struct attempt *a = s->a;
    size_t next = 0;

    for (size_t i = 0; i < a->state.n_rcpts; i++)
        if (next < a->n && a->mine[next] == i)
            next++;
        else
            keep(s, &a->state.rcpts[i].rcpt, a->state.rcpts[i].reason);
}

static void keep_others(struct settlement *s, const char **mine)
{
    struct attempt *a = s->a;
    struct envelope env;
    struct spool_state fresh;

    if (a->n == a->n_all)
        return;
    bool is_there = spool_load(a->relay->spool, a->info.id, &env, &fresh, NULL) == 0;
    s->is_unsure = !is_there && a->is_slim;
    if (is_there && fresh.n_rcpts)
        keep_those_of(s, &fresh, mine);
    else if (!a->is_slim)
        keep_all_others(s);
    if (!is_there)
        return;
    s->left.was_warned |= fresh.was_warned;
    envelope_fini(&env);
    spool_state_fini(&fresh);
}

static void gather(struct settlement *s)
{
    struct attempt *a = s->a;
    const char **mine = list_mine(a);

    s->left.rcpts = xcalloc(a->state.n_rcpts ? a->state.n_rcpts : 1, sizeof *s->left.rcpts);
    s->left.is_held = a->job->message->is_held;
    s->left.was_warned = a->state.was_warned || s->warns;
    s->left.attempts = a->job->attempts + 1u;
    s->left.next_us = s->next_us;
    /* Reports borrow addresses: what moves into `left` keeps its strings, only the struct around them moves. */
    for (size_t i = 0; i < a->n; i++)
        settle_rcpt(s, &a->state.rcpts[a->mine[i]].rcpt, &a->fates[i]);
    for (size_t i = 0; i < a->n; i++)
        if (is_left(s, &a->fates[i]))
            keep(s, &a->state.rcpts[a->mine[i]].rcpt, a->fates[i].reason);
    keep_others(s, mine);
    free(mine);
}

static void settlement_free(struct settlement *s)
{
    spool_state_fini(&s->left);
    free(s->reported);
    attempt_free(s->a);
    free(s);
}

static bool has_left_of_mine(const struct settlement *s)
{
    for (size_t i = 0; i < s->a->n; i++)
        if (is_left(s, &s->a->fates[i]))
            return true;
    return false;
}

/* The operator has held or released it while its report was being written. */
static void note_hold(struct settlement *s)
{
    s->left.is_held = s->a->job->message->is_held;
    spool_put_state(s->a->relay->spool, s->a->info.id, &s->left, NULL, NULL);
}

/* It is written (or asks for no writing): the queue follows. */
static void conclude(struct settlement *s)
{
    struct relay *r = s->a->relay;
    struct job *j = s->a->job;
    struct message *m = j->message;
    uint64_t id = m->id;
    char text[SPOOL_ID_TEXT];
    bool is_gone;

    if (m->is_doomed) {
        queue_defer(r->queue, j, INT64_MAX - 1);
        is_gone = queue_remove(r->queue, m);
        if (is_gone)
            spool_end(r->spool, id);
    } else if (has_left_of_mine(s)) {
        queue_defer(r->queue, j, s->next_us);
        is_gone = false;
    } else {
        is_gone = queue_finish(r->queue, j);
    }
    if (is_gone)
        log_info("%s: removed", spool_id_format(id, text));
    else if (!m->is_doomed && m->is_held != s->left.is_held && s->left.n_rcpts)
        note_hold(s);
    settlement_free(s);
    schedule_run(r);
}

/* No report could be written: who should have been reported on is tried again later, and reported on then. */
static void take_back_failures(struct settlement *s)
{
    struct attempt *a = s->a;

    for (size_t i = 0; i < a->n; i++)
        if (!is_left(s, &a->fates[i]) && a->fates[i].verdict != VERDICT_OK) {
            keep(s, &a->state.rcpts[a->mine[i]].rcpt, a->fates[i].reason);
            a->fates[i].verdict = VERDICT_CONFIG; /* stays, however old */
        }
}

/* Without the others nothing may be written: it would be their end. What was sent is forgotten with a restart, and sent again. */
static void put_off_failures(struct settlement *s)
{
    struct attempt *a = s->a;
    char id[SPOOL_ID_TEXT];

    if (a->n)
        log_error("%s: what is left of it cannot be read: nothing is written down", spool_id_format(a->info.id, id));
    for (size_t i = 0; i < a->n; i++)
        if (a->fates[i].verdict != VERDICT_OK)
            a->fates[i].verdict = VERDICT_CONFIG;
}

/* A failed destination defers all its mail again and again for the same reason: that is written down once. */
static bool is_news(const struct settlement *s)
{
    const struct attempt *a = s->a;
    const struct spool_state *was = &a->state;

    if (a->n_all != s->left.n_rcpts || was->is_held != s->left.is_held || was->was_warned != s->left.was_warned)
        return true;
    for (size_t i = 0; i < a->n; i++) {
        const char *before = was->rcpts[a->mine[i]].reason, *now = a->fates[i].reason;
        if (!before != !now || (before && strcmp(before, now) != 0))
            return true;
    }
    return false;
}

static void write_without_report(struct settlement *s)
{
    if (!s->left.n_rcpts) {
        spool_end(s->a->relay->spool, s->a->info.id);
    } else if (is_news(s)) {
        s->a->job->message->is_noted = true;
        spool_put_state(s->a->relay->spool, s->a->info.id, &s->left, NULL, NULL);
    }
    conclude(s);
}

/* Those that have waited for its report; they wait on when one of them makes another. */
static void settle_next(struct relay *r, const struct message *m)
{
    struct list now;

    list_init(&now);
    for (struct list *l = r->unsettled.next, *next; l != &r->unsettled; l = next) {
        struct attempt *a = list_entry(l, struct attempt, link);
        next = l->next;
        if (a->job->message == m) {
            list_remove(l);
            list_append(&now, l);
        }
    }
    while (!list_is_empty(&now)) {
        struct attempt *a = list_entry(now.next, struct attempt, link);
        list_remove(&a->link);
        settle(a);
    }
}

static void report_written(void *arg, enum spool_result result, const struct err *e)
{
    struct settlement *s = arg;

    struct relay *r = s->a->relay;
    struct message *m = s->a->job->message;

    r->n_reports--;
    m->is_reported = false;
    if (result == SPOOL_KEPT) {
        conclude(s);
    } else {
        log_error("a delivery report could not be written: %s", e ? e->text : "unknown error");
        take_back_failures(s);
        write_without_report(s);
    }
    settle_next(r, m);
}

static void write_down(struct settlement *s)
{
    struct relay *r = s->a->relay;
    struct err e;
    const struct report_job job = {
        .env = &s->a->env,
        .info = &s->a->info,
        .rcpts = s->reported,
        .n_rcpts = s->n_reported,
        .settles = s->left.n_rcpts ? &s->left : NULL,
    };

    if (s->is_unsure)
        put_off_failures(s);
    if (s->a->job->message->is_doomed || s->is_unsure) {
        conclude(s);
        return;
    }
    if (!s->n_reported) {
        write_without_report(s);
        return;
    }
    r->n_reports++;
    s->a->job->message->is_reported = s->a->job->message->is_noted = true;
    if (bounce_send(r, &job, report_written, s, &e) < 0)
        report_written(s, SPOOL_FAILED, &e);
}

static void raise_alarm(struct settlement *s)
{
    for (size_t i = 0; i < s->a->n; i++)
        if (s->a->fates[i].verdict == VERDICT_CONFIG) {
            schedule_alarm(s->a->relay, s->a->job->dest, s->a->fates[i].reason);
            return;
        }
}

void settle(struct attempt *a)
{
    if (a->job->message->is_reported) {
        list_append(&a->relay->unsettled, &a->link);
        return;
    }
    struct settlement *s = xcalloc(1, sizeof *s);
    const struct config *cfg = a->relay->cfg;

    s->a = a;
    s->now_us = clock_real_us();
    s->next_us = next_attempt(a->relay, a, s->now_us);
    s->is_expired = is_too_old(a->relay, a, s->now_us);
    s->warns = cfg->delay_warning_time && !a->state.was_warned &&
               s->now_us - a->info.arrival_us >= cfg->delay_warning_time;
    attempt_decide_rest(a, VERDICT_TEMPORARY, "4.3.0", "the attempt was given up");
    judge_relaying(a);
    soften(a);
    gather(s);
    if (s->is_faulty)
        raise_alarm(s);
    write_down(s);
}

void settle_drop(struct relay *r)
{
    while (!list_is_empty(&r->unsettled)) {
        struct attempt *a = list_entry(r->unsettled.next, struct attempt, link);
        list_remove(&a->link);
        attempt_free(a);
    }
}
