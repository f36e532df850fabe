/* SPDX-License-Identifier: Apache-2.0
 *
 * outward.h - a message as the rest of the world shall see it: smtp_generic_maps put other addresses into its envelope and its header
 * section when it leaves. The spool keeps it as it is, and so do the log and the reports. */
#ifndef RELAY_OUTWARD_H
#define RELAY_OUTWARD_H

#include "relay/attempt.h"

struct outward {
    struct envelope env;  /* the attempt's, with another sender; its other strings are borrowed */
    struct rcpt *rcpts;   /* one for each of the attempt's own; all but the address borrowed */
    size_t n;
    struct buf head;      /* what stands instead of the first `head_len` bytes of the content */
    uint64_t head_len;
    uint64_t size;        /* of the content then */
};

/* a->outward stays NULL when nothing changes. The content is open. `*rc` -1: a table cannot tell, or the content cannot be read. False:
 * a table has to be waited for: outward_start(). */
bool outward_now(struct attempt *a, int *rc, struct err *e);
/* done() comes once: from inside when nothing has to be waited for, and NULL comes back, else later. */
struct outward_ask;
typedef void outward_fn(void *arg, int rc, const struct err *e);
struct outward_ask *outward_start(struct attempt *a, outward_fn *done, void *arg);
/* done() will not be called. NULL is fine. */
void outward_cancel(struct outward_ask *o);
void outward_free(struct outward *o); /* NULL is fine */

/* As spool_body_read(). */
long outward_read(const struct attempt *a, uint64_t offset, char *to, size_t len, struct err *e);

#endif
