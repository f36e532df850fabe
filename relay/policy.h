/* SPDX-License-Identifier: Apache-2.0
 *
 * policy.h - who may send what through here. In a null client: programs of this machine and clients in mynetworks may
 * send to anybody; others only to addresses that are ours, of which a null client has none but its aliases. */
#ifndef RELAY_POLICY_H
#define RELAY_POLICY_H

#include "config/config.h"
#include "relay/gate.h"
#include "relay/resolve.h"
#include "smtp/server.h"

#include <sys/socket.h>

/* Whether mail of this peer is relayed; local_header_rewrite_clients (ours.h) may have its headers put right, too. */
bool policy_trusts(const struct config *cfg, const struct sockaddr *peer);
/* What a line feed alone may do for that client. NULL: nobody knows who it is. */
enum smtp_bare_lf policy_bare_lf(const struct config *cfg, const struct sockaddr *peer);
/* Whether what it says by XCLIENT is believed. */
bool policy_may_xclient(const struct config *cfg, const struct sockaddr *peer);
/* RCPT: what is said to a peer that is trusted or not about `address`, of which the resolver says `v`. */
void policy_rcpt(const struct resolver *r, const struct resolve_verdict *v, bool is_trusted, const char *address, struct refusal *out);

#endif
