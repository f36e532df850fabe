/* SPDX-License-Identifier: Apache-2.0 */
#include "control/reach.h"

#include "base/clock.h"

#include <errno.h>
#include <netdb.h>
#include <poll.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <sys/un.h>
#include <unistd.h>

/* Leaves errno. */
static int connect_to(const struct sockaddr *at, socklen_t size)
{
    const struct timeval limit = { .tv_sec = REACH_LIMIT_MS / 1000 };
    int fd = socket(at->sa_family, SOCK_STREAM | SOCK_CLOEXEC, 0);

    if (fd < 0)
        return -1;
    setsockopt(fd, SOL_SOCKET, SO_SNDTIMEO, &limit, sizeof limit);
    if (connect(fd, at, size) == 0)
        return fd;
    int why = errno;
    close(fd);
    errno = why == EINPROGRESS || why == EAGAIN ? ETIMEDOUT : why; /* what SO_SNDTIMEO makes of it */
    return -1;
}

int reach_unix(const char *path, struct err *e)
{
    struct sockaddr_un to = { .sun_family = AF_UNIX };

    if (strlen(path) >= sizeof to.sun_path)
        return err_set(e, ERR_CONFIG, "%s: the path is too long for a socket", path);
    memcpy(to.sun_path, path, strlen(path));
    int fd = connect_to((const struct sockaddr *)&to, sizeof to);
    return fd < 0 ? err_sys(e, "connect to %s", path) : fd;
}

int reach_inet(const char *host, const char *port, struct err *e)
{
    const struct addrinfo hints = { .ai_socktype = SOCK_STREAM, .ai_flags = AI_ADDRCONFIG };
    struct addrinfo *all;
    int fd = -1;

    int code = getaddrinfo(host, port, &hints, &all);
    if (code)
        return err_set(e, ERR_TEMPORARY, "%s: %s", host, gai_strerror(code));
    for (const struct addrinfo *a = all; a && fd < 0; a = a->ai_next)
        fd = connect_to(a->ai_addr, a->ai_addrlen);
    if (fd < 0)
        err_sys(e, "connect to %s port %s", host, port);
    freeaddrinfo(all);
    return fd;
}

bool reach_wait(int fd, int64_t end_us)
{
    int64_t left_ms = (end_us - clock_mono_us()) / 1000;

    return left_ms > 0 && poll(&(struct pollfd){ .fd = fd, .events = POLLIN }, 1, (int)left_ms) == 1;
}
