/* SPDX-License-Identifier: Apache-2.0
 *
 * One poll() over a signalfd and the pipes on which workers say that they serve, or that others should (children.c). A
 * reload starts the receive workers of the new configuration beside the leaving ones of the old, so that no connection is
 * refused. */
#include "relay/supervise_int.h"

#include "base/clock.h"
#include "base/log.h"
#include "base/mem.h"
#include "relay/anvil.h"
#include "relay/ceiling.h"
#include "relay/flow.h"
#include "relay/hooks.h"
#include "relay/jail.h"
#include "relay/listeners.h"
#include "relay/notify.h"
#include "relay/tls_setup.h"
#include "relay/worker.h"
#include "spool/spool.h"

#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/signalfd.h>
#include <sysexits.h>
#include <unistd.h>

/* A killed batond's workers may still be finishing: the relay for 20 s. */
enum { LOCK_WAIT_MS = 25000 };

/* ---- configuration ---- */

/* Loads and checks; all that there is to say goes to the log. */
static struct config *load(const char *path)
{
    struct config_report report = { 0 };
    struct config *cfg = config_load(path, CONFIG_ENV, &report);

    config_report_log(&report);
    config_report_fini(&report);
    return cfg;
}

static void number_services(struct supervisor *s)
{
    for (size_t i = 0; i < s->listeners->n; i++)
        s->listeners->at[i].service = anvil_service(s->anvil, s->listeners->at[i].name);
}

static void say_what_needs_restart(const struct config *old, const struct config *now)
{
    struct buf names;

    buf_init(&names, 4096);
    if (config_needs_restart(old, now, &names))
        log_warn("reload: these count only after a restart: %s", buf_cstr(&names));
    buf_fini(&names);
}

/* All or nothing: the sockets last, for what they were can't be had back. */
static int take_up(struct supervisor *s, const struct config *cfg)
{
    struct err e;
    struct tls_setup *tls = rehearse(s, cfg, &e) < 0 ? NULL : tls_setup_new(cfg, s->tickets, s->tls, &e);

    if (!tls || listeners_reopen(s->listeners, cfg, &e) < 0) {
        log_error("%s", e.text);
        tls_setup_free(tls);
        return -1;
    }
    tls_setup_free(s->tls);
    s->tls = tls;
    return 0;
}

static void reload(struct supervisor *s)
{
    notify_reloading();
    struct config *cfg = load(s->path);
    if (cfg && take_up(s, cfg) < 0) {
        config_free(cfg);
        cfg = NULL;
    }
    if (!cfg) {
        log_error("reload refused: the old configuration stays in force");
        notify_ready();
        return;
    }
    listeners_allow_files(s->listeners);
    number_services(s);
    say_what_needs_restart(s->cfg, cfg);
    log_info("reload: the new configuration is in force");
    config_free(s->own_cfg);
    s->cfg = s->own_cfg = cfg;
    if (server_maps)
        server_maps->use(cfg);
    children_renew(s);
    s->was_ready = false;
}

static void stop(struct supervisor *s)
{
    if (s->is_stopping)
        return;
    log_info("stopping");
    notify_stopping();
    s->is_stopping = true;
    for (size_t i = 0; i < MAX_WORKERS; i++)
        if (s->workers[i].is_used)
            children_dismiss(&s->workers[i]);
}

/* ---- the loop ---- */

static void take_signal(struct supervisor *s)
{
    struct signalfd_siginfo info;

    while (read(s->signal_fd, &info, sizeof info) == (ssize_t)sizeof info) {
        switch (info.ssi_signo) {
        case SIGTERM:
        case SIGINT: stop(s); break;
        case SIGHUP: s->is_stopping ? (void)0 : reload(s); break;
        case SIGCHLD: children_reap(s); break;
        case SIGUSR1: /* jailed workers cannot open files: new ones inherit the new log */
            if (log_reopen() < 0)
                log_error("cannot open the log file again: %s", strerror(errno));
            else if (!s->is_stopping)
                reload(s);
            break;
        default: break;
        }
    }
}

static void turn_keys(struct supervisor *s, int64_t now)
{
    if (now < s->turn_us)
        return;
    if (s->turn_us) {
        tls_tickets_rotate(s->tickets);
        tls_setup_warn(s->tls);
    }
    s->turn_us = now + TLS_TICKET_TURN_S * USEC_PER_SEC;
}

/* Returns when to look again (mono), 0 for never. */
static int64_t look_after(struct supervisor *s)
{
    int64_t now = clock_mono_us();

    turn_keys(s, now);
    return children_sooner(s->turn_us, children_look_after(s, now));
}

