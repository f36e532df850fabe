/* SPDX-License-Identifier: Apache-2.0
 *
 * Messages are found by id through an open hash of pointers, destinations by name; what is next of them: queue_order.c. */
#include "relay/queue_int.h"

#include <stdlib.h>
#include <string.h>

/* ---- messages by id ---- */

static size_t hash_id(uint64_t id)
{
    return (size_t)((id * UINT64_C(0x9e3779b97f4a7c15)) >> 24);
}

static size_t probe(const struct queue *q, uint64_t id)
{
    size_t i = hash_id(id) & q->mask;
    while (q->table[i] && q->table[i]->id != id)
        i = (i + 1) & q->mask;
    return i;
}

static void grow_table(struct queue *q)
{
    struct message **old = q->table;
    size_t size = q->mask + 1;

    q->mask = size * 2 - 1;
    q->table = xcalloc(size * 2, sizeof(*q->table));
    for (size_t i = 0; i < size; i++)
        if (old[i])
            q->table[probe(q, old[i]->id)] = old[i];
    free(old);
}

static void forget(struct queue *q, uint64_t id)
{
    size_t hole = probe(q, id);

    q->n--;
    /* Closes the gap: who was pushed past the hole moves back into it. */
    for (size_t i = (hole + 1) & q->mask; q->table[i]; i = (i + 1) & q->mask) {
        size_t home = hash_id(q->table[i]->id) & q->mask;
        if (((i - home) & q->mask) >= ((i - hole) & q->mask)) {
            q->table[hole] = q->table[i];
            hole = i;
        }
    }
    q->table[hole] = NULL;
}

struct message *queue_find(struct queue *q, uint64_t id)
{
    return q->table[probe(q, id)];
}

/* ---- queue and destinations ---- */

struct queue *queue_new(void)
{
    struct queue *q = xcalloc(1, sizeof *q);
    list_init(&q->dests);
    list_init(&q->touched);
    q->n_buckets = 64;
    q->buckets = xcalloc(q->n_buckets, sizeof(*q->buckets));
    q->mask = 63;
    q->table = xcalloc(q->mask + 1, sizeof(*q->table));
    return q;
}

static void free_message(struct message *m)
{
    for (struct job *j = m->jobs, *next; j; j = next) {
        next = j->next;
        j->dest->n_jobs--;
        if (j != &m->first)
            free(j);
    }
    free(m);
}

static void free_dest(struct dest *d)
{
    free(d->heap);
    free(d->nexthop);
    free(d->trouble_text);
    free(d);
}

void queue_free(struct queue *q)
{
    if (!q)
        return;
    for (size_t i = 0; i <= q->mask; i++)
        if (q->table[i])
            free_message(q->table[i]);
    list_each(it, &q->dests)
        free_dest(list_entry(it, struct dest, link));
    free(q->buckets);
    free(q->looks);
    free(q->table);
    free(q);
}

/* FNV-1a */
static size_t hash_name(const char *s)
{
    uint64_t h = UINT64_C(14695981039346656037);
    for (; *s; s++)
        h = (h ^ (unsigned char)*s) * UINT64_C(1099511628211);
    return (size_t)(h ^ h >> 32);
}

static struct dest **bucket_of(struct queue *q, const char *nexthop)
{
    return &q->buckets[hash_name(nexthop) & (q->n_buckets - 1)];
}

static void grow_buckets(struct queue *q)
{
    q->n_buckets *= 2;
    free(q->buckets);
    q->buckets = xcalloc(q->n_buckets, sizeof(*q->buckets));
    list_each(it, &q->dests) {
        struct dest *d = list_entry(it, struct dest, link), **bucket = bucket_of(q, d->nexthop);
        d->next_hashed = *bucket;
        *bucket = d;
    }
}

struct dest *queue_dest(struct queue *q, const char *nexthop)
{
    for (struct dest *d = *bucket_of(q, nexthop); d; d = d->next_hashed)
        if (strcmp(d->nexthop, nexthop) == 0)
            return d;
    if (q->n_dests >= q->n_buckets)
        grow_buckets(q);
    struct dest *d = xcalloc(1, sizeof *d), **bucket = bucket_of(q, nexthop);
    d->nexthop = xstrdup(nexthop);
    list_init(&d->look_link);
    list_init(&d->room_link);
    list_append(&q->dests, &d->link);
    d->next_hashed = *bucket;
    *bucket = d;
    q->n_dests++;
    return d;
}

void queue_forget_dest(struct queue *q, struct dest *d)
{
    struct dest **at = bucket_of(q, d->nexthop);

    BUG_IF(d->n_jobs);
    while (*at != d)
        at = &(*at)->next_hashed;
    *at = d->next_hashed;
    q->n_dests--;
    queue_look_at(q, d, INT64_MAX);
    list_remove(&d->look_link);
    list_remove(&d->room_link);
    list_remove(&d->link);
    free_dest(d);
}

struct list *queue_dests(struct queue *q)
{
    return &q->dests;
}

/* ---- messages and jobs ---- */

