/* SPDX-License-Identifier: Apache-2.0
 *
 * alias.h - /etc/aliases: "name: address, address" (HANDBOOK B11), for local names in a null client too, so that root's
 * mail reaches a person.
 *
 * The text is read into memory when a worker starts, and again at reload or when the file's time has changed; there is no index
 * to forget to rebuild. A null client delivers nothing itself: a value that is a file, a command or an :include: is
 * refused with file and line, and its name keeps its other values. */
#ifndef RELAY_ALIAS_H
#define RELAY_ALIAS_H

#include "base/err.h"
#include "base/span.h"

struct aliases;

struct aliases *aliases_new(void);
void aliases_free(struct aliases *a);

/* Adds a file in aliases(5) form. A missing or unreadable file is an error; bad lines are handed to `complain` as
 * "FILE:LINE: what is wrong" and passed over. The first of two entries for a name wins. */
typedef void alias_complain_fn(void *arg, const char *text);
int aliases_read(struct aliases *a, const char *path, alias_complain_fn *complain, void *arg, struct err *e);

/* Values of `name` (compared without case), or NULL. They belong to `a`. */
struct alias_values {
    size_t n;
    char **at; /* as written, trimmed; unqualified names are local names again */
};
const struct alias_values *aliases_find(const struct aliases *a, struct span name);

#endif
