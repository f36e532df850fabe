/* SPDX-License-Identifier: Apache-2.0
 *
 * What a connection sends next: the next recipients of its message, the next message of its destination, or nothing for a while.
 *
 * A message with more recipients than go into one transaction shares its connection: between two parts of it another
 * message has its turn, so that one for 50,000 does not keep one for a single recipient waiting. */
#include "relay/peer_int.h"

#include "base/clock.h"
#include "relay/outward.h"

#include <stdlib.h>
#include <string.h>

enum { IDLE_MS = 5000 }; /* kept for the next message */

/* It learns from ORCPT which address a recipient was before aliases, for X-Original-To:. What its own ORCPT is for, reports, is
 * our business. */
static void tell_originals(struct peer *p)
{
    enum { ORIGINAL_MAX = 160 }; /* longer ones might not fit into ORCPT */
    struct attempt *a = p->attempt;

    envelope_fini(&p->for_service);
    envelope_init(&p->for_service);
    for (size_t i = 0; i < a->chunk_n; i++) {
        const struct rcpt *from = attempt_rcpt(a, a->chunk_first + i);
        const char *original = from->original ? from->original : from->address;
        struct rcpt *to = envelope_add(&p->for_service, from->address);
        to->notify = from->notify;
        if (strlen(original) <= ORIGINAL_MAX && span_is_ascii(span_str(original)))
            to->orcpt = xasprintf("rfc822;%s", original);
    }
}

static void send_chunk(struct peer *p)
{
    struct attempt *a = p->attempt;
    bool is_service = p->dest->rules->way == TRANSPORT_SERVICE;

    p->rcpts = xreallocarray(p->rcpts, a->chunk_n, sizeof(*p->rcpts));
    if (is_service)
        tell_originals(p);
    for (size_t i = 0; i < a->chunk_n; i++)
        p->rcpts[i] = is_service   ? &p->for_service.rcpts[i]
                      : a->outward ? &a->outward->rcpts[a->chunk_first + i] : attempt_rcpt(a, a->chunk_first + i);
    const struct smtp_message m = {
        .env = a->outward ? &a->outward->env : &a->env,
        .rcpts = p->rcpts,
        .n_rcpts = a->chunk_n,
        .size_bytes = a->outward ? a->outward->size : a->info.size,
        .has_dot_line = a->info.has_dot_line,
        .is_8bit = a->info.is_8bit,
        .line_max = a->info.has_long_line && p->dest->rules->way == TRANSPORT_SMTP ? (size_t)p->relay->cfg->smtp_line_length_limit : 0,
    };
    smtp_client_send(p->client, &m);
}

/* One that is loaded; NULL: nothing is to be sent of it. */
static struct attempt *take_loaded(struct peer *p, struct job *j, struct attempt *a, const struct err *e)
{
    struct relay *r = p->relay;

    if (!a && e->kind == ERR_TEMPORARY) { /* its tables: asked again later */
        queue_postpone(r->queue, j, clock_real_us() + r->cfg->minimal_backoff_time);
        return NULL;
    }
    if (!a) {
        attempt_set_aside(r, j, e);
        return NULL;
    }
    a->is_fallback = p->is_fallback;
    a->remote = xstrdup(p->remote);
    a->remote_name = xstrdup(p->path ? r->cfg->myhostname : p->host);
    a->connected_us = clock_real_us();
    if (!a->is_put_off && attempt_next_chunk(a, (size_t)p->dest->rules->recipients))
        return a;
    settle(a); /* no recipient goes this way any more: a changed configuration */
    return NULL;
}

static void loaded_now(struct peer *p, struct attempt *a)
{
    p->loaded = a;
}

/* Where its recipients go had to be waited for. Meanwhile the peer may have gone on with parts of another message. */
static void loaded_later(struct peer *p, struct attempt *a)
{
    if (a && p->attempt) {
        p->parked = a;
        p->dest->n_parked++;
    } else if (!p->attempt) {
        p->loaded = a;
        peer_take_job(p);
        peer_pump(p);
    }
}

static void on_loaded(void *arg, struct job *j, struct attempt *a, const struct err *e)
{
    struct peer *p = arg;
    bool is_later = p->loading != NULL;

    p->loading = NULL;
    p->loading_job = NULL;
    a = take_loaded(p, j, a, e);
    if (is_later)
        loaded_later(p, a);
    else
        loaded_now(p, a);
}

/* NULL: there is none, or (p->loading) it has to be waited for. */
static struct attempt *next_attempt(struct peer *p)
{
    struct attempt *a = p->loaded;
    struct job *j;

    while (!a && !p->loading && (j = schedule_next(p->relay, p->dest))) {
        struct attempt_load *l = attempt_load(p->relay, j, true, on_loaded, p);
        if (l) {
            p->loading = l;
            p->loading_job = j;
        }
        a = p->loaded;
    }
    p->loaded = NULL;
    return a;
}

void peer_stop_loading(struct peer *p)
{
    if (!p->loading)
        return;
    attempt_load_cancel(p->loading);
    p->loading = NULL;
    queue_put_back(p->relay->queue, p->loading_job);
}

/* Between two parts of a message: another one's turn, or its own again. */
static void take_turns(struct peer *p)
{
    struct attempt *was = p->attempt;

    if (p->parked) {
        p->attempt = p->parked;
        p->parked = was; /* NULL, or another one with many recipients */
        p->dest->n_parked -= !was;
    } else if (was && was->chunk_first > 0) {
        p->dest->n_parked++;
        struct attempt *other = next_attempt(p);
        if (other) {
            p->parked = was;
            p->attempt = other;
        } else {
            p->dest->n_parked--;
        }
    }
}

static void idle_too_long(void *arg)
{
    peer_quit(arg);
}

void peer_take_job(struct peer *p)
{
    timer_stop(&p->idle_timer);
    take_turns(p);
    if (!p->attempt) {
        p->attempt = next_attempt(p);
        if (!p->attempt && p->loading) {
            p->state = PEER_BUSY;
            return;
        }
        if (!p->attempt) {
            p->state = PEER_IDLE;
            if (p->is_probe) /* nothing waits any more: that it took our connection has to do */
                schedule_dest_works(p->relay, p->dest);
            p->is_probe = false;
            timer_start(&p->idle_timer, p->relay->loop, p->relay->is_stopping || schedule_is_crowded(p->relay) ? 0 : IDLE_MS, idle_too_long, p);
            return;
        }
    }
    p->state = PEER_BUSY;
    send_chunk(p);
}
