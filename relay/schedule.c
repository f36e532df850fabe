/* SPDX-License-Identifier: Apache-2.0
 *
 * Who is next, and when again.
 *
 * A destination that works is fed by its connections: each asks schedule_next() when it is free, and while jobs are due
 * and its window (window.h) allows it, more are opened, as many at a time as there are already (slow start).
 * A destination that failed is left alone until retry_us; then one job probes it. Meanwhile each of its due jobs is deferred
 * once, by the same settle() as all others: that is what logs it, ages it, warns and at last bounces it. After that nothing
 * is written or logged of it before its age changes something (a warning, its end): one line a probe speaks for all. And
 * no more than a thousand a second are settled so, however many wait: a million after a restart is no flood.
 * When the probe has got an answer for its mail (a greeting and a login prove little), all its jobs are due. */
#include "relay/relay_int.h"

#include "base/clock.h"
#include "base/log.h"
#include "relay/attempt.h"
#include "relay/peer.h"
#include "relay/transport.h"

#include <stdio.h>
#include <stdlib.h>

enum {
    SLICE = 200,            /* jobs settled in one turn of the loop, so that it stays responsive */
    SETTLED_A_SECOND = 1000, /* for the trouble of a destination */
    LOADS_MAX = 20,          /* attempts that wait for tables, beside those that have a connection */
};

static void run(void *arg);

void schedule_run(struct relay *r)
{
    if (!r->is_stopping)
        later_start(&r->run_later, r->loop, run, r);
}

/* ---- trouble ---- */

/* Not a place: where its mail goes has to be looked up. */
static bool is_unknown(const struct dest *d)
{
    return strcmp(d->nexthop, NEXTHOP_UNKNOWN) == 0;
}

static void note_trouble(struct dest *d, enum trouble trouble, const char *text)
{
    if (d->trouble == NO_TROUBLE)
        d->trouble_since_us = clock_real_us();
    d->noted_us = clock_real_us();
    d->trouble = trouble;
    if (!d->trouble_text || strcmp(d->trouble_text, text) != 0) {
        free(d->trouble_text);
        d->trouble_text = xstrdup(text);
        d->alarmed_us = 0;
    }
}

/* Once an hour for the same thing. */
static bool is_new_alarm(struct dest *d)
{
    int64_t now = clock_real_us();

    if (d->alarmed_us && now - d->alarmed_us < 3600 * USEC_PER_SEC)
        return false;
    d->alarmed_us = now;
    return true;
}

/* "smtp:" is a matter of course. */
const char *schedule_dest_name(const struct dest *d)
{
    if (is_unknown(d))
        return "lookup tables";
    return strncmp(d->nexthop, "smtp:", 5) == 0 ? d->nexthop + 5 : d->nexthop[0] ? d->nexthop : "relayhost";
}

static void alarm_line(struct dest *d, const char *text)
{
    if (is_new_alarm(d))
        log_error("%s: somebody has to look at this, the mail is kept and tried again: %s", schedule_dest_name(d),
                  log_safe_str(text));
}

void schedule_alarm(struct relay *r, struct dest *d, const char *text)
{
    (void)r;
    note_trouble(d, TROUBLE_CONFIG, text);
    alarm_line(d, text);
}

void schedule_dest_gone(struct relay *r, struct dest *d, const char *status, const char *text)
{
    enum { GONE_US = 60 * USEC_PER_SEC }; /* it is not asked about again */

    d->retry_us = clock_real_us() + GONE_US;
    note_trouble(d, TROUBLE_GONE, text);
    snprintf(d->trouble_status, sizeof d->trouble_status, "%s", status);
    queue_touch(r->queue, d);
}

void schedule_dest_failed(struct relay *r, struct dest *d, enum trouble trouble, const char *text)
{
    int64_t wait = r->cfg->minimal_backoff_time;

    for (unsigned i = 0; i < d->failures && wait < r->cfg->maximal_backoff_time; i++)
        wait *= 2;
    if (wait > r->cfg->maximal_backoff_time)
        wait = r->cfg->maximal_backoff_time;
    d->failures++;
    d->retry_us = clock_real_us() + wait;
    note_trouble(d, trouble, text);
    d->trouble_status[0] = '\0';
    queue_touch(r->queue, d);
    if (trouble == TROUBLE_CONFIG)
        alarm_line(d, text);
    else if (d->is_direct) /* one of thousands: the lines of its mail say it */
        log_debug("%s does not take mail now: %s", schedule_dest_name(d), log_safe_str(text));
    else
        log_warn("%s %s now, trying again in %lld s: %s", schedule_dest_name(d),
                 is_unknown(d) ? "do not say where mail goes" : "does not take mail", (long long)(wait / USEC_PER_SEC),
                 log_safe_str(text));
}

