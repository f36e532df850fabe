/* SPDX-License-Identifier: Apache-2.0 */
#include "base/clock.h"

#include <time.h>

static int64_t frozen_us;

static int64_t read_clock(clockid_t id)
{
    struct timespec t;
    if (frozen_us)
        return frozen_us;
    clock_gettime(id, &t);
    return t.tv_sec * USEC_PER_SEC + t.tv_nsec / 1000;
}

int64_t clock_real_us(void)
{
    return read_clock(CLOCK_REALTIME);
}

int64_t clock_mono_us(void)
{
    return read_clock(CLOCK_MONOTONIC);
}

void clock_freeze(int64_t real_us)
{
    frozen_us = real_us;
}
