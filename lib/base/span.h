/* SPDX-License-Identifier: Apache-2.0
 *
 * span.h - a stranger's bytes: a pointer and a length, no NUL, not ours to keep.
 *
 * A span borrows; it is valid as long as what it was taken from. Text of our own is a `char *`, checked and
 * terminated. Comparisons that say "i" fold ASCII only: the names of SMTP and of DNS are ASCII (RFC 5321 2.4). */
#ifndef BASE_SPAN_H
#define BASE_SPAN_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

struct span {
    const char *at;
    size_t len;
};

#define SPAN(literal) ((struct span){ (literal), sizeof(literal) - 1 })

static inline struct span span_of(const char *at, size_t len)
{
    return (struct span){ at, len };
}

static inline struct span span_str(const char *s)
{
    return (struct span){ s, s ? strlen(s) : 0 };
}

static inline struct span span_from(struct span s, size_t skip)
{
    return skip >= s.len ? (struct span){ s.at + s.len, 0 } : (struct span){ s.at + skip, s.len - skip };
}

static inline bool span_eq(struct span a, struct span b)
{
    return a.len == b.len && (a.len == 0 || memcmp(a.at, b.at, a.len) == 0);
}

bool span_ieq(struct span a, struct span b);
bool span_ieq_str(struct span a, const char *b);
bool span_starts(struct span s, const char *prefix);
bool span_istarts(struct span s, const char *prefix);
bool span_iends(struct span s, const char *suffix);

/* Index of the first `c`, or s.len. */
size_t span_find(struct span s, char c);
size_t span_rfind(struct span s, char c);

/* Without blanks, TAB, CR and LF at both ends. */
struct span span_trim(struct span s);

/* Cuts the next word (blanks, TABs and the bytes of `also` part words) off the front of *rest.
 * False, with an empty *word, when there is none left. */
bool span_word(struct span *rest, const char *also, struct span *word);

/* A decimal number that fills the whole span, without sign. False when it is none or does not fit. */
bool span_u64(struct span s, uint64_t *out);

bool span_is_ascii(struct span s);
/* Well-formed UTF-8 (RFC 3629): no overlong forms, no surrogates. Control characters are none of its business. */
bool span_is_utf8(struct span s);
/* Length of the well-formed sequence at the front, 1 for ASCII; 0 when there is none. */
size_t span_utf8_len(struct span s);

/* Where `stop` first stands outside of "quotes", (comments) and behind no backslash, as in aliases(5); s.len: nowhere;
 * s.len + 1: nowhere, and a quote was not closed. */
size_t span_find_bare(struct span s, char stop);

/* Letters to insert, delete, change or swap with their neighbour, whatever their case, until `a` is `b`: what somebody meant
 * who wrote a name that does not exist. SPAN_DISTANCE_MAX when one of them is longer than that. */
enum { SPAN_DISTANCE_MAX = 64 };
size_t span_distance(struct span a, struct span b);

/* A NUL-terminated copy, to be freed. Bytes behind an embedded NUL are lost to string functions. */
char *span_dup(struct span s);

/* ASCII only, whatever the locale. */
int ascii_lower(int c);
bool ascii_is_alnum(int c);
bool ascii_is_digit(int c);
bool ascii_is_alpha(int c);
void ascii_lower_str(char *s);

#endif
