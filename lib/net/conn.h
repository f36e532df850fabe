/* SPDX-License-Identifier: Apache-2.0
 *
 * conn.h - a stream of bytes with somebody: TCP or unix socket, in the clear or within TLS, one interface for all.
 *
 * Writing: what is written during one turn of the loop leaves at its end, in one send; so a pipelined flight of
 * commands, or of replies, is one packet without anybody gathering it, and there is no Nagle delay (TCP_NODELAY). The
 * queue is bounded: conn_write() says when it is full enough, drained() says when there is room again.
 * Reading: bytes come through data() until conn_pause(); while paused they stay in the kernel, so the peer waits.
 * An idle connection in the clear holds well under 1 KiB here; one within TLS about 40 KiB, which is mbedTLS's.
 *
 * Whoever holds a connection closes it: closed() and a failed handshake are news, not the end of the object. Callbacks
 * come from the loop, never from inside a call to this module; after conn_close() none come, and `c` is gone. It may be
 * closed from inside its own callbacks. */
#ifndef NET_CONN_H
#define NET_CONN_H

#include "base/err.h"
#include "base/span.h"
#include "net/addr.h"
#include "net/loop.h"

#include <sys/types.h>

struct conn;
struct tls_client;
struct tls_server;
struct tls_target;
struct tls_info;

struct conn_ops {
    /* Some bytes, in order; they are valid during the call. All are taken: keep what you cannot use yet. */
    void (*data)(void *arg, struct span bytes);
    /* After conn_write() had returned false: there is room again. May be NULL. */
    void (*drained)(void *arg);
    /* Once: nothing more will come. With why->kind ERR_NONE the peer ended the stream in good order (after STARTTLS:
     * with close_notify) and may still be reading; else the connection broke, or was silent for too long. */
    void (*closed)(void *arg, const struct err *why);
};

/* Takes a connected stream socket (from accept, connect, socketpair). Reading begins with conn_open(). */
struct conn *conn_new(struct loop *l, int fd, struct err *e);
/* From now on callbacks come. `ops` is borrowed and outlives the connection. May be called again to hand the connection
 * on to another owner (a pool); callbacks follow it. With ops NULL: parked, reading nothing. */
void conn_open(struct conn *c, const struct conn_ops *ops, void *arg);
/* At once; what is still queued is dropped. NULL is fine. */
void conn_close(struct conn *c);
/* Takes the connection from its owner (no callbacks come any more), sends what is queued, ends the stream, waits a
 * moment for the peer to do so too (so that our last words are not lost in a reset), and closes it, within 10 s; 256 at a
 * time may wait so, then the one that waits for longest is closed. */
void conn_end(struct conn *c);
/* The same for a peer that has said its last word (QUIT): in the clear it is closed as soon as all is sent, and nothing
 * is waited for. */
void conn_end_last(struct conn *c);

/* ---- writing ---------------------------------------- */

#define CONN_HIGH_WATER ((size_t)128 * 1024)
#define CONN_MAX_QUEUE  ((size_t)4 * 1024 * 1024)

/* Copies. False: more than CONN_HIGH_WATER bytes wait now; write no more until drained(). (They were taken
 * nevertheless. A caller that goes on till CONN_MAX_QUEUE is told closed(), with an error.) On a connection that is
 * closed the bytes vanish. */
bool conn_write(struct conn *c, struct span bytes);
/* Sends now what can be sent now, instead of at the end of this turn. */
void conn_flush(struct conn *c);
/* Bytes that wait in our queue. */
size_t conn_queued(const struct conn *c);
/* What it holds, buffers and TLS with it. */
size_t conn_memory(const struct conn *c);

/* ---- reading ---------------------------------------- */

/* No more data() (nor closed() for an end of the stream) until conn_resume(). Pausing twice is pausing once. */
void conn_pause(struct conn *c);
void conn_resume(struct conn *c);
/* Whether there is something to read that data() has not been given. */
bool conn_has_input(const struct conn *c);
/* Never more than `max` bytes to data() from now on, so that what is behind them stays in the kernel, for TLS say; 0: as many
 * as come. In the clear only. */
void conn_limit_read(struct conn *c, size_t max);

/* When no byte has moved in either direction for `ms`: closed(), "no answer within 300 s". Each call starts the wait
 * anew; 0 switches it off. It counts through TLS handshakes too. */
void conn_set_timeout(struct conn *c, int64_t ms);

/* ---- TLS ---------------------------------------- */

/* The handshake came to an end: why->kind ERR_NONE when it is as the target demands, and data() goes on within TLS.
 * Otherwise the connection is of no more use: say why (it is in words), and close it. `info` is valid till conn_close()
 * and, after a failure, tells how far it came. */
typedef void conn_tls_fn(void *arg, const struct tls_info *info, const struct err *why);

/* In the middle of a stream (STARTTLS) or at its very beginning. What is queued goes out in the clear first. Server
 * side: what the client sent in the clear ahead of its ClientHello is thrown away (RFC 3207 4.2, CVE-2011-0411); the
 * rest of the span that data() is being given is the caller's to throw away. `arg` of `done` is the one of conn_open().
 * The contexts may be freed afterwards; `target` is copied. */
void conn_start_tls_client(struct conn *c, struct tls_client *tls, const struct tls_target *target, conn_tls_fn *done);
void conn_start_tls_server(struct conn *c, struct tls_server *tls, conn_tls_fn *done);
/* NULL in the clear, or before the handshake has come to its end. */
const struct tls_info *conn_tls(const struct conn *c);

/* ---- who is it? ---------------------------------------- */

const union addr *conn_peer(const struct conn *c);
const union addr *conn_local(const struct conn *c);
/* The process at the other end of a unix socket, as the kernel says. False for TCP. */
bool conn_peer_uid(const struct conn *c, uid_t *uid, pid_t *pid);
int conn_fd(const struct conn *c);

#endif
