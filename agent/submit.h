/* SPDX-License-Identifier: Apache-2.0
 *
 * submit.h - hands a message to the daemon over its local socket, QUEUE_DIRECTORY/public/submit, which speaks SMTP
 * and asks the kernel who we are.
 *
 * All or nothing: the content is sent only when the daemon has taken the sender and every recipient. A daemon that
 * does not move for 5 s is given up (10 s once it has everything: a sync may take long); then the message goes to
 * the drop, and if it had been taken after all it is sent twice, which is allowed, and never lost. */
#ifndef AGENT_SUBMIT_H
#define AGENT_SUBMIT_H

#include "agent/message.h"
#include "base/envelope.h"

enum submit_outcome {
    SUBMIT_TAKEN,   /* durable; `said` is the reply */
    SUBMIT_AWAY,    /* no daemon, or not now: `said` is why */
    SUBMIT_REFUSED, /* it does not want this message: `said` is what to tell the caller, `status` the exit status */
};

struct submit_result {
    enum submit_outcome outcome;
    int status;
    char said[1600];
};

void submit_message(const struct config *cfg, const struct envelope *env, const struct message *m,
                    struct submit_result *r);

/* The connection itself, for -bs: an fd, non-blocking, or -1. */
int submit_connect(const struct config *cfg, struct err *e);

#endif
