/* SPDX-License-Identifier: Apache-2.0
 *
 * relay_int.h - the relay worker from inside: who holds what.
 *
 *     spool ─ found() ─▶ intake.c ─ resolve, jobs ─▶ queue.c ─▶ schedule.c ─ who is next ─▶ peer.c (one connection)
 *                                                     ▲                                        │ attempt.c (one job)
 *                                                     └───────────── settle.c ◀────────────────┘
 *                                        (log line, state or end in the spool, report by bounce.c, when again) */
#ifndef RELAY_RELAY_INT_H
#define RELAY_RELAY_INT_H

#include "config/config.h"
#include "net/dns.h"
#include "net/loop.h"
#include "net/tls.h"
#include "relay/flow.h"
#include "relay/queue.h"
#include "relay/resolve.h"
#include "relay/supervise.h"
#include "spool/spool.h"

struct control;
struct transports;

/* Destinations that are none: what the resolver refuses is settled here, what has no relayhost waits for one, and what has to be
 * looked up in tables that block waits for that. */
#define NEXTHOP_REFUSED "!"
#define NEXTHOP_UNKNOWN "?"
#define NEXTHOP_NONE    ""

struct relay_login { /* secrets are read before the worker gives up its rights */
    const struct login *login;
    char *secret; /* NULL: it could not be read, `error` says why */
    char *error;
};

struct relay {
    const struct worker_env *env;
    const struct config *cfg;
    struct loop *loop;
    struct spool *spool;
    struct queue *queue;
    struct resolver *resolver;
    struct transports *transports;
    struct dns *dns;
    struct tls_client *tls_verified, *tls_unverified, *tls_lmtp; /* tls_lmtp: verified, by its own authorities */
    struct tls_policies *tls_policies;
    struct mta_sts *sts;        /* or NULL */
    struct relay_login *logins; /* as many as cfg->n_logins */
    struct control *control;
    struct later run_later;     /* schedule_run() was asked for */
    struct timer due_timer;     /* the next job or the next try of a destination */
    struct timer stop_timer;
    struct timer pressure_timer;
    struct flow_meter meter;
    bool is_metered;            /* pressure_timer runs */
    struct watch wake_watch, drop_watch;
    int drop_fd;
    int64_t started_us;
    bool is_started; /* what is found from now on is new mail */
    struct list loads;          /* of struct attempt_load: attempts that wait for tables */
    unsigned n_loads;
    struct addr_list own;              /* this machine's addresses: own.h */
    struct list opening;               /* of struct peer: those that are not ready yet, the oldest first */
    struct list looking;               /* of struct peer: those that wait for a name server, the oldest first */
    unsigned n_looking;
    struct list room_fresh, room_again; /* of struct dest: waiting for a connection; the latter have failed before */
    struct list room_loads;            /* waiting for fewer loads */
    unsigned peers_max;
    uint64_t mark;                     /* intake.c */
    struct list unsettled;             /* of struct attempt: settle.c */
    unsigned n_peers, n_reports; /* connections, and reports on their way to the disk: a shutdown waits for both */
    bool is_stopping;
};

/* ---- intake.c ---- */

/* Jobs for those destinations of a list that have none yet. */
void intake_add_jobs(struct relay *r, struct message *m, const struct resolution *res, unsigned attempts);

void intake_found(void *arg, const struct spool_info *info, const struct envelope *env, const struct spool_state *state);
/* An active job of NEXTHOP_UNKNOWN: finds out where it goes. */
void intake_sort_out(struct relay *r, struct job *j);
/* The name of the destination of a route: a next hop, or one of those above. */
const char *intake_nexthop(const struct route *route);

/* ---- pressure.c ---- */

/* New mail has come: from now on what comes and goes is looked at once a second, till nothing comes any more. */
void pressure_watch(struct relay *r);

/* ---- schedule.c ---- */

/* Soon, and once however often it is asked for: gives due jobs to connections, opens what is missing, arms due_timer. */
void schedule_run(struct relay *r);
/* Whether a job of `d` may be taken: it is due, and the window has room; or a probe is. */
bool schedule_may_take(struct relay *r, struct dest *d, int64_t now_us);
/* For people. Borrowed from `d`. */
const char *schedule_dest_name(const struct dest *d);
/* A connection of `d` asks for work; NULL: there is none for it now. */
struct job *schedule_next(struct relay *r, struct dest *d);
/* The destination itself failed: no connection, no login. Its mail waits. */
void schedule_dest_failed(struct relay *r, struct dest *d, enum trouble trouble, const char *text);
/* What a delivery to `d` has shown of the destination; `text` says it in words. The window follows, and too many that were
 * cut off are a failure of the destination. */
enum outcome {
    OUTCOME_TAKEN,   /* it talks with us: mail was taken, or refused for good */
    OUTCOME_PUT_OFF, /* 4xx for all recipients */
    OUTCOME_CUT_OFF, /* 421, or the connection was lost */
};
void schedule_outcome(struct relay *r, struct dest *d, enum outcome outcome, const char *text);
/* Of direct delivery: the domain does not exist, or takes no mail. Its recipients are refused with `status`; those that a table sent
 * there wait for somebody to mend it. */
void schedule_dest_gone(struct relay *r, struct dest *d, const char *status, const char *text);
/* Somebody waits for a connection, and all are in use. */
bool schedule_is_crowded(const struct relay *r);
/* One connection more could not be made, while others work. */
void schedule_no_more(struct relay *r, struct dest *d);
/* It takes mail, or would if there were any: what waited for it is due. */
void schedule_dest_works(struct relay *r, struct dest *d);
/* The next hop refuses a message for a reason that somebody has to mend: one loud line, and a line in `baton status`;
 * other mail goes on. */
void schedule_alarm(struct relay *r, struct dest *d, const char *text);
/* The operator wants it now: forgets what stood in the way of a try. */
void schedule_dest_retry(struct relay *r, struct dest *d);

#endif
