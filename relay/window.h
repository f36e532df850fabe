/* SPDX-License-Identifier: Apache-2.0
 *
 * window.h - how many deliveries a destination gets at a time: as many as it can take.
 *
 * A success lets it grow, one that was refused, cut off or put off makes it shrink, by the feedback parameters. After a step
 * back it keeps still for a while, so that a peer that takes no more than N at a time is not asked for N + 1 after every
 * message. Deliveries that were cut off count towards a failed cohort: as many in a row as go on at a time. */
#ifndef RELAY_WINDOW_H
#define RELAY_WINDOW_H

#include "config/config.h"

struct window {
    double size;           /* at least 1; 0: nothing is known yet */
    double failed_cohorts; /* since the last success */
    int64_t still_until_us; /* no growth before */
    int limit, initial;     /* of its transport; 0: as the transport smtp has them */
};

/* Back to the beginning: initial_destination_concurrency. */
void window_reset(struct window *w, const struct config *cfg);
/* Deliveries at a time, now; a new one is reset first. */
unsigned window_size(struct window *w, const struct config *cfg);
/* A delivery went through. `n_used` is how many went on at a time: it grows only where it is used up. */
void window_success(struct window *w, const struct config *cfg, size_t n_used, int64_t now_us);
/* Mail was put off, or one more connection was refused while others work. */
void window_back(struct window *w, const struct config *cfg, int64_t now_us);
/* A delivery was cut off. True: that makes a failed cohort, the destination is to be left alone. */
bool window_failure(struct window *w, const struct config *cfg, int64_t now_us);

#endif
