/* SPDX-License-Identifier: Apache-2.0
 *
 * probe.h - walks the way to the relayhost aloud: name, connection, greeting, TLS, certificate,
 * login, sender, recipient. No message is sent: after the recipient comes RSET. Where it stops it
 * says what to change. */
#ifndef CONTROL_PROBE_H
#define CONTROL_PROBE_H

#include "base/envelope.h"
#include "config/config.h"
#include "control/findings.h"

struct probe_mail {
    const struct envelope *env; /* its sender and recipients are asked for */
    bool is_verbose;                /* every line of the conversation too */
};

/* To the end of the login, at each relayhost of the list. */
void probe_relayhosts(const struct config *cfg, struct findings *f);
/* As mail would go: the relayhosts in order, till one answers. True when it takes
 * it. */
bool probe_mail(const struct config *cfg, const struct probe_mail *mail, struct findings *f);

/* The same at the LMTP servers whose unix sockets `hops` names: "unix:/path", one or several. */
bool probe_lmtp(const struct config *cfg, const struct probe_mail *mail, const char *hops, struct findings *f);

#endif
