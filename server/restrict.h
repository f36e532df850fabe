/* SPDX-License-Identifier: Apache-2.0
 *
 * restrict.h - access restrictions: the first of those whom a session asks (relay/gate.h). */
#ifndef SERVER_RESTRICT_H
#define SERVER_RESTRICT_H

#include "relay/gate.h"

struct restrictions; /* what a receive worker has opened for them */

/* Before the jail: opens the tables that the lists name. NULL: a table cannot be opened. */
struct restrictions *restrictions_open(const struct config *cfg, struct err *e);
/* In the jail, when there is a loop; `dns` may be NULL when config_restrictions_ask() wants none. */
void restrictions_start(struct restrictions *r, struct loop *l, struct dns *dns);
void restrictions_close(struct restrictions *r);

extern const struct gate_step restrict_step;

#endif
