/* SPDX-License-Identifier: Apache-2.0 */
#include "control/offline.h"

#include "base/mem.h"
#include "spool/spool.h"

#include <errno.h>
#include <grp.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

/* Works at once; what is to be called back waits till nobody is inside the spool. */
struct waiting_call {
    runner_fn *done;
    void *arg;
};

struct patient_runner {
    struct runner runner;
    struct waiting_call *at;
    size_t n;
};

static void run_now(struct runner *r, runner_fn *work, runner_fn *done, void *arg)
{
    struct patient_runner *p = container_of(r, struct patient_runner, runner);

    work(arg);
    p->at = xreallocarray(p->at, p->n + 1, sizeof *p->at);
    p->at[p->n++] = (struct waiting_call){ done, arg };
}

static void call_back(struct patient_runner *p)
{
    for (size_t i = 0; i < p->n; i++)
        p->at[i].done(p->at[i].arg);
    p->n = 0;
}

struct change {
    enum offline_act act;
    uint64_t *wanted; /* NULL: all */
    size_t n_wanted;
    uint64_t *found;
    size_t n_found;
};

static void found(void *arg, const struct spool_info *info, const struct envelope *env, const struct spool_state *st)
{
    struct change *c = arg;
    bool is_wanted = !c->wanted;

    (void)env;
    for (size_t i = 0; i < c->n_wanted; i++)
        is_wanted |= c->wanted[i] == info->id;
    if (!is_wanted)
        return;
    bool is_held = st && st->is_held;
    if ((c->act == OFFLINE_HOLD && is_held) || (c->act == OFFLINE_RELEASE && !is_held))
        is_wanted = false;
    c->found = xreallocarray(c->found, c->n_found + 1, sizeof *c->found);
    c->found[c->n_found++] = is_wanted ? info->id : 0; /* 0: there, and nothing to do */
}

static void damaged(void *arg, const char *text)
{
    (void)arg;
    fprintf(stderr, "spool: %s\n", text);
}

/* Files that root would make could not be used by the daemon. */
static int become_owner(const struct config *cfg, struct err *e)
{
    struct stat st;

    if (stat(cfg->queue_directory, &st) < 0)
        return err_sys(e, "%s", cfg->queue_directory);
    if (geteuid() != 0 || st.st_uid == 0)
        return 0;
    if (setgroups(0, NULL) < 0 || setresgid(st.st_gid, st.st_gid, st.st_gid) < 0 ||
        setresuid(st.st_uid, st.st_uid, st.st_uid) < 0)
        return err_sys(e, "become the owner of %s", cfg->queue_directory);
    return 0;
}

static int change_one(struct spool *s, enum offline_act act, uint64_t id, struct err *e)
{
    struct envelope env;
    struct spool_state st;

    if (act == OFFLINE_DELETE) {
        spool_end(s, id);
        return 0;
    }
    if (spool_load(s, id, &env, &st, e) < 0)
        return -1;
    st.is_held = act == OFFLINE_HOLD;
    spool_put_state(s, id, &st, NULL, NULL);
    envelope_fini(&env);
    spool_state_fini(&st);
    return 0;
}

static int change_all(struct spool *s, const struct change *c, struct patient_runner *runner, size_t *done, struct err *e)
{
    if (c->wanted && c->n_found < c->n_wanted)
        return err_set(e, ERR_PERMANENT, "%zu of these messages are not in the queue; nothing was changed",
                       c->n_wanted - c->n_found);
    for (size_t i = 0; i < c->n_found; i++) {
        if (!c->found[i])
            continue;
        if (change_one(s, c->act, c->found[i], e) < 0)
            return -1;
        /* What was written need not be kept in memory: a million of them are no small matter. */
        if (++*done % 1000 == 0)
            call_back(runner);
    }
    return 0;
}

static int change_locked(const struct config *cfg, struct change *c, size_t *done, struct err *e)
{
    static const struct spool_ops ops = { found, damaged };
    struct patient_runner runner = { .runner = { .run = run_now } };
    const struct spool_config sc = {
        .dir = cfg->queue_directory,
        .role = SPOOL_RELAY,
        .limits = { .n_receivers = 2 * config_receivers(cfg) }, /* as the relay has it */
        .runner = &runner.runner,
        .ops = &ops,
        .arg = c,
    };
    struct spool *s = spool_open(&sc, e);
    int rc = s ? spool_start(s, e) : -1;

    if (rc == 0)
        rc = change_all(s, c, &runner, done, e);
    while (runner.n)
        call_back(&runner);
    spool_close(s);
    free(runner.at);
    return rc;
}

int offline_change(const struct config *cfg, enum offline_act act, char *const *ids, size_t n, size_t *done,
                   struct err *e)
{
    struct change c = { .act = act };
    int rc = -1, lock = -1;

    *done = 0;
    if (n)
        c.wanted = xcalloc(n, sizeof *c.wanted);
    for (; c.n_wanted < n; c.n_wanted++)
        if (!spool_id_parse(span_str(ids[c.n_wanted]), &c.wanted[c.n_wanted])) {
            err_set(e, ERR_PERMANENT, "\"%s\" is not the id of a message", ids[c.n_wanted]);
            goto out;
        }
    lock = spool_lock(cfg->queue_directory, 2000, e); /* root's batond left it to root */
    if (lock < 0 || become_owner(cfg, e) < 0)
        goto out;
    rc = change_locked(cfg, &c, done, e);
out:
    if (lock >= 0)
        close(lock);
    free(c.wanted);
    free(c.found);
    return rc;
}
