/* SPDX-License-Identifier: Apache-2.0
 *
 * logline.h - the one function that writes delivery lines, in Postfix's shape (HANDBOOK B12):
 *
 *   ID: to=<a@b>, orig_to=<c>, relay=host[addr]:25, delay=0.4, delays=0.01/0/0.2/0.19, dsn=2.0.0, status=sent (250 ...) */
#ifndef RELAY_LOGLINE_H
#define RELAY_LOGLINE_H

#include <stdint.h>

struct logline {
    uint64_t id;
    const char *to, *orig_to; /* orig_to NULL: the same */
    const char *remote;       /* NULL: "none" */
    int64_t arrival_us, taken_us, connected_us, now_us;
    const char *dsn;
    const char *status;       /* "sent", "deferred", "bounced", "expired" */
    const char *text;         /* a stranger's words: escaped here */
};

void logline_delivery(const struct logline *l);

#endif
