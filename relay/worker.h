/* SPDX-License-Identifier: Apache-2.0
 *
 * worker.h - what both workers do the same way: a loop, an orderly end, their rights given up. */
#ifndef RELAY_WORKER_H
#define RELAY_WORKER_H

#include "net/loop.h"
#include "relay/supervise.h"

/* What the workers of a spool run as: of mail_owner and setgid_group when we are root, else the caller's own. */
struct worker_ids {
    uid_t uid;
    gid_t gid;
    gid_t drop_gid;
};
int worker_ids(const struct config *cfg, struct worker_ids *out, struct err *e);

/* The worker's loop; SIGTERM calls stop(arg). */
struct loop *worker_loop(loop_signal_fn *stop, void *arg, struct err *e);
/* Runs it till it is stopped. Before each sleep `write_out(arg)`, which may be NULL, writes what a turn has gathered; the
 * lines of the log do gather. */
void worker_run(struct loop *l, loop_fn *write_out, void *arg);

/* Says once that this worker serves now. */
void worker_ready(const struct worker_env *env);

/* It cannot serve: says why, in the log or to whom it rehearses for. Returns the exit status. */
int worker_failed(const struct worker_env *env, const struct err *e);

/* A table has changed that only a new worker can read. The supervisor looks whether it is good, and if so puts a new
 * worker into this one's place, which gets a SIGTERM. May be said again and again. */
void worker_is_stale(const struct worker_env *env);

#endif
