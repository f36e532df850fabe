/* SPDX-License-Identifier: Apache-2.0 */
#include "server/errands.h"

#include "base/log.h"
#include "base/mem.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

enum { REAP_FIRST_MS = 10, REAP_EVERY_MS = 1000, STUCK_MS = 10000 };

struct errand {
    struct list link;
    struct errands *of;
    pid_t pid; /* 0: it waits for its turn */
    int fd;
    struct watch watch;
    struct timer limit; /* then: of the next look whether it is dead */
    bool is_too_long;
    struct outcome outcome;
    size_t got;
    errand_work_fn *work;
    struct errand_terms terms;
    errand_done_fn *done;
    void *arg;
    /* One that has been ended, and is not dead yet */
    char *group;
    int64_t reap_ms, ended_ms;
    bool is_stuck;
};

static void start_waiting(struct errands *c);

void errands_init(struct errands *c, struct loop *l, unsigned limit)
{
    *c = (struct errands){ .loop = l, .limit = limit };
    list_init(&c->running);
    list_init(&c->waiting);
    list_init(&c->dying);
}

static void kill_group(const struct errand *k, int signum)
{
    if (k->pid > 0 && kill(-k->pid, signum) < 0) /* before its setsid() it has no group of its own */
        kill(k->pid, signum);
}

static void close_pipe(struct errand *k)
{
    watch_stop(&k->watch);
    timer_stop(&k->limit);
    if (k->fd >= 0)
        close(k->fd);
    k->fd = -1;
}

/* Never waits: what hangs in a user's file system may not die of SIGKILL either. */
static bool is_dead(const struct errand *k)
{
    int status;

    return k->pid <= 0 || waitpid(k->pid, &status, WNOHANG) != 0; /* that of no child: somebody else has seen it die */
}

static void errand_free(struct errand *k)
{
    close_pipe(k);
    is_dead(k);
    list_remove(&k->link);
    free(k->group);
    free(k);
}

void errands_fini(struct errands *c)
{
    list_each(it, &c->running) {
        kill_group(list_entry(it, struct errand, link), SIGKILL);
        errand_free(list_entry(it, struct errand, link));
    }
    list_each(it, &c->waiting)
        errand_free(list_entry(it, struct errand, link));
    list_each(it, &c->dying)
        errand_free(list_entry(it, struct errand, link));
}

void errands_end_all(struct errands *c)
{
    list_each(it, &c->running)
        kill_group(list_entry(it, struct errand, link), SIGTERM);
}

/* ---- in the child ---- */

static void close_all_but(int a, int b)
{
    int low = a < b ? a : b, high = a < b ? b : a;

    if (low < 3) {
        close_range(3, (unsigned)high - 1, 0);
    } else {
        if (low > 3)
            close_range(3, (unsigned)low - 1, 0);
        if (high > low + 1)
            close_range((unsigned)low + 1, (unsigned)high - 1, 0);
    }
    close_range((unsigned)high + 1, UINT_MAX, 0);
}

_Noreturn static void run(const struct errand *k, int fd)
{
    static struct outcome out;
    static const int as_ever[] = { SIGPIPE, SIGHUP, SIGINT, SIGTERM, SIGCHLD };
    sigset_t none;

    setsid();
    sigemptyset(&none);
    for (size_t i = 0; i < ARRAY_LEN(as_ever); i++)
        signal(as_ever[i], as_ever[i] == SIGPIPE ? SIG_IGN : SIG_DFL);
    sigprocmask(SIG_SETMASK, &none, NULL);
    close_all_but(fd, k->terms.keep_fd);
    k->work(k->arg, &out);
    for (size_t at = 0; at < sizeof out;) {
        ssize_t n = write(fd, (const char *)&out + at, sizeof out - at);
        if (n < 0 && errno != EINTR)
            break;
        at += n > 0 ? (size_t)n : 0;
    }
    _exit(0);
}

/* ---- in the parent ---- */

static void reap(void *arg)
{
    struct errand *k = arg;
    struct errands *c = k->of;

    if (is_dead(k)) {
        c->n_stuck -= k->is_stuck;
        k->pid = 0;
        errand_free(k);
        return;
    }
    if (!k->is_stuck && loop_now_ms(c->loop) - k->ended_ms >= STUCK_MS) {
        k->is_stuck = true;
        c->n_stuck++;
        log_warn("process %ld%s%s does not die: it hangs in a file system that does not answer", (long)k->pid, k->group ? " for " : "",
                 k->group ? log_safe_str(k->group) : "");
    }
    k->reap_ms = k->reap_ms < REAP_EVERY_MS / 2 ? k->reap_ms * 2 : REAP_EVERY_MS;
    timer_start(&k->limit, c->loop, k->reap_ms, reap, k);
}

