/* SPDX-License-Identifier: Apache-2.0
 *
 * The receive worker: accepts on all sockets that mail comes in by, and keeps the sessions (session.c). What it has
 * committed, the relay learns of from the spool. */
#include "base/clock.h"
#include "base/log.h"
#include "map/map.h"
#include "net/dns.h"
#include "net/listen.h"
#include "net/offload.h"
#include "net/tls.h"
#include "relay/auth.h"
#include "relay/ceiling.h"
#include "relay/hooks.h"
#include "relay/jail.h"
#include "relay/ours.h"
#include "relay/resident.h"
#include "relay/session_int.h"
#include "relay/worker.h"

#include <fcntl.h>
#include <stdlib.h>
#include <sysexits.h>

enum { STOP_LIMIT_MS = 10000 };

struct inlet { /* a socket that mail comes in by */
    struct receive_worker *worker;
    const struct listening *on;
    struct listener *listener;
};

struct receive_worker {
    struct receiver r;
    struct inlet *inlets;
    size_t n_inlets;
    struct timer stop_timer, look_timer;
    bool connects; /* outwards, and looks up names */
};

static void accepted(void *arg, struct conn *c)
{
    struct inlet *in = arg;
    session_start(&in->worker->r, in->on, c);
}

static void stop_now(void *arg)
{
    struct receive_worker *w = arg;
    loop_stop(w->r.loop);
}

static void stop_if_idle(void *arg)
{
    struct receive_worker *w = arg;

    session_stop_all(&w->r);
    if (w->r.n_sessions == 0 && spool_is_idle(w->r.spool))
        loop_stop(w->r.loop);
    else
        timer_start(&w->look_timer, w->r.loop, 20, stop_if_idle, w);
}

static void stop(void *arg, int signum)
{
    struct receive_worker *w = arg;

    (void)signum;
    if (w->r.is_stopping)
        return;
    w->r.is_stopping = true;
    for (size_t i = 0; i < w->n_inlets; i++)
        listen_stop(w->inlets[i].listener);
    w->n_inlets = 0;
    timer_start(&w->stop_timer, w->r.loop, STOP_LIMIT_MS, stop_now, w);
    stop_if_idle(w);
}

static int listen_on_all(struct receive_worker *w, struct err *e)
{
    const struct listeners *l = w->r.env->listeners;

    w->inlets = xcalloc(l->n, sizeof *w->inlets);
    for (size_t i = 0; i < l->n; i++) {
        if ((l->at[i].kind != LISTEN_SUBMIT && l->at[i].kind != LISTEN_SMTP) || l->at[i].fd < 0)
            continue;
        struct inlet *in = &w->inlets[w->n_inlets];
        *in = (struct inlet){ .worker = w, .on = &l->at[i] };
        in->listener = listen_start(w->r.loop, fcntl(l->at[i].fd, F_DUPFD_CLOEXEC, 3), accepted, in, e);
        if (!in->listener)
            return -1;
        w->n_inlets++;
    }
    return 0;
}

/* Whether what the configuration names lies on other machines. */
static bool connects_out(const struct config *cfg)
{
    return map_n_blocking() > 0 || (server_hooks && server_hooks->receive_connects(cfg));
}

static void names_are_stale(void *arg)
{
    const struct receive_worker *w = arg;
    worker_is_stale(w->r.env);
}

static int open_restrictions(struct receive_worker *w, struct err *e)
{
    if (!server_hooks || !server_hooks->restrictions)
        return 0;
    w->r.restrictions = server_hooks->restrictions_open(w->r.cfg, e);
    return w->r.restrictions ? 0 : -1;
}

static int open_auth(struct receive_worker *w, struct err *e)
{
    if (!server_hooks || !server_hooks->auth_open || !config_uses_auth(w->r.cfg))
        return 0;
    w->r.auth = server_hooks->auth_open(w->r.cfg, e);
    return w->r.auth ? 0 : -1;
}

static void start_auth(struct receive_worker *w)
{
    const struct auth_start how = {
        .cfg = w->r.cfg, .loop = w->r.loop, .dns = w->r.dns, .settled = session_auth_settled, .arg = &w->r,
    };

    if (w->r.auth)
        w->r.auth->backend->start(w->r.auth, &how);
}

/* All of both, NULL at the end; to be freed. */
static const char **both(const char *const *a, const char *const *b)
{
    size_t n = 0;

    for (size_t i = 0; a && a[i]; i++)
        n++;
    for (size_t i = 0; b && b[i]; i++)
        n++;
    const char **all = xcalloc(n + 1, sizeof *all);
    for (n = 0; a && *a; a++)
        all[n++] = *a;
    for (; b && *b; b++)
        all[n++] = *b;
    return all;
}

