/* SPDX-License-Identifier: Apache-2.0
 *
 * user.h - who calls. */
#ifndef AGENT_USER_H
#define AGENT_USER_H

#include <sys/types.h>

struct user {
    char name[257];      /* never empty */
    char full_name[257]; /* "" when none is known */
};

/* The name and the full name of `uid`. When several names have that uid, the one that $LOGNAME or $USER says. A uid
 * that no database knows (a container's) is called "uid1234". */
void user_find(struct user *u, uid_t uid);

#endif
