/* SPDX-License-Identifier: Apache-2.0
 *
 * listeners.h - the sockets that batond listens on, opened by the supervisor with its rights and inherited by workers.
 *
 * There are always two unix sockets below queue_directory/public: `submit` (mail from sendmail; the receivers') and
 * `control` (baton and mailq; the relay's). Where mail goes to mailboxes or programs of this machine, there is one for each
 * such service below queue_directory/private, which only the relay can reach: `local`, `virtual`, `pipe.NAME`. TCP: the
 * `listen` sections, or, without any, port 25 on inet_interfaces. That default one is left out, with a notice, when an
 * ordinary user runs us and may not have the port. */
#ifndef RELAY_LISTENERS_H
#define RELAY_LISTENERS_H

#include "config/config.h"
#include "net/addr.h"

enum listen_kind { LISTEN_SUBMIT, LISTEN_CONTROL, LISTEN_SMTP, LISTEN_DELIVER };

struct listening {
    enum listen_kind kind;
    char *name;              /* "smtp", of the section; "local submission", "control"; "local", "virtual",
                              * "pipe.NAME" */
    int section;             /* its index in the configuration's listens; -1: none asked for it */
    char *path;              /* unix, or NULL */
    unsigned mode;           /* of the path */
    union addr at;           /* TCP */
    int fd;
    int process_limit;       /* connections at a time */
    int service;             /* its number in the table of clients (anvil.h); the supervisor's to set */
};

struct listeners {
    struct listening *at;
    size_t n;
};

struct listeners *listeners_open(const struct config *cfg, struct err *e);
/* Opens what the new configuration adds, then closes what it has no more; what stays is not touched, so that no connection
 * is refused meanwhile. -1: nothing has changed. */
int listeners_reopen(struct listeners *l, const struct config *cfg, struct err *e);
bool listeners_have(const struct listeners *l, enum listen_kind kind);
/* Lets this process and its workers have a descriptor for each connection that may come, as far as it is allowed to.
 * Returns how many may come. */
unsigned listeners_allow_files(const struct listeners *l);
void listeners_free(struct listeners *l);

#endif
