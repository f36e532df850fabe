/* SPDX-License-Identifier: Apache-2.0
 *
 * listen.c - sockets that listen, and accepting from them.
 *
 * A few connections a turn and no more: several workers share a socket, and one of them shall not take all. How many are
 * asked for follows what the last turn found, so that a trickle costs no accept() in vain. */
#include "net/listen.h"

#include "base/log.h"
#include "base/mem.h"
#include "net/conn_int.h"

#include <errno.h>
#include <netinet/tcp.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#define BACKLOG         511
#define ACCEPTS_A_TURN  8
#define OUT_OF_FDS_WAIT 200 /* ms */

/* ---- opening ---------------------------------------- */

static int fail(int fd, struct err *e, const char *what, const char *where)
{
    err_sys(e, "%s %s", what, where);
    if (fd >= 0)
        close(fd);
    return -1;
}

int listen_open_tcp(const union addr *at, int backlog, struct err *e)
{
    char text[ADDR_TEXT];
    int one = 1;
    addr_format(at, text);
    int fd = socket(at->sa.sa_family, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    if (fd < 0)
        return fail(fd, e, "make a socket for", text);
    /* Otherwise the port is taken for a minute after a restart. */
    setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &one, sizeof(one));
    /* What is accepted inherits it. */
    setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof(one));
    if (at->sa.sa_family == AF_INET6)
        setsockopt(fd, IPPROTO_IPV6, IPV6_V6ONLY, &one, sizeof(one));
    if (bind(fd, &at->sa, addr_len(at)) < 0 || listen(fd, backlog > 0 ? backlog : BACKLOG) < 0)
        return fail(fd, e, "listen on", text);
    return fd;
}

static bool is_answered(const struct sockaddr_un *at)
{
    int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    bool answered = fd < 0 || connect(fd, (const struct sockaddr *)at, sizeof(*at)) == 0 || errno != ECONNREFUSED;
    if (fd >= 0)
        close(fd);
    return answered;
}

/* 0 when the way is free. */
static int remove_stale(const struct sockaddr_un *at, struct err *e)
{
    struct stat st;
    if (lstat(at->sun_path, &st) < 0)
        return errno == ENOENT ? 0 : err_sys(e, "look at %s", at->sun_path);
    if (!S_ISSOCK(st.st_mode))
        return err_set(e, ERR_CONFIG, "%s is in the way, and is no socket", at->sun_path);
    if (is_answered(at)) {
        errno = EADDRINUSE;
        return err_sys(e, "listen on %s", at->sun_path);
    }
    return unlink(at->sun_path) < 0 && errno != ENOENT ? err_sys(e, "remove the old %s", at->sun_path) : 0;
}

int listen_open_unix(const char *path, unsigned mode, struct err *e)
{
    struct sockaddr_un at = { .sun_family = AF_UNIX };
    size_t len = strlen(path);
    if (len >= sizeof(at.sun_path))
        return err_set(e, ERR_CONFIG, "%s: a socket's path may have %zu bytes at most", path, sizeof(at.sun_path) - 1);
    memcpy(at.sun_path, path, len);
    if (remove_stale(&at, e) < 0)
        return -1;
    int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    if (fd < 0)
        return fail(fd, e, "make a socket for", path);
    mode_t mask = umask(0177); /* nobody connects before the mode is right */
    int bound = bind(fd, (struct sockaddr *)&at, sizeof(at));
    int error = errno;
    umask(mask);
    errno = error;
    if (bound < 0 || chmod(path, (mode_t)mode) < 0 || listen(fd, BACKLOG) < 0)
        return fail(fd, e, "listen on", path);
    return fd;
}

uint16_t listen_port(int fd)
{
    union addr a = { .sa = { .sa_family = AF_UNSPEC } };
    socklen_t len = sizeof(a);
    getsockname(fd, &a.sa, &len);
    return addr_port(&a);
}

/* ---- accepting ---------------------------------------- */

struct listener {
    struct loop *loop; /* borrowed */
    int fd;
    uv_poll_t poll;
    struct timer wait; /* out of file descriptors */
    listen_fn *accepted;
    void *arg;
    bool is_stopped, has_complained;
    int quota; /* for the next turn */
};

static void on_poll(uv_poll_t *uv, int status, int events);

static void watch(struct listener *li)
{
    if (li->is_stopped)
        return;
    if (timer_is_armed(&li->wait))
        uv_poll_stop(&li->poll);
    else
        uv_poll_start(&li->poll, UV_READABLE, on_poll);
}

static void on_wait(void *arg)
{
    watch(arg);
}

static void wait_a_moment(struct listener *li)
{
    if (!li->has_complained)
        log_warn("no more connections can be accepted: %s (raise the limit of open files)", strerror(errno));
    li->has_complained = true;
    timer_start(&li->wait, li->loop, OUT_OF_FDS_WAIT, on_wait, li);
    watch(li);
}

/* False: no more this turn. */
static bool accept_one(struct listener *li)
{
    union {
        struct sockaddr_storage room; /* a unix socket's name is longer than union addr */
        union addr addr;
    } peer = { .room = { .ss_family = AF_UNIX } };
    socklen_t len = sizeof(peer);
    int fd = accept4(li->fd, &peer.addr.sa, &len, SOCK_NONBLOCK | SOCK_CLOEXEC);
    if (fd < 0) {
        if (errno == EMFILE || errno == ENFILE || errno == ENOBUFS || errno == ENOMEM)
            wait_a_moment(li);
        return errno == ECONNABORTED || errno == EINTR;
    }
    li->has_complained = false;
    struct err why;
    struct conn *c = conn_make(li->loop, fd, &peer.addr, &why);
    if (c)
        li->accepted(li->arg, c);
    else
        log_warn("a connection is lost: %s", why.text);
    return true;
}

static void on_poll(uv_poll_t *uv, int status, int events)
{
    struct listener *li = uv->data;
    (void)status; /* accept() tells */
    (void)events;
    int n = 0;
    while (n < li->quota && !li->is_stopped && accept_one(li))
        n++;
    li->quota = n < li->quota ? (n ? n : 1) : 2 * n < ACCEPTS_A_TURN ? 2 * n : ACCEPTS_A_TURN;
}

struct listener *listen_start(struct loop *l, int fd, listen_fn *accepted, void *arg, struct err *e)
{
    struct listener *li = xcalloc(1, sizeof(*li));
    li->loop = l;
    li->fd = fd;
    li->accepted = accepted;
    li->quota = 1;
    li->arg = arg;
    li->poll.data = li;
    int code = uv_poll_init(&l->uv, &li->poll, fd);
    if (code < 0) {
        err_uv(e, code, "watch a listening socket");
        close(fd);
        free(li);
        return NULL;
    }
    watch(li);
    return li;
}

static void on_closed(uv_handle_t *h)
{
    free(h->data);
}

void listen_stop(struct listener *li)
{
    if (!li || li->is_stopped)
        return;
    li->is_stopped = true;
    timer_stop(&li->wait);
    uv_close((uv_handle_t *)&li->poll, on_closed);
    close(li->fd);
}