void schedule_dest_works(struct relay *r, struct dest *d)
{
    queue_touch(r->queue, d); /* its window may be wider */
    if (!d->retry_us)
        return;
    if (!d->is_direct)
        log_info("%s %s again", schedule_dest_name(d), is_unknown(d) ? "say where mail goes" : "takes mail");
    d->retry_us = 0;
    d->failures = 0;
    d->trouble = NO_TROUBLE;
    window_reset(&d->window, r->cfg);
    queue_all_due(r->queue, d);
}

void schedule_no_more(struct relay *r, struct dest *d)
{
    window_back(&d->window, r->cfg, clock_real_us());
}

void schedule_outcome(struct relay *r, struct dest *d, enum outcome outcome, const char *text)
{
    int64_t now = clock_real_us();

    if (outcome == OUTCOME_CUT_OFF) {
        /* One that was left alone meanwhile stays so; the one that was to find out has. */
        bool is_dead = window_failure(&d->window, r->cfg, now);
        if (d->retry_us ? d->retry_us <= now : is_dead)
            schedule_dest_failed(r, d, TROUBLE_TEMPORARY, text);
        return;
    }
    schedule_dest_works(r, d);
    if (outcome == OUTCOME_TAKEN)
        window_success(&d->window, r->cfg, d->n_active, now);
    else
        window_back(&d->window, r->cfg, now);
}

void schedule_dest_retry(struct relay *r, struct dest *d)
{
    if (d->retry_us)
        d->retry_us = 1; /* long past: a probe is due */
    d->failures = 0;
    queue_touch(r->queue, d);
}

/* ---- jobs ---- */

bool schedule_may_take(struct relay *r, struct dest *d, int64_t now_us)
{
    if (r->is_stopping || d->n_waiting == 0)
        return false;
    if (d->retry_us)
        return now_us >= d->retry_us && d->n_active == 0;
    return queue_due(d) <= now_us && d->n_active - d->n_parked < window_size(&d->window, r->cfg);
}

struct job *schedule_next(struct relay *r, struct dest *d)
{
    int64_t now = clock_real_us();

    if (!schedule_may_take(r, d, now))
        return NULL;
    /* A probe takes whatever is first: somebody has to find out. */
    return queue_take(r->queue, d, d->retry_us ? INT64_MAX : now);
}

/* The ages at which a message becomes something else: worth a warning, too old as a bounce or as other mail. */
static size_t turning_points(const struct relay *r, const struct message *m, int64_t out[3])
{
    const int64_t ages[] = { r->cfg->delay_warning_time, r->cfg->bounce_queue_lifetime, r->cfg->maximal_queue_lifetime };
    size_t n = 0;

    for (size_t i = 0; i < ARRAY_LEN(ages); i++)
        if (i > 0 || ages[i]) /* no warning when that is 0 */
            out[n++] = m->arrival_us + ages[i];
    return n;
}

/* How many of them are behind it; *next is the first that is not. */
static unsigned stage_of(const struct relay *r, const struct message *m, int64_t now, int64_t *next)
{
    int64_t at[3];
    size_t n = turning_points(r, m, at);
    unsigned stage = 0;

    *next = INT64_MAX - 1;
    for (size_t i = 0; i < n; i++) {
        stage += at[i] <= now;
        if (at[i] > now && at[i] < *next)
            *next = at[i];
    }
    return stage;
}

/* Nothing new can be said of it: it waits for its destination, or for its age. */
static bool is_said(struct relay *r, struct job *j, int64_t now, int64_t *next)
{
    unsigned stage = stage_of(r, j->message, now, next);
    bool is_said = j->attempts > 0 && j->stage >= stage;

    j->stage = (uint8_t)stage;
    return is_said;
}

/* This second's share of what may be settled for the trouble of `d`; false: it is used up. */
static bool has_share(struct dest *d, int64_t now)
{
    if (now - d->settled_us >= USEC_PER_SEC || now < d->settled_us) {
        d->settled_us = now;
        d->n_settled = 0;
    }
    return d->n_settled < SETTLED_A_SECOND;
}

