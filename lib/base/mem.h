/* SPDX-License-Identifier: Apache-2.0
 *
 * mem.h - memory that is there, and bugs that stop the worker.
 *
 * xmalloc() and kin never return NULL: without memory the process ends, its supervisor starts another, and the spool
 * makes that harmless. What a stranger can make grow lives in a `struct buf` with a ceiling instead (buf.h). */
#ifndef BASE_MEM_H
#define BASE_MEM_H

#include <stdarg.h>
#include <stddef.h>

void *xmalloc(size_t size);
void *xcalloc(size_t count, size_t size);
void *xrealloc(void *old, size_t size);
void *xreallocarray(void *old, size_t count, size_t size);
char *xstrdup(const char *s);
char *xstrdup_or_null(const char *s); /* NULL stays NULL */
char *xasprintf(const char *fmt, ...) __attribute__((format(printf, 1, 2)));
char *xvasprintf(const char *fmt, va_list ap) __attribute__((format(printf, 1, 0)));

/* A state that the code holds to be impossible: logs and aborts, in releases too. Never within a stranger's reach. */
#define bug(...) bug_at(__FILE__, __LINE__, __VA_ARGS__)
_Noreturn void bug_at(const char *file, int line, const char *fmt, ...) __attribute__((format(printf, 3, 4)));
#define BUG_IF(cond) ((cond) ? bug("%s", #cond) : (void)0)

/* To the system, what was freed: the heap keeps pages that lie below something in use. Takes milliseconds, so for when
 * much was freed at once. */
void mem_give_back(void);

/* Overwrites a secret so that the compiler cannot leave it out. */
void wipe(void *at, size_t len);

#define ARRAY_LEN(a) (sizeof(a) / sizeof((a)[0]))
#define container_of(ptr, type, member) ((type *)((char *)(ptr)-offsetof(type, member)))

#endif
