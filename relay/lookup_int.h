/* SPDX-License-Identifier: Apache-2.0
 *
 * lookup_int.h - between lookup.c, which keeps the answers of a decision, and lookup_tables.c, which has the tables. */
#ifndef RELAY_LOOKUP_INT_H
#define RELAY_LOOKUP_INT_H

#include "relay/lookup.h"

/* As tables_find(), of one table that blocks. `param` is borrowed. */
enum map_result lookup_ask(struct lookup *l, const char *param, struct map *m, struct span key, struct span *value);

#endif
