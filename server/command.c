/* SPDX-License-Identifier: Apache-2.0
 *
 * Two pipes: the message goes down one as fast as the program reads, what it prints comes up the other, and the first of it is
 * kept. A program need not read all. When it has exited, nobody waits for what it left running. */
#include "server/command.h"

#include "base/clock.h"
#include "base/mem.h"
#include "server/copy.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <sysexits.h>
#include <unistd.h>

enum {
    PRINTED_MAX = 400, /* of what it prints, for the log and for the sender */
    TICK_MS = 50,
};

struct run {
    const struct command *c;
    struct copy copy;
    enum { AT_HEAD, AT_CONTENT, AT_TAIL, AT_END } place;
    struct span piece; /* what is to be written next */
    int in, out;       /* -1: closed */
    pid_t pid;         /* 0: it has exited, with `status` */
    int status;
    int64_t until_us;
    bool is_too_long;
    char printed[PRINTED_MAX + 1];
    size_t n_printed;
};

/* ---- starting it ---- */

static char **pointers(const struct strlist *l)
{
    char **p = xcalloc(l->n + 1, sizeof *p);

    for (size_t i = 0; i < l->n; i++)
        p[i] = l->at[i];
    return p;
}

_Noreturn static void become_program(const struct command *c, int in, int out)
{
    char **argv = pointers(c->argv), **env = pointers(c->env);

    setpgid(0, 0);
    prctl(PR_SET_PDEATHSIG, SIGTERM);
    signal(SIGPIPE, SIG_DFL);
    if (dup2(in, 0) < 0 || dup2(out, 1) < 0 || dup2(out, 2) < 0)
        _exit(EX_OSERR);
    if (c->directory && chdir(c->directory) < 0) {
        dprintf(2, "4.3.0 cannot change to directory %s: %s", c->directory, strerror(errno));
        _exit(EX_TEMPFAIL);
    }
    execve(argv[0], argv, env);
    dprintf(2, "4.3.5 cannot execute %s: %s", argv[0], strerror(errno));
    _exit(EX_TEMPFAIL);
}

static int start(struct run *r, struct err *e)
{
    int in[2], out[2];

    if (pipe2(in, O_CLOEXEC) < 0)
        return err_sys(e, "make a pipe");
    if (pipe2(out, O_CLOEXEC) < 0) {
        err_sys(e, "make a pipe");
        close(in[0]);
        close(in[1]);
        return -1;
    }
    r->pid = fork();
    if (r->pid == 0)
        become_program(r->c, in[0], out[1]);
    close(in[0]);
    close(out[1]);
    r->in = in[1];
    r->out = out[0];
    fcntl(r->in, F_SETFL, O_NONBLOCK);
    fcntl(r->out, F_SETFL, O_NONBLOCK);
    return r->pid < 0 ? err_sys(e, "start a process") : 0;
}

/* ---- what goes in ---- */

static void close_in(struct run *r)
{
    if (r->in >= 0)
        close(r->in);
    r->in = -1;
}

/* 0: there is a piece to be written; 1: that was all. */
static int next_piece(struct run *r, struct err *e)
{
    while (!r->piece.len && r->place != AT_END) {
        int rc = 0;
        switch (r->place) {
        case AT_HEAD: r->piece = r->c->head; r->place = AT_CONTENT; break;
        case AT_CONTENT:
            rc = copy_next(&r->copy, &r->piece, e);
            if (rc == 0)
                r->place = AT_TAIL;
            break;
        case AT_TAIL: r->piece = r->c->tail; r->place = AT_END; break;
        case AT_END: break;
        }
        if (rc < 0)
            return -1;
    }
    return r->piece.len ? 0 : 1;
}

static int feed(struct run *r, struct err *e)
{
    int rc;

    while ((rc = next_piece(r, e)) == 0) {
        ssize_t n = write(r->in, r->piece.at, r->piece.len);
        if (n < 0 && (errno == EAGAIN || errno == EINTR))
            return 0;
        if (n < 0) { /* it reads no more; its exit status says whether that is well */
            close_in(r);
            return 0;
        }
        r->piece = span_from(r->piece, (size_t)n);
    }
    close_in(r);
    return rc < 0 ? -1 : 0;
}

/* ---- what comes out, and the end ---- */

static void listen_to(struct run *r)
{
    char buf[4096];
    ssize_t n;

    while ((n = read(r->out, buf, sizeof buf)) > 0) {
        size_t room = PRINTED_MAX - r->n_printed, take = (size_t)n < room ? (size_t)n : room;
        memcpy(r->printed + r->n_printed, buf, take);
        r->n_printed += take;
    }
    if (n == 0 || (errno != EAGAIN && errno != EINTR)) {
        close(r->out);
        r->out = -1;
    }
}

static void reap(struct run *r, bool waits)
{
    int status;
    pid_t got = r->pid ? waitpid(r->pid, &status, waits ? 0 : WNOHANG) : 0;

    if (got == r->pid && got) {
        r->pid = 0;
        r->status = status;
    }
}

static void kill_all(struct run *r)
{
    if (!r->pid)
        return;
    kill(-r->pid, SIGKILL);
    kill(r->pid, SIGKILL);
    reap(r, true);
}

