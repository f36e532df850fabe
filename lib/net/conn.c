/* SPDX-License-Identifier: Apache-2.0
 *
 * conn.c - moving bytes.
 *
 * The socket is read and written directly, and libuv only says when: a message then costs one read and one send for
 * each flight of commands. All calls of the owner merely note what is to be done; it is done in on_later(), at the end
 * of the turn, or when the socket is ready. So no callback ever comes from inside a call.
 *
 *   conn_write -> [plain -> TLS ->] wire -> send()            read() -> [TLS ->] data()
 *
 * Interest in reading is given up lazily: pausing and resuming within a moment costs no system call. */
#include "net/conn_int.h"

#include "base/mem.h"

#include <errno.h>
#include <netinet/tcp.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

#define LOW_WATER    (CONN_HIGH_WATER / 4)
#define SEND_AT      ((size_t)64 * 1024) /* so much in the queue does not wait for the end of the turn */
#define SEND_AS_IS   ((size_t)16 * 1024) /* so much at once is sent without being copied first */
#define WIRE_FILL    ((size_t)64 * 1024) /* encrypted ahead of the socket at most */
#define TLS_BYTES    ((size_t)44 * 1024) /* mbedTLS with its record buffers, about */

/* ---- what the loop is to watch for ---------------------------------------- */

static bool wants_read(const struct conn *c)
{
    if (c->is_at_end || c->is_told)
        return false;
    if (c->is_ending || c->tls_state == CONN_HANDSHAKE)
        return true;
    return c->ops && !c->is_paused && !c->held.len;
}

static void on_poll(uv_poll_t *uv, int status, int events);

static void watch_for(struct conn *c, int events)
{
    if (c->is_closed || events == c->events)
        return;
    c->events = events;
    if (!events)
        uv_poll_stop(&c->poll);
    else
        uv_poll_start(&c->poll, events, on_poll);
}

/* Reading is not switched off before something comes that is not wanted: most pauses are over by then, and two system
 * calls a message are saved. */
static void watch(struct conn *c)
{
    int reading = wants_read(c) ? UV_READABLE : c->events & UV_READABLE;
    watch_for(c, reading | (c->is_blocked ? UV_WRITABLE : 0));
}

static void on_later(void *arg);

void conn_wake(struct conn *c)
{
    if (!c->is_closed)
        later_start(&c->later, c->loop, on_later, c);
}

/* ---- telling the owner ---------------------------------------- */

void conn_break(struct conn *c, const struct err *why)
{
    if (c->why)
        return;
    c->why = xmalloc(sizeof(*c->why));
    *c->why = *why;
}

static void break_sys(struct conn *c, int error, const char *what)
{
    struct err why;
    errno = error;
    err_sys(&why, "%s", what);
    why.kind = ERR_TEMPORARY;
    conn_break(c, &why);
}

void conn_set_end(struct conn *c)
{
    c->is_at_end = true;
}

static void tell_closed(struct conn *c)
{
    static const struct err in_good_order = { .kind = ERR_NONE };
    /* A broken connection that can still be read is read first: the peer may have said why. */
    bool is_over = c->is_at_end || (c->is_write_broken && c->is_paused);
    if (!is_over || c->is_told)
        return;
    if (c->tls_state == CONN_HANDSHAKE && c->tls_done) {
        struct err why = { .kind = ERR_TEMPORARY, .text = "the other side closed the connection in the TLS handshake" };
        conn_tls_fn *done = c->tls_done;
        c->tls_done = NULL;
        c->is_told = true;
        done(c->arg, conn_tls_info(c), c->why ? c->why : &why);
        return;
    }
    if (!c->ops)
        return;
    c->is_told = true;
    c->ops->closed(c->arg, c->why ? c->why : &in_good_order);
}

void conn_report(struct conn *c)
{
    if (c->is_closed)
        return;
    if (c->owes_drained && conn_queued(c) <= LOW_WATER && !c->is_write_broken && !c->is_told && c->ops) {
        c->owes_drained = false;
        if (c->ops->drained)
            c->ops->drained(c->arg);
    }
    if (!c->is_closed)
        tell_closed(c);
    if (!c->is_closed)
        watch(c);
}

/* ---- sending ---------------------------------------- */

static void moved(struct conn *c)
{
    c->moved_ms = loop_now_ms(c->loop);
}

static void write_failed(struct conn *c, int error)
{
    break_sys(c, error, "send");
    c->is_write_broken = true;
    c->is_blocked = false;
    outbox_fini(&c->wire);
    outbox_fini(&c->plain);
}

