/* SPDX-License-Identifier: Apache-2.0
 *
 * mbox.h - a message at the end of an mbox file, by the user whom it belongs to. Other programs that lock the same way never see
 * half a message; one that could not be written whole is cut off again. */
#ifndef SERVER_MBOX_H
#define SERVER_MBOX_H

#include "config/config.h"
#include "server/content.h"
#include "server/outcome.h"

#include <sys/types.h>

struct mbox_options {
    const char *path;
    unsigned locks;     /* CONFIG_LOCK_* */
    bool dotlock_may_fail; /* because nobody may make files there; not because there is one */
    int attempts;
    int64_t delay_us, stale_us;
    uint64_t limit;     /* of the file; 0: none */
    bool is_strict;     /* it has to be ours */
    gid_t spool_gid;    /* who may make files beside it: taken for that (identity.h); (gid_t)-1: nobody else than we */
    const char *done;   /* "delivered to mailbox" */
};

/* `head` begins with a "From " line. */
void mbox_deliver(const struct mbox_options *o, struct span head, const struct content *c, struct outcome *out);

#endif
