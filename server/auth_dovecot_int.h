/* SPDX-License-Identifier: Apache-2.0
 *
 * auth_dovecot_int.h - passwords looked at by Dovecot, for the two files of it: auth_dovecot.c has the connection that all share,
 * auth_dovecot_try.c the exchanges of clients. */
#ifndef SERVER_AUTH_DOVECOT_INT_H
#define SERVER_AUTH_DOVECOT_INT_H

#include "server/auth.h"

#include "base/list.h"
#include "config/config.h"
#include "net/dial.h"
#include "net/dns.h"
#include "smtp/auth_wire.h"

struct dovecot {
    struct auth auth;
    struct auth_start how;
    struct config_sasl_place place;
    char *name; /* of the place, for the log */
    bool is_connecting, is_ready;
    struct dns_query *query;
    struct dial *dial;
    struct conn *conn;
    struct auth_wire wire;
    uint32_t n_connections, last_id;
    struct timer limit, again;
    unsigned n_failed; /* in a row */
    int64_t heard_ms, failed_ms, complained_ms;
    bool has_complained;
    char *lists[2];    /* what is offered in the clear, and within TLS; NULL: not known */
    struct list waiting, asked;
};

struct try {
    struct auth_try base;
    struct list link; /* waiting or asked; in neither: its connection is gone, and the next respond() will be told */
    uint32_t id;      /* 0: not sent (to this connection) */
    bool had_challenge, was_moved, is_clients_turn;
    auth_fn *then;
    void *arg;
    char mech[AUTH_MECH_NAME_MAX + 1];
    char *remote, *local, *initial;
    bool is_encrypted;
    int64_t asked_ms;
    struct timer limit;
    struct later later;
};

static inline struct dovecot *dovecot_of(struct auth *a)
{
    return container_of(a, struct dovecot, auth);
}

/* ---- auth_dovecot.c ---- */

/* Sends and wipes what is in `b`, which is over then. */
void dovecot_send(struct dovecot *d, struct buf *b);
/* The connection is of no use any more: another one, and its exchanges move there or end. */
void dovecot_break(struct dovecot *d, const char *why);
/* A client wants it: without waiting for the pause to end, but not more than once a second. False: it is away. */
bool dovecot_want(struct dovecot *d);

/* ---- auth_dovecot_try.c ---- */

/* One that waits: its first line goes out. */
void dovecot_ask(struct try *t);
/* For auth_wire_input(). */
void dovecot_on_reply(void *arg, const struct auth_wire_reply *r);
/* All of the list end as AUTH_LATER. */
void dovecot_fail_all(struct list *l);
/* Exchanges of a connection that is gone: back to those that wait, or over. */
void dovecot_move_all(struct dovecot *d);
/* See struct auth_backend. */
struct auth_try *dovecot_begin(struct auth *a, const struct auth_client *who, const char *mech, struct span initial, auth_fn *then,
                               void *arg);
void dovecot_respond(struct auth_try *base, struct span response);
void dovecot_cancel(struct auth_try *base);

#endif
