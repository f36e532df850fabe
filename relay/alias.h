/* SPDX-License-Identifier: Apache-2.0
 *
 * alias.h - aliases: "name: address, address" (HANDBOOK B11), for local names in a null client too, so that root's
 * mail reaches a person.
 *
 * They are tables (map/map.h); what is done here is the right-hand side. A null client delivers nothing itself: a value that is
 * a file, a command or an :include: is refused, and its name keeps its other values.
 *
 * struct aliases is for those who look once: newaliases, `baton check`. The relay asks the tables itself (expand.c), and has their
 * values cut up here. */
#ifndef RELAY_ALIAS_H
#define RELAY_ALIAS_H

#include "base/err.h"
#include "base/span.h"
#include "map/map.h"

struct aliases;

struct aliases *aliases_new(void);
void aliases_free(struct aliases *a);
/* From now on commands, files and :include: are not complained of: local delivery takes them. */
void aliases_have_local(struct aliases *a);

/* "FILE:LINE: what is wrong", or without a line where there is only an index: bad rows and values, which are passed over. Called
 * while a table is added, and when it is read again. */
typedef void alias_complain_fn(void *arg, const char *text);

/* Adds a table, "hash:/etc/aliases"; its type has been registered. -1: it cannot be opened, or may block
 * (ERR_TEMPORARY). One whose file does not
 * exist (e->sys is ENOENT then, and -1 comes back, too) counts as empty till it appears. */
int aliases_add(struct aliases *a, const char *spec, alias_complain_fn *complain, void *arg, struct err *e);

/* Values of `name` (compared without case), from the first table that has one that can be used; to be freed by
 * alias_values_fini() when it is MAP_FOUND. */
struct alias_values {
    size_t n;
    char **at;        /* as written, trimmed; unqualified names are local names again */
    bool needs_local; /* beside them there is a command, a file or an :include: */
};
enum map_result aliases_find(struct aliases *a, struct span name, struct alias_values *out, struct err *e);
void alias_values_fini(struct alias_values *v);

/* The right-hand side of an alias, cut up. */
void alias_values_of(struct span rhs, struct alias_values *out);
/* Tells of what is wrong with the rows of a text: all of them, or with `has_local` only those that are no address, nor anything
 * that local delivery could use. */
void alias_look_through(struct map *m, bool has_local, alias_complain_fn *complain, void *arg);

#endif