/* It cannot be looked at now. */
static void put_off(struct relay *r, struct job *j, const struct err *e)
{
    if (e->kind == ERR_TEMPORARY)
        queue_postpone(r->queue, j, clock_real_us() + r->cfg->minimal_backoff_time);
    else
        queue_defer(r->queue, j, clock_real_us() + r->cfg->maximal_backoff_time);
    schedule_run(r);
}

static void settle_for_trouble(void *arg, struct job *j, struct attempt *a, const struct err *e)
{
    struct dest *d = j->dest;

    if (!a) {
        put_off(arg, j, e);
        return;
    }
    bool is_config = d->trouble == TROUBLE_CONFIG;
    const char *text = d->trouble_text ? d->trouble_text : "the next hop does not take mail now";
    for (size_t i = 0; i < a->n && d->trouble == TROUBLE_GONE; i++)
        if (transport_is_direct(d, attempt_rcpt(a, i)->address))
            attempt_decide(a, i, VERDICT_RCPT, d->trouble_status, text);
        else
            attempt_decide(a, i, VERDICT_CONFIG, "4.3.5", text);
    attempt_decide_rest(a, is_config ? VERDICT_CONFIG : VERDICT_TEMPORARY, is_config ? "4.3.5" : "4.4.1", text);
    settle(a);
}

static void settle_gone(struct relay *r, struct job *j)
{
    attempt_load(r, j, false, settle_for_trouble, r);
}

static void defer_for_trouble(struct relay *r, struct job *j)
{
    struct dest *d = j->dest;
    int64_t now = clock_real_us(), next, latest = now + r->cfg->maximal_backoff_time;

    if (is_said(r, j, now, &next)) {
        queue_postpone(r->queue, j, next < latest ? next : latest);
        return;
    }
    d->n_settled++;
    attempt_load(r, j, false, settle_for_trouble, r);
}

/* What the resolver refuses needs no connection: loading it has decided everything. */
static void settle_decided(void *arg, struct job *j, struct attempt *a, const struct err *e)
{
    if (a)
        settle(a);
    else
        put_off(arg, j, e);
}

static void settle_refused(struct relay *r, struct job *j)
{
    attempt_load(r, j, false, settle_decided, r);
}

/* error:, retry: and discard: need none either. */
static void decide_by_rule(void *arg, struct job *j, struct attempt *a, const struct err *e)
{
    enum transport_way way = j->dest->rules->way;
    const char *text = transport_nexthop(j->dest->nexthop);
    char status[12];

    if (!a) {
        put_off(arg, j, e);
        return;
    }
    if (way == TRANSPORT_DISCARD) {
        attempt_decide_rest(a, VERDICT_OK, "2.0.0", *text ? text : "discarded");
    } else {
        text = transport_refusal(text, way == TRANSPORT_RETRY, status);
        attempt_decide_rest(a, status[0] == '4' ? VERDICT_TEMPORARY : VERDICT_RCPT, status, text);
    }
    settle(a);
}

static void settle_by_rule(struct relay *r, struct job *j)
{
    attempt_load(r, j, false, decide_by_rule, r);
}

static bool needs_no_connection(const struct dest *d)
{
    return d->rules && d->rules->way >= TRANSPORT_ERROR;
}

/* Too many recipients are being looked up; when there are fewer, it is its turn again. */
static void wait_for_loads(struct relay *r, struct dest *d, int64_t now)
{
    if (r->n_loads < LOADS_MAX || queue_due(d) > now)
        return;
    list_remove(&d->room_link);
    list_append(&r->room_loads, &d->room_link);
}

static void settle_due(struct relay *r, struct dest *d, int64_t now, void (*how)(struct relay *, struct job *))
{
    struct job *j;
    int n = 0;

    while (n < SLICE && r->n_loads < LOADS_MAX && has_share(d, now) && (j = queue_take(r->queue, d, now))) {
        how(r, j);
        n++;
    }
    if (n == SLICE)
        queue_touch(r->queue, d);
    wait_for_loads(r, d, now);
}