/* All that the configuration names, while we may. */
static int open_outside(struct receive_worker *w, struct err *e)
{
    if (tls_init_process(e) < 0)
        return -1;
    w->r.resolver = resolver_new(w->r.cfg, e);
    w->r.ours = w->r.resolver ? ours_open(w->r.cfg, e) : NULL;
    if (!w->r.ours || open_restrictions(w, e) < 0 || open_auth(w, e) < 0)
        return -1;
    return server_hooks ? server_hooks->milters_open(w->r.cfg, e) : 0;
}

static int enter_jail(struct receive_worker *w, struct err *e)
{
    const struct auth *auth = w->r.auth;
    struct worker_ids ids;

    if (worker_ids(w->r.cfg, &ids, e) < 0)
        return -1;
    w->connects = connects_out(w->r.cfg);
    const char **read_also =
        both(resolver_files(w->r.resolver), auth && auth->backend->readable ? auth->backend->readable(auth) : NULL);
    const struct jail_options jail = {
        .role = JAIL_RECEIVE,
        .uid = ids.uid,
        .gid = ids.gid,
        .spool = w->r.cfg->queue_directory,
        .connects = w->connects,
        .groups_of = w->connects || w->r.auth ? w->r.cfg->mail_owner : NULL,
        .read_also = read_also,
    };
    int done = jail_enter(&jail, e);
    free(read_also);
    return done;
}

static int open_names(struct receive_worker *w, struct err *e)
{
    if (!w->connects)
        return 0;
    w->r.dns = dns_new(w->r.loop, NULL, e);
    if (!w->r.dns)
        return -1;
    dns_on_stale(w->r.dns, names_are_stale, w);
    w->r.asks_names = server_hooks && config_restrictions_ask(w->r.cfg) & RESTRICT_ASKS_NAMES;
    return 0;
}

static int open_all(struct receive_worker *w, struct err *e)
{
    struct spool_config sc = {
        .dir = w->r.cfg->queue_directory,
        .role = SPOOL_RECEIVE,
        .slot = w->r.env->slot,
        /* A reload starts the new ones beside the old. */
        .limits = { .n_receivers = 2 * config_receivers(w->r.cfg) },
        .shared = w->r.env->shared,
    };

    if (open_outside(w, e) < 0)
        return -1;
    if (w->r.env->is_rehearsal)
        return 0;
    resident_open();
    if (enter_jail(w, e) < 0)
        return -1;
    w->r.loop = worker_loop(stop, w, e);
    if (!w->r.loop || open_names(w, e) < 0)
        return -1;
    if (w->r.restrictions)
        server_hooks->restrictions_start(w->r.restrictions, w->r.loop, w->r.dns);
    start_auth(w);
    sc.runner = loop_runner(w->r.loop);
    resolver_run_on(w->r.resolver, sc.runner);
    w->r.spool = spool_open(&sc, e);
    return w->r.spool ? listen_on_all(w, e) : -1;
}

static void close_all(struct receive_worker *w)
{
    for (size_t i = 0; i < w->n_inlets; i++)
        listen_stop(w->inlets[i].listener);
    free(w->inlets);
    session_drop_all(&w->r);
    if (w->r.auth)
        w->r.auth->backend->close(w->r.auth);
    timer_stop(&w->stop_timer);
    timer_stop(&w->look_timer);
    timer_stop(&w->r.report_timer);
    timer_stop(&w->r.give_back_timer);
    spool_close(w->r.spool);
    if (w->r.restrictions)
        server_hooks->restrictions_close(w->r.restrictions);
    ours_close(w->r.ours);
    resolver_free(w->r.resolver);
    dns_free(w->r.dns);
    if (server_hooks)
        server_hooks->milters_close();
    loop_free(w->r.loop);
    resident_close();
}

static void write_out(void *arg)
{
    struct receive_worker *w = arg;
    spool_write_out(w->r.spool);
}

int receive_main(const struct worker_env *env)
{
    static struct receive_worker w;
    struct err e;
    int status = 0;

    w = (struct receive_worker){ .r = { .env = env, .cfg = env->cfg } };
    list_init(&w.r.sessions);
    list_init(&w.r.auth_waiting);
    if (open_all(&w, &e) < 0) {
        status = worker_failed(env, &e);
    } else if (!env->is_rehearsal) {
        ceiling_start(&w.r);
        worker_ready(env);
        spool_gather(w.r.spool);
        worker_run(w.r.loop, write_out, &w);
    }
    close_all(&w);
    return status;
}
