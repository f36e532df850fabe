/* SPDX-License-Identifier: Apache-2.0
 *
 * interfaces.h - the addresses that this machine has at the moment. It asks the kernel by a socket:
 * before the jail. */
#ifndef NET_INTERFACES_H
#define NET_INTERFACES_H

#include "base/err.h"
#include "net/addr.h"

/* Adds the IPv4 and IPv6 addresses of all interfaces, loopback included, with port 0. */
int interfaces_addresses(struct addr_list *out, struct err *e);

#endif
