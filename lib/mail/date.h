/* SPDX-License-Identifier: Apache-2.0
 *
 * date.h - RFC 5322 3.3 dates: "Sun, 22 Nov 2026 18:49:00 +0100 (CET)". */
#ifndef MAIL_DATE_H
#define MAIL_DATE_H

#include <stddef.h>
#include <stdint.h>

#define DATE_SIZE 64

/* `us` is clock_real_us(). In the local time zone, which is read from disk at the first call: a process that will be
 * jailed calls tzset() before. English names whatever the locale. `out` has DATE_SIZE bytes; returned. */
char *date_format(int64_t us, char *out);

#endif