/* Returns what the socket took, 0 when it is full or broken. */
static size_t send_some(struct conn *c, struct span bytes)
{
    ssize_t n;
    do
        n = send(c->fd, bytes.at, bytes.len, MSG_NOSIGNAL);
    while (n < 0 && errno == EINTR);
    if (n < 0 && errno != EAGAIN && errno != EWOULDBLOCK) {
        write_failed(c, errno);
        return 0;
    }
    if (n < 0)
        n = 0;
    if (n > 0)
        moved(c);
    c->is_blocked = (size_t)n < bytes.len;
    return (size_t)n;
}

void conn_send_queued(struct conn *c)
{
    while (!c->is_blocked && !c->is_write_broken) {
        if (c->plain.len && c->tls_state == CONN_TLS && c->wire.len < WIRE_FILL)
            conn_tls_output(c);
        if (!c->wire.len)
            return;
        outbox_drop(&c->wire, send_some(c, outbox_span(&c->wire)));
    }
}

bool conn_write(struct conn *c, struct span bytes)
{
    if (c->is_closed || c->is_ending || c->is_told || c->is_write_broken)
        return true;
    bool in_clear = c->tls_state == CONN_CLEAR;
    if (in_clear && !c->wire.len && !c->is_blocked && bytes.len >= SEND_AS_IS)
        bytes = span_from(bytes, send_some(c, bytes));
    if (!c->is_write_broken) {
        outbox_add(in_clear ? &c->wire : &c->plain, bytes.at, bytes.len);
        if (conn_queued(c) >= SEND_AT)
            conn_send_queued(c);
    }
    if (conn_queued(c) > CONN_MAX_QUEUE) {
        write_failed(c, ENOBUFS);
        conn_set_end(c);
    }
    conn_wake(c);
    if (conn_queued(c) > CONN_HIGH_WATER)
        c->owes_drained = true;
    return !c->owes_drained;
}

void conn_flush(struct conn *c)
{
    if (c->is_closed)
        return;
    conn_send_queued(c);
    conn_wake(c);
}

size_t conn_queued(const struct conn *c)
{
    return c->wire.len + c->plain.len;
}

size_t conn_memory(const struct conn *c)
{
    return sizeof(*c) + c->wire.cap + c->plain.cap + c->held.cap + (c->tls_state == CONN_CLEAR ? 0 : TLS_BYTES);
}

/* ---- receiving ---------------------------------------- */

static void read_some(struct conn *c)
{
    char *buf = loop_buf(c->loop);
    /* Within TLS the rest of the buffer is where the plain text goes. */
    size_t size = c->tls_state == CONN_CLEAR ? LOOP_BUF : LOOP_BUF - CONN_PLAIN_MAX;
    ssize_t n;
    if (c->read_max && c->read_max < size)
        size = c->read_max;
    do
        n = read(c->fd, buf, size);
    while (n < 0 && errno == EINTR);
    if (n < 0 && (errno == EAGAIN || errno == EWOULDBLOCK))
        return;
    if (n > 0) {
        moved(c);
        if (c->is_ending)
            return; /* and of no interest */
        if (c->tls_state == CONN_CLEAR)
            c->ops->data(c->arg, span_of(buf, (size_t)n));
        else
            conn_tls_input(c, span_of(buf, (size_t)n));
        return;
    }
    if (n < 0)
        break_sys(c, errno, "receive");
    else if (c->tls_state != CONN_CLEAR && !c->is_ending)
        conn_tls_end(c);
    conn_set_end(c);
}

/* libuv has stopped watching a socket with an error. What can be read is read; if nobody reads, the error is all. */
static void on_poll_error(struct conn *c)
{
    c->events = 0;
    if (wants_read(c)) {
        read_some(c);
        return;
    }
    int error = 0;
    socklen_t len = sizeof(error);
    getsockopt(c->fd, SOL_SOCKET, SO_ERROR, &error, &len);
    write_failed(c, error ? error : ECONNRESET);
    c->is_at_end = true;
}

static void on_poll(uv_poll_t *uv, int status, int events)
{
    struct conn *c = uv->data;
    if (c->is_closed)
        return;
    if (status < 0) {
        c->is_blocked = false;
        on_poll_error(c);
    }
    if (!c->is_closed && (events & UV_WRITABLE)) {
        c->is_blocked = false;
        conn_send_queued(c);
    }
    if (!c->is_closed && (events & UV_READABLE) && wants_read(c))
        read_some(c);
    else if (!c->is_closed && (events & UV_READABLE))
        watch_for(c, c->is_blocked ? UV_WRITABLE : 0);
    if (!c->is_closed && c->is_ending)
        conn_step_ending(c);
    conn_report(c);
}