/* Its process may live on for a moment, or for as long as its file system does not answer. */
static void part_with(struct errand *k)
{
    close_pipe(k);
    k->of->n_running--;
    k->group = k->terms.group ? xstrdup(k->terms.group) : NULL;
    k->ended_ms = loop_now_ms(k->of->loop);
    k->reap_ms = REAP_FIRST_MS;
    list_remove(&k->link);
    list_append(&k->of->dying, &k->link);
    reap(k);
}

static void end(struct errand *k)
{
    struct errands *c = k->of;
    errand_done_fn *done = k->done;
    void *arg = k->arg;
    struct outcome o = k->outcome;

    if (k->is_too_long)
        outcome_set(&o, "4.3.0", "delivery took longer than %lld s and was given up", (long long)k->terms.time_limit_ms / 1000);
    else if (k->got < sizeof o)
        outcome_set(&o, "4.3.0", "the process that delivers has ended without a result");
    o.dsn[sizeof o.dsn - 1] = o.text[sizeof o.text - 1] = '\0';
    if (k->pid > 0) /* it was started; 0 would be we */
        kill(k->pid, SIGKILL); /* a user may have stopped it, behind its last word */
    part_with(k);
    done(arg, &o);
    start_waiting(c);
}

static void take_outcome(void *arg)
{
    struct errand *k = arg;
    ssize_t n = read(k->fd, (char *)&k->outcome + k->got, sizeof k->outcome - k->got);

    if (n < 0 && (errno == EINTR || errno == EAGAIN))
        return;
    k->got += n > 0 ? (size_t)n : 0;
    if (n <= 0 || k->got == sizeof k->outcome)
        end(k);
}

static void too_long(void *arg)
{
    struct errand *k = arg;
    k->is_too_long = true;
    kill_group(k, SIGKILL);
    end(k);
}

static int fork_one(struct errand *k, struct err *e)
{
    int fds[2];

    if (pipe2(fds, O_CLOEXEC) < 0)
        return err_sys(e, "make a pipe");
    log_flush(); /* or the child would have our lines too */
    k->pid = fork();
    if (k->pid == 0)
        run(k, fds[1]);
    int error = errno;
    close(fds[1]);
    k->fd = fds[0];
    if (k->pid < 0) {
        k->pid = 0;
        errno = error;
        return err_sys(e, "start a process to deliver");
    }
    fcntl(k->fd, F_SETFL, O_NONBLOCK);
    return watch_start(&k->watch, k->of->loop, k->fd, take_outcome, k, e);
}

static void start_failed(void *arg)
{
    struct errand *k = arg;
    kill_group(k, SIGKILL);
    end(k);
}

static bool has_room(const struct errands *c, const struct errand *k)
{
    unsigned n = 0;

    if (!k->terms.group)
        return true;
    list_each(it, &c->running) {
        const struct errand *other = list_entry(it, struct errand, link);
        n += other->terms.group && strcmp(other->terms.group, k->terms.group) == 0;
    }
    return n < k->terms.group_limit;
}

/* Those before it hang for good: another process would only hang with them. */
static bool is_hopeless(const struct errands *c, const struct errand *k)
{
    unsigned n = 0;

    if (c->n_stuck == 0 || !k->terms.group)
        return c->n_stuck >= c->limit;
    list_each(it, &c->dying) {
        const struct errand *other = list_entry(it, struct errand, link);
        n += other->is_stuck && other->group && strcmp(other->group, k->terms.group) == 0;
    }
    return n >= k->terms.group_limit || c->n_stuck >= c->limit;
}

static void start_one(struct errand *k)
{
    struct errands *c = k->of;
    struct err e;

    list_remove(&k->link);
    list_append(&c->running, &k->link);
    c->n_running++;
    if (is_hopeless(c, k)) {
        err_set(&e, ERR_TEMPORARY, "deliveries before this one hang in a file system that does not answer");
    } else if (fork_one(k, &e) == 0) {
        timer_start(&k->limit, c->loop, k->terms.time_limit_ms, too_long, k);
        return;
    }
    k->got = sizeof k->outcome;
    outcome_defer(&k->outcome, "4.3.0", &e);
    timer_start(&k->limit, c->loop, 0, start_failed, k);
}

static void start_waiting(struct errands *c)
{
    list_each(it, &c->waiting) {
        struct errand *k = list_entry(it, struct errand, link);
        if (c->n_running >= c->limit)
            return;
        if (has_room(c, k))
            start_one(k);
    }
}

void errand_start(struct errands *c, const struct errand_terms *t, errand_work_fn *work, errand_done_fn *done, void *arg)
{
    struct errand *k = xcalloc(1, sizeof *k);

    *k = (struct errand){ .of = c, .fd = -1, .terms = *t, .work = work, .done = done, .arg = arg };
    list_append(&c->waiting, &k->link);
    start_waiting(c);
}
