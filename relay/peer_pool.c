/* SPDX-License-Identifier: Apache-2.0
 *
 * peer_pool.c - all connections of a destination, and of all destinations: how many there may be, who waits for his turn. */
#include "relay/peer_int.h"

#include "base/clock.h"

#include <stdlib.h>

enum { PATIENCE_MS = 5000 }; /* with one that is being opened, while others wait for their turn */

/* So many questions at a time a name server takes without losing any. */
const unsigned peer_lookups_max = 100;

static struct pool *pool_of(struct dest *d)
{
    if (!d->pool) {
        struct pool *pool = xcalloc(1, sizeof *pool);
        list_init(&pool->peers);
        d->pool = pool;
    }
    return d->pool;
}

size_t peer_count(const struct dest *d)
{
    const struct pool *pool = d->pool;
    return pool ? pool->n : 0;
}

size_t peer_count_in(struct pool *pool, enum peer_state state)
{
    size_t n = 0;
    list_each(it, &pool->peers)
        n += list_entry(it, struct peer, link)->state == state;
    return n;
}

static void add_peer(struct relay *r, struct dest *d)
{
    struct pool *pool = pool_of(d);
    struct peer *p = xcalloc(1, sizeof *p);

    p->relay = r;
    p->dest = d;
    p->state = PEER_OPENING;
    buf_init(&p->troubles, 4096);
    list_init(&p->looking_link);
    p->opened_us = clock_real_us();
    list_append(&pool->peers, &p->link);
    list_append(&r->opening, &p->opening_link);
    pool->n++;
    r->n_peers++;
    peer_open(p);
}

/* There is a place for one connection more; a first one goes before a further one. */
static bool has_room(struct relay *r, struct dest *d, const struct pool *pool)
{
    if (r->n_peers < r->peers_max && r->n_looking < peer_lookups_max && (pool->n == 0 || !schedule_is_crowded(r)))
        return true;
    if (pool->n == 0 && list_is_empty(&d->room_link))
        list_append(d->failures ? &r->room_again : &r->room_fresh, &d->room_link);
    return false;
}

/* Those of the list that are there for too long, as long as there are too many. */
static int64_t shorten(struct relay *r, struct list *l, bool is_lookup)
{
    int64_t now = clock_real_us();

    while (schedule_is_crowded(r) && !list_is_empty(l) &&
           (is_lookup ? r->n_looking >= peer_lookups_max : r->n_peers >= r->peers_max)) {
        struct peer *p = is_lookup ? list_entry(l->next, struct peer, looking_link) : list_entry(l->next, struct peer, opening_link);
        int64_t until = (is_lookup ? p->looking_us : p->opened_us) + PATIENCE_MS * INT64_C(1000);
        if (until > now)
            return until;
        peer_give_up(p, is_lookup ? "no answer of a name server after 5 seconds, while others wait for theirs"
                                  : "no greeting after 5 seconds, while others wait for a connection");
    }
    return INT64_MAX;
}

int64_t peer_make_room(struct relay *r)
{
    int64_t a = shorten(r, &r->looking, true), b = shorten(r, &r->opening, false);
    return a < b ? a : b;
}

void peer_forget(struct dest *d)
{
    free(d->pool);
    d->pool = NULL;
}

void peer_feed(struct relay *r, struct dest *d)
{
    struct pool *pool = pool_of(d);
    int64_t now = clock_real_us();

    list_each(it, &pool->peers) {
        struct peer *p = list_entry(it, struct peer, link);
        if (p->state == PEER_IDLE && schedule_may_take(r, d, now)) {
            peer_take_job(p);
            peer_pump(p);
        }
    }
    if (!schedule_may_take(r, d, now))
        return;
    bool is_probe = d->retry_us != 0;
    size_t opening = peer_count_in(pool, PEER_OPENING), working = pool->n - opening;
    size_t limit = is_probe ? 1 : window_size(&d->window, r->cfg);
    size_t may_open = is_probe || working == 0 ? 1 : working;
    while (pool->n < limit && opening < may_open && opening < d->n_waiting && has_room(r, d, pool)) {
        add_peer(r, d);
        opening++;
    }
}

/* ---- stopping ---- */

static void each_peer(struct relay *r, void (*fn)(struct peer *p))
{
    list_each(d, queue_dests(r->queue)) {
        struct pool *pool = list_entry(d, struct dest, link)->pool;
        if (!pool)
            continue;
        list_each(it, &pool->peers)
            fn(list_entry(it, struct peer, link));
    }
}

static void stop_peer(struct peer *p)
{
    if (p->state == PEER_IDLE)
        peer_quit(p);
    else if (p->state == PEER_OPENING)
        peer_bury(p);
}

void peer_stop_all(struct relay *r)
{
    each_peer(r, stop_peer);
}

void peer_drop_all(struct relay *r)
{
    each_peer(r, peer_drop);
    list_each(d, queue_dests(r->queue))
        peer_forget(list_entry(d, struct dest, link));
}
