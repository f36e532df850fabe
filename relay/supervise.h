/* SPDX-License-Identifier: Apache-2.0
 *
 * supervise.h - batond itself: it checks, opens, forks and watches; mail is its workers' business (DESIGN 2).
 *
 * Signals: HUP reads the configuration again (a wrong one is refused and the old one stays); TERM and INT stop in
 * order; USR1 opens the log file again, and reloads. A worker that dies is started again, with back-off. */
#ifndef RELAY_SUPERVISE_H
#define RELAY_SUPERVISE_H

#include "config/config.h"

struct anvil;
struct ceiling;
struct flow;
struct listeners;
struct spool_shared;
struct tls_setup;

enum worker_role { ROLE_RELAY, ROLE_RECEIVE, ROLE_DELIVER };

/* What a worker is born with. All of it is borrowed from the supervisor's memory, which the fork copied. */
struct worker_env {
    enum worker_role role;
    bool is_rehearsal; /* rehearse.c: what the configuration names is opened, as far as that goes before the jail, and that is all */
    int64_t started_us; /* batond, clock_real_us() */
    const struct config *cfg;
    struct spool_shared *shared;
    const struct listeners *listeners;
    struct anvil *anvil; /* anvil.h, ceiling.h; receive workers only, as `number` */
    struct ceiling *ceiling;
    struct flow *flow;   /* flow.h */
    unsigned number;     /* among all workers, till it is reaped */
    unsigned slot; /* of the spool; receive workers only */
    int ready_fd;  /* worker_ready() writes to it when the worker serves */
    const struct tls_setup *tls; /* receive workers only */
};

/* The roles of every build; server_hooks->deliver_main is the third. They return the exit status of their process, after
 * SIGTERM. */
int relay_main(const struct worker_env *env);
int receive_main(const struct worker_env *env);

/* Runs till it is told to stop; returns the exit status (sysexits.h). `path` is the configuration's, for reloads. */
int supervise(const struct config *cfg, const char *path);

#endif
