/* SPDX-License-Identifier: Apache-2.0
 *
 * listen.h - taking connections in.
 *
 * The supervisor opens the sockets, with its rights and before it forks; a worker starts to accept on the fds it
 * inherited. All sockets are non-blocking and close-on-exec. */
#ifndef NET_LISTEN_H
#define NET_LISTEN_H

#include "base/err.h"
#include "net/addr.h"
#include "net/conn.h"

/* Listening fds, or -1. IPv6 sockets take IPv6 only. `backlog` 0: 511. */
int listen_open_tcp(const union addr *at, int backlog, struct err *e);
/* `mode` of the socket file, 0666 for all. A socket left over by a dead process is replaced; one that somebody still
 * answers is not (e->sys EADDRINUSE), nor is any other kind of file. */
int listen_open_unix(const char *path, unsigned mode, struct err *e);
/* The port it got when it asked for port 0. */
uint16_t listen_port(int fd);

/* `c` is the callee's: conn_open() it or conn_close() it. */
typedef void listen_fn(void *arg, struct conn *c);

struct listener;

/* Accepts on `fd`, which is closed by listen_stop(). Out of fds or memory it waits a moment, says so in the log once,
 * and goes on. */
struct listener *listen_start(struct loop *l, int fd, listen_fn *accepted, void *arg, struct err *e);
/* NULL is fine; from inside accepted() too. */
void listen_stop(struct listener *li);

#endif
