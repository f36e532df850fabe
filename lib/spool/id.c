/* SPDX-License-Identifier: Apache-2.0 */
#include "spool/id.h"

#include "base/clock.h"
#include "spool/spool.h"

static const char digits[] = "0123456789BCDFGHJKLMNPQRSTVWXYZbcdfghjklmnpqrstvwxyz";
#define BASE (sizeof digits - 1)

uint64_t id_next(unsigned slot, uint64_t *last, uint64_t floor)
{
    uint64_t us = (uint64_t)clock_real_us(), above = *last > floor ? *last : floor;

    if (us <= above >> ID_SLOT_BITS)
        us = (above >> ID_SLOT_BITS) + 1;
    *last = us << ID_SLOT_BITS | slot;
    return *last;
}

char *spool_id_format(uint64_t id, char *out)
{
    char reversed[SPOOL_ID_TEXT];
    int n = 0;

    do
        reversed[n++] = digits[id % BASE];
    while (id /= BASE);
    for (int i = 0; i < n; i++)
        out[i] = reversed[n - 1 - i];
    out[n] = '\0';
    return out;
}

bool spool_id_parse(struct span text, uint64_t *id)
{
    uint64_t v = 0;

    if (text.len == 0 || text.len >= SPOOL_ID_TEXT || text.at[0] == digits[0])
        return false;
    for (size_t i = 0; i < text.len; i++) {
        const char *d = memchr(digits, text.at[i], BASE);
        if (!d || __builtin_mul_overflow(v, BASE, &v) || __builtin_add_overflow(v, (uint64_t)(d - digits), &v))
            return false;
    }
    *id = v;
    return true;
}