struct message *queue_add(struct queue *q, uint64_t id, uint64_t size, int64_t arrival_us, bool is_held)
{
    if (queue_find(q, id))
        return NULL;
    if ((q->n + 1) * 2 > q->mask)
        grow_table(q);
    struct message *m = xcalloc(1, sizeof *m);
    *m = (struct message){ .id = id, .size = size, .arrival_us = arrival_us, .is_held = is_held };
    q->table[probe(q, id)] = m;
    q->n++;
    q->counts.bytes += size;
    q->counts.held += is_held;
    return m;
}

struct job *queue_add_job(struct queue *q, struct message *m, struct dest *d, int64_t next_us, unsigned attempts)
{
    struct job *j = m->jobs ? xcalloc(1, sizeof *j) : &m->first;

    (void)q;
    *j = (struct job){ .message = m, .dest = d, .next = m->jobs, .next_us = next_us, .place = JOB_HELD };
    j->attempts = attempts > UINT16_MAX ? UINT16_MAX : (uint16_t)attempts;
    m->jobs = j;
    d->n_came++;
    d->n_jobs++;
    if (!m->is_held)
        queue_heap_add(j);
    queue_touch(q, d);
    return j;
}

struct job *queue_take(struct queue *q, struct dest *d, int64_t now_us)
{
    if (d->n_waiting == 0 || queue_due(d) > now_us)
        return NULL;
    struct job *j = d->heap[0];
    queue_heap_remove(j);
    j->place = JOB_ACTIVE;
    d->n_active++;
    d->n_tried++;
    q->counts.active++;
    return j;
}

int64_t queue_due(const struct dest *d)
{
    return d->n_waiting ? d->heap[0]->next_us : INT64_MAX;
}

static void no_longer_active(struct queue *q, struct job *j)
{
    queue_touch(q, j->dest);
    if (j->place != JOB_ACTIVE)
        return;
    j->dest->n_active--;
    q->counts.active--;
}

void queue_defer(struct queue *q, struct job *j, int64_t next_us)
{
    no_longer_active(q, j);
    j->next_us = next_us;
    if (j->attempts < UINT16_MAX)
        j->attempts++;
    if (j->message->is_held)
        j->place = JOB_HELD;
    else
        queue_heap_add(j);
}

void queue_postpone(struct queue *q, struct job *j, int64_t next_us)
{
    uint16_t attempts = j->attempts;

    queue_defer(q, j, next_us);
    j->attempts = attempts;
}

void queue_put_back(struct queue *q, struct job *j)
{
    queue_postpone(q, j, j->next_us);
}

static void drop_message(struct queue *q, struct message *m)
{
    q->counts.bytes -= m->size;
    q->counts.held -= m->is_held;
    forget(q, m->id);
    free_message(m);
}

bool queue_finish(struct queue *q, struct job *j)
{
    struct message *m = j->message;

    no_longer_active(q, j);
    if (j->place == JOB_WAITING)
        queue_heap_remove(j);
    for (struct job **at = &m->jobs; *at; at = &(*at)->next)
        if (*at == j) {
            *at = j->next;
            break;
        }
    j->dest->n_jobs--;
    if (j != &m->first)
        free(j);
    if (m->jobs)
        return false;
    drop_message(q, m);
    return true;
}

void queue_hold(struct queue *q, struct message *m)
{
    if (m->is_held)
        return;
    m->is_held = true;
    q->counts.held++;
    for (struct job *j = m->jobs; j; j = j->next)
        if (j->place == JOB_WAITING) {
            queue_heap_remove(j);
            j->place = JOB_HELD;
            queue_touch(q, j->dest);
        }
}

void queue_release(struct queue *q, struct message *m)
{
    if (!m->is_held)
        return;
    m->is_held = false;
    q->counts.held--;
    for (struct job *j = m->jobs; j; j = j->next)
        if (j->place == JOB_HELD) {
            j->next_us = 0;
            queue_heap_add(j);
            queue_touch(q, j->dest);
        }
}

void queue_retry(struct queue *q, struct message *m)
{
    for (struct job *j = m->jobs; j; j = j->next)
        if (j->place == JOB_WAITING) {
            queue_heap_remove(j);
            j->next_us = 0;
            queue_heap_add(j);
            queue_touch(q, j->dest);
        }
}

bool queue_remove(struct queue *q, struct message *m)
{
    for (struct job *j = m->jobs; j; j = j->next)
        if (j->place == JOB_ACTIVE) {
            m->is_doomed = true;
            return false;
        }
    for (struct job *j = m->jobs; j; j = j->next) {
        queue_touch(q, j->dest);
        if (j->place == JOB_WAITING)
            queue_heap_remove(j);
    }
    drop_message(q, m);
    return true;
}

void queue_count(const struct queue *q, struct queue_counts *out)
{
    *out = q->counts;
    out->messages = q->n;
}

static int by_id(const void *a, const void *b)
{
    uint64_t x = *(const uint64_t *)a, y = *(const uint64_t *)b;
    return (x > y) - (x < y);
}

uint64_t *queue_ids(struct queue *q, size_t *n)
{
    uint64_t *ids = xreallocarray(NULL, q->n ? q->n : 1, sizeof(*ids));

    *n = 0;
    for (size_t i = 0; i <= q->mask; i++)
        if (q->table[i])
            ids[(*n)++] = q->table[i]->id;
    qsort(ids, *n, sizeof(*ids), by_id);
    return ids;
}