static void wait_for_events(struct supervisor *s, int64_t until_us)
{
    struct pollfd fds[MAX_WORKERS + 1] = { { .fd = s->signal_fd, .events = POLLIN } };
    struct worker *of[MAX_WORKERS + 1];
    nfds_t n = 1;
    int timeout = -1;

    for (size_t i = 0; i < MAX_WORKERS; i++)
        if (s->workers[i].is_used && s->workers[i].ready_fd >= 0) {
            of[n] = &s->workers[i];
            fds[n++] = (struct pollfd){ .fd = s->workers[i].ready_fd, .events = POLLIN };
        }
    if (until_us) {
        int64_t ms = (until_us - clock_mono_us() + 999) / 1000;
        timeout = ms < 0 ? 0 : (int)ms;
    }
    if (poll(fds, n, timeout) <= 0)
        return;
    for (nfds_t i = 1; i < n; i++)
        if (fds[i].revents)
            children_read(s, of[i]);
    if (fds[0].revents)
        take_signal(s);
}

static void serve(struct supervisor *s)
{
    for (;;) {
        int64_t next = look_after(s);
        if (s->is_stopping && children_none_left(s))
            return;
        if (!s->was_ready && !s->is_stopping && children_all_serve(s)) {
            s->was_ready = true;
            log_info("batond serves: queue %s", s->cfg->queue_directory);
            notify_ready();
        }
        wait_for_events(s, next);
    }
}

static int open_signals(struct err *e)
{
    sigset_t set;
    sigemptyset(&set);
    sigaddset(&set, SIGTERM);
    sigaddset(&set, SIGINT);
    sigaddset(&set, SIGHUP);
    sigaddset(&set, SIGCHLD);
    sigaddset(&set, SIGUSR1);
    sigprocmask(SIG_BLOCK, &set, NULL);
    int fd = signalfd(-1, &set, SFD_NONBLOCK | SFD_CLOEXEC);
    return fd < 0 ? err_sys(e, "signalfd") : fd;
}

/* The lock is what counts; the number in it is for `baton stop` and for people. */
static void write_pid(int lock_fd)
{
    char text[32];
    int n = snprintf(text, sizeof text, "%d\n", (int)getpid());
    if (ftruncate(lock_fd, 0) < 0 || pwrite(lock_fd, text, (size_t)n, 0) < 0)
        log_warn("cannot note the process id in the lock: %s", strerror(errno));
}

static int open_all(struct supervisor *s, struct err *e)
{
    struct worker_ids ids;

    if (worker_ids(s->cfg, &ids, e) < 0 || spool_create(s->cfg->queue_directory, ids.uid, ids.drop_gid, e) < 0)
        return -1;
    s->lock_fd = spool_lock(s->cfg->queue_directory, LOCK_WAIT_MS, e);
    if (s->lock_fd < 0)
        return -1;
    write_pid(s->lock_fd);
    s->shared = spool_shared_new(MAX_WORKERS, e);
    if (!s->shared)
        return -1;
    s->tickets = tls_tickets_new(e);
    s->tls = s->tickets ? tls_setup_new(s->cfg, s->tickets, NULL, e) : NULL;
    if (!s->tls)
        return -1;
    s->listeners = listeners_open(s->cfg, e);
    if (!s->listeners)
        return -1;
    s->anvil = anvil_new(MAX_WORKERS, listeners_allow_files(s->listeners), e);
    s->ceiling = ceiling_new(MAX_WORKERS, e);
    if (!s->anvil || !s->ceiling)
        return -1;
    s->flow = flow_new(e);
    if (!s->flow)
        return -1;
    number_services(s);
    s->signal_fd = open_signals(e);
    if (s->signal_fd < 0 || rehearse(s, s->cfg, e) < 0)
        return -1;
    const struct jail_options jail = { .role = JAIL_SUPERVISOR };
    return jail_enter(&jail, e);
}

int supervise(const struct config *cfg, const char *path)
{
    static struct supervisor s;
    struct err e;

    s = (struct supervisor){ .cfg = cfg, .path = path, .started_us = clock_real_us(), .lock_fd = -1, .signal_fd = -1 };
    for (size_t i = 0; i < MAX_WORKERS; i++)
        s.workers[i].ready_fd = -1;
    if (open_all(&s, &e) < 0) {
        log_error("%s", e.text);
        if (strcmp(cfg->log, "stderr") != 0) /* whoever starts it looks there first */
            fprintf(stderr, "batond: %s\n", e.text);
        return e.kind == ERR_CONFIG ? EX_CONFIG : e.sys == EWOULDBLOCK ? EX_TEMPFAIL : EX_OSERR;
    }
    children_add(&s, ROLE_RELAY);
    children_add_receivers(&s);
    children_add_deliverer(&s);
    serve(&s);
    anvil_report(s.anvil, 0, s.cfg->anvil_rate_time_unit);
    anvil_free(s.anvil);
    ceiling_free(s.ceiling);
    flow_free(s.flow);
    listeners_free(s.listeners);
    tls_setup_free(s.tls);
    tls_tickets_free(s.tickets);
    spool_shared_free(s.shared);
    config_free(s.own_cfg);
    close(s.signal_fd);
    close(s.lock_fd);
    return 0;
}
