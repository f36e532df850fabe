/* SPDX-License-Identifier: Apache-2.0
 *
 * maildir.h - a message into a Maildir, by the user whom it belongs to.
 *
 * Once it is said to be delivered, it survives a power cut, and a reader has never seen half of it: written to tmp/, synced, given
 * its name in new/, and that folder synced too. Folders that are missing are made, and synced into theirs. */
#ifndef SERVER_MAILDIR_H
#define SERVER_MAILDIR_H

#include "server/content.h"
#include "server/outcome.h"

/* `folder` with or without "/" at its end. `head` goes in front of the content. `limit` 0: none. */
void maildir_deliver(const char *folder, const char *host, struct span head, const struct content *c, uint64_t limit,
                     struct outcome *out);

#endif
