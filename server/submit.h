/* SPDX-License-Identifier: Apache-2.0
 *
 * submit.h - new mail from a delivery: what an alias or a ~/.forward sends on goes in by the socket that sendmail uses, so that it is
 * in the queue, and synced, before the delivery it comes from is said to be done. For a child, which may wait. */
#ifndef SERVER_SUBMIT_H
#define SERVER_SUBMIT_H

#include "base/envelope.h"
#include "config/config.h"
#include "server/content.h"
#include "server/outcome.h"

/* `head` (lines that end with LF) in front of the content, to all recipients of `env`, or to none. Sent: "forwarded as ID". */
void submit_mail(const char *socket_path, const char *hello, const struct envelope *env, struct span head, const struct content *c,
                 struct outcome *out);
/* The same by LMTP, to a server that has the mailbox, in the clear (`hop`: lmtp_hop_parse()): what it says of the one recipient is the outcome. */
/* `is_service`: it is one of our own (deliver.h). */
void submit_lmtp(const struct relayhost *hop, bool is_service, const char *hello, const struct envelope *env, const struct content *c, struct outcome *out);

#endif
