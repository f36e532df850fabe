/* SPDX-License-Identifier: Apache-2.0
 *
 * rbl.h - lists of addresses and domains in the DNS (RFC 5782). */
#ifndef SERVER_RBL_H
#define SERVER_RBL_H

#include "base/buf.h"
#include "server/restrict_int.h"

/* What the lists have said of this client, so that many recipients ask once. */
struct rbl_known;
void rbl_forget(struct rbl_known *k);

/* "2.0.0.127" of 127.0.0.2, nibbles of an IPv6 address, to be followed by ".LIST". False: no address of the Internet. */
bool rbl_reverse(const union addr *a, struct buf *out);

#endif
