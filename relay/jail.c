/* SPDX-License-Identifier: Apache-2.0
 *
 * jail.c - who may still do what. In this order: the user, for that needs root; no_new_privs, which both of the others
 * ask for; the files; the system calls, last, for after them nothing more can be given up. */
#include "relay/jail.h"

#include "base/mem.h"
#include "relay/jail_int.h"

#include <errno.h>
#include <grp.h>
#include <linux/capability.h>
#include <signal.h>
#include <stdint.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

/* c-ares reads these, again when they have changed. Authorities, aliases and secrets are read before. */
static const char *const resolver_files[] = {
    "/etc/resolv.conf", "/etc/hosts", "/etc/nsswitch.conf", "/etc/host.conf", "/etc/gai.conf", "/etc/services",
    /* where resolv.conf may lead: folders, so that one written anew can be read */
    "/run/systemd/resolve", "/run/resolvconf", "/run/NetworkManager", "/run/connman", "/dev/urandom", NULL,
};
static const char *const nothing[] = { NULL };

static const struct jail_rules rules[] = {
    /* role               name          reads beside the spool  network                       worker */
    [JAIL_SUPERVISOR] = { "supervisor", nothing,                JAIL_UNIX | JAIL_CONNECT,     false },
    [JAIL_RECEIVE] =    { "receive",    nothing,                JAIL_UNIX,                    true },
    [JAIL_RELAY] =      { "relay",      resolver_files,         JAIL_UNIX | JAIL_CONNECT,     true },
    [JAIL_DELIVER] =    { "deliver",    nothing,                JAIL_UNIX | JAIL_CONNECT,     false },
    [JAIL_FETCH] =      { "fetch",      nothing,                JAIL_UNIX | JAIL_CONNECT,     true },
};

#define BIT(cap) (UINT64_C(1) << (cap))

/* What root's supervisor does: makes the spool for its owner, reads secrets whoever owns them, binds ports below 1024,
 * lets workers become another user, and signals them afterwards. */
#define SUPERVISING                                                                                                    \
    (BIT(CAP_CHOWN) | BIT(CAP_DAC_OVERRIDE) | BIT(CAP_DAC_READ_SEARCH) | BIT(CAP_FOWNER) | BIT(CAP_FSETID) |           \
     BIT(CAP_KILL) | BIT(CAP_SETGID) | BIT(CAP_SETUID) | BIT(CAP_NET_BIND_SERVICE) | BIT(CAP_SYS_RESOURCE))
/* Its files and those of the spool it opens as whom they belong to. */
#define DELIVERING (BIT(CAP_KILL) | BIT(CAP_SETGID) | BIT(CAP_SETUID))

static int drop_powers(uint64_t kept, struct err *e)
{
    struct __user_cap_header_struct head = { .version = _LINUX_CAPABILITY_VERSION_3 };
    struct __user_cap_data_struct caps[2];
    if (syscall(SYS_capget, &head, caps) < 0)
        return err_sys(e, "look at capabilities");
    for (unsigned cap = 0; cap < 64; cap++) {
        if (kept & BIT(cap))
            continue;
        unsigned bit = 1u << (cap % 32);
        caps[cap / 32].effective &= ~bit;
        caps[cap / 32].permitted &= ~bit;
        caps[cap / 32].inheritable &= ~bit;
        prctl(PR_CAPBSET_DROP, cap, 0, 0, 0); /* fails for those that the kernel does not have */
    }
    return syscall(SYS_capset, &head, caps) < 0 ? err_sys(e, "give up capabilities") : 0;
}

/* Changing the user makes the kernel forget that we want a signal when the supervisor dies. Without one, workers whose
 * supervisor was killed would go on and hold the spool against the next. */
static int watch_parent_again(int signum, pid_t parent, struct err *e)
{
    if (!signum)
        return 0;
    if (prctl(PR_SET_PDEATHSIG, signum) < 0)
        return err_sys(e, "ask for a signal when the supervisor dies");
    if (getppid() != parent)
        raise(signum);
    return 0;
}

static int become(const struct jail_options *o, struct err *e)
{
    uid_t r, eff, saved;
    pid_t parent = getppid();
    int signum = 0;
    if (geteuid() != 0)
        return 0;
    if (o->uid == 0)
        return 0; /* told to stay root: a container that knows nobody else */
    prctl(PR_GET_PDEATHSIG, &signum);
    if ((o->groups_of ? initgroups(o->groups_of, o->gid) : setgroups(0, NULL)) < 0 || setresgid(o->gid, o->gid, o->gid) < 0 || setresuid(o->uid, o->uid, o->uid) < 0)
        return err_sys(e, "become uid %ld, gid %ld", (long)o->uid, (long)o->gid);
    if (setuid(0) == 0 || getresuid(&r, &eff, &saved) < 0 || r != o->uid || eff != o->uid || saved != o->uid)
        return err_set(e, ERR_PERMANENT, "root can be had back after becoming uid %ld", (long)o->uid);
    return watch_parent_again(signum, parent, e);
}

int jail_enter(const struct jail_options *o, struct err *e)
{
    struct jail_rules with = rules[o->role];
    const struct jail_rules *r = &with;
    if (o->connects) {
        with.network |= JAIL_CONNECT;
        with.readable = resolver_files;
    }
    if (!r->is_worker)
        return geteuid() == 0 ? drop_powers(o->role == JAIL_DELIVER ? DELIVERING : SUPERVISING, e) : 0;
    tzset(); /* reads /etc/localtime for the log and for Date: */
    if (become(o, e) < 0)
        return -1;
    if (geteuid() == 0 && drop_powers(SUPERVISING, e) < 0)
        return -1;
    if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) < 0)
        return err_sys(e, "no_new_privs");
    if (o->role == JAIL_FETCH)
        return 0;
    if (jail_files(r, o, e) < 0 || jail_calls(r, e) < 0)
        return err_prefix(e, "the %s's jail", r->name);
    return 0;
}
