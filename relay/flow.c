/* SPDX-License-Identifier: Apache-2.0
 *
 * Each client has a cell with the time at which its next message is welcome (clients that share one share its pace). No
 * locks: a cell is one number, and who loses a race looks again. */
#include "relay/flow.h"

#include "base/clock.h"

#include <stdatomic.h>
#include <stddef.h>
#include <sys/mman.h>

enum { CELLS = 4096 }; /* a power of two */

#define HOLDS_US (3 * USEC_PER_SEC)

struct flow {
    _Atomic int64_t interval_us;
    _Atomic int64_t until_us;
    _Atomic int64_t next_us[CELLS]; /* clock_mono_us() */
};

struct flow *flow_new(struct err *e)
{
    struct flow *f = mmap(NULL, sizeof *f, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);

    if (f == MAP_FAILED) {
        err_sys(e, "shared memory of %zu bytes", sizeof *f);
        return NULL;
    }
    return f;
}

void flow_free(struct flow *f)
{
    if (f)
        munmap(f, sizeof *f);
}

int64_t flow_wait_us(struct flow *f, uint64_t client, int64_t max_us, int64_t now_us)
{
    int64_t interval = atomic_load_explicit(&f->interval_us, memory_order_relaxed);

    if (interval == 0 || max_us <= 0 || now_us > atomic_load_explicit(&f->until_us, memory_order_relaxed))
        return 0;
    _Atomic int64_t *cell = &f->next_us[(client * UINT64_C(0x9e3779b97f4a7c15)) >> 52 & (CELLS - 1)];
    int64_t was = atomic_load_explicit(cell, memory_order_relaxed), at;
    do {
        at = was > now_us ? was : now_us;
        if (at > now_us + max_us)
            at = now_us + max_us;
    } while (!atomic_compare_exchange_weak_explicit(cell, &was, at + interval, memory_order_relaxed, memory_order_relaxed));
    return at - now_us;
}

void flow_set(struct flow *f, int64_t interval_us, int64_t now_us)
{
    atomic_store_explicit(&f->until_us, now_us + HOLDS_US, memory_order_relaxed);
    atomic_store_explicit(&f->interval_us, interval_us, memory_order_relaxed);
}

unsigned flow_clients(const struct flow *f, int64_t since_us)
{
    unsigned n = 0;

    for (size_t i = 0; i < CELLS; i++)
        n += atomic_load_explicit(&f->next_us[i], memory_order_relaxed) > since_us;
    return n;
}

int64_t flow_judge(struct flow_meter *m, unsigned came, unsigned tried, unsigned n_clients, unsigned limit)
{
    bool grows = came > tried;

    m->rate += ((double)tried - m->rate) / 4;
    m->surplus += (double)came - (double)tried;
    if (m->surplus < 0)
        m->surplus = 0;
    m->growing = grows ? m->growing + 1 : 0;
    if (m->is_on ? m->surplus <= limit / 2.0 : m->surplus < limit || m->growing < FLOW_SECONDS) {
        m->is_on = false;
        m->tighter = 1;
        return 0;
    }
    /* Shares of what goes; if that is still too much (clients that come and go, many behind few cells), less. */
    m->tighter *= !m->is_on ? 1 : grows ? 1.25 : 0.9;
    if (m->tighter < 1)
        m->tighter = 1;
    if (m->tighter > 16)
        m->tighter = 16;
    m->is_on = true;
    if (m->rate < 0.01) /* nothing goes: as little as may be */
        return 3600 * USEC_PER_SEC;
    return (int64_t)((n_clients ? n_clients : 1) / m->rate * m->tighter * USEC_PER_SEC) + 1;
}
