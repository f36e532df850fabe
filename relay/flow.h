/* SPDX-License-Identifier: Apache-2.0
 *
 * flow.h - back-pressure: when more mail comes than goes for long, clients are slowed to their share of what goes.
 *
 * The relay judges once a second, by what came for destinations that work and what was tried there; mail for one that is
 * away counts neither way, so that it is taken at full speed. It says the outcome to the receivers through shared memory:
 * the time that one client should leave between two messages, or 0, which is all that a receiver looks at in normal
 * times. A client that leaves more time than that is not held up at all, however many messages another sends; one that
 * leaves less waits for its 250, up to in_flow_delay. The message is safe before. */
#ifndef RELAY_FLOW_H
#define RELAY_FLOW_H

#include "base/err.h"

#include <stdbool.h>
#include <stdint.h>

struct flow;

/* Made by the supervisor before it forks. NULL with `e`. */
struct flow *flow_new(struct err *e);
void flow_free(struct flow *f);

/* ---- receivers ---- */

/* How long the answer to a message of this client is to be held back, at most `max_us`. */
int64_t flow_wait_us(struct flow *f, uint64_t client, int64_t max_us, int64_t now_us);

/* ---- the relay ---- */

/* The time between two messages of one client; 0: as they like. It holds for three seconds if it is not said again. */
void flow_set(struct flow *f, int64_t interval_us, int64_t now_us);
/* Clients that had a message since, while an interval was set. */
unsigned flow_clients(const struct flow *f, int64_t since_us);

enum { FLOW_SECONDS = 10 }; /* so long a surplus must grow without a break */

struct flow_meter { /* zeroes to begin with */
    double rate;    /* tried a second, smoothed */
    double surplus; /* what came and was not tried yet */
    double tighter; /* when clients' shares are still too much */
    unsigned growing; /* seconds in a row */
    bool is_on;
};

/* A second has passed in which `came` and `tried` messages were counted for destinations that work. Returns the interval for
 * `n_clients` clients; 0: none. `limit` is the surplus that is none of our concern. */
int64_t flow_judge(struct flow_meter *m, unsigned came, unsigned tried, unsigned n_clients, unsigned limit);

#endif
