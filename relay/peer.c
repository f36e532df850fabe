/* SPDX-License-Identifier: Apache-2.0
 *
 * A connection: ready ─▶ message ... message ─▶ idle ─▶ QUIT. What it works on is chosen in peer_work.c.
 *
 * What goes wrong after ready is the message's: it gets what it got. The engine (smtp/client.h) calls back in the middle
 * of things, so a peer is freed from a later call only. */
#include "relay/peer_int.h"

#include "base/clock.h"
#include "base/log.h"
#include "relay/outward.h"

#include <stdio.h>
#include <stdlib.h>

/* ---- its end ---- */

static void free_peer(void *arg)
{
    struct peer *p = arg;

    walk_free(p->walk);
    dial_cancel(p->dial);
    later_cancel(&p->service_later);
    smtp_client_free(p->client);
    conn_close(p->conn);
    timer_stop(&p->idle_timer);
    addr_list_fini(&p->addrs);
    buf_fini(&p->troubles);
    free(p->host);
    free(p->path);
    free(p->remote);
    free(p->tls_match);
    free(p->rcpts);
    envelope_fini(&p->for_service);
    free(p);
}

/* Out of the pool now, freed at the end of this turn. */
void peer_bury(struct peer *p)
{
    struct pool *pool = p->dest->pool;

    if (p->state == PEER_DEAD)
        return;
    p->state = PEER_DEAD;
    tls_policy_cancel(p->policy_ask);
    p->policy_ask = NULL;
    peer_stop_loading(p);
    list_remove(&p->link);
    list_remove(&p->opening_link);
    peer_stop_looking(p);
    pool->n--;
    p->relay->n_peers--;
    timer_stop(&p->idle_timer);
    later_start(&p->free_later, p->relay->loop, free_peer, p);
    queue_touch(p->relay->queue, p->dest);
    schedule_run(p->relay);
}

void peer_quit(struct peer *p)
{
    struct span out;

    smtp_client_quit(p->client);
    while ((out = smtp_client_output(p->client)).len) {
        conn_write(p->conn, out);
        smtp_client_sent(p->client, out.len);
    }
    conn_end(p->conn); /* it waits a moment for the answer, and we do not */
    p->conn = NULL;
    peer_bury(p);
}

void peer_drop(struct peer *p)
{
    attempt_load_cancel(p->loading);
    p->loading = NULL;
    attempt_free(p->attempt);
    attempt_free(p->parked);
    p->attempt = p->parked = NULL;
    later_cancel(&p->free_later);
    list_remove(&p->link);
    list_remove(&p->opening_link);
    peer_stop_looking(p);
    free_peer(p);
}

/* ---- its outcome ---- */

/* What the transaction has shown of the destination. */
static void report_outcome(struct peer *p)
{
    const struct attempt *a = p->attempt;
    enum outcome outcome = p->was_cut_off ? OUTCOME_CUT_OFF : p->was_taken ? OUTCOME_TAKEN : OUTCOME_PUT_OFF;

    if (!a || p->is_stale || !a->chunk_n)
        return;
    const char *why = a->fates[a->chunk_first].reason;
    p->is_probe = p->was_cut_off = p->was_taken = false;
    schedule_outcome(p->relay, p->dest, outcome, why ? why : "lost connection");
}

static void end_attempt(struct peer *p)
{
    struct attempt *a = p->attempt;

    p->attempt = NULL;
    if (!a)
        return;
    if (p->is_stale) {
        queue_put_back(p->relay->queue, a->job);
        attempt_free(a);
        schedule_run(p->relay);
    } else {
        settle(a);
    }
}

/* ---- bytes in and out ---- */

static int64_t timeout_us(const struct peer *p)
{
    const struct transport_timeouts *t = &p->dest->rules->timeouts;

    switch (smtp_client_phase(p->client)) {
    case SMTP_CLIENT_HELO:
    case SMTP_CLIENT_AUTH: return t->helo;
    case SMTP_CLIENT_STARTTLS: return t->starttls;
    case SMTP_CLIENT_MAIL: return t->mail;
    case SMTP_CLIENT_RCPT: return t->rcpt;
    case SMTP_CLIENT_DATA_INIT: return t->data_init;
    case SMTP_CLIENT_DATA_XFER: return t->data_xfer;
    case SMTP_CLIENT_DATA_DONE: return t->data_done;
    case SMTP_CLIENT_RSET: return t->rset;
    case SMTP_CLIENT_QUIT: return t->quit;
    default: return 0;
    }
}

void peer_pump(struct peer *p)
{
    struct span out;

    while (p->conn && p->client && p->state != PEER_DEAD && (out = smtp_client_output(p->client)).len) {
        bool has_room = conn_write(p->conn, out);
        smtp_client_sent(p->client, out.len);
        if (!has_room)
            break;
    }
    if (p->conn && p->client && p->state != PEER_DEAD)
        conn_set_timeout(p->conn, timeout_us(p) / 1000);
}

