/* SPDX-License-Identifier: Apache-2.0
 *
 * match.h - lists of domains as mydestination has them (HANDBOOK B0): names, "!name" for "not this one", "/file" whose lines are
 * more of these, "type:table" whose keys are meant. The first item that matches decides. */
#ifndef RELAY_MATCH_H
#define RELAY_MATCH_H

#include "relay/lookup.h"

struct match;

/* Reads files and opens tables. `with_parents`: an item "example.com" stands for sub.example.com, too; without, ".example.com" is
 * written for that (and does not hold example.com itself). NULL with *e. */
struct match *match_open(const char *param, const struct strlist *items, bool with_parents, struct err *e);
void match_close(struct match *m); /* NULL is fine */
bool match_may_block(const struct match *m);
bool match_is_stale(const struct match *m);
size_t match_count(const struct match *m);

enum map_result match_find(struct match *m, struct lookup *l, struct span domain);
/* Each name that is written out, in the list or in a file of it. */
void match_each(const struct match *m, void (*fn)(void *arg, struct span name), void *arg);

#endif
