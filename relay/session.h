/* SPDX-License-Identifier: Apache-2.0
 *
 * session.h - one client of a receive worker, from its connection to its QUIT: the engine (smtp/server.h) between the
 * socket and the spool. */
#ifndef RELAY_SESSION_H
#define RELAY_SESSION_H

#include "base/list.h"
#include "net/conn.h"
#include "net/loop.h"
#include "relay/listeners.h"
#include "relay/resolve.h"
#include "spool/spool.h"

struct anvil;
struct ceiling;
struct flow;

struct receiver { /* what all sessions of a worker share; receive.c's */
    const struct config *cfg;
    struct loop *loop;
    struct spool *spool;
    struct resolver *resolver;
    const struct tls_setup *tls;
    const struct worker_env *env; /* borrowed */
    struct anvil *anvil;       /* borrowed; shared with all workers */
    struct flow *flow;         /* borrowed; the relay says how fast mail may come */
    unsigned worker;           /* our number there */
    struct timer report_timer; /* limits.c's */
    struct ceiling *ceiling;   /* borrowed; shared with all workers */
    uint64_t held_bytes, told_bytes; /* ceiling.c's */
    bool was_near;
    struct timer trim_timer;
    struct list sessions;
    unsigned n_sessions, most_sessions; /* most: since memory was given back */
    struct timer give_back_timer;
    bool is_stopping;
    int64_t full_warned_us, space_checked_us;
    uint64_t space_bytes;
};

/* Takes the connection. */
void session_start(struct receiver *r, const struct listening *on, struct conn *c);
/* For a shutdown: those between messages are told 421 now, others after their message. */
void session_stop_all(struct receiver *r);
/* At once. Messages whose commit is under way are not answered any more, but kept. */
void session_drop_all(struct receiver *r);

#endif
