/* SPDX-License-Identifier: Apache-2.0
 *
 * clock.h - what time it is. Microseconds everywhere; a test may stop the clock and move it by hand. */
#ifndef BASE_CLOCK_H
#define BASE_CLOCK_H

#include <stdint.h>

#define USEC_PER_SEC INT64_C(1000000)

/* Microseconds since 1970, UTC: for what is written down. It may step. */
int64_t clock_real_us(void);
/* Microseconds since some start: for waits and limits. It never goes back. */
int64_t clock_mono_us(void);

/* For tests: both clocks stand at `real_us` until the next call; 0 lets them run again. */
void clock_freeze(int64_t real_us);

#endif
