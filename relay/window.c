/* SPDX-License-Identifier: Apache-2.0 */
#include "relay/window.h"

#include "base/clock.h"

enum { STILL_US = 5 * USEC_PER_SEC };

/* Of a small number, to three digits; libm is not worth it. */
static double square_root(double x)
{
    double root = x;

    for (int i = 0; i < 20; i++)
        root = (root + x / root) / 2;
    return root;
}

static double step(const struct feedback *f, double size)
{
    switch (f->per) {
    case FEEDBACK_PER_CONCURRENCY: return f->number / size;
    case FEEDBACK_PER_SQRT: return f->number / square_root(size);
    default: return f->number;
    }
}

static double limit(const struct window *w, const struct config *cfg)
{
    return w->limit ? w->limit : cfg->smtp_destination_concurrency_limit;
}

void window_reset(struct window *w, const struct config *cfg)
{
    double initial = w->initial ? w->initial : cfg->initial_destination_concurrency;

    w->size = initial < limit(w, cfg) ? initial : limit(w, cfg);
    w->failed_cohorts = 0;
    w->still_until_us = 0;
}

unsigned window_size(struct window *w, const struct config *cfg)
{
    if (w->size < 1)
        window_reset(w, cfg);
    return (unsigned)w->size;
}

void window_success(struct window *w, const struct config *cfg, size_t n_used, int64_t now_us)
{
    w->failed_cohorts = 0;
    if (n_used < window_size(w, cfg) || now_us < w->still_until_us)
        return;
    w->size += step(&cfg->default_destination_concurrency_positive_feedback, w->size);
    if (w->size > limit(w, cfg))
        w->size = limit(w, cfg);
}

void window_back(struct window *w, const struct config *cfg, int64_t now_us)
{
    window_size(w, cfg);
    w->size -= step(&cfg->default_destination_concurrency_negative_feedback, w->size);
    if (w->size < 1)
        w->size = 1;
    w->still_until_us = now_us + STILL_US;
}

bool window_failure(struct window *w, const struct config *cfg, int64_t now_us)
{
    int most = cfg->default_destination_concurrency_failed_cohort_limit;

    w->failed_cohorts += 1.0 / window_size(w, cfg);
    window_back(w, cfg, now_us);
    return most > 0 && w->failed_cohorts >= most;
}