static void on_later(void *arg)
{
    struct conn *c = arg;
    if (c->tls_state == CONN_HANDSHAKE && !c->is_told)
        conn_tls_input(c, span_of("", 0));
    if (!c->is_closed)
        conn_send_queued(c);
    if (!c->is_closed && c->held.len && !c->is_paused && c->ops) {
        struct outbox held = c->held;
        c->held = (struct outbox){ 0 };
        conn_tls_input(c, outbox_span(&held));
        outbox_fini(&held);
        if (!c->is_closed)
            conn_send_queued(c);
    }
    if (!c->is_closed && c->is_ending)
        conn_step_ending(c);
    conn_report(c);
}

void conn_pause(struct conn *c)
{
    c->is_paused = true;
}

void conn_resume(struct conn *c)
{
    if (!c->is_paused)
        return;
    c->is_paused = false;
    conn_wake(c);
}

bool conn_has_input(const struct conn *c)
{
    char byte;
    return c->held.len || recv(c->fd, &byte, 1, MSG_PEEK | MSG_DONTWAIT) > 0;
}

void conn_limit_read(struct conn *c, size_t max)
{
    c->read_max = max;
}

/* ---- silence ---------------------------------------- */

/* Bytes only note when they moved; the timer looks when it is due and sleeps for the rest. */
static void on_silence(void *arg)
{
    struct conn *c = arg;
    int64_t left = c->moved_ms + c->timeout_ms - loop_now_ms(c->loop);
    if (left > 0) {
        timer_start(&c->silence, c->loop, left, on_silence, c);
        return;
    }
    struct err why;
    char wait[32];
    if (c->timeout_ms % 1000)
        snprintf(wait, sizeof(wait), "%lld ms", (long long)c->timeout_ms);
    else
        snprintf(wait, sizeof(wait), "%lld s", (long long)c->timeout_ms / 1000);
    err_set(&why, ERR_TEMPORARY, "timed out: nothing moved for %s", wait);
    why.sys = ETIMEDOUT;
    conn_break(c, &why);
    conn_set_end(c);
    conn_report(c);
}

void conn_set_timeout(struct conn *c, int64_t ms)
{
    if (c->is_closed || c->is_ending)
        return;
    moved(c);
    c->timeout_ms = ms;
    if (ms <= 0)
        timer_stop(&c->silence);
    else if (!timer_is_armed(&c->silence) || c->silence.due_ms > c->moved_ms + ms)
        timer_start(&c->silence, c->loop, ms, on_silence, c);
}

/* ---- beginning ---------------------------------------- */

struct conn *conn_make(struct loop *l, int fd, const union addr *peer, struct err *e)
{
    struct conn *c = xcalloc(1, sizeof(*c));
    c->loop = l;
    c->fd = fd;
    c->peer = *peer;
    c->poll.data = c;
    list_init(&c->ending);
    int code = uv_poll_init(&l->uv, &c->poll, fd);
    if (code < 0) {
        err_uv(e, code, "watch a connection");
        close(fd);
        free(c);
        return NULL;
    }
    moved(c);
    return c;
}

struct conn *conn_new(struct loop *l, int fd, struct err *e)
{
    union {
        struct sockaddr_storage room;
        union addr addr;
    } peer = { .room = { .ss_family = AF_UNIX } };
    socklen_t len = sizeof(peer);
    if (getpeername(fd, &peer.addr.sa, &len) < 0 && errno != ENOTCONN) {
        err_sys(e, "look at a connection");
        close(fd);
        return NULL;
    }
    int one = 1;
    if (peer.addr.sa.sa_family != AF_UNIX)
        setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof(one));
    return conn_make(l, fd, &peer.addr, e);
}

void conn_open(struct conn *c, const struct conn_ops *ops, void *arg)
{
    c->ops = ops;
    c->arg = arg;
    conn_wake(c);
}

/* ---- who is it? ---------------------------------------- */

const union addr *conn_peer(const struct conn *c)
{
    return &c->peer;
}

const union addr *conn_local(const struct conn *c)
{
    struct conn *own = (struct conn *)c; /* it is only looked up when somebody asks, and once */
    socklen_t len = sizeof(own->local);
    if (c->local.sa.sa_family != AF_UNSPEC)
        return &c->local;
    own->local.sa.sa_family = AF_UNIX;
    if (c->peer.sa.sa_family != AF_UNIX)
        getsockname(c->fd, &own->local.sa, &len);
    return &own->local;
}

bool conn_peer_uid(const struct conn *c, uid_t *uid, pid_t *pid)
{
    struct ucred who;
    socklen_t len = sizeof(who);
    if (c->peer.sa.sa_family != AF_UNIX || getsockopt(c->fd, SOL_SOCKET, SO_PEERCRED, &who, &len) < 0)
        return false;
    *uid = who.uid;
    if (pid)
        *pid = who.pid;
    return true;
}

int conn_fd(const struct conn *c)
{
    return c->fd;
}
