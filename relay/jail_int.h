/* SPDX-License-Identifier: Apache-2.0
 *
 * jail_int.h - between jail.c (who may what) and how the kernel is told: jail_files.c (Landlock) and jail_calls.c
 * (seccomp). */
#ifndef RELAY_JAIL_INT_H
#define RELAY_JAIL_INT_H

#include "relay/jail.h"

#include <stdbool.h>

enum { /* of struct jail_rules.network */
    JAIL_UNIX = 1,    /* sockets within this machine: syslog, LMTP */
    JAIL_CONNECT = 2, /* IPv4 and IPv6, outwards, from any address */
};

struct jail_rules {
    const char *name;
    const char *const *readable; /* files and folders, NULL at the end; those that do not exist are passed over */
    unsigned network;
    bool is_worker;
};

/* 0, also when the kernel knows nothing of it. */
int jail_files(const struct jail_rules *r, const struct jail_options *o, struct err *e);
int jail_calls(const struct jail_rules *r, struct err *e);

#endif
