/* SPDX-License-Identifier: Apache-2.0
 *
 * loop_int.h - the inside of a loop, for lib/net. */
#ifndef NET_LOOP_INT_H
#define NET_LOOP_INT_H

#include "base/runner.h"
#include "net/loop.h"

#include <uv.h>

/* What a read() takes at most; shared by all connections of the loop, so that an idle one holds no buffer. */
#define LOOP_BUF ((size_t)64 * 1024)

struct loop {
    uv_loop_t uv;
    uv_timer_t alarm; /* due when the first of `heap` is */
    uv_idle_t idle;   /* active while `laters` has something */
    uv_prepare_t prepare; /* active with `before_sleep` */
    loop_fn *before_sleep;
    void *before_sleep_arg;
    struct list laters;
    struct timer **heap; /* [1..n_heap], the earliest first; borrowed */
    size_t n_heap, cap_heap;
    struct loop_signal *signals;
    struct list ending; /* connections that nobody holds any more (conn_end) */
    unsigned n_ending;
    char *buf;          /* LOOP_BUF bytes, made at the first read */
    struct runner runner;
    struct patient *patient; /* threads of offload_patient.c, or NULL */
};

void loop_run_patiently(struct runner *r, runner_fn *work, runner_fn *done, void *arg);
/* Waits for what is under way. */
void patient_end(struct loop *l);

char *loop_buf(struct loop *l);
/* libuv's error numbers are -errno. Always -1. */
int err_uv(struct err *e, int code, const char *what);

#endif
