/* SPDX-License-Identifier: Apache-2.0
 *
 * probe.h - walks the way of mail aloud: name, connection, greeting, TLS, certificate, login, sender, recipient. No message is
 * sent: after the recipient comes RSET. Where it stops it says what to change.
 *
 * The way may be a relayhost, the MX hosts of the recipients' domain, or LMTP servers. */
#ifndef CONTROL_PROBE_H
#define CONTROL_PROBE_H

#include "base/envelope.h"
#include "config/config.h"
#include "control/findings.h"

/* To the end of the login, at each relayhost of the list. */
void probe_relayhosts(const struct config *cfg, struct findings *f);

struct probe;

/* `is_verbose`: every line of the conversation too. NULL: it has been said why. */
struct probe *probe_new(const struct config *cfg, bool is_verbose, struct findings *f);
/* As mail would go: the hosts of the next hop ("smtp:[mx.example.com]:25", "lmtp:unix:/path") in order, till one answers. Sender and
 * recipients of `env` are asked for. True when it takes it for all of them. */
bool probe_mail(struct probe *p, const char *nexthop, const struct envelope *env);
void probe_free(struct probe *p);

/* Whether probe_mail() can walk it: it is SMTP or LMTP. */
bool probe_can(const char *nexthop);

#endif
