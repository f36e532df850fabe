/* SPDX-License-Identifier: Apache-2.0
 *
 * conn_int.h - the inside of a connection: conn.c moves bytes between queue (outbox.c) and socket, conn_tls.c stands
 * between them and the owner when TLS is on, conn_end.c sees it off. */
#ifndef NET_CONN_INT_H
#define NET_CONN_INT_H

#include "net/conn.h"
#include "net/loop_int.h"

struct tls_link;

/* ---- outbox.c ---------------------------------------- */

/* Bytes that leave at the front. Empty, it holds no memory. */
struct outbox {
    char *at;
    size_t start, len, cap;
};

void outbox_add(struct outbox *q, const void *at, size_t len);
void outbox_drop(struct outbox *q, size_t len);
void outbox_fini(struct outbox *q);
static inline struct span outbox_span(const struct outbox *q)
{
    return span_of(q->at + q->start, q->len);
}

/* ---- conn.c ---------------------------------------- */

enum conn_tls_state { CONN_CLEAR, CONN_HANDSHAKE, CONN_TLS };

struct conn {
    struct loop *loop; /* borrowed */
    int fd;
    uv_poll_t poll;
    int events; /* that `poll` waits for */
    const struct conn_ops *ops; /* borrowed from the owner */
    void *arg;
    struct outbox wire;  /* to the socket */
    struct outbox plain; /* to be encrypted first; empty in the clear */
    struct outbox held;  /* came over the wire within TLS, and not looked at while paused */
    struct span feed;   /* what TLS is reading from, during conn_tls_input() */
    bool is_starved;    /* it wanted to read more than there is */
    struct later later;
    struct timer silence;
    int64_t timeout_ms, moved_ms;
    struct err *why; /* when it broke */
    struct tls_link *tls;
    conn_tls_fn *tls_done;
    enum conn_tls_state tls_state;
    union addr peer, local;
    struct list ending; /* in loop->ending, after conn_end() */
    size_t read_max; /* 0: none */
    bool is_paused;
    bool is_blocked;      /* the socket takes no more at the moment */
    bool is_at_end;       /* nothing more will be read */
    bool is_write_broken; /* nothing more will be sent; what the peer has said before may still be there to read */
    bool is_told;         /* closed() or a failed handshake has been reported */
    bool owes_drained;
    bool is_ending; /* conn_end(): nobody holds it */
    bool is_last_word; /* and its peer has nothing more to say */
    bool said_goodbye;
    bool is_shut;   /* conn_end(): our side of the stream is at its end */
    bool is_closed; /* conn_close(): only libuv's last word is missing */
};

/* accept() and connect() know the peer already, and have set TCP_NODELAY. */
struct conn *conn_make(struct loop *l, int fd, const union addr *peer, struct err *e);

/* Notes why, for conn_report() to tell; the first reason stays. */
void conn_break(struct conn *c, const struct err *why);
void conn_set_end(struct conn *c);
/* Tells the owner what he does not know yet. Only from the loop. `c` may be closed afterwards. */
void conn_report(struct conn *c);
void conn_wake(struct conn *c);
/* Sends what the socket takes now. */
void conn_send_queued(struct conn *c);

/* ---- conn_end.c ---------------------------------------- */

/* The next step of one that is ending; it may be closed afterwards. */
void conn_step_ending(struct conn *c);
void conn_close_ending(struct list *ending);

/* ---- conn_tls.c ---------------------------------------- */

#define CONN_PLAIN_MAX ((size_t)16384) /* what one TLS record holds */

/* Takes bytes from the wire; hands on what is in them. */
void conn_tls_input(struct conn *c, struct span bytes);
/* Moves plain text to the wire. */
void conn_tls_output(struct conn *c);
/* The wire is at its end. */
void conn_tls_end(struct conn *c);
void conn_tls_goodbye(struct conn *c);
/* Never NULL. */
const struct tls_info *conn_tls_info(const struct conn *c);
void conn_tls_free(struct conn *c);

#endif
