/* SPDX-License-Identifier: Apache-2.0
 *
 * jail.h - giving up rights for good: the user, then what of the file system and of the kernel a role really needs
 * (DESIGN 2, 9). Called once in each process: in a worker before it touches a stranger's byte and before any thread
 * is started, for threads inherit what is given up and those that run already would keep it.
 *
 * What is left, role by role, is the table in jail.c. Whoever runs us and whatever the kernel: without root the user
 * stays, without Landlock (Linux 5.19) or seccomp that part is passed over and said once in the log, at debug level. A
 * call that is not allowed fails with EPERM, and the kernel's audit log has it; one that no honest worker makes (execve,
 * ptrace, mount, ...) ends the process. A file that is not allowed is EACCES. */
#ifndef RELAY_JAIL_H
#define RELAY_JAIL_H

#include "base/err.h"

#include <stdbool.h>
#include <sys/types.h>

enum jail_role {
    JAIL_SUPERVISOR, /* keeps its user and its files; of root's powers only what opening, forking and signalling need */
    JAIL_RECEIVE,
    JAIL_RELAY,
    JAIL_DELIVER, /* keeps its user: of root's powers only those that becoming a recipient and ending a delivery need. Files and
                   * calls are not restricted, for its children run the programs of users, and would inherit that */
    JAIL_FETCH,   /* becomes the user, for good, and starts programs: files and calls are not restricted */
};

struct jail_options {
    enum jail_role role;
    uid_t uid; /* workers, when we are root: what to become; else nothing is changed */
    gid_t gid;
    const char *spool;            /* workers: the one folder to be read and written */
    bool connects;                /* workers: may look names up and connect outwards, whatever the role: the configuration asks */
    const char *const *read_also; /* workers: more files and folders that may be read, NULL at the end; or NULL. A
                                   * file is known by its inode: once it is replaced, the new one may not be read */
    const char *groups_of;        /* the user whose groups count too, for sockets that only they may open; or NULL */
};

/* -1: a right could not be given up that should have been. */
int jail_enter(const struct jail_options *o, struct err *e);

#endif
