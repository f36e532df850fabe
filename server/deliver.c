/* SPDX-License-Identifier: Apache-2.0
 *
 * The worker's life: it opens the tables of its services, gives up what it can of root's powers, listens, and ends in order. */
#include "server/deliver.h"

#include "base/clock.h"
#include "base/log.h"
#include "net/listen.h"
#include "net/offload.h"
#include "relay/jail.h"
#include "relay/listeners.h"

#include <fcntl.h>
#include <stdlib.h>
#include <sysexits.h>
#include <unistd.h>

enum {
    STOP_LIMIT_MS = 25000, /* then deliveries are ended; the supervisor waits for 30 s */
    STALE_EVERY_MS = 5000,
    LOOKS = 10, /* at a time */
};

struct inlet {
    struct deliver_worker *worker;
    const struct deliver_service *service;
    const struct listening *on;
    struct listener *listener;
};

struct deliver_worker {
    struct deliver d;
    struct inlet *inlets;
    size_t n_inlets;
    struct timer stop_timer, look_timer, stale_timer;
    bool is_open[8]; /* of services[] */
};

static const struct deliver_service *const services[] = { &deliver_local, &deliver_virtual, &deliver_pipe, &deliver_forward };

static const struct deliver_service *find_service(const char *socket)
{
    for (size_t i = 0; i < ARRAY_LEN(services); i++) {
        size_t n = strlen(services[i]->name);
        if (strncmp(socket, services[i]->name, n) == 0 && (!socket[n] || services[i]->name[n - 1] == '.'))
            return services[i];
    }
    return NULL;
}

/* ---- the end ---- */

static void stop_now(void *arg)
{
    struct deliver_worker *w = arg;

    log_warn("deliveries are ended that did not finish within %d s; the relay will try again", STOP_LIMIT_MS / 1000);
    errands_end_all(&w->d.errands);
    errands_end_all(&w->d.local_errands);
    loop_stop(w->d.loop);
}

static bool hands_over(const struct config *cfg)
{
    const struct transport *to[] = { &cfg->mailbox_transport, &cfg->fallback_transport };

    for (size_t i = 0; i < ARRAY_LEN(to); i++)
        if (to[i]->name[0] && (strcmp(to[i]->name, "virtual") == 0 || !transport_is_builtin(span_str(to[i]->name))))
            return true;
    return cfg->mailbox_transport_maps.n || cfg->fallback_transport_maps.n;
}

bool deliver_is_handing_over(const struct deliver *w)
{
    return w->local_errands.n_running && hands_over(w->cfg);
}

/* Services that local hands messages over to (local_hand_over.c) stay till its last delivery has ended. */
static void stop_listening(struct deliver_worker *w)
{
    bool is_asked = deliver_is_handing_over(&w->d);

    for (size_t i = 0; i < w->n_inlets; i++) {
        struct inlet *in = &w->inlets[i];
        if (!in->listener || (is_asked && !in->service->is_local))
            continue;
        listen_stop(in->listener);
        in->listener = NULL;
    }
}

static void stop_if_idle(void *arg)
{
    struct deliver_worker *w = arg;

    stop_listening(w);
    deliver_session_stop_all(&w->d);
    if (list_is_empty(&w->d.sessions) && list_is_empty(&w->d.mails))
        loop_stop(w->d.loop);
    else
        timer_start(&w->look_timer, w->d.loop, 20, stop_if_idle, w);
}

static void stop(void *arg, int signum)
{
    struct deliver_worker *w = arg;

    (void)signum;
    if (w->d.is_stopping)
        return;
    w->d.is_stopping = true;
    forward_drop_all(&w->d, false);
    timer_start(&w->stop_timer, w->d.loop, STOP_LIMIT_MS, stop_now, w);
    stop_if_idle(w);
}

/* ---- the beginning ---- */

