/* SPDX-License-Identifier: Apache-2.0
 *
 * identity.h - whose rights a delivery has, and becoming that user for good. */
#ifndef SERVER_IDENTITY_H
#define SERVER_IDENTITY_H

#include "base/err.h"

#include <stdbool.h>
#include <sys/types.h>

struct identity {
    uid_t uid;
    gid_t gid;
    char *name;        /* whose supplementary groups it gets; NULL: none */
    char *home, *shell; /* NULL: not known */
};

/* 1: found. 0: there is no such user. -1: nobody can tell at the moment. */
int identity_of_user(struct identity *id, const char *name, struct err *e);
int identity_of_uid(struct identity *id, uid_t uid, struct err *e);
void identity_fini(struct identity *id);

/* In a child: becomes it, with umask 077. `spool_gid` (or (gid_t)-1) can be had by setegid() afterwards; exec gives it up. Root is
 * refused. Run by an ordinary user, only that user can be had. */
int identity_become(const struct identity *id, gid_t spool_gid, struct err *e);

#endif
