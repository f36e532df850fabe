/* SPDX-License-Identifier: Apache-2.0
 *
 * A message each way over a socket that keeps them apart: there "number NUL url NUL resolve NUL authorities NUL", and back the number, a
 * byte ('+': the text follows, '-': the reason) and the text. */
#include "relay/fetcher.h"

#include "base/buf.h"
#include "base/list.h"
#include "base/log.h"
#include "base/mem.h"
#include "net/loop.h"
#include "relay/jail.h"

#include <errno.h>
#include <limits.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

enum { MESSAGE_MAX = 70000, TEXT_MAX = 65536, LIMIT_S = 60, UNDER_WAY_MAX = 8, FD = 3 };

struct fetch {
    struct list link;
    struct fetcher *of;
    unsigned number;
    char *message; /* NULL: it has been sent */
    size_t message_len;
    fetcher_fn *done; /* NULL: cancelled */
    void *arg;
};

struct fetcher {
    int fd;
    struct loop *loop;
    struct watch watch;
    struct later later;
    struct list fetches; /* in the order in which they came */
    unsigned last_number, n_under_way;
};

/* ---- the process ---- */

static char *program(void)
{
    char self[PATH_MAX];
    ssize_t n = readlink("/proc/self/exe", self, sizeof self);
    size_t folder = n > 0 ? span_rfind(span_of(self, (size_t)n), '/') : 0;
    char *built = xasprintf("%.*s/baton-fetch", (int)folder, self);

    if (folder && access(built, X_OK) == 0)
        return built; /* in a build tree */
    free(built);
    return xstrdup(LIBEXECDIR "/baton/baton-fetch");
}

static void answer(const char *number, char sign, const char *text, size_t len)
{
    static char message[MESSAGE_MAX];
    int n = snprintf(message, sizeof message, "%s%c", number, sign);

    memcpy(message + n, text, len);
    while (send(FD, message, (size_t)n + len, MSG_NOSIGNAL) < 0 && errno == EINTR)
        ;
}

static pid_t start_program(const char *path, const char *url, const char *resolve, const char *authorities, int out)
{
    char seconds[16];
    const char *argv[10] = { path, "-t", seconds };
    size_t n = 3;
    pid_t pid = fork();

    if (pid != 0)
        return pid;
    snprintf(seconds, sizeof seconds, "%d", LIMIT_S);
    if (*resolve)
        argv[n++] = "-r", argv[n++] = resolve;
    if (*authorities)
        argv[n++] = "-a", argv[n++] = authorities;
    argv[n++] = "--";
    argv[n] = url;
    dup2(out, STDOUT_FILENO);
    dup2(out, STDERR_FILENO);
    syscall(SYS_close_range, 3, ~0u, 0);
    static char search_path[] = "PATH=/usr/bin:/bin";
    char *env[] = { search_path, NULL };
    execve(path, (char **)(uintptr_t)argv, env);
    _exit(127);
}

/* In a process of its own, for one text. */
static void run(const char *path, const char *number, const char *url, const char *resolve, const char *authorities)
{
    static char text[TEXT_MAX];
    size_t len = 0;
    ssize_t got;
    int fds[2], status = -1;

    signal(SIGCHLD, SIG_DFL);
    alarm(LIMIT_S + 10);
    if (pipe(fds) < 0)
        _exit(1);
    pid_t pid = start_program(path, url, resolve, authorities, fds[1]);
    close(fds[1]);
    while (len < sizeof text && ((got = read(fds[0], text + len, sizeof text - len)) > 0 || (got < 0 && errno == EINTR)))
        len += got > 0 ? (size_t)got : 0;
    close(fds[0]);
    while (pid > 0 && waitpid(pid, &status, 0) < 0 && errno == EINTR)
        ;
    if (status == 0)
        answer(number, '+', text, len);
    else if (len)
        answer(number, '-', text, len > 500 ? 500 : len);
    else
        answer(number, '-', "baton-fetch does not run", strlen("baton-fetch does not run"));
    _exit(0);
}

_Noreturn static void serve(const char *path)
{
    static char message[MESSAGE_MAX];
    ssize_t n;

    signal(SIGCHLD, SIG_IGN);
    while ((n = recv(FD, message, sizeof message - 1, 0)) > 0 || (n < 0 && errno == EINTR)) {
        if (n < 0)
            continue;
        const char *parts[4];
        const char *at = message;
        message[n] = '\0';
        for (size_t i = 0; i < ARRAY_LEN(parts); i++) {
            parts[i] = at < message + n ? at : "";
            at += strlen(at) + (at < message + n);
        }
        pid_t pid = fork();
        if (pid == 0)
            run(path, parts[0], parts[1], parts[2], parts[3]);
        if (pid < 0)
            answer(parts[0], '-', "no process for it", strlen("no process for it"));
    }
    _exit(0);
}

