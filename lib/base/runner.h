/* SPDX-License-Identifier: Apache-2.0
 *
 * runner.h - where blocking work (fdatasync, password_command) is done for a module that knows no event loop.
 *
 * run() hands over; `work` runs once, on another thread or at once; then `done` runs once, on the thread that owns the
 * runner, never from inside run(). lib/net/offload.c is the one of the programs (libuv's thread pool); a test has one
 * that works when told to. A program without a loop (sendmail) uses no runner. */
#ifndef BASE_RUNNER_H
#define BASE_RUNNER_H

typedef void runner_fn(void *arg);

struct runner {
    void (*run)(struct runner *r, runner_fn *work, runner_fn *done, void *arg);
    /* The same for work that may wait long for others, so that the rest is not kept waiting by it. NULL: as run. */
    void (*run_patiently)(struct runner *r, runner_fn *work, runner_fn *done, void *arg);
};

static inline void runner_run(struct runner *r, runner_fn *work, runner_fn *done, void *arg)
{
    r->run(r, work, done, arg);
}

static inline void runner_run_patiently(struct runner *r, runner_fn *work, runner_fn *done, void *arg)
{
    (r->run_patiently ? r->run_patiently : r->run)(r, work, done, arg);
}

#endif
