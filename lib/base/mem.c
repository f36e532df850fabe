/* SPDX-License-Identifier: Apache-2.0 */
#include "base/mem.h"

#include "base/log.h"

#include <malloc.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static void *there(void *p)
{
    if (!p) {
        static const char text[] = "out of memory\n";
        fwrite(text, 1, sizeof text - 1, stderr);
        abort();
    }
    return p;
}

void *xmalloc(size_t size)
{
    return there(malloc(size ? size : 1));
}

void *xcalloc(size_t count, size_t size)
{
    return there(calloc(count ? count : 1, size ? size : 1));
}

void *xrealloc(void *old, size_t size)
{
    return there(realloc(old, size ? size : 1));
}

void *xreallocarray(void *old, size_t count, size_t size)
{
    size_t all;
    if (__builtin_mul_overflow(count, size, &all))
        bug("array of %zu x %zu bytes", count, size);
    return xrealloc(old, all);
}

char *xstrdup(const char *s)
{
    return there(strdup(s));
}

char *xstrdup_or_null(const char *s)
{
    return s ? xstrdup(s) : NULL;
}

char *xasprintf(const char *fmt, ...)
{
    va_list ap;
    va_start(ap, fmt);
    char *text = xvasprintf(fmt, ap);
    va_end(ap);
    return text;
}

char *xvasprintf(const char *fmt, va_list ap)
{
    char *text;
    return there(vasprintf(&text, fmt, ap) < 0 ? NULL : text);
}

void bug_at(const char *file, int line, const char *fmt, ...)
{
    char text[512];
    va_list ap;
    va_start(ap, fmt);
    vsnprintf(text, sizeof text, fmt, ap);
    va_end(ap);
    log_error("bug: %s:%d: %s", file, line, text);
    abort();
}

void mem_give_back(void)
{
    malloc_trim(0);
}

void wipe(void *at, size_t len)
{
    if (at && len)
        explicit_bzero(at, len);
}
