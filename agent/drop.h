/* SPDX-License-Identifier: Apache-2.0
 *
 * drop.h - leaves a message in the drop, when no daemon answers. */
#ifndef AGENT_DROP_H
#define AGENT_DROP_H

#include "agent/message.h"
#include "base/envelope.h"

/* With our Received: field on top. Durable when this returns 0; `id` has SPOOL_ID_TEXT bytes. */
int drop_message(const struct config *cfg, const struct envelope *env, const struct message *m, char *id,
                 struct err *e);

#endif
