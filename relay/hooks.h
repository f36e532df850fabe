/* SPDX-License-Identifier: Apache-2.0
 *
 * hooks.h - the one table through which the server module (server/) comes in. What stands in it is asked when it is there;
 * a build without the module (--disable-server) has no table at all, and no trace of what it would need. */
#ifndef RELAY_HOOKS_H
#define RELAY_HOOKS_H

#include <stdbool.h>

struct auth;
struct config;
struct dns;
struct err;
struct gate_step;
struct loop;
struct restrictions;
struct worker_env;

struct server_hooks {
    /* Who else is asked before a client gets its answer (gate.h), in this order; NULL: nobody. `restrictions` takes the place of
     * the null client's policy. */
    const struct gate_step *restrictions, *milters;
    /* What a receive worker opens for the restrictions before it enters its jail, and what it starts when it has a loop. */
    struct restrictions *(*restrictions_open)(const struct config *cfg, struct err *e);
    void (*restrictions_start)(struct restrictions *r, struct loop *l, struct dns *dns);
    void (*restrictions_close)(struct restrictions *r);
    /* The worker that delivers to mailboxes and to programs (supervise.h). It serves the sockets of kind LISTEN_DELIVER. */
    int (*deliver_main)(const struct worker_env *env);
    /* Whether a receive worker connects to others, and looks up their names, because of what the configuration says. */
    bool (*receive_connects)(const struct config *cfg);
    /* Tables of the milters, opened before the jail. */
    int (*milters_open)(const struct config *cfg, struct err *e);
    void (*milters_close)(void);
    /* Who can tell whether a client is the user it says to be (auth.h): smtpd_sasl_type. Before the jail: reads what cannot be read
     * there. NULL with the reason. */
    struct auth *(*auth_open)(const struct config *cfg, struct err *e);
};

/* NULL: built without. */
extern const struct server_hooks *const server_hooks;

/* Types of tables that need a library of their own, for baton as well: a table apart, so that it links no more than that. */
struct server_maps {
    void (*register_all)(void); /* once, before any table is opened */
    /* Where tables that are named after a section of the configuration find it, from now on; borrowed. NULL: nowhere. */
    void (*use)(const struct config *cfg);
};

/* NULL: built without. */
extern const struct server_maps *const server_maps;

#endif
