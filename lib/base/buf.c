/* SPDX-License-Identifier: Apache-2.0 */
#include "base/buf.h"

#include "base/mem.h"

#include <stdio.h>
#include <stdlib.h>

void buf_init(struct buf *b, size_t max)
{
    *b = (struct buf){ .max = max };
}

void buf_fini(struct buf *b)
{
    free(b->at);
    *b = (struct buf){ .max = b->max };
}

void buf_clear(struct buf *b)
{
    b->len = 0;
}

void buf_trim(struct buf *b, size_t keep)
{
    if (b->cap > keep)
        buf_fini(b);
    b->len = 0;
}

/* One byte more than asked for, so that buf_cstr() always has its place. */
static void grow(struct buf *b, size_t need)
{
    size_t cap = b->cap ? b->cap : 64;

    if (need + 1 <= b->cap)
        return;
    while (cap < need + 1)
        cap += cap / 2 + 16;
    b->at = xrealloc(b->at, cap);
    b->cap = cap;
}

char *buf_room(struct buf *b, size_t len)
{
    if (len > b->max || b->len > b->max - len)
        return NULL;
    grow(b, b->len + len);
    return b->at + b->len;
}

int buf_add(struct buf *b, const void *at, size_t len)
{
    char *to = buf_room(b, len);

    if (!to)
        return -1;
    if (len)
        memcpy(to, at, len);
    b->len += len;
    return 0;
}

int buf_addc(struct buf *b, char c)
{
    return buf_add(b, &c, 1);
}

int buf_adds(struct buf *b, const char *s)
{
    return buf_add(b, s, strlen(s));
}

int buf_addspan(struct buf *b, struct span s)
{
    return buf_add(b, s.at, s.len);
}

int buf_vaddf(struct buf *b, const char *fmt, va_list ap)
{
    va_list again;
    va_copy(again, ap);
    int n = vsnprintf(NULL, 0, fmt, ap);
    char *to = n < 0 ? NULL : buf_room(b, (size_t)n);
    if (to) {
        vsnprintf(to, (size_t)n + 1, fmt, again);
        b->len += (size_t)n;
    }
    va_end(again);
    return to ? 0 : -1;
}

int buf_addf(struct buf *b, const char *fmt, ...)
{
    va_list ap;
    va_start(ap, fmt);
    int rc = buf_vaddf(b, fmt, ap);
    va_end(ap);
    return rc;
}

void buf_drop(struct buf *b, size_t len)
{
    if (len >= b->len) {
        b->len = 0;
        return;
    }
    memmove(b->at, b->at + len, b->len - len);
    b->len -= len;
}

struct span buf_span(const struct buf *b)
{
    return (struct span){ b->at ? b->at : "", b->len };
}

const char *buf_cstr(struct buf *b)
{
    grow(b, b->len);
    b->at[b->len] = '\0';
    return b->at;
}

char *buf_take(struct buf *b)
{
    buf_cstr(b);
    char *at = b->at;
    *b = (struct buf){ .max = b->max };
    return at;
}
