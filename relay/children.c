/* SPDX-License-Identifier: Apache-2.0
 *
 * A worker is in one of four states: no process (waiting for restart_us), starting, serving, leaving. The relay is one at
 * a time, as the spool wants it; a receive worker gets another beside it before it leaves. */
#include "relay/supervise_int.h"

#include "base/clock.h"
#include "base/log.h"
#include "relay/anvil.h"
#include "relay/ceiling.h"
#include "relay/hooks.h"
#include "relay/listeners.h"
#include "relay/resolve.h"
#include "relay/tls_setup.h"
#include "relay/worker.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

enum {
    STOP_LIMIT_S = 30,       /* in flight beyond this is cut off; the spool makes that harmless */
    FIRST_BACKOFF_MS = 100,  /* doubles up to the last while workers die young */
    LAST_BACKOFF_MS = 30000,
    YOUNG_S = 10,
};

static const char *const role_names[] = {
    [ROLE_RELAY] = "baton/relay", [ROLE_RECEIVE] = "baton/receive", [ROLE_DELIVER] = "baton/deliver",
};

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

typedef int main_fn(const struct worker_env *env);

static main_fn *main_of(enum worker_role role)
{
    switch (role) {
    case ROLE_RELAY: return relay_main;
    case ROLE_RECEIVE: return receive_main;
    case ROLE_DELIVER: return server_hooks->deliver_main;
    }
    return NULL;
}

static void run_worker(struct supervisor *s, const struct worker *w, int ready_fd, pid_t parent)
{
    sigset_t none;

    keep_own_secrets(s, w->role);
    const struct worker_env env = {
        .role = w->role,
        .started_us = s->started_us,
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
    exit(main_of(w->role)(&env));
}

static void start(struct supervisor *s, struct worker *w)
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

struct worker *children_add(struct supervisor *s, enum worker_role role)
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

void children_add_receivers(struct supervisor *s)
{
    for (unsigned n = config_receivers(s->cfg); n > 0; n--)
        children_add(s, ROLE_RECEIVE);
}

void children_add_deliverer(struct supervisor *s)
{
    if (listeners_have(s->listeners, LISTEN_DELIVER) && server_hooks && server_hooks->deliver_main)
        children_add(s, ROLE_DELIVER);
}

void children_dismiss(struct worker *w)
{
    w->is_leaving = true;
    w->kill_us = clock_mono_us() + STOP_LIMIT_S * USEC_PER_SEC;
    if (w->pid > 0)
        kill(w->pid, SIGTERM);
    else
        w->is_used = false;
}

/* The relay is one at a time: its place stays taken, and one that waited to be started again waits no more. */
void children_renew(struct supervisor *s)
{
    for (size_t i = 0; i < MAX_WORKERS; i++) {
        struct worker *w = &s->workers[i];
        if (!w->is_used)
            continue;
        if (w->role == ROLE_RELAY && w->pid <= 0) {
            w->is_serving = false;
            w->restart_us = 0;
            w->backoff_ms = 0;
        } else {
            children_dismiss(w);
        }
    }
    children_add_receivers(s);
    children_add_deliverer(s);
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

void children_reap(struct supervisor *s)
{
    int status;
    pid_t pid;

    while ((pid = waitpid(-1, &status, WNOHANG)) > 0)
        for (size_t i = 0; i < MAX_WORKERS; i++)
            if (s->workers[i].is_used && s->workers[i].pid == pid)
                worker_died(s, &s->workers[i], status);
}

/* ---- time ---- */

int64_t children_sooner(int64_t a, int64_t b)
{
    return a == 0 || (b && b < a) ? b : a;
}

int64_t children_look_after(struct supervisor *s, int64_t now)
{
    int64_t next = 0;

    for (size_t i = 0; i < MAX_WORKERS; i++) {
        struct worker *w = &s->workers[i];
        if (!w->is_used)
            continue;
        if (w->pid <= 0 && now >= w->restart_us)
            start(s, w);
        if (w->pid <= 0)
            next = children_sooner(next, w->restart_us);
        if (w->is_leaving && now >= w->kill_us) {
            log_warn("%s[%d] did not finish within %d s: ended", role_names[w->role], (int)w->pid, STOP_LIMIT_S);
            kill(w->pid, SIGKILL);
            w->kill_us = now + USEC_PER_SEC;
        }
        if (w->is_leaving)
            next = children_sooner(next, w->kill_us);
    }
    return next;
}

bool children_all_serve(const struct supervisor *s)
{
    for (size_t i = 0; i < MAX_WORKERS; i++)
        if (s->workers[i].is_used && !s->workers[i].is_leaving && !s->workers[i].is_serving)
            return false;
    return true;
}

bool children_none_left(const struct supervisor *s)
{
    for (size_t i = 0; i < MAX_WORKERS; i++)
        if (s->workers[i].is_used)
            return false;
    return true;
}

/* ---- what they say ---- */

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
    if (w->role != ROLE_RELAY && !children_add(s, w->role))
        return;
    log_info("tables have changed: a new %s reads them, %s[%d] leaves", role_names[w->role], role_names[w->role], (int)w->pid);
    children_dismiss(w);
}

void children_read(struct supervisor *s, struct worker *w)
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
