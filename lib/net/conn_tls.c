/* SPDX-License-Identifier: Apache-2.0
 *
 * conn_tls.c - TLS between the socket and the owner.
 *
 * mbedTLS never touches the socket: it reads from `feed`, which is what one read() has brought, and writes into the
 * queue to the wire; so a flight of records is one system call, and sending never fails half-way. */
#include "net/conn_int.h"

#include "base/mem.h"
#include "net/tls_int.h"

#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

static int on_send(void *arg, const unsigned char *at, size_t len)
{
    struct conn *c = arg;
    outbox_add(&c->wire, at, len);
    return (int)len;
}

static int on_recv(void *arg, unsigned char *at, size_t len)
{
    struct conn *c = arg;
    if (!c->feed.len) {
        c->is_starved = true;
        return MBEDTLS_ERR_SSL_WANT_READ;
    }
    if (len > c->feed.len)
        len = c->feed.len;
    memcpy(at, c->feed.at, len);
    c->feed = span_from(c->feed, len);
    return (int)len;
}

/* ---- the handshake ---------------------------------------- */

static void handshake_is_over(struct conn *c, const struct err *why)
{
    conn_tls_fn *done = c->tls_done;
    c->tls_done = NULL;
    if (why->kind != ERR_NONE) {
        c->is_told = true;
        conn_flush(c); /* the alert that says why */
    }
    if (done && !c->is_closed)
        done(c->arg, &c->tls->info, why);
}

static void step_handshake(struct conn *c)
{
    struct err why = { .kind = ERR_NONE };
    enum tls_step step;
    c->is_starved = false;
    do
        step = tls_link_handshake(c->tls, &why);
    while (step == TLS_STEP_MORE && !c->is_starved);
    if (step == TLS_STEP_MORE)
        return;
    if (step == TLS_STEP_DONE) {
        c->tls_state = CONN_TLS;
        conn_wake(c);
    }
    handshake_is_over(c, &why);
}

/* The answer to STARTTLS is still in our queue: then what the client has sent by now, it has sent in the clear. */
static void drop_injected(struct conn *c)
{
    char away[4096]; /* not the loop's buffer: the caller may be reading from that */
    for (int i = 0; i < 16 && c->wire.len; i++) {
        if (recv(c->fd, away, sizeof(away), MSG_DONTWAIT) <= 0)
            break;
    }
}

static void start(struct conn *c, struct tls_link *link, const struct err *why, conn_tls_fn *done)
{
    if (c->tls_state != CONN_CLEAR)
        bug("TLS within TLS");
    c->tls_done = done;
    c->tls_state = CONN_HANDSHAKE;
    c->tls = link;
    if (link)
        tls_link_io(link, c, on_send, on_recv);
    else { /* told by conn_report(), from the loop */
        conn_break(c, why);
        conn_set_end(c);
    }
    conn_wake(c);
}

void conn_start_tls_client(struct conn *c, struct tls_client *tls, const struct tls_target *target, conn_tls_fn *done)
{
    struct err why;
    struct tls_link *link = tls_link_client(tls, target, &why);
    start(c, link, &why, done);
}

void conn_start_tls_server(struct conn *c, struct tls_server *tls, conn_tls_fn *done)
{
    struct err why;
    drop_injected(c);
    struct tls_link *link = tls_link_server(tls, &why);
    start(c, link, &why, done);
}

const struct tls_info *conn_tls(const struct conn *c)
{
    return c->tls && c->tls_state == CONN_TLS ? &c->tls->info : NULL;
}

const struct tls_info *conn_tls_info(const struct conn *c)
{
    static const struct tls_info nothing;
    return c->tls ? &c->tls->info : &nothing;
}

/* ---- bytes ---------------------------------------- */

/* What is left when the owner has paused or parked the connection in the middle of it. */
static void hold(struct conn *c)
{
    if (c->is_closed)
        return;
    outbox_add(&c->held, c->feed.at, c->feed.len);
}

static void read_records(struct conn *c)
{
    char *plain = loop_buf(c->loop) + LOOP_BUF - CONN_PLAIN_MAX;
    while (!c->is_closed && !c->is_paused && c->ops) {
        struct err why;
        c->is_starved = false;
        ssize_t n = tls_link_read(c->tls, plain, CONN_PLAIN_MAX, &why);
        if (n == TLS_READ_MORE && c->is_starved)
            return;
        if (n == TLS_READ_MORE) /* it has met a session ticket, and asks to be called again */
            continue;
        if (n < 0) {
            if (n == TLS_READ_FAILED)
                conn_break(c, &why);
            conn_set_end(c);
            return;
        }
        c->ops->data(c->arg, span_of(plain, (size_t)n));
    }
}

void conn_tls_input(struct conn *c, struct span bytes)
{
    c->feed = bytes;
    if (c->tls_state == CONN_HANDSHAKE && c->tls && !c->is_at_end)
        step_handshake(c);
    if (!c->is_closed && !c->is_told && c->tls_state == CONN_TLS && !c->is_at_end)
        read_records(c);
    if (c->feed.len && !c->is_at_end && !c->is_told)
        hold(c);
    c->feed = span_of("", 0);
    if (c->wire.len) /* the handshake's next flight */
        conn_wake(c);
}

void conn_tls_output(struct conn *c)
{
    struct err why;
    struct span bytes = outbox_span(&c->plain);
    size_t room = (size_t)64 * 1024;
    if (bytes.len > room)
        bytes.len = room;
    if (tls_link_write(c->tls, bytes, &why) < 0) {
        conn_break(c, &why);
        conn_set_end(c);
        c->is_write_broken = true;
        outbox_fini(&c->plain);
        return;
    }
    outbox_drop(&c->plain, bytes.len);
}

void conn_tls_end(struct conn *c)
{
    struct err why;
    const char *when = c->tls_state == CONN_HANDSHAKE ? " in the middle of the TLS handshake" : " without ending TLS";
    err_set(&why, ERR_TEMPORARY, "the other side closed the connection%s", when);
    conn_break(c, &why);
}

void conn_tls_goodbye(struct conn *c)
{
    if (c->tls_state == CONN_TLS && !c->is_write_broken)
        tls_link_goodbye(c->tls);
}

void conn_tls_free(struct conn *c)
{
    tls_link_free(c->tls);
    c->tls = NULL;
}