/* The timeout of a phase is between two bytes; it is also what a whole reply may take. */
static void check_pace(struct peer *p)
{
    unsigned half = smtp_client_half_reply(p->client);
    int64_t now = loop_now_ms(p->relay->loop);

    if (half != p->half_reply) {
        p->half_reply = half;
        p->half_since_ms = now;
    } else if (half && timeout_us(p) && now - p->half_since_ms > timeout_us(p) / 1000) {
        smtp_client_lost(p->client, "timed out: a reply has no end");
    }
}

static void on_data(void *arg, struct span bytes)
{
    struct peer *p = arg;
    smtp_client_input(p->client, bytes);
    if (p->client && p->state != PEER_DEAD)
        check_pace(p);
    peer_pump(p);
}

static void on_drained(void *arg)
{
    peer_pump(arg);
}

static void on_closed(void *arg, const struct err *why)
{
    struct peer *p = arg;
    smtp_client_lost(p->client, why->kind == ERR_NONE ? "lost connection" : why->text);
    peer_pump(p);
}

const struct conn_ops peer_conn_ops = { on_data, on_drained, on_closed };

/* ---- what the engine tells ---- */

static void on_ready(void *arg)
{
    struct peer *p = arg;

    if (p->state == PEER_OPENING) {
        p->state = PEER_BUSY;
        p->is_probe = p->dest->retry_us && p->dest->retry_us <= clock_real_us();
        list_remove(&p->opening_link);
        queue_touch(p->relay->queue, p->dest); /* perhaps there is work for one more */
    }
    peer_take_job(p);
}

static long on_content(void *arg, uint64_t offset, char *to, size_t len)
{
    struct peer *p = arg;
    struct err e;
    long n = outward_read(p->attempt, offset, to, len, &e);
    if (n < 0)
        log_error("content of a message: %s", e.text);
    return n;
}

static void on_rcpt(void *arg, size_t index, const struct smtp_result *result)
{
    struct peer *p = arg;
    struct attempt *a = p->attempt;

    bool was_lost = result->is_ours && smtp_reply_class(&result->reply) == 4 && result->stage <= SMTP_AT_RCPT;
    if (index == 0)
        p->is_stale = was_lost && p->n_sent > 0 && a->chunk_first == 0;
    if (p->is_stale)
        return;
    p->was_cut_off |= (result->is_ours && smtp_reply_class(&result->reply) == 4) || result->reply.code == 421;
    p->was_taken |= smtp_reply_class(&result->reply) != 4;
    attempt_result(a, a->chunk_first + index, result,
                   smtp_client_features(p->client)->has_dsn && p->dest->rules->way != TRANSPORT_SERVICE);
}

static void on_done(void *arg)
{
    struct peer *p = arg;

    p->n_sent++;
    report_outcome(p);
    if (p->is_stale || attempt_next_chunk(p->attempt, (size_t)p->dest->rules->recipients) == 0)
        end_attempt(p);
}

static void on_client_closed(void *arg, const struct smtp_result *why)
{
    struct peer *p = arg;

    if (p->state == PEER_OPENING && why) {
        char text[SMTP_REPLY_TEXT + 200], said[SMTP_REPLY_TEXT + 32];
        const char *advice = p->dest->is_direct && !p->is_fallback ? NULL : smtp_verdict_advice(why);
        smtp_reply_format(&why->reply, said, sizeof said);
        snprintf(text, sizeof text, "%s%s%s%s", why->is_ours ? why->reply.text : said,
                 why->is_ours ? "" : " (in reply to ", why->is_ours ? "" : smtp_stage_name(why->stage),
                 why->is_ours ? "" : ")");
        char *whole = xasprintf("%s%s%s", text, advice ? "; " : "", advice ? advice : "");
        peer_host_failed(p, smtp_verdict(why, !p->dest->is_direct || p->is_fallback) == VERDICT_CONFIG, whole);
        free(whole);
        return;
    }
    report_outcome(p);
    end_attempt(p);
    if (p->parked) {
        p->dest->n_parked--;
        attempt_decide_rest(p->parked, VERDICT_TEMPORARY, "4.4.2", "lost connection between two parts of the recipients");
        settle(p->parked);
        p->parked = NULL;
    }
    peer_bury(p);
}

/* The 220 to STARTTLS has come: what is queued in the clear has gone out before. */
static void on_starttls(void *arg)
{
    peer_start_tls(arg);
}

const struct smtp_client_ops peer_client_ops = {
    .ready = on_ready,
    .starttls = on_starttls,
    .content = on_content,
    .rcpt = on_rcpt,
    .done = on_done,
    .closed = on_client_closed,
};
