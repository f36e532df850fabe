/* SPDX-License-Identifier: Apache-2.0
 *
 * Passwords looked at by Dovecot: one connection a worker to its authentication server, which all sessions share; replies find
 * theirs by a number.
 *
 * The connection is made when the worker starts, for EHLO wants to name mechanisms, and again when it breaks: at once when a
 * client asks, else with growing pauses. What it offered last counts as long as it is away. The exchanges that go over it:
 * auth_dovecot_try.c. */
#include "server/auth_dovecot_int.h"

#include "base/log.h"
#include "base/mem.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum {
    CONNECT_LIMIT_MS = 10000, /* name, connection and handshake together */
    AGAIN_MIN_MS = 1000,
    AGAIN_MAX_MS = 30000,
    COMPLAIN_MS = 60000,
};

static void connect_now(struct dovecot *d);

/* ---- what is offered ---- */

static void take_lists(struct dovecot *d)
{
    const struct config *cfg = d->how.cfg;

    free(d->lists[0]);
    free(d->lists[1]);
    d->lists[0] = config_sasl_list(cfg, &d->wire, false);
    d->lists[1] = config_sasl_list(cfg, &d->wire, true);
    if (!*d->lists[1])
        log_warn("no SASL mechanism is left of those that %s has: AUTH is not offered; see smtpd_sasl_tls_security_options and "
                 "smtpd_sasl_mechanism_filter",
                 d->name);
}

/* ---- the connection ---- */

static void disconnect(struct dovecot *d)
{
    dns_cancel(d->query);
    dial_cancel(d->dial);
    conn_close(d->conn);
    d->query = NULL;
    d->dial = NULL;
    d->conn = NULL;
    auth_wire_fini(&d->wire);
    auth_wire_init(&d->wire);
    timer_stop(&d->limit);
    timer_stop(&d->again);
    d->is_connecting = d->is_ready = false;
}

/* What to do about it, where that can be told. */
static void add_cure(const struct dovecot *d, const char *why, struct buf *out)
{
    if (strstr(why, strerror(EACCES)))
        buf_addf(out, " (in Dovecot: unix_listener %s { mode = 0660 user = %s }; its folders too must let that user through)",
                 d->place.path ? d->place.path : "...", d->how.cfg->mail_owner);
    else if (d->place.path && strstr(why, strerror(ENOENT)))
        buf_addf(out, " (Dovecot is not running, or its service auth has no unix_listener %s; smtpd_sasl_path says where we look)",
                 d->place.path);
    else if (strstr(why, strerror(ECONNREFUSED)))
        buf_adds(out, " (Dovecot is not running)");
}

static void complain(struct dovecot *d, const char *why)
{
    int64_t now = loop_now_ms(d->how.loop);
    struct buf b;

    if (d->has_complained && now - d->complained_ms < COMPLAIN_MS)
        return;
    d->has_complained = true;
    d->complained_ms = now;
    buf_init(&b, BUF_NO_MAX);
    add_cure(d, why, &b);
    log_warn("%s: %s%s: nobody can log in for now", d->name, why, buf_cstr(&b));
    buf_fini(&b);
}

static void on_again(void *arg)
{
    connect_now(arg);
}

static void fail_to_connect(struct dovecot *d, const char *why)
{
    int64_t wait = AGAIN_MIN_MS;

    disconnect(d);
    complain(d, why);
    d->failed_ms = loop_now_ms(d->how.loop);
    for (unsigned i = 0; i < d->n_failed && wait < AGAIN_MAX_MS; i++)
        wait *= 2;
    d->n_failed++;
    timer_start(&d->again, d->how.loop, wait < AGAIN_MAX_MS ? wait : AGAIN_MAX_MS, on_again, d);
    dovecot_fail_all(&d->waiting);
    d->how.settled(d->how.arg);
}

void dovecot_send(struct dovecot *d, struct buf *b)
{
    conn_write(d->conn, buf_span(b));
    wipe(b->at, b->len);
    buf_fini(b);
}

void dovecot_break(struct dovecot *d, const char *why)
{
    if (!d->is_ready) {
        fail_to_connect(d, why);
        return;
    }
    disconnect(d);
    log_info("%s: %s: connecting again", d->name, why);
    connect_now(d); /* first: who is told of it may ask at once */
    dovecot_move_all(d);
}

static void on_ready(void *arg)
{
    struct dovecot *d = arg;

    timer_stop(&d->limit);
    d->is_connecting = false;
    d->is_ready = true;
    d->n_failed = 0;
    if (d->has_complained)
        log_info("%s: answers again", d->name);
    d->has_complained = false;
    take_lists(d);
    while (!list_is_empty(&d->waiting))
        dovecot_ask(list_entry(d->waiting.next, struct try, link));
    d->how.settled(d->how.arg);
}

