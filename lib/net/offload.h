/* SPDX-License-Identifier: Apache-2.0
 *
 * offload.h - the runner (base/runner.h) of programs that have a loop: blocking work goes to libuv's thread pool, and
 * `done` is called from the loop. What may wait long for others has threads
 * of its own. All of them start with the first piece of work: enter the jail before that. */
#ifndef NET_OFFLOAD_H
#define NET_OFFLOAD_H

#include "base/runner.h"

struct loop;

/* Belongs to the loop, one a loop. loop_free() waits for the work that is under way. */
struct runner *loop_runner(struct loop *l);

#endif
