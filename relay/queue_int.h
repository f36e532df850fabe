/* SPDX-License-Identifier: Apache-2.0
 *
 * queue_int.h - the queue, for its two files: queue.c has the messages, their jobs and their destinations; queue_order.c says which
 * of them is next. */
#ifndef RELAY_QUEUE_INT_H
#define RELAY_QUEUE_INT_H

#include "relay/queue.h"

struct queue {
    struct list dests;
    struct dest **buckets; /* by name */
    size_t n_buckets, n_dests;
    struct list touched;
    void (*on_touch)(void *arg);
    void *on_touch_arg;
    struct dest **looks; /* a heap by look_us, from 1 */
    size_t n_looks, looks_cap;
    struct message **table; /* linear probing, at most half full */
    size_t mask, n;
    struct queue_counts counts;
};

/* ---- queue_order.c ---- */

/* The job waits in its destination's heap from then on. */
void queue_heap_add(struct job *j);
/* It is in the heap; what its place is now, the caller says. */
void queue_heap_remove(struct job *j);

#endif
