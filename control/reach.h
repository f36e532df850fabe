/* SPDX-License-Identifier: Apache-2.0
 *
 * reach.h - a connection to what the configuration names, for checks: they may block, but for seconds only. */
#ifndef CONTROL_REACH_H
#define CONTROL_REACH_H

#include "base/err.h"

#include <stdbool.h>
#include <stdint.h>

enum { REACH_LIMIT_MS = 5000 };

/* Give a socket that blocks, or -1; e->sys says why as far as there was an errno. A host is tried at all its addresses. */
int reach_unix(const char *path, struct err *e);
int reach_inet(const char *host, const char *port, struct err *e);

/* False: within what is left till then (clock_mono_us()) nothing came that can be read. */
bool reach_wait(int fd, int64_t end_us);

#endif
