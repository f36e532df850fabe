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
#include "relay/supervise.h"
#include "spool/spool.h"

struct auth;

struct receiver { /* what all sessions of a worker share; receive.c's */
    const struct worker_env *env; /* borrowed */
    const struct config *cfg;     /* env->cfg */
    struct loop *loop;
    struct spool *spool;
    struct resolver *resolver;
    struct ours *ours;                 /* ours.h */
    struct restrictions *restrictions; /* hooks.h; NULL: none */
    struct dns *dns;              /* NULL: nothing is looked up */
    bool asks_names;              /* of clients, before they are greeted */
    struct auth *auth;         /* relay/auth.h; NULL: nobody can log in */
    struct list auth_waiting;  /* session_auth.c's */
    struct list sessions;
    unsigned n_sessions;
    bool is_stopping;
    struct timer report_timer; /* limits.c's */
    uint64_t held_bytes, told_bytes; /* ceiling.c's, as what follows */
    unsigned most_sessions;    /* since memory was given back */
    bool was_near;
    uint64_t limit_bytes;
    uint64_t start_bytes;      /* what the process had before it had clients */
    int64_t gave_back_us;
    struct timer give_back_timer;
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
