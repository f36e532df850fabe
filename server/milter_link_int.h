/* SPDX-License-Identifier: Apache-2.0
 *
 * milter_link_int.h - one filter of one session, for its two files: milter_link.c has the connection and hears what the filter
 * answers; milter_say.c tells it the events of a question. */
#ifndef SERVER_MILTER_LINK_INT_H
#define SERVER_MILTER_LINK_INT_H

#include "server/milter_int.h"

#include "mail/header.h"
#include "net/conn.h"
#include "net/dial.h"
#include "net/dns.h"

enum link_state {
    LINK_CLOSED,
    LINK_OPENING, /* name, connection, negotiation */
    LINK_OPEN,
    LINK_FAILED,  /* the default action answers, till the message is over */
    LINK_DONE,    /* it takes all of this client's mail, and wants to hear no more */
};

enum next { NEXT_CONNECT, NEXT_HELO, NEXT_COMMAND, NEXT_HEADER, NEXT_EOH, NEXT_BODY, NEXT_END, NEXT_NOTHING };

struct milter_link {
    const struct milter_spec *spec; /* borrowed */
    milter_link_fn *fn;
    void *arg;
    enum link_state state;
    struct dns_query *query;
    struct dial *dial;
    struct conn *conn;
    struct milter *proto;
    bool said_connect, said_helo;
    bool in_message;                  /* it was told of MAIL, and not yet of the end */
    bool skips_message;               /* it has accepted it */
    bool failed_early;                /* before MAIL, which will be answered without another try */
    const struct milter_question *q;  /* borrowed; NULL: nothing is asked */
    bool is_asking;                   /* inside milter_link_ask() */
    bool is_answered;                 /* it goes out at the end of the turn: whoever gets it may free us */
    struct later answer;
    struct milter_outcome outcome;
    enum next next;
    enum milter_event said;
    struct header_scan scan;
    uint64_t body_at;
};

/* ---- milter_link.c ---- */

/* Gives the connection up, with a line in the log; a question that waits gets the default action. */
void milter_link_fail(struct milter_link *l, const char *what, const char *why);

/* ---- milter_say.c ---- */

/* Says the event `next`, if the filter wants it, and moves on. Whether its answer is to be waited for. A body that cannot be read
 * fails the link: the question is then answered. */
bool milter_say_next(struct milter_link *l);

#endif
