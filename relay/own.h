/* SPDX-License-Identifier: Apache-2.0
 *
 * own.h - the addresses that mail for this machine comes in by: mail for a domain whose mail exchanger has one of them would
 * go round in a circle. */
#ifndef RELAY_OWN_H
#define RELAY_OWN_H

#include "config/config.h"
#include "net/addr.h"

/* By inet_interfaces, as they are now; addr_list_fini() it. Before the jail. */
void own_addresses(const struct config *cfg, struct addr_list *out);
/* The same; but where inet_interfaces names none, all that the machine has, for listen sections may be anywhere. */
void own_addresses_or_all(const struct config *cfg, struct addr_list *out);
/* That one of these is one of them, whatever the ports are. */
bool own_has_one_of(const struct addr_list *own, const struct addr_list *these);

#endif
