/* SPDX-License-Identifier: Apache-2.0 */
#include "mail/date.h"

#include "base/clock.h"
#include "base/span.h"

#include <stdio.h>
#include <stdlib.h>
#include <time.h>

/* The abbreviation is a comment: what could end it or is not ASCII does not go in. */
static bool is_nice_zone(const char *zone)
{
    for (const char *p = zone; *p; p++)
        if (!ascii_is_alnum((unsigned char)*p) && *p != '+' && *p != '-')
            return false;
    return *zone && strlen(zone) <= 10;
}

char *date_format(int64_t us, char *out)
{
    static const char days[7][4] = { "Sun", "Mon", "Tue", "Wed", "Thu", "Fri", "Sat" };
    static const char months[12][4] = { "Jan", "Feb", "Mar", "Apr", "May", "Jun",
                                        "Jul", "Aug", "Sep", "Oct", "Nov", "Dec" };
    time_t t = (time_t)(us / USEC_PER_SEC);
    struct tm tm = { 0 };
    int n;

    if (!localtime_r(&t, &tm))
        gmtime_r(&t, &tm);
    int zone = (int)(tm.tm_gmtoff / 60), minutes = abs(zone);
    n = snprintf(out, DATE_SIZE, "%s, %d %s %d %02d:%02d:%02d %c%02d%02d", days[tm.tm_wday % 7], tm.tm_mday,
                 months[tm.tm_mon % 12], tm.tm_year + 1900, tm.tm_hour, tm.tm_min, tm.tm_sec, zone < 0 ? '-' : '+',
                 minutes / 60 % 100, minutes % 60);
    if (tm.tm_zone && is_nice_zone(tm.tm_zone))
        snprintf(out + n, DATE_SIZE - (size_t)n, " (%s)", tm.tm_zone);
    return out;
}
