/* SPDX-License-Identifier: Apache-2.0
 *
 * One client's exchange with Dovecot, from its AUTH to the answer.
 *
 * It waits for the connection, is asked over it, and gets replies by its number. When the connection breaks, an exchange that has
 * sent its first line only, and got no challenge yet, moves to the new one once; others, and those that wait for too long, end as
 * AUTH_LATER: nobody's password was wrong. */
#include "server/auth_dovecot_int.h"

#include "base/log.h"
#include "base/mem.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define LOST "Connection lost to authentication server" /* fail2ban's filter knows it as nobody's fault */

static struct dovecot *owner(const struct try *t)
{
    return dovecot_of(t->base.auth);
}

static void forget(struct try *t)
{
    list_remove(&t->link);
    timer_stop(&t->limit);
    later_cancel(&t->later);
    free(t->remote);
    free(t->local);
    if (t->initial)
        wipe(t->initial, strlen(t->initial));
    free(t->initial);
    free(t);
}

static void finish(struct try *t, const struct auth_answer *a)
{
    auth_fn *then = t->then;
    void *arg = t->arg;

    forget(t);
    then(arg, a);
}

static void finish_lost(void *arg)
{
    finish(arg, &(struct auth_answer){ .result = AUTH_LATER, .reason = LOST });
}

/* Dovecot need not go on with it. */
static void tell_cancelled(const struct try *t)
{
    struct dovecot *d = owner(t);
    struct buf b;

    if (!t->id || !d->is_ready)
        return;
    buf_init(&b, BUF_NO_MAX);
    auth_wire_cancel(&b, t->id);
    dovecot_send(d, &b);
}

/* Has the whole server fallen silent, or only this one answer? */
static void on_try_limit(void *arg)
{
    struct try *t = arg;
    struct dovecot *d = owner(t);

    tell_cancelled(t);
    log_warn("%s: no answer within %lld s", d->name, (long long)(d->how.cfg->smtpd_sasl_reply_timeout / 1000000));
    bool is_hung = d->is_ready && t->id && d->heard_ms < t->asked_ms;
    t->was_moved = true;
    list_remove(&t->link);
    if (is_hung)
        dovecot_break(d, "no answer");
    finish_lost(t);
}

static void await_answer(struct try *t)
{
    struct dovecot *d = owner(t);
    t->asked_ms = loop_now_ms(d->how.loop);
    timer_start(&t->limit, d->how.loop, d->how.cfg->smtpd_sasl_reply_timeout / 1000, on_try_limit, t);
}

void dovecot_ask(struct try *t)
{
    struct dovecot *d = owner(t);
    struct buf b;

    t->id = ++d->last_id;
    const struct auth_wire_request r = {
        .id = t->id,
        .mech = t->mech,
        .service = d->how.cfg->smtpd_sasl_service,
        .remote = t->remote,
        .local = t->local,
        .is_secured = t->is_encrypted,
        .initial = t->initial ? span_str(t->initial) : (struct span){ NULL, 0 },
    };
    buf_init(&b, BUF_NO_MAX);
    auth_wire_auth(&b, &r);
    dovecot_send(d, &b);
    list_remove(&t->link);
    list_append(&d->asked, &t->link);
}

static struct try *find(struct dovecot *d, uint32_t id)
{
    list_each(it, &d->asked) {
        struct try *t = list_entry(it, struct try, link);
        if (t->id == id)
            return t;
    }
    return NULL;
}

void dovecot_on_reply(void *arg, const struct auth_wire_reply *r)
{
    struct try *t = find(arg, r->id);
    struct auth_answer a = { .challenge = r->challenge, .user = r->user, .reason = r->reason };

    if (!t)
        return;
    if (r->kind == AUTH_WIRE_CONT) {
        a.result = AUTH_MORE;
        t->had_challenge = t->is_clients_turn = true;
        timer_stop(&t->limit); /* it is the client's turn */
        t->then(t->arg, &a);
        return;
    }
    a.result = r->kind == AUTH_WIRE_OK ? AUTH_YES : r->is_temporary ? AUTH_LATER : AUTH_NO;
    finish(t, &a);
}

void dovecot_fail_all(struct list *l)
{
    while (!list_is_empty(l))
        finish_lost(list_entry(l->next, struct try, link));
}

/* Exchanges of a connection that is gone: back to those that wait, or over. */
void dovecot_move_all(struct dovecot *d)
{
    struct list lost;

    list_init(&lost);
    list_move(&lost, &d->asked);
    while (!list_is_empty(&lost)) {
        struct try *t = list_entry(lost.next, struct try, link);
        list_remove(&t->link);
        t->id = 0;
        if (t->is_clients_turn) {
            continue;
        } else if (t->had_challenge || t->was_moved) {
            finish_lost(t);
        } else {
            t->was_moved = true;
            list_append(&d->waiting, &t->link);
        }
    }
}

struct auth_try *dovecot_begin(struct auth *a, const struct auth_client *who, const char *mech, struct span initial, auth_fn *then,
                              void *arg)
{
    struct dovecot *d = dovecot_of(a);
    struct try *t = xcalloc(1, sizeof *t);

    *t = (struct try){
        .base = { .auth = a },
        .then = then,
        .arg = arg,
        .remote = xstrdup(who->address),
        .local = xstrdup(who->server_address),
        .initial = initial.at ? span_dup(initial) : NULL,
        .is_encrypted = who->is_encrypted,
    };
    snprintf(t->mech, sizeof t->mech, "%s", mech);
    list_init(&t->link);
    if (!dovecot_want(d)) {
        later_start(&t->later, d->how.loop, finish_lost, t);
        return &t->base;
    }
    list_append(&d->waiting, &t->link);
    await_answer(t);
    if (d->is_ready)
        dovecot_ask(t);
    return &t->base;
}

void dovecot_respond(struct auth_try *base, struct span response)
{
    struct try *t = container_of(base, struct try, base);
    struct dovecot *d = owner(t);
    struct buf b;

    t->is_clients_turn = false;
    if (!t->id) {
        later_start(&t->later, d->how.loop, finish_lost, t);
        return;
    }
    buf_init(&b, BUF_NO_MAX);
    auth_wire_cont(&b, t->id, response);
    dovecot_send(d, &b);
    await_answer(t);
}

void dovecot_cancel(struct auth_try *base)
{
    struct try *t = container_of(base, struct try, base);

    tell_cancelled(t);
    forget(t);
}
