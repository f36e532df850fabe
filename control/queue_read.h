/* SPDX-License-Identifier: Apache-2.0
 *
 * queue_read.h - what waits, for mailq and for `baton queue`: asked of the running relay, or, when none runs, read from the
 * spool itself. */
#ifndef CONTROL_QUEUE_READ_H
#define CONTROL_QUEUE_READ_H

#include "config/config.h"
#include "spool/spool.h"

struct queue_rcpt {
    const char *address;
    const char *reason; /* why not yet; "" when nothing is known */
};

struct queue_item { /* borrowed during the call; all text is printable */
    char id[SPOOL_ID_TEXT];
    const char *state;  /* "active", "ready", "deferred", "hold" */
    uint64_t size;      /* bytes of content */
    int64_t arrival_us;
    int64_t next_us;    /* 0: as soon as possible */
    unsigned attempts;
    const char *sender; /* "" is the null sender */
    const char *reason; /* what keeps the whole message; "" when nothing is known */
    const struct queue_rcpt *rcpts;
    size_t n_rcpts;
};

typedef void queue_item_fn(void *arg, const struct queue_item *item);

/* Every message (by age, when the relay is asked); with `id` (text, or NULL) only that one. -1: neither the relay nor the spool could be asked, or there is no such
 * message (ERR_PERMANENT). */
int queue_read(const struct config *cfg, const char *id, queue_item_fn *fn, void *arg, struct err *e);
/* All of it on stdout, as mailq has it. */
int queue_print(const struct config *cfg, struct err *e);

#endif
