/* SPDX-License-Identifier: Apache-2.0
 *
 * drop.h - the drop: how `sendmail` leaves a message when no daemon answers.
 *
 * One message, one file, written by a process that has no loop and no spool object: begin, write, then commit, which
 * blocks until the file is synced, renamed and its folder synced. Nothing is left behind after abort or failure; a
 * process that is killed leaves a tmp- file, which the relay removes when it is an hour old. */
#ifndef SPOOL_DROP_H
#define SPOOL_DROP_H

#include "base/envelope.h"
#include "base/err.h"
#include "base/span.h"

#include <stdint.h>

struct spool_drop;

/* `dir` is the spool's folder. The envelope is copied. */
struct spool_drop *spool_drop_begin(const char *dir, const struct envelope *env, struct err *e);
uint64_t spool_drop_id(const struct spool_drop *d);
/* After -1 only spool_drop_abort() is left (disk full: e->sys is ENOSPC). */
int spool_drop_write(struct spool_drop *d, struct span data, struct err *e);
int spool_drop_commit(struct spool_drop *d, struct err *e); /* takes d */
void spool_drop_abort(struct spool_drop *d);
/* The relay watches this folder (inotify: IN_MOVED_TO) and calls spool_poll(). `out` has PATH_MAX bytes. */
char *spool_drop_path(const char *dir, char *out);

#endif
