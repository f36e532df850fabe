/* SPDX-License-Identifier: Apache-2.0 */
#include "relay/worker.h"

#include "base/clock.h"
#include "base/log.h"

#include <errno.h>
#include <grp.h>
#include <pwd.h>
#include <signal.h>
#include <string.h>
#include <sysexits.h>
#include <unistd.h>

int worker_ids(const struct config *cfg, struct worker_ids *out, struct err *e)
{
    *out = (struct worker_ids){ geteuid(), getegid(), getegid() };
    if (out->uid != 0)
        return 0;
    const struct passwd *pw = getpwnam(cfg->mail_owner);
    if (!pw)
        return err_set(e, ERR_CONFIG, "mail_owner: there is no user \"%s\": add one (adduser --system --group %s)",
                       cfg->mail_owner, cfg->mail_owner);
    if (pw->pw_uid == 0)
        return err_set(e, ERR_CONFIG, "mail_owner: \"%s\" is root: name a user without rights", cfg->mail_owner);
    out->uid = pw->pw_uid;
    out->gid = pw->pw_gid;
    const struct group *gr = getgrnam(cfg->setgid_group);
    if (!gr)
        return err_set(e, ERR_CONFIG, "setgid_group: there is no group \"%s\": add it (addgroup --system %s)",
                       cfg->setgid_group, cfg->setgid_group);
    out->drop_gid = gr->gr_gid;
    return 0;
}

struct loop *worker_loop(loop_signal_fn *stop, void *arg, struct err *e)
{
    struct loop *l = loop_new(e);

    if (l && loop_signal(l, SIGTERM, stop, arg, e) < 0) {
        loop_free(l);
        l = NULL;
    }
    return l;
}

/* A worker asks to be replaced; the answer was no if it is still there then. */
enum { STALE_EVERY_S = 5 };

struct write_out {
    loop_fn *fn;
    void *arg;
};

static void before_sleep(void *arg)
{
    const struct write_out *w = arg;

    if (w->fn)
        w->fn(w->arg);
    log_flush();
}

void worker_run(struct loop *l, loop_fn *write_out, void *arg)
{
    struct write_out w = { write_out, arg };

    loop_before_sleep(l, before_sleep, &w);
    log_hold(true);
    loop_run(l);
    loop_before_sleep(l, NULL, NULL);
    log_hold(false);
}

/* ---- to the supervisor ---- */

void worker_ready(const struct worker_env *env)
{
    while (write(env->ready_fd, "r", 1) < 0 && errno == EINTR)
        ;
}

int worker_failed(const struct worker_env *env, const struct err *e)
{
    if (!env->is_rehearsal)
        log_error("%s", e->text);
    else if (write(env->ready_fd, e->text, strlen(e->text)) < 0)
        return EX_OSERR;
    return e->kind == ERR_CONFIG ? EX_CONFIG : EX_OSERR;
}

void worker_is_stale(const struct worker_env *env)
{
    static int64_t next_us;

    if (clock_mono_us() < next_us)
        return;
    next_us = clock_mono_us() + STALE_EVERY_S * USEC_PER_SEC;
    while (write(env->ready_fd, "s", 1) < 0 && errno == EINTR)
        ;
}
