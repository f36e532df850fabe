/* SPDX-License-Identifier: Apache-2.0 */
#include "server/identity.h"

#include "base/mem.h"

#include <errno.h>
#include <grp.h>
#include <pwd.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

static int take(struct identity *id, const struct passwd *pw, int error, const char *what, struct err *e)
{
    *id = (struct identity){ 0 };
    /* What getpwnam(3) says of errno: these mean that there is none, others that it could not look. */
    if (!pw && error && error != ENOENT && error != ESRCH && error != EBADF && error != EPERM) {
        errno = error;
        err_sys(e, "user database: look up %s", what);
        e->kind = ERR_TEMPORARY;
        return -1;
    }
    if (!pw)
        return 0;
    *id = (struct identity){
        .uid = pw->pw_uid, .gid = pw->pw_gid, .name = xstrdup(pw->pw_name), .home = xstrdup(pw->pw_dir), .shell = xstrdup(pw->pw_shell),
    };
    return 1;
}

int identity_of_user(struct identity *id, const char *name, struct err *e)
{
    errno = 0;
    const struct passwd *pw = getpwnam(name);
    return take(id, pw, errno, name, e);
}

int identity_of_uid(struct identity *id, uid_t uid, struct err *e)
{
    errno = 0;
    const struct passwd *pw = getpwuid(uid);
    return take(id, pw, errno, "a user by its number", e);
}

void identity_fini(struct identity *id)
{
    free(id->name);
    free(id->home);
    free(id->shell);
    *id = (struct identity){ 0 };
}

static int become_as_root(const struct identity *id, gid_t spool_gid, struct err *e)
{
    gid_t saved = spool_gid == (gid_t)-1 ? id->gid : spool_gid;
    uid_t r, eff, s;

    if ((id->name ? initgroups(id->name, id->gid) : setgroups(1, &id->gid)) < 0 || setresgid(id->gid, id->gid, saved) < 0 ||
        setresuid(id->uid, id->uid, id->uid) < 0) {
        err_sys(e, "become uid %ld, gid %ld", (long)id->uid, (long)id->gid);
        e->kind = ERR_TEMPORARY;
        return -1;
    }
    if (setuid(0) == 0 || getresuid(&r, &eff, &s) < 0 || r != id->uid || eff != id->uid || s != id->uid)
        return err_set(e, ERR_TEMPORARY, "root can be had back after becoming uid %ld", (long)id->uid);
    return 0;
}

int identity_become(const struct identity *id, gid_t spool_gid, struct err *e)
{
    umask(077);
    if (id->uid == 0)
        return err_set(e, ERR_TEMPORARY, "mail is not delivered with the rights of root%s%s: let an alias send it to somebody",
                       id->name ? ", user " : "", id->name ? id->name : "");
    if (geteuid() == 0)
        return become_as_root(id, spool_gid, e);
    if (id->uid != geteuid())
        return err_set(e, ERR_TEMPORARY, "batond runs as uid %ld and cannot deliver as uid %ld%s%s%s: start it as root", (long)geteuid(),
                       (long)id->uid, id->name ? " (" : "", id->name ? id->name : "", id->name ? ")" : "");
    return 0;
}
