/* SPDX-License-Identifier: Apache-2.0
 *
 * conn_end.c - how a connection goes: at once, or with its last words.
 *
 * One that is ending belongs to nobody but the loop, which knows all of them: it sends what is queued, says goodbye within
 * TLS, ends our side of the stream, and waits for the peer's, for a time. */
#include "net/conn_int.h"

#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

#define END_LIMIT_MS 10000
#define END_MAX      256 /* that wait for their peers in a loop */

static void on_closed(uv_handle_t *h)
{
    struct conn *c = h->data;
    conn_tls_free(c);
    free(c->why);
    free(c);
}

void conn_close(struct conn *c)
{
    if (!c || c->is_closed)
        return;
    c->is_closed = true;
    c->loop->n_ending -= c->is_ending;
    later_cancel(&c->later);
    timer_stop(&c->silence);
    list_remove(&c->ending);
    outbox_fini(&c->wire);
    outbox_fini(&c->plain);
    outbox_fini(&c->held);
    uv_close((uv_handle_t *)&c->poll, on_closed);
    close(c->fd);
    c->fd = -1;
}

void conn_close_ending(struct list *ending)
{
    conn_close(list_entry(ending, struct conn, ending));
}

static void on_end_limit(void *arg)
{
    conn_close(arg);
}

void conn_step_ending(struct conn *c)
{
    if (c->tls_state == CONN_HANDSHAKE)
        c->is_write_broken = true; /* a handshake that nobody waits for */
    if (!conn_queued(c) && !c->said_goodbye) {
        c->said_goodbye = true;
        conn_tls_goodbye(c);
        conn_send_queued(c);
    }
    if (c->is_last_word && !conn_queued(c) && c->tls_state == CONN_CLEAR) {
        conn_close(c);
        return;
    }
    if ((!conn_queued(c) || c->is_write_broken) && !c->is_shut) {
        c->is_shut = true;
        shutdown(c->fd, c->is_write_broken ? SHUT_RDWR : SHUT_WR);
    }
    if (c->is_shut && (c->is_at_end || c->is_write_broken))
        conn_close(c);
}

void conn_end(struct conn *c)
{
    if (!c || c->is_closed || c->is_ending)
        return;
    c->is_ending = true;
    c->ops = NULL;
    c->is_told = false;
    c->tls_done = NULL;
    if (c->loop->n_ending >= END_MAX) /* or who never closes could hold all our descriptors so */
        conn_close_ending(c->loop->ending.next);
    c->loop->n_ending++;
    list_append(&c->loop->ending, &c->ending);
    timer_start(&c->silence, c->loop, END_LIMIT_MS, on_end_limit, c);
    conn_wake(c);
}

void conn_end_last(struct conn *c)
{
    if (c)
        c->is_last_word = true;
    conn_end(c);
}