static void on_data(void *arg, struct span bytes)
{
    static const struct auth_wire_ops ops = { on_ready, dovecot_on_reply };
    struct dovecot *d = arg;
    struct err e;

    d->heard_ms = loop_now_ms(d->how.loop);
    if (auth_wire_input(&d->wire, bytes, &ops, d, &e) < 0)
        dovecot_break(d, e.text);
}

static void on_closed(void *arg, const struct err *why)
{
    dovecot_break(arg, why->kind == ERR_NONE ? "it has closed the connection" : why->text);
}

static void on_dialled(void *arg, struct conn *c, const struct err *why)
{
    static const struct conn_ops ops = { on_data, NULL, on_closed };
    struct dovecot *d = arg;
    struct buf b;

    d->dial = NULL;
    if (!c) {
        fail_to_connect(d, why->text);
        return;
    }
    d->conn = c;
    conn_open(c, &ops, d);
    buf_init(&b, BUF_NO_MAX);
    /* pid_max is 2^22 at most: another number for each of the next thousand connections of this process. */
    auth_wire_hello(&b, (uint32_t)getpid() | (++d->n_connections % 1023 + 1) << 22);
    dovecot_send(d, &b);
}

static void on_found(void *arg, enum dns_outcome outcome, const struct addr_list *found, const struct err *why)
{
    struct dovecot *d = arg;

    d->query = NULL;
    if (outcome == DNS_FOUND)
        d->dial = dial_start(d->how.loop, &(struct dial_options){ .to = found, .timeout_ms = CONNECT_LIMIT_MS }, on_dialled, d);
    else
        fail_to_connect(d, why->text);
}

static void on_connect_limit(void *arg)
{
    struct dovecot *d = arg;

    if (d->wire.has_version)
        fail_to_connect(d, "it does not say what mechanisms it has; is it a socket for clients (unix_listener in service auth), not "
                           "auth-userdb or auth-master?");
    else
        fail_to_connect(d, d->conn ? "it accepts the connection and says nothing" : "no connection within 10 s");
}

static void connect_now(struct dovecot *d)
{
    union addr literal;
    struct addr_list one = { &literal, 1 };

    timer_stop(&d->again);
    d->is_connecting = true;
    timer_start(&d->limit, d->how.loop, CONNECT_LIMIT_MS, on_connect_limit, d);
    if (d->place.path)
        d->dial = dial_unix(d->how.loop, d->place.path, CONNECT_LIMIT_MS, on_dialled, d);
    else if (addr_parse(&literal, span_str(d->place.host.host), d->place.host.port))
        d->dial = dial_start(d->how.loop, &(struct dial_options){ .to = &one, .timeout_ms = CONNECT_LIMIT_MS }, on_dialled, d);
    else
        d->query = dns_hosts(d->how.dns, d->place.host.host, d->place.host.port, DNS_ANY | DNS_SEARCH, on_found, d);
}

/* A client wants it: without waiting for the pause to end, but not more than once a second. False: it is away. */
bool dovecot_want(struct dovecot *d)
{
    if (d->is_ready || d->is_connecting)
        return true;
    if (d->n_failed && loop_now_ms(d->how.loop) - d->failed_ms < AGAIN_MIN_MS)
        return false;
    connect_now(d);
    return true;
}

/* ---- the door ---- */

static void start(struct auth *a, const struct auth_start *how)
{
    struct dovecot *d = dovecot_of(a);

    d->how = *how;
    connect_now(d);
}

static bool is_settling(struct auth *a)
{
    struct dovecot *d = dovecot_of(a);
    return !d->lists[0] && dovecot_want(d) && !d->is_ready;
}

static const char *mechanisms(struct auth *a, bool is_encrypted)
{
    struct dovecot *d = dovecot_of(a);
    dovecot_want(d);
    return d->lists[is_encrypted];
}

static void close_it(struct auth *a)
{
    struct dovecot *d = dovecot_of(a);

    disconnect(d);
    auth_wire_fini(&d->wire);
    config_sasl_place_fini(&d->place);
    free(d->lists[0]);
    free(d->lists[1]);
    free(d->name);
    free(d);
}

static const struct auth_backend backend = {
    .start = start,
    .is_settling = is_settling,
    .mechanisms = mechanisms,
    .begin = dovecot_begin,
    .respond = dovecot_respond,
    .cancel = dovecot_cancel,
    .close = close_it,
};

struct auth *auth_dovecot_open(const struct config *cfg, struct err *e)
{
    struct dovecot *d = xcalloc(1, sizeof *d);

    if (config_sasl_place(cfg, &d->place, e) < 0) {
        free(d);
        return NULL;
    }
    d->auth.backend = &backend;
    d->name = d->place.path ? xasprintf("authentication server %s", d->place.path)
                            : xasprintf("authentication server %s:%d", d->place.host.host, d->place.host.port);
    list_init(&d->waiting);
    list_init(&d->asked);
    auth_wire_init(&d->wire);
    return &d->auth;
}
