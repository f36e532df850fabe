/* SPDX-License-Identifier: Apache-2.0
 *
 * One number a worker, written by it alone and in steps, so that the others seldom find its line changed. It is never below
 * what the worker holds. While little is held that is all, and it is no more than two steps above. From a quarter of the
 * limit on it is what the process has grown by, if that is more: the allocator cannot give back to the system what lies
 * between blocks that are still in use, and clients that come and go can make that as much again. */
#include "relay/ceiling.h"

#include "base/clock.h"
#include "base/log.h"
#include "base/mem.h"
#include "relay/draft.h"
#include "relay/resident.h"
#include "relay/session_int.h"

#include <stdatomic.h>
#include <sys/mman.h>

#define STEP ((uint64_t)64 * 1024)

enum {
    CROWD = 256, /* sessions whose memory is worth giving back */
    GIVE_BACK_MS = 500,
    GIVE_BACK_AGAIN_US = 100000, /* while there is a flood */
};

struct ceiling {
    unsigned n_workers;
    _Atomic int64_t complained_us;
    _Atomic uint64_t bytes[];
};

static size_t size_for(unsigned n_workers)
{
    return sizeof(struct ceiling) + n_workers * sizeof(uint64_t);
}

struct ceiling *ceiling_new(unsigned n_workers, struct err *e)
{
    struct ceiling *c =
        mmap(NULL, size_for(n_workers), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    if (c == MAP_FAILED) {
        err_sys(e, "shared memory of %zu bytes", size_for(n_workers));
        return NULL;
    }
    c->n_workers = n_workers;
    return c;
}

void ceiling_free(struct ceiling *c)
{
    if (c)
        munmap(c, size_for(c->n_workers));
}

void ceiling_forget_worker(struct ceiling *c, unsigned worker)
{
    BUG_IF(worker >= c->n_workers);
    atomic_store(&c->bytes[worker], 0);
}

uint64_t ceiling_used(const struct ceiling *c)
{
    uint64_t sum = 0;
    for (unsigned i = 0; i < c->n_workers; i++)
        sum += atomic_load_explicit(&c->bytes[i], memory_order_relaxed);
    return sum;
}

/* ---- the limit ---- */

/* Sixteenths. */
enum { WATCHED = 4, NEW = 12, MORE = 14, LOCAL_NEW = 15, LOCAL_MORE = 16 };

static bool is_above(const struct receiver *r, unsigned part)
{
    return ceiling_used(r->env->ceiling) > r->limit_bytes / 16 * part;
}

/* ---- a worker's sum ---- */

static void give_back(void *arg);

static void give_back_soon(struct receiver *r)
{
    if (!timer_is_armed(&r->give_back_timer))
        timer_start(&r->give_back_timer, r->loop, GIVE_BACK_MS, give_back, r);
}

/* What a flood or a crowd has left full of holes goes back to the system when it is over; a moment later, for they go one
 * by one and sessions are freed behind this. */
static void look_back(struct receiver *r)
{
    bool was_flooded = r->was_near && r->held_bytes <= r->limit_bytes / 16;
    bool was_crowded = r->most_sessions >= CROWD && r->n_sessions < r->most_sessions / 4;

    if (was_flooded || was_crowded)
        give_back_soon(r);
}

static uint64_t grown_by(const struct receiver *r)
{
    uint64_t now = resident_bytes();
    return now > r->start_bytes ? now - r->start_bytes : 0;
}

/* What it holds or, when that is more, what it has. Holes that have become large are given back first, but not all the time. */
static uint64_t held_really(struct receiver *r)
{
    uint64_t grown = grown_by(r), much = r->limit_bytes / 32;
    int64_t now = clock_mono_us();

    if (grown > r->held_bytes + much && now - r->gave_back_us > GIVE_BACK_AGAIN_US) {
        mem_give_back();
        r->gave_back_us = now;
        grown = grown_by(r);
    }
    if (grown > r->held_bytes + much && is_above(r, NEW)) /* nothing may happen for a while that would have it looked at again */
        give_back_soon(r);
    return grown > r->held_bytes ? grown : r->held_bytes;
}

static uint64_t in_steps(uint64_t bytes)
{
    return (bytes + STEP - 1) / STEP * STEP;
}

static void tell(struct receiver *r)
{
    r->told_bytes = in_steps(r->held_bytes);
    uint64_t all = is_above(r, WATCHED) ? in_steps(held_really(r)) : r->told_bytes;
    atomic_store_explicit(&r->env->ceiling->bytes[r->env->number], all, memory_order_relaxed);
}

static void publish(struct receiver *r)
{
    if (r->held_bytes <= r->told_bytes && r->told_bytes - r->held_bytes < 2 * STEP)
        return;
    if (r->held_bytes < r->told_bytes)
        look_back(r);
    tell(r);
}

static void give_back(void *arg)
{
    struct receiver *r = arg;

    r->was_near = false;
    r->most_sessions = r->n_sessions;
    mem_give_back();
    r->gave_back_us = clock_mono_us();
    tell(r);
}

/* What the program itself takes is part of the limit, unless that would leave too little. */
void ceiling_start(struct receiver *r)
{
    uint64_t all = r->cfg->receive_memory_limit, own = config_receivers(r->cfg) * CEILING_PROGRAM;

    r->limit_bytes = all - (own < all / 4 ? own : all / 4);
    r->start_bytes = resident_bytes();
}

void ceiling_add(struct receiver *r, size_t bytes)
{
    r->held_bytes += bytes;
    publish(r);
}

void ceiling_drop(struct receiver *r, size_t bytes)
{
    BUG_IF(bytes > r->held_bytes);
    r->held_bytes -= bytes;
    publish(r);
}

/* ---- a session's part ---- */

static size_t buffers_of(const struct session *s)
{
    return (s->server ? smtp_server_buffered(s->server) : 0) + (s->conn ? conn_memory(s->conn) : 0);
}

static size_t weight_of(const struct session *s)
{
    size_t share = CEILING_CONNECTION, bytes = sizeof *s + buffers_of(s);

    if (s->server)
        bytes += smtp_server_envelope_bytes(s->server) * (s->changed ? 2 : 1);
    if (s->env)
        share += CEILING_MESSAGE;
    if (s->has_reader)
        bytes += s->reader.section.cap;
    if (s->msg)
        bytes += spool_msg_memory(s->msg);
    if (s->draft)
        bytes += draft_memory(s->draft);
    if (s->gate)
        bytes += gate_memory(s);
    return bytes > share || s->is_dead ? bytes : share;
}

static void weigh(struct session *s)
{
    struct receiver *r = s->receiver;
    size_t now = weight_of(s);

    if (r->n_sessions > r->most_sessions)
        r->most_sessions = r->n_sessions;
    if (now == s->weight)
        return;
    r->held_bytes = r->held_bytes + now - s->weight;
    s->weight = now;
    publish(r);
}

void ceiling_left(struct session *s)
{
    s->receiver->held_bytes -= s->weight;
    s->weight = 0;
    publish(s->receiver);
    look_back(s->receiver);
}

static size_t share_of(const struct session *s)
{
    return CEILING_CONNECTION + (s->env ? CEILING_MESSAGE : 0);
}

bool ceiling_weigh(struct session *s)
{
    weigh(s);
    return s->weight <= share_of(s) || buffers_of(s) <= CEILING_CONNECTION || !is_above(s->receiver, s->is_local ? LOCAL_MORE : MORE);
}

/* ---- what may be ---- */

bool ceiling_has_room(struct receiver *r, bool is_local)
{
    if (!is_above(r, is_local ? LOCAL_NEW : NEW))
        return true;
    r->was_near = true;
    int64_t now = clock_mono_us(), last = atomic_load(&r->env->ceiling->complained_us);
    if ((!last || now - last >= 60 * USEC_PER_SEC) &&
        atomic_compare_exchange_strong(&r->env->ceiling->complained_us, &last, now))
        log_warn("receive_memory_limit: clients hold %llu bytes of %llu: new ones are put off",
                 (unsigned long long)ceiling_used(r->env->ceiling), (unsigned long long)r->cfg->receive_memory_limit);
    return false;
}

bool ceiling_allows_mail(struct session *s, struct smtp_cmd *c)
{
    if (ceiling_has_room(s->receiver, s->is_local))
        return true;
    smtp_answer(c, 452, "4.3.1", "Insufficient system storage");
    return false;
}

bool ceiling_allows_more(struct session *s)
{
    weigh(s);
    if (s->weight <= share_of(s) || !is_above(s->receiver, s->is_local ? LOCAL_MORE : MORE))
        return true;
    s->receiver->was_near = true;
    return false;
}

bool ceiling_is_near(struct session *s)
{
    weigh(s);
    if (s->weight <= share_of(s) || !is_above(s->receiver, NEW))
        return false;
    s->receiver->was_near = true;
    return true;
}
