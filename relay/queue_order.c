/* SPDX-License-Identifier: Apache-2.0
 *
 * What is next. A destination's jobs stand in a binary heap by the time of their next attempt, then by age, so that what came first
 * goes first. The destinations that are to be looked at later stand in a heap of the queue's own, by that time; those at which
 * something has changed, in a list. */
#include "relay/queue_int.h"

/* ---- which destinations are to be looked at ---- */

void queue_touch(struct queue *q, struct dest *d)
{
    bool was_quiet = list_is_empty(&q->touched);

    if (!list_is_empty(&d->look_link))
        return;
    list_append(&q->touched, &d->look_link);
    if (was_quiet && q->on_touch)
        q->on_touch(q->on_touch_arg);
}

void queue_on_touch(struct queue *q, void (*fn)(void *arg), void *arg)
{
    q->on_touch = fn;
    q->on_touch_arg = arg;
}

static void put_look(struct queue *q, struct dest *d, size_t at)
{
    q->looks[at] = d;
    d->look_at = at;
}

static void look_up_heap(struct queue *q, struct dest *d)
{
    size_t at = d->look_at;
    for (; at > 1 && q->looks[at / 2]->look_us > d->look_us; at /= 2)
        put_look(q, q->looks[at / 2], at);
    put_look(q, d, at);
}

static void look_down_heap(struct queue *q, struct dest *d)
{
    size_t at = d->look_at;
    for (size_t child; (child = 2 * at) <= q->n_looks; at = child) {
        if (child < q->n_looks && q->looks[child + 1]->look_us < q->looks[child]->look_us)
            child++;
        if (q->looks[child]->look_us >= d->look_us)
            break;
        put_look(q, q->looks[child], at);
    }
    put_look(q, d, at);
}

static void remove_look(struct queue *q, struct dest *d)
{
    struct dest *last = q->looks[q->n_looks--];
    size_t at = d->look_at;

    d->look_at = 0;
    if (last == d)
        return;
    put_look(q, last, at);
    look_up_heap(q, last);
    look_down_heap(q, last);
}

void queue_look_at(struct queue *q, struct dest *d, int64_t when_us)
{
    if (when_us == INT64_MAX) {
        if (d->look_at)
            remove_look(q, d);
        return;
    }
    if (d->look_at && d->look_us == when_us)
        return;
    d->look_us = when_us;
    if (!d->look_at) {
        if (q->n_looks + 1 >= q->looks_cap) {
            q->looks_cap = q->looks_cap ? q->looks_cap * 2 : 16;
            q->looks = xreallocarray(q->looks, q->looks_cap, sizeof(*q->looks));
        }
        put_look(q, d, ++q->n_looks);
    }
    look_up_heap(q, d);
    look_down_heap(q, d);
}

int64_t queue_next_look(const struct queue *q)
{
    return q->n_looks ? q->looks[1]->look_us : INT64_MAX;
}

void queue_look(struct queue *q, int64_t now_us, void (*look)(void *arg, struct dest *d), void *arg)
{
    struct list these;

    while (q->n_looks && q->looks[1]->look_us <= now_us) {
        struct dest *d = q->looks[1];
        remove_look(q, d);
        if (list_is_empty(&d->look_link))
            list_append(&q->touched, &d->look_link);
    }
    list_init(&these);
    list_move(&these, &q->touched);
    while (!list_is_empty(&these)) {
        struct dest *d = list_entry(these.next, struct dest, look_link);
        list_remove(&d->look_link);
        look(arg, d);
    }
}

/* ---- the heap of a destination ---- */

static bool is_before(const struct job *a, const struct job *b)
{
    return a->next_us != b->next_us ? a->next_us < b->next_us : a->message->id < b->message->id;
}

static void put_at(struct dest *d, struct job *j, size_t at)
{
    d->heap[at] = j;
    j->heap_at = (uint32_t)at;
}

static void sift_up(struct dest *d, size_t at)
{
    struct job *j = d->heap[at];
    while (at > 0 && is_before(j, d->heap[(at - 1) / 2])) {
        put_at(d, d->heap[(at - 1) / 2], at);
        at = (at - 1) / 2;
    }
    put_at(d, j, at);
}

static void sift_down(struct dest *d, size_t at)
{
    struct job *j = d->heap[at];
    for (;;) {
        size_t child = 2 * at + 1;
        if (child >= d->n_waiting)
            break;
        if (child + 1 < d->n_waiting && is_before(d->heap[child + 1], d->heap[child]))
            child++;
        if (!is_before(d->heap[child], j))
            break;
        put_at(d, d->heap[child], at);
        at = child;
    }
    put_at(d, j, at);
}

void queue_heap_add(struct job *j)
{
    struct dest *d = j->dest;

    if (d->n_waiting == d->cap) {
        d->cap = d->cap ? d->cap + d->cap / 2 + 1 : 4;
        d->heap = xreallocarray(d->heap, d->cap, sizeof(*d->heap));
    }
    j->place = JOB_WAITING;
    put_at(d, j, d->n_waiting);
    d->n_waiting++;
    sift_up(d, d->n_waiting - 1);
}

void queue_heap_remove(struct job *j)
{
    struct dest *d = j->dest;
    size_t at = j->heap_at;
    struct job *last = d->heap[--d->n_waiting];

    if (last == j)
        return;
    put_at(d, last, at);
    sift_up(d, at);
    sift_down(d, last->heap_at);
}

void queue_all_due(struct queue *q, struct dest *d)
{
    queue_touch(q, d);
    for (size_t i = 0; i < d->n_waiting; i++)
        d->heap[i]->next_us = 0;
    for (size_t i = d->n_waiting / 2; i-- > 0;)
        sift_down(d, i);
}
