/* SPDX-License-Identifier: Apache-2.0
 *
 * fetcher.h - texts from the web, for a worker that may start no program. A process of its own, forked before the jail, does that: it
 * is the worker's user, has none of its files, and starts baton-fetch for each text that it is asked for. It leaves with the worker. */
#ifndef RELAY_FETCHER_H
#define RELAY_FETCHER_H

#include "base/err.h"
#include "base/span.h"

#include <sys/types.h>

struct fetcher;
struct loop;

/* Before the jail, and before any thread. NULL: there is no baton-fetch, or no process. */
struct fetcher *fetcher_new(uid_t uid, gid_t gid, struct err *e);
int fetcher_start(struct fetcher *f, struct loop *l, struct err *e);
void fetcher_free(struct fetcher *f); /* those who wait are not called back */

/* `text` is what has come, or with `why` (borrowed) nothing. From the loop, never from inside fetcher_get(). */
typedef void fetcher_fn(void *arg, struct span text, const char *why);

/* `resolve` and `authorities` are options of baton-fetch, or NULL. */
void fetcher_get(struct fetcher *f, const char *url, const char *resolve, const char *authorities, fetcher_fn *done, void *arg);

#endif
