/* SPDX-License-Identifier: Apache-2.0
 *
 * Once a second while mail comes: has more come than was tried, at destinations that work? flow.h says what follows. */
#include "relay/relay_int.h"

#include "base/clock.h"
#include "base/log.h"

static bool is_working(const struct dest *d)
{
    return !d->retry_us && strcmp(d->nexthop, NEXTHOP_NONE) != 0 && strcmp(d->nexthop, NEXTHOP_REFUSED) != 0;
}

static void count(struct relay *r, unsigned *came, unsigned *tried, bool *works)
{
    *came = *tried = 0;
    *works = false;
    list_each(it, queue_dests(r->queue)) {
        struct dest *d = list_entry(it, struct dest, link);
        if (is_working(d)) {
            *works = true;
            *came += d->n_came;
            *tried += d->n_tried;
        }
        d->n_came = d->n_tried = 0;
    }
}

static void say(const struct flow_meter *m, bool was_on)
{
    if (m->is_on && !was_on)
        log_warn("more mail comes than goes, %.0f a second: clients are slowed to their share of that (in_flow_delay)", m->rate);
    else if (!m->is_on && was_on)
        log_info("what comes is no longer more than what goes");
}

static void look(void *arg)
{
    struct relay *r = arg;
    int64_t now = clock_mono_us();
    bool was_on = r->meter.is_on, works;
    unsigned came, tried;

    count(r, &came, &tried, &works);
    if (!works)
        r->meter = (struct flow_meter){ 0 };
    int64_t interval = works ? flow_judge(&r->meter, came, tried, flow_clients(r->env->flow, now - USEC_PER_SEC),
                                          (unsigned)r->cfg->in_flow_backlog)
                             : 0;
    if (was_on || r->meter.is_on)
        flow_set(r->env->flow, interval, now);
    say(&r->meter, was_on);
    if (came || r->meter.is_on) {
        timer_start(&r->pressure_timer, r->loop, 1000, look, r);
        return;
    }
    r->is_metered = false;
    r->meter = (struct flow_meter){ 0 };
}

void pressure_watch(struct relay *r)
{
    unsigned came, tried;
    bool works;

    if (!r->is_started || r->is_metered || r->is_stopping)
        return;
    r->is_metered = true;
    count(r, &came, &tried, &works); /* what was there before does not count */
    timer_start(&r->pressure_timer, r->loop, 1000, look, r);
}
