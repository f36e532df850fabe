/* SPDX-License-Identifier: Apache-2.0
 *
 * mailq, and sendmail -q: the queue is asked as baton(8) asks it. */
#include "agent/agent.h"

#include "control/ask.h"
#include "control/queue_read.h"

#include <signal.h>
#include <stdio.h>

static int printed(int status)
{
    if (fflush(stdout) != 0 || ferror(stdout))
        return complain(EX_IOERR, "the list could not be written");
    return status;
}

int mailq_run(const struct config *cfg)
{
    struct err e;

    signal(SIGPIPE, SIG_DFL); /* mailq | head: as any other program that prints */
    if (queue_print(cfg, &e) < 0)
        return complain(EX_UNAVAILABLE, "%s", e.text);
    return printed(EX_OK);
}

int retry_run(const struct config *cfg)
{
    struct err e;
    FILE *answer = ask(cfg, "queue retry ALL", &e);

    if (!answer)
        return complain(EX_UNAVAILABLE, "%s", e.text);
    fclose(answer);
    return EX_OK;
}
