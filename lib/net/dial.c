/* SPDX-License-Identifier: Apache-2.0
 *
 * dial.c - connecting, several attempts side by side. An attempt is a socket and a deadline; the dial itself has the
 * stagger: a timer that starts the next one. */
#include "net/dial.h"

#include "base/buf.h"
#include "base/mem.h"
#include "net/conn_int.h"

#include <errno.h>
#include <netinet/tcp.h>
#include <stdlib.h>
#include <sys/un.h>
#include <unistd.h>

#define MAX_TRIES   32
#define TIMEOUT_MS  30000
#define STAGGER_MS  250
#define UNIX_AGAIN  10 /* ms: the backlog of a unix socket is full */

struct attempt {
    struct dial *dial; /* borrowed */
    const union addr *to; /* borrowed from dial->to */
    int fd;               /* -1: over */
    uv_poll_t *poll;
    struct timer limit;
};

struct dial {
    struct loop *loop; /* borrowed */
    struct addr_list to;
    struct sockaddr_un path; /* instead of `to` */
    int64_t timeout_ms, stagger_ms, started_ms;
    union addr from[2]; /* IPv4, IPv6; family 0: not bound */
    dial_fn *done;
    void *arg;
    struct attempt tries[MAX_TRIES];
    size_t n_started, n_open;
    struct timer next;
    struct later later; /* the first attempt, and the last word: never from inside dial_start() */
    struct buf reasons;
};

static void start_next(void *arg);

/* ---- one attempt ---------------------------------------- */

static void on_poll_closed(uv_handle_t *h)
{
    free(h);
}

/* Leaves the fd alone. */
static void attempt_release(struct attempt *a)
{
    timer_stop(&a->limit);
    if (a->poll)
        uv_close((uv_handle_t *)a->poll, on_poll_closed);
    a->poll = NULL;
    a->fd = -1;
    a->dial->n_open--;
}

static void attempt_drop(struct attempt *a)
{
    int fd = a->fd;
    if (fd < 0)
        return;
    attempt_release(a);
    close(fd);
}

static void note_reason(struct dial *d, const union addr *to, int error)
{
    char text[ADDR_TEXT];
    const char *where = to ? addr_format(to, text) : d->path.sun_path;
    buf_addf(&d->reasons, "%s%s: %s", d->reasons.len ? "; " : "connect to ", where, strerror(error));
}

static void attempt_failed(struct attempt *a, int error)
{
    struct dial *d = a->dial;
    note_reason(d, a->to, error);
    attempt_drop(a);
    start_next(d);
}

static void dial_free(struct dial *d)
{
    timer_stop(&d->next);
    later_cancel(&d->later);
    for (size_t i = 0; i < d->n_started; i++)
        attempt_drop(&d->tries[i]);
    addr_list_fini(&d->to);
    buf_fini(&d->reasons);
    free(d);
}

static void attempt_won(struct attempt *a)
{
    struct dial *d = a->dial;
    static const union addr local = { .sa = { .sa_family = AF_UNIX } };
    union addr to = a->to ? *a->to : local;
    struct err why = { .kind = ERR_NONE };
    int fd = a->fd;
    attempt_release(a);
    struct conn *c = conn_make(d->loop, fd, &to, &why);
    dial_fn *done = d->done;
    void *arg = d->arg;
    dial_free(d);
    done(arg, c, &why);
}

static void on_poll(uv_poll_t *uv, int status, int events)
{
    struct attempt *a = uv->data;
    int error = 0;
    socklen_t len = sizeof(error);
    (void)events;
    if (a->poll != uv) /* released in this turn */
        return;
    if (getsockopt(a->fd, SOL_SOCKET, SO_ERROR, &error, &len) < 0)
        error = errno;
    if (!error && status < 0)
        error = ECONNREFUSED;
    if (error)
        attempt_failed(a, error);
    else
        attempt_won(a);
}

static void on_limit(void *arg)
{
    attempt_failed(arg, ETIMEDOUT);
}

static int attempt_watch(struct attempt *a)
{
    a->poll = xcalloc(1, sizeof(*a->poll));
    a->poll->data = a;
    int code = uv_poll_init(&a->dial->loop->uv, a->poll, a->fd);
    if (code < 0) {
        free(a->poll);
        a->poll = NULL;
        return -code;
    }
    return -uv_poll_start(a->poll, UV_WRITABLE, on_poll);
}

