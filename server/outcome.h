/* SPDX-License-Identifier: Apache-2.0
 *
 * outcome.h - what became of a recipient, as the child that delivered tells the worker, and the worker the relay. */
#ifndef SERVER_OUTCOME_H
#define SERVER_OUTCOME_H

#include "base/err.h"

#include <stdbool.h>

enum outcome_kind { OUTCOME_DEFERRED, OUTCOME_BOUNCED, OUTCOME_SENT }; /* zeroes: deferred */

struct outcome {
    enum outcome_kind kind;
    char dsn[12];    /* "5.1.1"; its first digit goes with the kind */
    char text[700];  /* for people; may hold a stranger's words */
    bool wants_mailbox; /* local's: an alias's part is done, and the recipient's own mailbox comes next */
};

/* `dsn` as it should be for a failure, with "4" or "5" in front: sets the kind by it. "2.0.0": sent. */
void outcome_set(struct outcome *o, const char *dsn, const char *fmt, ...) __attribute__((format(printf, 3, 4)));
/* A failure of ours: deferred, whatever it was, for it is no fault of the message. */
void outcome_defer(struct outcome *o, const char *dsn, const struct err *e);

#endif
