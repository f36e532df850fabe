/* SPDX-License-Identifier: Apache-2.0
 *
 * restrict_filter.c - "127.0.0.[2..11;100]": which answers of a list in the DNS count. */
#include "config/restrict.h"

/* "7", or "7..9"; -1: neither. 1: `octet` is in it, 0: it is not. */
static int match_range(struct span s, unsigned octet)
{
    struct span low = s, high = s;
    uint64_t from, to;

    for (size_t i = 0; i + 1 < s.len; i++)
        if (s.at[i] == '.' && s.at[i + 1] == '.') {
            low = span_of(s.at, i);
            high = span_from(s, i + 2);
            break;
        }
    if (!span_u64(low, &from) || !span_u64(high, &to) || from > to || to > 255)
        return -1;
    return octet >= from && octet <= to;
}

/* "[2;4..6]" without its brackets, or one number. */
static int match_set(struct span set, unsigned octet)
{
    int found = 0;

    do {
        size_t n = span_find(set, ';');
        int in = match_range(span_of(set.at, n), octet);
        if (in < 0)
            return -1;
        found |= in;
        if (n == set.len)
            return found;
        set = span_from(set, n + 1);
    } while (true);
}

static int take_octet(struct span *rest, unsigned octet)
{
    size_t n;

    if (!rest->len)
        return -1;
    if (rest->at[0] == '[') {
        n = span_find(*rest, ']');
        if (n == rest->len)
            return -1;
        int in = match_set(span_of(rest->at + 1, n - 1), octet);
        *rest = span_from(*rest, n + 1);
        return in;
    }
    n = span_find(*rest, '.');
    int in = match_range(span_of(rest->at, n), octet);
    *rest = span_from(*rest, n);
    return in;
}

int restriction_filter_match(struct span filter, const unsigned char address[4])
{
    int all = 1;

    for (int i = 0; i < 4; i++) {
        int in = take_octet(&filter, address[i]);
        if (in < 0)
            return -1;
        all &= in;
        bool has_dot = filter.len && filter.at[0] == '.';
        if (i < 3 ? !has_dot : filter.len > 0)
            return -1;
        if (has_dot)
            filter = span_from(filter, 1);
    }
    return all;
}
