/* SPDX-License-Identifier: Apache-2.0
 *
 * offload.c - libuv's thread pool behind base/runner.h. */
#include "net/offload.h"

#include "base/mem.h"
#include "net/loop_int.h"

#include <stdlib.h>

struct job {
    uv_work_t uv;
    runner_fn *work, *done;
    void *arg;
};

static void on_thread(uv_work_t *uv)
{
    struct job *j = uv->data;
    j->work(j->arg);
}

static void on_done(uv_work_t *uv, int status)
{
    (void)status; /* jobs are not cancelled */
    struct job j = *(struct job *)uv->data;
    free(uv->data);
    j.done(j.arg);
}

static void run(struct runner *r, runner_fn *work, runner_fn *done, void *arg)
{
    struct loop *l = container_of(r, struct loop, runner);
    struct job *j = xcalloc(1, sizeof(*j));
    j->work = work;
    j->done = done;
    j->arg = arg;
    j->uv.data = j;
    if (uv_queue_work(&l->uv, &j->uv, on_thread, on_done) < 0)
        bug("no thread for blocking work");
}

struct runner *loop_runner(struct loop *l)
{
    l->runner.run = run;
    l->runner.run_patiently = loop_run_patiently;
    return &l->runner;
}
