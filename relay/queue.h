/* SPDX-License-Identifier: Apache-2.0
 *
 * queue.h - what is waiting: a few dozen bytes a message; the rest stays in the spool till its turn comes.
 *
 * A message has a job for each destination that some of its recipients go to, so that one dead destination never delays
 * another. A job is in exactly one place: in its destination's heap (ready or deferred, by the time of its next attempt), active
 * (an attempt is under way), or held. The queue owns messages, jobs and destinations; it knows nothing of the network.
 *
 * There may be as many destinations as domains in the world. So nobody walks through all of them: whoever changes one touches it,
 * and the schedule looks at those that were touched, and at those whose time has come. */
#ifndef RELAY_QUEUE_H
#define RELAY_QUEUE_H

#include "base/list.h"
#include "relay/window.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct message;
struct dest;

enum job_place { JOB_WAITING, JOB_ACTIVE, JOB_HELD };

struct job {
    struct message *message;
    struct dest *dest;
    struct job *next;   /* of the same message */
    int64_t next_us;    /* clock_real_us() of the next attempt; 0: as soon as possible */
    uint32_t heap_at;   /* while waiting */
    uint16_t attempts;
    uint8_t place;      /* enum job_place */
    uint8_t stage;      /* of its life, when it was last settled: the schedule's */
};

struct message {
    uint64_t id;
    uint64_t size;
    int64_t arrival_us;
    struct job *jobs;
    bool is_held;
    bool is_doomed; /* deleted by the operator while active: ends when the attempt does */
    bool is_noted;    /* what is left of its recipients has been written down since it was taken up, or is being: settle.c */
    bool is_reported; /* a report on some of its recipients is on its way to the disk: settle.c */
    struct job first; /* most messages have one */
};

enum trouble {
    NO_TROUBLE,
    TROUBLE_TEMPORARY,
    TROUBLE_CONFIG,
    TROUBLE_GONE, /* of direct delivery: there is no such domain, or it takes no mail; its mail is returned */
};

struct dest {
    struct list link; /* of all destinations */
    struct dest *next_hashed;
    struct list look_link; /* of those that were touched */
    int64_t look_us;       /* when the schedule wants to look at it by itself */
    size_t look_at;        /* its place among those, from 1; 0: none */
    struct list room_link; /* of those that wait for a connection: peer.c */
    size_t n_jobs;         /* wherever they are */
    uint64_t mark;         /* of the message that was looked at last: intake.c */
    bool is_direct;        /* the domain of its recipients: transport.c */
    char *nexthop;    /* "smtp:[smtp.example.com]:587", several hosts with blanks between; "" when there is none */
    struct job **heap;
    size_t n_waiting, cap;
    size_t n_active, n_parked; /* parked: active, and not sent at the moment (peer.c) */
    bool is_wanted; /* the operator wants its mail to be tried: operate.c */
    struct window window; /* how many may be active */
    unsigned n_came, n_tried; /* jobs, since the schedule looked last: pressure.c */
    /* A failure of the destination itself, not of a message: */
    int64_t retry_us; /* no attempt before this, clock_real_us(); 0: none in the way */
    unsigned failures;
    enum trouble trouble;
    int64_t trouble_since_us;
    char *trouble_text;
    char trouble_status[12]; /* "5.4.4"; "": none in particular */
    int64_t noted_us;   /* when it last showed itself */
    int64_t alarmed_us; /* when the operator was last told of it; 0: not yet */
    int64_t settled_us; /* the second in which n_settled of its jobs were deferred for its trouble */
    unsigned n_settled;
    const struct transport_rules *rules; /* borrowed from transport.c; NULL: it is none, nothing goes there */
    void *pool;       /* pool.c's */
};

struct queue;

struct queue *queue_new(void);
void queue_free(struct queue *q);

struct dest *queue_dest(struct queue *q, const char *nexthop); /* found or made */
struct list *queue_dests(struct queue *q);                     /* of struct dest, by link; for few occasions */

/* Something about it has changed. on_touch(arg), if one was set, is told when there was nothing to look at before. */
void queue_touch(struct queue *q, struct dest *d);
void queue_on_touch(struct queue *q, void (*fn)(void *arg), void *arg);
/* It is to be looked at then, INT64_MAX: not by itself. */
void queue_look_at(struct queue *q, struct dest *d, int64_t when_us);
/* look(arg, d) for each that was touched or whose time has come, once; it may forget that one. */
void queue_look(struct queue *q, int64_t now_us, void (*look)(void *arg, struct dest *d), void *arg);
/* The first time that some are to be looked at, INT64_MAX: none. */
int64_t queue_next_look(const struct queue *q);
/* Without jobs, and nobody else's any more. */
void queue_forget_dest(struct queue *q, struct dest *d);

/* A new message without jobs; NULL when the id is there already. */
struct message *queue_add(struct queue *q, uint64_t id, uint64_t size, int64_t arrival_us, bool is_held);
/* A job for one of its destinations, waiting until next_us (held when the message is). */
struct job *queue_add_job(struct queue *q, struct message *m, struct dest *d, int64_t next_us, unsigned attempts);
struct message *queue_find(struct queue *q, uint64_t id);

/* The first job of `d`, made active, if it is due at `now_us`; NULL otherwise. INT64_MAX takes it in any case. What is wrong with
 * the destination is the schedule's to look at. */
struct job *queue_take(struct queue *q, struct dest *d, int64_t now_us);
/* When the first job of `d` is due, INT64_MAX without one. */
int64_t queue_due(const struct dest *d);
/* An active job waits again. */
void queue_defer(struct queue *q, struct job *j, int64_t next_us);
/* An active job waits again at once, as if it had not been taken. */
void queue_put_back(struct queue *q, struct job *j);
/* An active job waits again without having been tried. */
void queue_postpone(struct queue *q, struct job *j, int64_t next_us);
/* All waiting jobs of `d` are due at once: it works again. */
void queue_all_due(struct queue *q, struct dest *d);
/* The job is done with; with the last one of its message goes the message. True when it went. */
bool queue_finish(struct queue *q, struct job *j);

void queue_hold(struct queue *q, struct message *m);    /* active jobs end in held */
void queue_release(struct queue *q, struct message *m); /* due at once */
void queue_retry(struct queue *q, struct message *m);   /* due at once */
/* Takes a message out, unless one of its jobs is active: then it is doomed, and false. */
bool queue_remove(struct queue *q, struct message *m);

struct queue_counts {
    size_t messages, active, held;
    uint64_t bytes;
};
void queue_count(const struct queue *q, struct queue_counts *out);

/* The ids of all, by age, for a walk with pauses; free() it. */
uint64_t *queue_ids(struct queue *q, size_t *n);

#endif
