/* SPDX-License-Identifier: Apache-2.0
 *
 * buf.h - bytes that grow, up to a ceiling.
 *
 * A buffer owns its bytes. Whatever a stranger can make grow has a ceiling, given once, at buf_init(); reaching it is an
 * ordinary error: the adding function returns -1 and adds nothing. What we fill ourselves takes BUF_NO_MAX.
 * A buffer of zeroes is an empty one with ceiling 0, which buf_fini() takes. */
#ifndef BASE_BUF_H
#define BASE_BUF_H

#include "base/span.h"

#include <stdarg.h>

#define BUF_NO_MAX SIZE_MAX

struct buf {
    char *at; /* may be NULL while empty */
    size_t len;
    size_t cap;
    size_t max;
};

void buf_init(struct buf *b, size_t max);
void buf_fini(struct buf *b);
/* Empties it and keeps the memory. */
void buf_clear(struct buf *b);
/* Empties it and gives the memory back when it has grown beyond `keep` bytes. */
void buf_trim(struct buf *b, size_t keep);

int buf_add(struct buf *b, const void *at, size_t len);
int buf_addc(struct buf *b, char c);
int buf_adds(struct buf *b, const char *s);
int buf_addspan(struct buf *b, struct span s);
int buf_addf(struct buf *b, const char *fmt, ...) __attribute__((format(printf, 2, 3)));
int buf_vaddf(struct buf *b, const char *fmt, va_list ap);

/* Room for `len` more bytes at b->at + b->len, for a read(); the caller adds to b->len what came. NULL at the ceiling. */
char *buf_room(struct buf *b, size_t len);
/* Drops `len` bytes from the front (moves the rest). */
void buf_drop(struct buf *b, size_t len);

struct span buf_span(const struct buf *b);
/* NUL-terminated (the NUL is not counted in len and may lie one byte above the ceiling); valid till the next change. */
const char *buf_cstr(struct buf *b);
/* The bytes, NUL-terminated, as memory of the caller's; the buffer is empty again. */
char *buf_take(struct buf *b);

#endif
