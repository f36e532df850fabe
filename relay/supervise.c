/* SPDX-License-Identifier: Apache-2.0
 *
 * One poll() over a signalfd and the pipes on which workers say that they serve, or that others should. A worker is in one of four states: no
 * process (waiting for restart_us), starting, serving, leaving. A reload starts the receive workers of the new
 * configuration beside the leaving ones of the old, so that no connection is refused; the relay is one at a time, as
 * the spool wants it. */
#include "relay/supervise.h"

#include "base/clock.h"
#include "base/log.h"
#include "base/mem.h"
#include "relay/anvil.h"
#include "relay/ceiling.h"
#include "relay/flow.h"
#include "relay/jail.h"
#include "relay/listeners.h"
#include "relay/notify.h"
#include "relay/resolve.h"
#include "relay/tls_setup.h"
#include "relay/worker.h"
#include "spool/spool.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/signalfd.h>
#include <sys/wait.h>
#include <sysexits.h>
#include <unistd.h>

enum {
    MAX_WORKERS = 64,
    LOCK_WAIT_MS = 25000,    /* a killed batond's workers may still be finishing: the relay for 20 s */
    STOP_LIMIT_S = 30,       /* in flight beyond this is cut off; the spool makes that harmless */
    FIRST_BACKOFF_MS = 100,  /* doubles up to the last while workers die young */
    LAST_BACKOFF_MS = 30000,
    YOUNG_S = 10,
    STALE_EVERY_S = 5,       /* a worker asks to be replaced; the answer was no if it is still there */
};

struct worker {
    bool is_used, is_leaving, is_serving;
    enum worker_role role;
    unsigned slot;
    pid_t pid; /* 0: none now, to be started at restart_us */
    int ready_fd;
    int64_t started_us, restart_us, kill_us; /* clock_mono_us() */
    int backoff_ms;
};

struct supervisor {
    const struct config *cfg;
    struct config *own_cfg; /* the one that a reload brought, or NULL */
    const char *path;
    int lock_fd, signal_fd;
    struct spool_shared *shared;
    struct anvil *anvil;
    struct ceiling *ceiling;
    struct flow *flow;
    struct listeners *listeners;
    struct tls_tickets *tickets;
    struct tls_setup *tls;
    int64_t turn_us; /* when the tickets' keys are turned next, clock_mono_us() */
    struct worker workers[MAX_WORKERS];
    bool is_stopping, was_ready;
    int64_t stop_us;
};

static const char *const role_names[] = { [ROLE_RELAY] = "baton/relay", [ROLE_RECEIVE] = "baton/receive" };