static int work(struct run *r, struct err *e)
{
    while (r->pid) {
        int64_t left = r->until_us - clock_mono_us();
        if (left <= 0) {
            r->is_too_long = true;
            return 0;
        }
        struct pollfd fds[2] = { { .fd = r->in, .events = POLLOUT }, { .fd = r->out, .events = POLLIN } };
        int tick = r->in < 0 && r->out < 0 ? TICK_MS / 5 : TICK_MS;
        if (poll(fds, 2, left / 1000 < tick ? (int)(left / 1000) + 1 : tick) < 0 && errno != EINTR)
            return err_sys(e, "wait for a program");
        if (r->in >= 0 && fds[0].revents && feed(r, e) < 0)
            return -1;
        if (r->out >= 0 && fds[1].revents)
            listen_to(r);
        reap(r, false);
    }
    if (r->out >= 0)
        listen_to(r);
    return 0;
}

/* ---- what it means ---- */

static const struct {
    int status;
    const char *dsn, *text;
} meanings[] = {
    { EX_USAGE, "5.3.0", "command line usage error" },
    { EX_DATAERR, "5.6.0", "data format error" },
    { EX_NOINPUT, "5.3.0", "cannot open input" },
    { EX_NOUSER, "5.1.1", "user unknown" },
    { EX_NOHOST, "5.1.2", "host name unknown" },
    { EX_UNAVAILABLE, "5.3.0", "service unavailable" },
    { EX_SOFTWARE, "5.3.0", "internal software error" },
    { EX_OSERR, "5.3.0", "system resource problem" },
    { EX_OSFILE, "5.3.0", "critical OS file missing" },
    { EX_CANTCREAT, "5.2.0", "can't create user output file" },
    { EX_IOERR, "5.3.0", "input/output error" },
    { EX_TEMPFAIL, "4.3.0", "temporary failure" },
    { EX_PROTOCOL, "5.5.0", "remote error in protocol" },
    { EX_NOPERM, "5.7.0", "permission denied" },
    { EX_CONFIG, "5.3.5", "local configuration error" },
};

/* "4.2.2 ...": its length, or 0. */
static size_t dsn_at(const char *s)
{
    size_t n = strspn(s, "0123456789.");
    int a, b, c, end = 0;

    if ((s[0] != '4' && s[0] != '5') || n > 11 || sscanf(s, "%d.%d.%d%n", &a, &b, &c, &end) != 3 || (size_t)end != n || a > 5)
        return 0;
    return s[n] == '\0' || s[n] == ' ' || s[n] == '\t' ? n : 0;
}

static void judge_status(int status, const char *name, char *dsn, char *text, size_t size)
{
    snprintf(dsn, 12, "5.3.0");
    if (WIFSIGNALED(status)) {
        snprintf(dsn, 12, "4.3.0");
        snprintf(text, size, "Command died with signal %d: \"%s\"", WTERMSIG(status), name);
        return;
    }
    snprintf(text, size, "Command died with status %d: \"%s\"", WEXITSTATUS(status), name);
    for (size_t i = 0; i < ARRAY_LEN(meanings); i++)
        if (meanings[i].status == WEXITSTATUS(status)) {
            snprintf(dsn, 12, "%s", meanings[i].dsn);
            snprintf(text, size, "%s", meanings[i].text);
        }
}

void command_judge(int status, const char *name, const char *printed, const char *done, struct outcome *out)
{
    char dsn[12], text[300];
    size_t n;

    if (WIFEXITED(status) && WEXITSTATUS(status) == 0) {
        outcome_set(out, "2.0.0", *printed ? "%s (%s)" : "%s", done, printed);
        return;
    }
    judge_status(status, name, dsn, text, sizeof text);
    n = dsn_at(printed);
    if (n) { /* its own word goes before its status */
        snprintf(dsn, sizeof dsn, "%.*s", (int)n, printed);
        printed += n + strspn(printed + n, " \t");
    }
    if (n && *printed)
        outcome_set(out, dsn, "%s", printed);
    else if (*printed)
        outcome_set(out, dsn, "%s. Command output: %s", text, printed);
    else
        outcome_set(out, dsn, "%s", text);
}

/* One line, without its end. */
static void make_one_line(struct run *r)
{
    r->printed[r->n_printed] = '\0';
    struct span s = span_trim(span_str(r->printed));
    memmove(r->printed, s.at, s.len);
    r->printed[s.len] = '\0';
    for (char *c = r->printed; *c; c++)
        if ((unsigned char)*c < ' ' || *c == 127)
            *c = ' ';
}

void command_run(const struct command *c, const struct content *content, struct outcome *out)
{
    struct run r = { .c = c, .in = -1, .out = -1, .until_us = clock_mono_us() + c->time_limit_us };
    struct err e;

    copy_init(&r.copy, content, c->how);
    r.copy.eol = c->eol;
    int rc = start(&r, &e);
    if (rc == 0)
        rc = work(&r, &e);
    if (r.pid > 0)
        kill_all(&r);
    close_in(&r);
    if (r.out >= 0)
        close(r.out);
    copy_fini(&r.copy);
    make_one_line(&r);
    if (rc < 0)
        outcome_defer(out, "4.3.0", &e);
    else if (r.is_too_long)
        outcome_set(out, "4.3.0", "Command time limit exceeded: \"%s\"", c->argv->at[0]);
    else
        command_judge(r.status, c->argv->at[0], r.printed, c->done, out);
}
