/* SPDX-License-Identifier: Apache-2.0
 *
 * supervise_int.h - the supervisor, for its three files: supervise.c has its configuration, its signals and its loop,
 * children.c the workers that it starts, watches and replaces, rehearse.c tries a configuration out. */
#ifndef RELAY_SUPERVISE_INT_H
#define RELAY_SUPERVISE_INT_H

#include "relay/supervise.h"

#include <sys/types.h>

enum { MAX_WORKERS = 64 };

struct worker {
    bool is_used, is_leaving, is_serving;
    enum worker_role role;
    unsigned slot;
    pid_t pid; /* 0: none now, to be started at restart_us */
    int ready_fd;
    int64_t started_us, restart_us, kill_us; /* clock_mono_us() */
    int backoff_ms;
};

struct supervisor {
    const struct config *cfg;
    struct config *own_cfg; /* the one that a reload brought, or NULL */
    const char *path;
    int64_t started_us; /* clock_real_us() */
    int lock_fd, signal_fd;
    struct spool_shared *shared;
    struct anvil *anvil;
    struct ceiling *ceiling;
    struct flow *flow;
    struct listeners *listeners;
    struct tls_tickets *tickets;
    struct tls_setup *tls;
    int64_t turn_us; /* when the tickets' keys are turned next, clock_mono_us() */
    struct worker workers[MAX_WORKERS];
    bool is_stopping, was_ready;
    int64_t stop_us;
};

/* ---- rehearse.c ---- */

/* Whether workers could serve with `cfg`: opens what they open, in processes of their own. -1 with what the first of them says. */
int rehearse(const struct supervisor *s, const struct config *cfg, struct err *e);

/* ---- children.c ---- */

/* One more of this role, started when it is looked after next; NULL with a line in the log: there is no room. */
struct worker *children_add(struct supervisor *s, enum worker_role role);
void children_add_receivers(struct supervisor *s);
/* The worker that delivers to mailboxes, when the configuration sends mail there. */
void children_add_deliverer(struct supervisor *s);
/* For a new configuration: new ones of all roles, and who is there leaves. */
void children_renew(struct supervisor *s);
/* SIGTERM; who overstays is killed. */
void children_dismiss(struct worker *w);
/* After SIGCHLD: who has died is started again, with back-off, unless he was dismissed. */
void children_reap(struct supervisor *s);
/* Its pipe is readable: it serves, or wants to be replaced. */
void children_read(struct supervisor *s, struct worker *w);
/* Starts who is due, kills who overstays. Returns when to look again (clock_mono_us()), 0 for never. */
int64_t children_look_after(struct supervisor *s, int64_t now);
/* The earlier of two such times. */
int64_t children_sooner(int64_t a, int64_t b);
bool children_all_serve(const struct supervisor *s);
bool children_none_left(const struct supervisor *s);

#endif
