/* SPDX-License-Identifier: Apache-2.0
 *
 * map_dial.c - a connection for a thread that may wait, but never beyond its deadline. (The event loop has lib/net.) */
#include "map/map_int.h"

#include "base/clock.h"
#include "base/mem.h"

#include <errno.h>
#include <fcntl.h>
#include <netdb.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <stdlib.h>
#include <sys/un.h>
#include <unistd.h>

void map_wire_close(struct map_wire *w)
{
    if (w->fd >= 0)
        close(w->fd);
    w->fd = -1;
    w->len = w->next = 0;
}

static int wait_for(struct map_wire *w, short events, struct err *e)
{
    for (;;) {
        int64_t ms = (w->deadline_us - clock_mono_us() + 999) / 1000;
        struct pollfd p = { .fd = w->fd, .events = events };
        int n = ms <= 0 ? 0 : poll(&p, 1, ms > 3600000 ? 3600000 : (int)ms);
        if (n > 0)
            return 0;
        if (n == 0)
            return err_set(e, ERR_TEMPORARY, "no answer in time");
        if (errno != EINTR)
            return err_sys(e, "poll");
    }
}

static int connect_to(struct map_wire *w, const struct sockaddr *sa, socklen_t size, const char *where, struct err *e)
{
    int one = 1, error = 0;
    socklen_t len = sizeof error;

    w->fd = socket(sa->sa_family, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    if (w->fd < 0)
        return err_sys(e, "socket");
    if (connect(w->fd, sa, size) < 0) {
        if (errno == EINPROGRESS && wait_for(w, POLLOUT, e) < 0)
            return err_prefix(e, "connect to %s", where);
        if (errno != EINPROGRESS)
            return err_sys(e, "connect to %s", where);
        getsockopt(w->fd, SOL_SOCKET, SO_ERROR, &error, &len);
        errno = error;
        if (error)
            return err_sys(e, "connect to %s", where);
    }
    if (sa->sa_family != AF_UNIX)
        setsockopt(w->fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof one);
    return 0;
}

static int connect_unix(struct map_wire *w, const char *path, struct err *e)
{
    struct sockaddr_un un = { .sun_family = AF_UNIX };
    size_t len = strlen(path);

    if (len >= sizeof un.sun_path)
        return err_set(e, ERR_CONFIG, "%s: too long for the path of a socket", path);
    memcpy(un.sun_path, path, len + 1);
    return connect_to(w, (struct sockaddr *)&un, sizeof un, path, e);
}

/* "host:port", "[::1]:port": at the last colon. */
static int part_host(const char *where, char **host, char **port, struct err *e)
{
    struct span s = span_str(where);
    size_t colon = span_rfind(s, ':');
    struct span h = span_of(s.at, colon < s.len ? colon : 0), p = span_from(s, colon + 1);

    if (h.len >= 2 && h.at[0] == '[' && h.at[h.len - 1] == ']')
        h = span_of(h.at + 1, h.len - 2);
    if (!h.len || !p.len)
        return err_set(e, ERR_CONFIG, "\"%s\" is no address of a server: it is host:port", where);
    *host = span_dup(h);
    *port = span_dup(p);
    return 0;
}

static int connect_inet(struct map_wire *w, const char *where, struct err *e)
{
    const struct addrinfo hints = { .ai_socktype = SOCK_STREAM, .ai_flags = AI_ADDRCONFIG };
    struct addrinfo *all = NULL;
    char *host = NULL, *port = NULL;
    int rc = -1;

    if (part_host(where, &host, &port, e) < 0)
        return -1;
    int error = getaddrinfo(host, port, &hints, &all);
    if (error)
        err_set(e, ERR_TEMPORARY, "%s: %s", where, gai_strerror(error));
    for (struct addrinfo *a = all; a && rc < 0; a = a->ai_next) {
        map_wire_close(w);
        rc = connect_to(w, a->ai_addr, a->ai_addrlen, where, e);
    }
    if (all)
        freeaddrinfo(all);
    free(host);
    free(port);
    return rc;
}

int map_wire_connect(struct map_wire *w, const char *where, struct err *e)
{
    struct span s = span_str(where);

    map_wire_close(w);
    int rc = span_starts(s, "unix:")   ? connect_unix(w, where + 5, e)
             : span_starts(s, "inet:") ? connect_inet(w, where + 5, e)
                                       : connect_inet(w, where, e);
    if (rc < 0)
        map_wire_close(w);
    return rc;
}

int map_wire_send(struct map_wire *w, struct span bytes, struct err *e)
{
    while (bytes.len) {
        ssize_t n = send(w->fd, bytes.at, bytes.len, MSG_NOSIGNAL);
        if (n >= 0)
            bytes = span_from(bytes, (size_t)n);
        else if (errno == EAGAIN && wait_for(w, POLLOUT, e) < 0)
            return -1;
        else if (errno != EAGAIN && errno != EINTR)
            return err_sys(e, "send");
    }
    return 0;
}

static int fill(struct map_wire *w, struct err *e)
{
    for (;;) {
        ssize_t n = recv(w->fd, w->in, sizeof w->in, 0);
        if (n == 0)
            return err_set(e, ERR_TEMPORARY, "the server has closed the connection");
        if (n > 0) {
            w->len = (size_t)n;
            w->next = 0;
            return 0;
        }
        if (errno == EAGAIN) {
            if (wait_for(w, POLLIN, e) < 0)
                return -1;
        } else if (errno != EINTR) {
            return err_sys(e, "receive");
        }
    }
}

int map_wire_getc(struct map_wire *w, struct err *e)
{
    if (w->next == w->len && fill(w, e) < 0)
        return -1;
    return (unsigned char)w->in[w->next++];
}

int map_wire_read(struct map_wire *w, size_t n, struct buf *out, struct err *e)
{
    while (n) {
        if (w->next == w->len && fill(w, e) < 0)
            return -1;
        size_t take = w->len - w->next < n ? w->len - w->next : n;
        if (buf_add(out, w->in + w->next, take) < 0)
            return err_set(e, ERR_PERMANENT, "the answer is too long");
        w->next += take;
        n -= take;
    }
    return 0;
}