static void look_for_changes(void *arg)
{
    struct deliver_worker *w = arg;

    for (size_t i = 0; i < ARRAY_LEN(services); i++)
        if (w->is_open[i] && services[i]->is_stale && services[i]->is_stale(&w->d))
            worker_is_stale(w->d.env);
    timer_start(&w->stale_timer, w->d.loop, STALE_EVERY_MS, look_for_changes, w);
}

static void accepted(void *arg, struct conn *c)
{
    struct inlet *in = arg;
    if (in->service->serve)
        in->service->serve(&in->worker->d, c);
    else
        deliver_session_start(&in->worker->d, in->service, in->on->name, c);
}

static int open_services(struct deliver_worker *w, struct err *e)
{
    const struct listeners *l = w->d.env->listeners;

    for (size_t i = 0; i < l->n; i++) {
        const struct deliver_service *s = l->at[i].kind == LISTEN_DELIVER ? find_service(l->at[i].name) : NULL;
        for (size_t k = 0; s && k < ARRAY_LEN(services); k++)
            if (services[k] == s && !w->is_open[k]) {
                w->is_open[k] = true;
                if (s->open && s->open(&w->d, e) < 0)
                    return -1;
            }
    }
    return 0;
}

static int listen_on_all(struct deliver_worker *w, struct err *e)
{
    const struct listeners *l = w->d.env->listeners;

    w->inlets = xcalloc(l->n, sizeof *w->inlets);
    for (size_t i = 0; i < l->n; i++) {
        const struct deliver_service *s = l->at[i].kind == LISTEN_DELIVER ? find_service(l->at[i].name) : NULL;
        if (!s || l->at[i].fd < 0)
            continue;
        struct inlet *in = &w->inlets[w->n_inlets];
        *in = (struct inlet){ .worker = w, .service = s, .on = &l->at[i] };
        in->listener = listen_start(w->d.loop, fcntl(l->at[i].fd, F_DUPFD_CLOEXEC, 3), accepted, in, e);
        if (!in->listener)
            return -1;
        w->n_inlets++;
    }
    return 0;
}

static int open_all(struct deliver_worker *w, struct err *e)
{
    const struct jail_options jail = { .role = JAIL_DELIVER };

    if (worker_ids(w->d.cfg, &w->d.ids, e) < 0 || open_services(w, e) < 0 || jail_enter(&jail, e) < 0)
        return -1;
    w->d.loop = worker_loop(stop, w, e);
    if (!w->d.loop)
        return -1;
    errands_init(&w->d.errands, w->d.loop, (unsigned)w->d.cfg->default_process_limit);
    errands_init(&w->d.local_errands, w->d.loop, (unsigned)w->d.cfg->default_process_limit);
    errands_init(&w->d.looks, w->d.loop, LOOKS);
    return listen_on_all(w, e);
}

static void close_all(struct deliver_worker *w)
{
    for (size_t i = 0; i < w->n_inlets; i++)
        listen_stop(w->inlets[i].listener);
    free(w->inlets);
    if (w->d.loop) {
        errands_fini(&w->d.errands);
        errands_fini(&w->d.local_errands);
        errands_fini(&w->d.looks);
    }
    forward_drop_all(&w->d, true);
    deliver_session_drop_all(&w->d);
    timer_stop(&w->stop_timer);
    timer_stop(&w->look_timer);
    timer_stop(&w->stale_timer);
    for (size_t i = 0; i < ARRAY_LEN(services); i++)
        if (w->is_open[i] && services[i]->close)
            services[i]->close(&w->d);
    loop_free(w->d.loop);
}

int deliver_main(const struct worker_env *env)
{
    static struct deliver_worker w;
    struct err e;
    int status = 0;

    w = (struct deliver_worker){ .d = { .env = env, .cfg = env->cfg } };
    list_init(&w.d.sessions);
    list_init(&w.d.mails);
    list_init(&w.d.askers);
    if (open_all(&w, &e) < 0) {
        status = worker_failed(env, &e);
    } else {
        worker_ready(env);
        look_for_changes(&w);
        worker_run(w.d.loop, NULL, NULL);
    }
    close_all(&w);
    return status;
}
