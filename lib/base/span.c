/* SPDX-License-Identifier: Apache-2.0 */
#include "base/span.h"

#include "base/mem.h"

int ascii_lower(int c)
{
    return c >= 'A' && c <= 'Z' ? c + ('a' - 'A') : c;
}

bool ascii_is_digit(int c)
{
    return c >= '0' && c <= '9';
}

bool ascii_is_alpha(int c)
{
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z');
}

bool ascii_is_alnum(int c)
{
    return ascii_is_digit(c) || ascii_is_alpha(c);
}

void ascii_lower_str(char *s)
{
    for (; *s; s++)
        *s = (char)ascii_lower((unsigned char)*s);
}

bool span_ieq(struct span a, struct span b)
{
    if (a.len != b.len)
        return false;
    for (size_t i = 0; i < a.len; i++)
        if (ascii_lower((unsigned char)a.at[i]) != ascii_lower((unsigned char)b.at[i]))
            return false;
    return true;
}

bool span_ieq_str(struct span a, const char *b)
{
    return span_ieq(a, span_str(b));
}

bool span_starts(struct span s, const char *prefix)
{
    size_t n = strlen(prefix);
    return s.len >= n && memcmp(s.at, prefix, n) == 0;
}

bool span_istarts(struct span s, const char *prefix)
{
    size_t n = strlen(prefix);
    return s.len >= n && span_ieq(span_of(s.at, n), span_of(prefix, n));
}

bool span_iends(struct span s, const char *suffix)
{
    size_t n = strlen(suffix);
    return s.len >= n && span_ieq(span_of(s.at + s.len - n, n), span_of(suffix, n));
}

size_t span_find(struct span s, char c)
{
    const char *p = s.len ? memchr(s.at, c, s.len) : NULL;
    return p ? (size_t)(p - s.at) : s.len;
}

size_t span_rfind(struct span s, char c)
{
    for (size_t i = s.len; i-- > 0;)
        if (s.at[i] == c)
            return i;
    return s.len;
}

static bool is_white(char c)
{
    return c == ' ' || c == '\t' || c == '\r' || c == '\n';
}

struct span span_trim(struct span s)
{
    while (s.len && is_white(s.at[0]))
        s = span_from(s, 1);
    while (s.len && is_white(s.at[s.len - 1]))
        s.len--;
    return s;
}

static bool parts_words(char c, const char *also)
{
    return is_white(c) || (*also && c && strchr(also, c));
}

bool span_word(struct span *rest, const char *also, struct span *word)
{
    size_t i = 0;

    while (i < rest->len && parts_words(rest->at[i], also))
        i++;
    *rest = span_from(*rest, i);
    for (i = 0; i < rest->len; i++)
        if (parts_words(rest->at[i], also))
            break;
    *word = span_of(rest->at, i);
    *rest = span_from(*rest, i);
    return word->len > 0;
}

bool span_u64(struct span s, uint64_t *out)
{
    uint64_t v = 0;

    if (s.len == 0)
        return false;
    for (size_t i = 0; i < s.len; i++) {
        if (!ascii_is_digit((unsigned char)s.at[i]))
            return false;
        if (__builtin_mul_overflow(v, (uint64_t)10, &v) || __builtin_add_overflow(v, (uint64_t)(s.at[i] - '0'), &v))
            return false;
    }
    *out = v;
    return true;
}

bool span_is_ascii(struct span s)
{
    for (size_t i = 0; i < s.len; i++)
        if ((unsigned char)s.at[i] >= 0x80)
            return false;
    return true;
}

size_t span_utf8_len(struct span s)
{
    const unsigned char *at = (const unsigned char *)s.at;

    if (s.len == 0)
        return 0;
    if (at[0] < 0x80)
        return 1;
    size_t n = at[0] >= 0xf0 && at[0] <= 0xf4 ? 4 : at[0] >= 0xe0 && at[0] < 0xf0 ? 3 : at[0] >= 0xc2 ? 2 : 0;
    if (n == 0 || at[0] > 0xf4 || n > s.len)
        return 0;
    for (size_t i = 1; i < n; i++)
        if ((at[i] & 0xc0) != 0x80)
            return 0;
    /* Overlong, surrogate, beyond U+10FFFF: all told by the second byte. */
    if ((at[0] == 0xe0 && at[1] < 0xa0) || (at[0] == 0xed && at[1] > 0x9f) || (at[0] == 0xf0 && at[1] < 0x90) ||
        (at[0] == 0xf4 && at[1] > 0x8f))
        return 0;
    return n;
}

bool span_is_utf8(struct span s)
{
    while (s.len) {
        size_t n = span_utf8_len(s);
        if (n == 0)
            return false;
        s = span_from(s, n);
    }
    return true;
}

char *span_dup(struct span s)
{
    char *p = xmalloc(s.len + 1);
    if (s.len)
        memcpy(p, s.at, s.len);
    p[s.len] = '\0';
    return p;
}

size_t span_find_bare(struct span s, char stop)
{
    bool in_quotes = false;
    int depth = 0;

    for (size_t i = 0; i < s.len; i++) {
        if (s.at[i] == '\\' && i + 1 < s.len)
            i++;
        else if (s.at[i] == '"')
            in_quotes = !in_quotes;
        else if (!in_quotes && s.at[i] == '(')
            depth++;
        else if (!in_quotes && s.at[i] == ')' && depth)
            depth--;
        else if (!in_quotes && !depth && s.at[i] == stop)
            return i;
    }
    return in_quotes ? s.len + 1 : s.len;
}

/* ---- nearness ---- */

static size_t least(size_t a, size_t b, size_t c)
{
    size_t ab = a < b ? a : b;
    return ab < c ? ab : c;
}

size_t span_distance(struct span a, struct span b)
{
    size_t row[3][SPAN_DISTANCE_MAX + 1];

    if (a.len > SPAN_DISTANCE_MAX || b.len > SPAN_DISTANCE_MAX)
        return SPAN_DISTANCE_MAX;
    for (size_t j = 0; j <= b.len; j++)
        row[0][j] = j;
    for (size_t i = 1; i <= a.len; i++) {
        size_t *now = row[i % 3], *before = row[(i + 2) % 3], *before_that = row[(i + 1) % 3];
        now[0] = i;
        for (size_t j = 1; j <= b.len; j++) {
            bool is_same = ascii_lower((unsigned char)a.at[i - 1]) == ascii_lower((unsigned char)b.at[j - 1]);
            now[j] = least(before[j] + 1, now[j - 1] + 1, before[j - 1] + !is_same);
            if (i > 1 && j > 1 && a.at[i - 1] == b.at[j - 2] && a.at[i - 2] == b.at[j - 1] && before_that[j - 2] + 1 < now[j])
                now[j] = before_that[j - 2] + 1;
        }
    }
    return row[a.len % 3][b.len];
}