static void become(int fd, pid_t parent, uid_t uid, gid_t gid, const char *path)
{
    const struct jail_options jail = { .role = JAIL_FETCH, .uid = uid, .gid = gid };
    struct err e;

    prctl(PR_SET_NAME, "batond-fetch");
    prctl(PR_SET_PDEATHSIG, SIGKILL);
    signal(SIGTERM, SIG_IGN); /* it leaves with its worker, when the socket ends */
    if (getppid() != parent || dup2(fd, FD) < 0)
        _exit(1);
    syscall(SYS_close_range, FD + 1, ~0u, 0);
    if (jail_enter(&jail, &e) < 0)
        _exit(1);
    serve(path);
}

struct fetcher *fetcher_new(uid_t uid, gid_t gid, struct err *e)
{
    char *path = program();
    pid_t parent = getpid();
    int fds[2];

    if (access(path, X_OK) < 0) {
        err_sys(e, "%s", path);
        free(path);
        return NULL;
    }
    if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, fds) < 0) {
        err_sys(e, "socketpair");
        free(path);
        return NULL;
    }
    log_flush();
    pid_t pid = fork();
    if (pid == 0)
        become(fds[1], parent, uid, gid, path);
    free(path);
    close(fds[1]);
    if (pid < 0) {
        err_sys(e, "fork");
        close(fds[0]);
        return NULL;
    }
    struct fetcher *f = xcalloc(1, sizeof *f);
    f->fd = fds[0];
    list_init(&f->fetches);
    return f;
}

/* ---- the worker's side ---- */

static void end(struct fetch *w, struct span text, const char *why)
{
    struct fetcher *f = w->of;

    list_remove(&w->link);
    f->n_under_way -= w->message == NULL;
    if (w->done)
        w->done(w->arg, text, why);
    free(w->message);
    free(w);
}

static void send_some(void *arg)
{
    struct fetcher *f = arg;

    list_each(l, &f->fetches) {
        struct fetch *w = list_entry(l, struct fetch, link);
        if (!w->message || f->n_under_way >= UNDER_WAY_MAX)
            continue;
        if (send(f->fd, w->message, w->message_len, MSG_NOSIGNAL | MSG_DONTWAIT) < 0) {
            end(w, SPAN(""), "the process that fetches is gone");
            return; /* the list may be another now; the rest has its turn when something comes */
        }
        free(w->message);
        w->message = NULL;
        f->n_under_way++;
    }
}

static void take(struct fetcher *f, char *message, size_t len)
{
    char *at;
    unsigned long number = strtoul(message, &at, 10);

    list_each(l, &f->fetches) {
        struct fetch *w = list_entry(l, struct fetch, link);
        if (w->number != number || w->message)
            continue;
        bool is_good = *at == '+';
        struct span text = span_of(at + 1, len - (size_t)(at + 1 - message));
        char *why = is_good ? NULL : span_dup(span_trim(text));
        end(w, is_good ? text : SPAN(""), why);
        free(why);
        return;
    }
}

static void on_readable(void *arg)
{
    static char message[MESSAGE_MAX + 1];
    struct fetcher *f = arg;
    ssize_t n = recv(f->fd, message, MESSAGE_MAX, MSG_DONTWAIT);

    if (n > 0) {
        message[n] = '\0';
        take(f, message, (size_t)n);
    } else if (n == 0) {
        log_warn("the process that fetches texts is gone; the next worker has another");
        watch_stop(&f->watch);
        while (!list_is_empty(&f->fetches))
            end(list_entry(f->fetches.next, struct fetch, link), SPAN(""), "the process that fetches is gone");
    }
    send_some(f);
}

int fetcher_start(struct fetcher *f, struct loop *l, struct err *e)
{
    f->loop = l;
    return watch_start(&f->watch, l, f->fd, on_readable, f, e);
}

void fetcher_free(struct fetcher *f)
{
    if (!f)
        return;
    while (!list_is_empty(&f->fetches)) {
        struct fetch *w = list_entry(f->fetches.next, struct fetch, link);
        w->done = NULL;
        end(w, SPAN(""), NULL);
    }
    watch_stop(&f->watch);
    later_cancel(&f->later);
    close(f->fd);
    free(f);
}

void fetcher_get(struct fetcher *f, const char *url, const char *resolve, const char *authorities, fetcher_fn *done, void *arg)
{
    struct fetch *w = xcalloc(1, sizeof *w);
    struct buf b;

    *w = (struct fetch){ .of = f, .number = ++f->last_number, .done = done, .arg = arg };
    buf_init(&b, BUF_NO_MAX);
    buf_addf(&b, "%u%c%s%c%s%c%s%c", w->number, 0, url, 0, resolve ? resolve : "", 0, authorities ? authorities : "", 0);
    w->message_len = b.len;
    w->message = buf_take(&b);
    list_append(&f->fetches, &w->link);
    later_start(&f->later, f->loop, send_some, f);
}
