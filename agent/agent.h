/* SPDX-License-Identifier: Apache-2.0
 *
 * agent.h - what users run: sendmail, and under other names mailq and newaliases. Each returns an exit status of
 * sysexits.h; what went wrong has then been said on stderr. */
#ifndef AGENT_AGENT_H
#define AGENT_AGENT_H

#include "agent/flags.h"
#include "config/config.h"

#include <sysexits.h>

/* Takes a message from stdin: to the daemon's socket, else to the drop. */
int sendmail_run(const struct options *o, const struct config *cfg);
/* -bs: SMTP on stdin and stdout. */
int stdio_smtp_run(const struct options *o, const struct config *cfg);
/* -bv: says which addresses can be read. */
int verify_run(const struct options *o, const struct config *cfg);
/* mailq, -bp: what waits. */
int mailq_run(const struct config *cfg);
/* -q: asks the daemon to try again what waits. */
int retry_run(const struct config *cfg);
/* newaliases, -bi: are the files of alias_maps right? */
int newaliases_run(const struct options *o, const struct config *cfg);

/* "sendmail: text" on stderr, one line, control characters escaped; returns `status`. */
int complain(int status, const char *fmt, ...) __attribute__((format(printf, 2, 3)));

#endif