void worker_ready(const struct worker_env *env)
{
    while (write(env->ready_fd, "r", 1) < 0 && errno == EINTR)
        ;
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

/* ---- workers ---- */

/* The keys of TLS are for those who show them. */
static void keep_own_secrets(struct supervisor *s, enum worker_role role)
{
    if (role == ROLE_RECEIVE) {
        tls_tickets_only_read(s->tickets);
        return;
    }
    tls_setup_free(s->tls);
    tls_tickets_free(s->tickets);
    s->tls = NULL;
    s->tickets = NULL;
}

static void run_worker(struct supervisor *s, const struct worker *w, int ready_fd, pid_t parent)
{
    sigset_t none;

    keep_own_secrets(s, w->role);
    const struct worker_env env = {
        .role = w->role,
        .cfg = s->cfg,
        .shared = s->shared,
        .listeners = s->listeners,
        .anvil = s->anvil,
        .ceiling = s->ceiling,
        .flow = s->flow,
        .number = (unsigned)(w - s->workers),
        .slot = w->slot,
        .ready_fd = ready_fd,
        .tls = s->tls,
    };

    /* The lock stays open: the spool is free for another batond once nobody writes to it and nobody answers at the
     * sockets any more, also when the supervisor was killed. */
    close(s->signal_fd);
    for (size_t i = 0; i < MAX_WORKERS; i++)
        if (s->workers[i].ready_fd >= 0)
            close(s->workers[i].ready_fd);
    log_rename(role_names[w->role]);
    signal(SIGPIPE, SIG_IGN);
    signal(SIGHUP, SIG_IGN);
    signal(SIGINT, SIG_IGN); /* a terminal's ^C comes to the whole group; the supervisor passes on TERM */
    sigemptyset(&none);
    sigprocmask(SIG_SETMASK, &none, NULL);
    prctl(PR_SET_PDEATHSIG, SIGTERM);
    if (getppid() != parent)
        _exit(0);
    exit(w->role == ROLE_RELAY ? relay_main(&env) : receive_main(&env));
}

static void start_worker(struct supervisor *s, struct worker *w)
{
    int fds[2];
    pid_t parent = getpid();

    if (pipe2(fds, O_CLOEXEC) < 0)
        goto fail;
    w->pid = fork();
    if (w->pid == 0) {
        close(fds[0]);
        run_worker(s, w, fds[1], parent);
    }
    close(fds[1]);
    if (w->pid < 0) {
        close(fds[0]);
        goto fail;
    }
    w->ready_fd = fds[0];
    w->is_serving = false;
    w->started_us = clock_mono_us();
    return;
fail:
    log_error("cannot start a worker: %s", strerror(errno));
    w->pid = 0;
    w->restart_us = clock_mono_us() + LAST_BACKOFF_MS * 1000;
}

static bool slot_is_used(const struct supervisor *s, unsigned slot)
{
    for (size_t i = 0; i < MAX_WORKERS; i++)
        if (s->workers[i].is_used && s->workers[i].role == ROLE_RECEIVE && s->workers[i].slot == slot)
            return true;
    return false;
}

static struct worker *add_worker(struct supervisor *s, enum worker_role role)
{
    for (size_t i = 0; i < MAX_WORKERS; i++) {
        struct worker *w = &s->workers[i];
        if (w->is_used)
            continue;
        unsigned slot = 0;
        while (role == ROLE_RECEIVE && slot_is_used(s, slot))
            slot++;
        *w = (struct worker){ .is_used = true, .role = role, .slot = slot, .ready_fd = -1 };
        return w;
    }
    log_warn("no room for another worker: the last reload's are still finishing");
    return NULL;
}

static void add_receivers(struct supervisor *s)
{
    for (unsigned n = config_receivers(s->cfg); n > 0; n--)
        add_worker(s, ROLE_RECEIVE);
}

static void tell_to_leave(struct worker *w)
{
    w->is_leaving = true;
    w->kill_us = clock_mono_us() + STOP_LIMIT_S * USEC_PER_SEC;
    if (w->pid > 0)
        kill(w->pid, SIGTERM);
    else
        w->is_used = false;
}

static void describe_death(const struct worker *w, int status)
{
    if (WIFSIGNALED(status))
        log_error("%s[%d] was ended by signal %d (%s); starting another", role_names[w->role], (int)w->pid,
                  WTERMSIG(status), strsignal(WTERMSIG(status)));
    else if (WEXITSTATUS(status) == 0) /* it has said why */
        log_info("%s[%d] has left; starting another in %d ms", role_names[w->role], (int)w->pid, w->backoff_ms);
    else
        log_error("%s[%d] left with status %d; starting another in %d ms", role_names[w->role], (int)w->pid,
                  WEXITSTATUS(status), w->backoff_ms);
}

static void worker_died(struct supervisor *s, struct worker *w, int status)
{
    if (w->role == ROLE_RECEIVE) {
        anvil_forget_worker(s->anvil, (unsigned)(w - s->workers));
        ceiling_forget_worker(s->ceiling, (unsigned)(w - s->workers));
    }
    if (w->ready_fd >= 0)
        close(w->ready_fd);
    w->ready_fd = -1;
    if (w->is_leaving && w->role == ROLE_RELAY && !s->is_stopping) {
        w->is_leaving = false; /* a reload: the next one may have the spool now */
        w->pid = 0;
        w->restart_us = 0;
        return;
    }
    if (w->is_leaving || s->is_stopping) {
        w->is_used = false;
        return;
    }
    bool was_young = clock_mono_us() - w->started_us < YOUNG_S * USEC_PER_SEC;
    w->backoff_ms = !was_young || !w->backoff_ms ? FIRST_BACKOFF_MS : w->backoff_ms * 2;
    if (w->backoff_ms > LAST_BACKOFF_MS)
        w->backoff_ms = LAST_BACKOFF_MS;
    describe_death(w, status);
    w->pid = 0;
    w->restart_us = clock_mono_us() + w->backoff_ms * 1000;
}

static void reap(struct supervisor *s)
{
    int status;
    pid_t pid;

    while ((pid = waitpid(-1, &status, WNOHANG)) > 0)
        for (size_t i = 0; i < MAX_WORKERS; i++)
            if (s->workers[i].is_used && s->workers[i].pid == pid)
                worker_died(s, &s->workers[i], status);
}

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
    struct tls_setup *tls = tls_setup_new(cfg, s->tickets, s->tls, &e);

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
    for (size_t i = 0; i < MAX_WORKERS; i++)
        if (s->workers[i].is_used)
            tell_to_leave(&s->workers[i]);
    add_receivers(s);
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
            tell_to_leave(&s->workers[i]);
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
        case SIGCHLD: reap(s); break;
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

static int64_t sooner(int64_t a, int64_t b)
{
    return a == 0 || (b && b < a) ? b : a;
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

/* Starts who is due, kills who overstays. Returns when to look again (mono), 0 for never. */
static int64_t look_after(struct supervisor *s)
{
    int64_t now = clock_mono_us(), next;

    turn_keys(s, now);
    next = s->turn_us;
    for (size_t i = 0; i < MAX_WORKERS; i++) {
        struct worker *w = &s->workers[i];
        if (!w->is_used)
            continue;
        if (w->pid <= 0 && now >= w->restart_us)
            start_worker(s, w);
        if (w->pid <= 0)
            next = sooner(next, w->restart_us);
        if (w->is_leaving && now >= w->kill_us) {
            log_warn("%s[%d] did not finish within %d s: ended", role_names[w->role], (int)w->pid, STOP_LIMIT_S);
            kill(w->pid, SIGKILL);
            w->kill_us = now + USEC_PER_SEC;
        }
        if (w->is_leaving)
            next = sooner(next, w->kill_us);
    }
    return next;
}

static bool all_serve(const struct supervisor *s)
{
    for (size_t i = 0; i < MAX_WORKERS; i++)
        if (s->workers[i].is_used && !s->workers[i].is_leaving && !s->workers[i].is_serving)
            return false;
    return true;
}

static bool none_left(const struct supervisor *s)
{
    for (size_t i = 0; i < MAX_WORKERS; i++)
        if (s->workers[i].is_used)
            return false;
    return true;
}

/* Tables have changed. As with a reload, those that are wrong leave the old ones in force; opening them here also makes their
 * indexes, once for all workers. */
static void replace(struct supervisor *s, struct worker *w)
{
    struct err e;

    if (w->is_leaving || s->is_stopping)
        return;
    struct resolver *r = resolver_new(s->cfg, &e);
    if (!r) {
        log_error("%s; what was read before stays in force", e.text);
        return;
    }
    resolver_free(r);
    if (w->role == ROLE_RECEIVE && !add_worker(s, ROLE_RECEIVE))
        return;
    log_info("tables have changed: a new %s reads them, %s[%d] leaves", role_names[w->role], role_names[w->role], (int)w->pid);
    tell_to_leave(w);
}

static void read_ready(struct supervisor *s, struct worker *w)
{
    char c;
    ssize_t n = read(w->ready_fd, &c, 1);

    if (n > 0 && c == 's')
        replace(s, w);
    else if (n > 0)
        w->is_serving = true;
    if (n == 0) {
        close(w->ready_fd);
        w->ready_fd = -1;
    }
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
            read_ready(s, of[i]);
    if (fds[0].revents)
        take_signal(s);
}

static void serve(struct supervisor *s)
{
    for (;;) {
        int64_t next = look_after(s);
        if (s->is_stopping && none_left(s))
            return;
        if (!s->was_ready && !s->is_stopping && all_serve(s)) {
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
    if (s->signal_fd < 0)
        return -1;
    const struct jail_options jail = { .role = JAIL_SUPERVISOR };
    return jail_enter(&jail, e);
}

int supervise(const struct config *cfg, const char *path)
{
    static struct supervisor s;
    struct err e;

    s = (struct supervisor){ .cfg = cfg, .path = path, .lock_fd = -1, .signal_fd = -1 };
    for (size_t i = 0; i < MAX_WORKERS; i++)
        s.workers[i].ready_fd = -1;
    if (open_all(&s, &e) < 0) {
        log_error("%s", e.text);
        if (strcmp(cfg->log, "stderr") != 0) /* whoever starts it looks there first */
            fprintf(stderr, "batond: %s\n", e.text);
        return e.kind == ERR_CONFIG ? EX_CONFIG : e.sys == EWOULDBLOCK ? EX_TEMPFAIL : EX_OSERR;
    }
    add_worker(&s, ROLE_RELAY);
    add_receivers(&s);
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