/* Its recipients have to be looked up; each that is done asks for the next. */
static void look_up_due(struct relay *r, struct dest *d, int64_t now)
{
    struct job *j;

    if (d->retry_us) { /* a table is away: one finds out whether it is back */
        if (d->retry_us <= now && d->n_active == 0 && (j = queue_take(r->queue, d, INT64_MAX)))
            intake_sort_out(r, j);
        return;
    }
    for (int n = 0; n < SLICE && r->n_loads < LOADS_MAX && !d->retry_us && (j = queue_take(r->queue, d, now)); n++)
        intake_sort_out(r, j);
    if (!d->retry_us && r->n_loads < LOADS_MAX && queue_due(d) <= now)
        queue_touch(r->queue, d);
    if (!d->retry_us)
        wait_for_loads(r, d, now);
}

static void run_dest(struct relay *r, struct dest *d, int64_t now)
{
    if (strcmp(d->nexthop, NEXTHOP_REFUSED) == 0) {
        settle_due(r, d, now, settle_refused);
    } else if (is_unknown(d)) {
        look_up_due(r, d, now);
    } else if (strcmp(d->nexthop, NEXTHOP_NONE) == 0) {
        if (d->n_waiting && d->trouble == NO_TROUBLE)
            schedule_alarm(r, d, "there is no relayhost: set relayhost = \"[smtp.example.com]:587\" in the configuration");
        settle_due(r, d, now, defer_for_trouble);
    } else if (needs_no_connection(d)) {
        settle_due(r, d, now, settle_by_rule);
    } else if (d->retry_us > now && d->trouble == TROUBLE_GONE) {
        settle_due(r, d, now, settle_gone);
    } else if (d->retry_us > now) {
        settle_due(r, d, now, defer_for_trouble);
    } else {
        peer_feed(r, d);
    }
}

static int64_t dest_due(const struct dest *d, int64_t now)
{
    int64_t due = queue_due(d);

    /* Due but not taken: its share of this second is used up, or its connections will ask for it. */
    if (due <= now)
        due = d->n_settled >= SETTLED_A_SECOND && d->settled_us + USEC_PER_SEC > now ? d->settled_us + USEC_PER_SEC : INT64_MAX;
    /* Its mail may be tried again; or, without any, it may be forgotten. */
    if (d->retry_us > now && d->retry_us < due && (d->n_waiting || !d->n_jobs))
        due = d->retry_us;
    return due;
}

static void run_due(void *arg)
{
    schedule_run(arg);
}

/* Nothing is left of it that somebody would miss. */
static bool is_over(const struct dest *d, int64_t now)
{
    return !d->n_jobs && !peer_count(d) && d->retry_us <= now;
}

static void look(void *arg, struct dest *d)
{
    struct relay *r = arg;
    int64_t now = clock_real_us();

    run_dest(r, d, now);
    if (!is_over(d, now)) {
        queue_look_at(r->queue, d, dest_due(d, now));
        return;
    }
    peer_forget(d);
    queue_forget_dest(r->queue, d);
}

/* ---- places for all ---- */

bool schedule_is_crowded(const struct relay *r)
{
    return !list_is_empty(&r->room_fresh) || !list_is_empty(&r->room_again);
}

static void give_room(struct relay *r)
{
    unsigned n = r->n_peers < r->peers_max ? r->peers_max - r->n_peers : 0;
    unsigned lookups = r->n_looking < peer_lookups_max ? peer_lookups_max - r->n_looking : 0;

    if (n > lookups)
        n = lookups;

    for (; n && schedule_is_crowded(r); n--) {
        struct list *from = list_is_empty(&r->room_fresh) ? &r->room_again : &r->room_fresh;
        struct dest *d = list_entry(from->next, struct dest, room_link);
        list_remove(&d->room_link);
        queue_touch(r->queue, d);
    }
    while (r->n_loads < LOADS_MAX && !list_is_empty(&r->room_loads)) {
        struct dest *d = list_entry(r->room_loads.next, struct dest, room_link);
        list_remove(&d->room_link);
        queue_touch(r->queue, d);
    }
}

static void run(void *arg)
{
    struct relay *r = arg;
    int64_t next, crowded;

    give_room(r);
    queue_look(r->queue, clock_real_us(), look, r);
    crowded = peer_make_room(r);
    next = queue_next_look(r->queue);
    if (crowded < next)
        next = crowded;
    int64_t wait = next - clock_real_us();
    if (next == INT64_MAX)
        timer_stop(&r->due_timer);
    else
        timer_start(&r->due_timer, r->loop, wait > 0 ? wait / 1000 + 1 : 1, run_due, r);
}
