/* SPDX-License-Identifier: Apache-2.0
 *
 * errands.h - the processes that deliver: each does one piece of work, tells its outcome over a pipe, and is gone. So what a
 * recipient's files and programs do can stop nobody else's mail, and its rights end with it.
 *
 * Nothing here waits for a process to die: one that hangs in a file system (FUSE, NFS) which does not answer survives even SIGKILL. It
 * is looked after by a timer, and when as many hang as may run, of a group or of all, further ones are deferred without being started. */
#ifndef SERVER_ERRANDS_H
#define SERVER_ERRANDS_H

#include "base/list.h"
#include "net/loop.h"
#include "server/outcome.h"

struct errands { /* zeroes, then errands_init() */
    struct loop *loop; /* borrowed */
    unsigned limit;    /* that run at a time; others wait */
    struct list running, waiting;
    struct list dying; /* ended, and not dead yet */
    unsigned n_running, n_stuck;
};

void errands_init(struct errands *c, struct loop *l, unsigned limit);
/* Ends those that run. Their callbacks are not called. */
void errands_fini(struct errands *c);
/* SIGTERM to their process groups: a shutdown that cannot wait. Their outcomes come as ever. */
void errands_end_all(struct errands *c);

/* In the child: does the work. Everything that the parent has is there, but of its open files only 0 to 2 and `keep_fd`. */
typedef void errand_work_fn(void *arg, struct outcome *out);
/* In the parent, from the loop, once. A child that ends without a word is deferred, and so is one that takes too long. */
typedef void errand_done_fn(void *arg, const struct outcome *o);

struct errand_terms {
    int keep_fd;           /* -1: none */
    int64_t time_limit_ms;
    const char *group;     /* NULL, or: no more than `group_limit` of the same group run at a time. Borrowed */
    unsigned group_limit;
};

/* `arg` stays till done(). */
void errand_start(struct errands *c, const struct errand_terms *t, errand_work_fn *work, errand_done_fn *done, void *arg);

#endif
