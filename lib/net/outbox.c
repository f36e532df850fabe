/* SPDX-License-Identifier: Apache-2.0 */
#include "net/conn_int.h"

#include "base/mem.h"

#include <stdlib.h>
#include <string.h>

void outbox_add(struct outbox *q, const void *at, size_t len)
{
    if (!len)
        return;
    if (q->start + q->len + len > q->cap) {
        if (q->start >= q->len + len) { /* at least half is free in front */
            memmove(q->at, q->at + q->start, q->len);
            q->start = 0;
        } else {
            size_t cap = q->cap ? 2 * q->cap : 512;
            while (cap < q->start + q->len + len)
                cap *= 2;
            q->at = xrealloc(q->at, cap);
            q->cap = cap;
        }
    }
    memcpy(q->at + q->start + q->len, at, len);
    q->len += len;
}

void outbox_drop(struct outbox *q, size_t len)
{
    q->start += len;
    q->len -= len;
    if (!q->len)
        outbox_fini(q);
}

void outbox_fini(struct outbox *q)
{
    free(q->at);
    *q = (struct outbox){ 0 };
}
