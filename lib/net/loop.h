/* SPDX-License-Identifier: Apache-2.0
 *
 * loop.h - one thread, many things under way: timers, signals, readable fds, and calls put off for a moment.
 *
 * A loop is made after the fork, by the worker that runs it. Timers, later calls and watches are storage of the
 * caller's: zeroes to begin with, and once stopped they may be freed at once, also from inside their own callback.
 * Nothing wakes an idle process: with no timer armed the loop sleeps in epoll for good. */
#ifndef NET_LOOP_H
#define NET_LOOP_H

#include "base/err.h"
#include "base/list.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct loop;

typedef void loop_fn(void *arg);

struct loop *loop_new(struct err *e);
/* Everything that belongs to the loop (connections, listeners, timers, ...) has been closed or stopped before; those
 * still closing are waited for. NULL is fine. */
void loop_free(struct loop *l);

/* Runs until loop_stop(), or until nothing is left that could happen. */
void loop_run(struct loop *l);
/* The callback that calls it is finished, and so is its turn of the loop; then loop_run() returns. */
void loop_stop(struct loop *l);
/* One turn: waits for something to happen (with `wait`) and handles it. False when nothing is left to wait for. */
bool loop_turn(struct loop *l, bool wait);

/* Milliseconds of a clock that never goes back, taken at the beginning of this turn. */
int64_t loop_now_ms(const struct loop *l);

/* ---- timers: a call after some time ---------------------------------------- */

struct timer { /* zeroes: a timer that is not armed */
    struct loop *loop; /* borrowed */
    loop_fn *fn;
    void *arg;
    int64_t due_ms;
    size_t place; /* in the loop's heap, from 1; 0: not armed */
};

/* Arms it, or arms it anew: fn(arg) once, `ms` from now (0: in the next turn). */
void timer_start(struct timer *t, struct loop *l, int64_t ms, loop_fn *fn, void *arg);
void timer_stop(struct timer *t);
static inline bool timer_is_armed(const struct timer *t)
{
    return t->place != 0;
}

/* ---- later: a call at the end of this turn, outside of whoever asks for it ---------------------------------- */

struct later { /* zeroes: not queued */
    struct list link;
    loop_fn *fn;
    void *arg;
    bool is_queued;
};

/* fn(arg) once, before the loop sleeps again. Queued twice it still runs once, with what was said last. */
void later_start(struct later *d, struct loop *l, loop_fn *fn, void *arg);
void later_cancel(struct later *d);

/* fn(arg) each time the loop has nothing more to do and is about to look at its sockets again, behind all later calls: the
 * place to write out what a turn has gathered. It asks for nothing new, except of others (a job of the runner). One only; NULL: none. */
void loop_before_sleep(struct loop *l, loop_fn *fn, void *arg);

/* ---- watches: an fd that can be read (eventfd, inotify, a pipe) ---------------------------------------- */

struct watch { /* zeroes: not watching */
    struct watch_poll *poll;
    loop_fn *fn;
    void *arg;
};

/* fn(arg) whenever `fd` can be read, or is at its end. The fd stays the caller's; stop before closing it. */
int watch_start(struct watch *w, struct loop *l, int fd, loop_fn *fn, void *arg, struct err *e);
void watch_stop(struct watch *w);

/* ---- signals ---------------------------------------- */

typedef void loop_signal_fn(void *arg, int signum);

/* From now on until loop_free(), `signum` calls fn from the loop. It does not keep loop_run() from returning when
 * nothing else is left. */
int loop_signal(struct loop *l, int signum, loop_signal_fn *fn, void *arg, struct err *e);

#endif
