/* SPDX-License-Identifier: Apache-2.0
 *
 * One number a worker, written by it alone and in steps, so that the others seldom find its line changed. It is never below
 * what the worker holds, and no more than two steps above. */
#include "relay/ceiling.h"

#include "base/clock.h"
#include "base/log.h"
#include "base/mem.h"
#include "relay/draft.h"
#include "relay/session_int.h"

#include <stdatomic.h>
#include <sys/mman.h>

#define STEP ((uint64_t)64 * 1024)

enum {
    CROWD = 256, /* sessions whose memory is worth giving back */
    GIVE_BACK_MS = 500,
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

/* ---- a worker's sum ---- */

static void give_back(void *arg)
{
    struct receiver *r = arg;

    r->was_near = false;
    r->most_sessions = r->n_sessions;
    mem_give_back();
}

/* What a flood or a crowd has left full of holes goes back to the system when it is over; a moment later, for they go one
 * by one and sessions are freed behind this. */
static void look_back(struct receiver *r)
{
    bool was_flooded = r->was_near && r->held_bytes <= r->cfg->receive_memory_limit / 16;
    bool was_crowded = r->most_sessions >= CROWD && r->n_sessions < r->most_sessions / 4;

    if ((was_flooded || was_crowded) && !timer_is_armed(&r->give_back_timer))
        timer_start(&r->give_back_timer, r->loop, GIVE_BACK_MS, give_back, r);
}

static void publish(struct receiver *r)
{
    if (r->held_bytes <= r->told_bytes && r->told_bytes - r->held_bytes < 2 * STEP)
        return;
    if (r->held_bytes < r->told_bytes)
        look_back(r);
    r->told_bytes = (r->held_bytes + STEP - 1) / STEP * STEP;
    atomic_store_explicit(&r->env->ceiling->bytes[r->env->number], r->told_bytes, memory_order_relaxed);
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

    if (s->is_dead)
        return 0;
    if (s->env) {
        share += CEILING_MESSAGE;
        bytes += smtp_server_envelope_bytes(s->server);
    }
    if (s->has_reader)
        bytes += s->reader.section.cap;
    if (s->msg)
        bytes += spool_msg_memory(s->msg);
    if (s->draft)
        bytes += draft_memory(s->draft);
    if (s->gate)
        bytes += gate_memory(s);
    return bytes > share ? bytes : share;
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
    weigh(s);
    look_back(s->receiver);
}

/* Sixteenths. */
enum { NEW = 12, MORE = 14, LOCAL_NEW = 15, LOCAL_MORE = 16 };

static bool is_above(const struct receiver *r, unsigned part)
{
    return ceiling_used(r->env->ceiling) > r->cfg->receive_memory_limit / 16 * part;
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