/* Returns 0, or why not (errno). A connection that is there at once is seen by the poll as well. */
static int attempt_start(struct attempt *a)
{
    struct dial *d = a->dial;
    int family = a->to ? a->to->sa.sa_family : AF_UNIX;
    const struct sockaddr *sa = a->to ? &a->to->sa : (struct sockaddr *)&d->path;
    socklen_t len = a->to ? addr_len(a->to) : sizeof(d->path);
    a->fd = socket(family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    if (a->fd < 0)
        return errno;
    d->n_open++;
    int one = 1;
    if (a->to)
        setsockopt(a->fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof(one));
    const union addr *from = &d->from[family == AF_INET6];
    if (a->to && from->sa.sa_family && bind(a->fd, &from->sa, addr_len(from)) < 0)
        return errno;
    if (connect(a->fd, sa, len) < 0 && errno != EINPROGRESS)
        return errno;
    timer_start(&a->limit, d->loop, d->timeout_ms, on_limit, a);
    return attempt_watch(a);
}

/* ---- the sequence ---------------------------------------- */

static void give_up(struct dial *d)
{
    struct err why;
    if (!d->n_started)
        err_set(&why, ERR_CONFIG, "connect: there is no address of a protocol that is switched on");
    else
        err_set(&why, ERR_TEMPORARY, "%s", buf_cstr(&d->reasons));
    dial_fn *done = d->done;
    void *arg = d->arg;
    dial_free(d);
    done(arg, NULL, &why);
}

static bool is_unix(const struct dial *d)
{
    return d->path.sun_family == AF_UNIX;
}

/* True: it is under way, or will be again. */
static bool try_one(struct dial *d)
{
    struct attempt *a = &d->tries[d->n_started];
    *a = (struct attempt){ .dial = d, .to = is_unix(d) ? NULL : &d->to.at[d->n_started], .fd = -1 };
    d->n_started++;
    int error = attempt_start(a);
    if (!error)
        return true;
    attempt_drop(a);
    if (error == EAGAIN && is_unix(d) && loop_now_ms(d->loop) - d->started_ms < d->timeout_ms) {
        d->n_started = 0;
        timer_start(&d->next, d->loop, UNIX_AGAIN, start_next, d);
        return true;
    }
    note_reason(d, a->to, error == EINVAL && a->to ? EADDRNOTAVAIL : error);
    return false;
}

static void start_next(void *arg)
{
    struct dial *d = arg;
    size_t n = is_unix(d) ? 1 : d->to.n;
    timer_stop(&d->next);
    while (d->n_started < n) {
        if (!try_one(d))
            continue;
        if (d->n_started && d->n_started < n)
            timer_start(&d->next, d->loop, d->stagger_ms, start_next, d);
        return;
    }
    if (!d->n_open)
        give_up(d);
}

static bool is_switched_on(const struct dial_options *o, const union addr *a)
{
    return a->sa.sa_family == AF_INET6 ? !o->no_ipv6 : !o->no_ipv4;
}

/* Takes the next one of `family` from `from` that is at or behind *at. */
static bool take(struct dial *d, const struct dial_options *o, int family, size_t *at)
{
    for (; *at < o->to->n && d->to.n < MAX_TRIES; ++*at) {
        const union addr *a = &o->to->at[*at];
        if ((family && a->sa.sa_family != family) || !is_switched_on(o, a))
            continue;
        addr_list_add(&d->to, a);
        ++*at;
        return true;
    }
    return false;
}

/* RFC 8305 4: the families take turns, that of the first address first. */
static void arrange(struct dial *d, const struct dial_options *o)
{
    size_t at[2] = { 0, 0 };
    int first = o->to->n ? o->to->at[0].sa.sa_family : AF_INET6;
    int other = first == AF_INET6 ? AF_INET : AF_INET6;
    if (o->in_order) {
        while (take(d, o, 0, &at[0]))
            ;
        return;
    }
    bool took_first, took_other;
    do {
        took_first = take(d, o, first, &at[0]);
        took_other = take(d, o, other, &at[1]);
    } while (took_first || took_other);
}

static struct dial *dial_new(struct loop *l, int64_t timeout_ms, dial_fn *done, void *arg)
{
    struct dial *d = xcalloc(1, sizeof(*d));
    d->loop = l;
    d->timeout_ms = timeout_ms > 0 ? timeout_ms : TIMEOUT_MS;
    d->started_ms = loop_now_ms(l);
    d->done = done;
    d->arg = arg;
    buf_init(&d->reasons, sizeof(((struct err *)0)->text) - 1);
    later_start(&d->later, l, start_next, d);
    return d;
}

struct dial *dial_start(struct loop *l, const struct dial_options *o, dial_fn *done, void *arg)
{
    struct dial *d = dial_new(l, o->timeout_ms, done, arg);
    d->stagger_ms = o->stagger_ms > 0 ? o->stagger_ms : STAGGER_MS;
    if (o->from4)
        d->from[0] = *o->from4;
    if (o->from6)
        d->from[1] = *o->from6;
    arrange(d, o);
    return d;
}

struct dial *dial_unix(struct loop *l, const char *path, int64_t timeout_ms, dial_fn *done, void *arg)
{
    struct dial *d = dial_new(l, timeout_ms, done, arg);
    d->path.sun_family = AF_UNIX;
    /* A path too long is cut, and then there is nobody at its end. */
    snprintf(d->path.sun_path, sizeof(d->path.sun_path), "%s", path);
    return d;
}

void dial_cancel(struct dial *d)
{
    if (d)
        dial_free(d);
}
