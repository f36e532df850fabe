/* SPDX-License-Identifier: Apache-2.0
 *
 * bounce.h - delivery reports (RFC 3464) into the spool: the report and what it settles are one record, so that there is
 * never a report for what is still tried, and never two for one. */
#ifndef RELAY_BOUNCE_H
#define RELAY_BOUNCE_H

#include "mail/report.h"
#include "relay/relay_int.h"

struct report_job {
    const struct envelope *env; /* of the message reported on */
    const struct spool_info *info;
    const struct report_rcpt *rcpts;
    size_t n_rcpts;
    /* What is true of the message once the report is kept: its new state, or NULL: it has ended. */
    const struct spool_state *settles;
};

/* All of `job` is borrowed during the call. `done` comes once, later, from the loop; -1 and no callback when the report
 * could not even be begun (disk full). */
int bounce_send(struct relay *r, const struct report_job *job, spool_done_fn *done, void *arg, struct err *e);

/* Whether a report of this kind may be sent to the sender about this recipient (RFC 3461 4.1, 6.2; never to "<>"). */
bool bounce_is_wanted(const struct envelope *env, const struct rcpt *rcpt, enum report_action action);

#endif
