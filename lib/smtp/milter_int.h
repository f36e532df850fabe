/* SPDX-License-Identifier: Apache-2.0
 *
 * milter_int.h - what the files of the milter protocol know of each other; stays in this folder. */
#ifndef SMTP_MILTER_INT_H
#define SMTP_MILTER_INT_H

#include "base/buf.h"
#include "smtp/milter.h"

enum {
    MILTER_STAGES = 7, /* of which macros can be asked for */
    MILTER_WAITS_OPTNEG = MILTER_EVENTS, /* what the filter is to answer, beside events */
    MILTER_WAITS_NOTHING,
};

/* Bits of the negotiated protocol. */
enum {
    PROTO_REFUSED_RCPT = 0x800,
    PROTO_LEADING_SPACE = 0x100000,
};

struct milter {
    unsigned version;            /* offered, then agreed upon */
    uint32_t actions, protocol;  /* the same */
    unsigned waits;              /* an event, or one of the above */
    bool is_ready, is_broken, in_message;
    char *macros_asked[MILTER_STAGES];
    struct buf out;
    size_t out_sent;
    struct buf macros;           /* gathered for the next event */
    struct buf in;
    size_t in_taken;
    struct buf text;             /* of the last reply or fault */
};

/* Looks at one packet. False: nothing came of it that is news. */
bool milter_packet(struct milter *m, unsigned char letter, struct span data, struct milter_news *news);
bool milter_fault(struct milter *m, struct milter_news *news, const char *fmt, ...) __attribute__((format(printf, 3, 4)));

#endif
