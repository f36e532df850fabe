/* SPDX-License-Identifier: Apache-2.0
 *
 * restrict_plain.c - the restrictions that need nothing but what is known, and the table of all. */
#include "server/restrict_fns.h"

#include "base/mem.h"

#include <stdlib.h>
#include <string.h>

restriction_fn *const restriction_fns[N_RESTRICTIONS] = {
#define RESTRICTION(name, needs, argument) restrict_##name,
#include "config/restrictions.h"
};

enum outcome restrict_permit(struct check *c, const struct restriction *r)
{
    (void)c;
    (void)r;
    return PERMIT;
}

enum outcome restrict_reject(struct check *c, const struct restriction *r)
{
    (void)r;
    return check_reject_it(c, c->subject, c->f.cfg->reject_code, "5.7.1", "Access denied");
}

enum outcome restrict_defer(struct check *c, const struct restriction *r)
{
    (void)r;
    return check_reject_it(c, c->subject, c->f.cfg->defer_code, "4.3.2", "Try again later");
}

enum outcome restrict_defer_if_permit(struct check *c, const struct restriction *r)
{
    (void)r;
    return check_defer_if_permit(c, c->subject, "4.7.0", "defer_if_permit requested");
}

enum outcome restrict_defer_if_reject(struct check *c, const struct restriction *r)
{
    (void)r;
    return check_defer_if_reject(c, c->subject, "4.7.0", "defer_if_reject requested");
}

enum outcome restrict_warn_if_reject(struct check *c, const struct restriction *r)
{
    (void)r;
    c->warns_at = c->depth;
    c->warns_next = true;
    return GO_ON;
}

static void woken(void *arg)
{
    check_answer(arg, GO_ON);
}

enum outcome restrict_sleep(struct check *c, const struct restriction *r)
{
    timer_start(&c->timer, c->f.loop, strtol(r->arg, NULL, 10) * 1000, woken, c);
    return LATER;
}

enum outcome restrict_reject_plaintext_session(struct check *c, const struct restriction *r)
{
    (void)r;
    return c->f.is_encrypted ? GO_ON : check_reject(c, c->f.cfg->plaintext_reject_code, "4.7.1", "Session encryption is required");
}

/* RFC 2920 3.1: DATA ends a group of commands, and there are groups with EHLO only. */
enum outcome restrict_reject_unauth_pipelining(struct check *c, const struct restriction *r)
{
    bool may_go_on = strcmp(c->f.protocol, "SMTP") != 0 && c->at != GATE_DATA && c->at != GATE_HELLO;

    (void)r;
    if (may_go_on || !c->f.has_more)
        return GO_ON;
    return check_reject_it(c, c->subject, 503, "5.5.0", "Improper use of SMTP command pipelining");
}

/* ---- who the client is ---- */

enum outcome restrict_permit_mynetworks(struct check *c, const struct restriction *r)
{
    (void)r;
    return c->f.is_trusted ? PERMIT : GO_ON;
}

enum outcome restrict_permit_inet_interfaces(struct check *c, const struct restriction *r)
{
    (void)r;
    return addr_list_has_host(&c->all->own, c->f.peer) ? PERMIT : GO_ON;
}

/* Stands in no list of ours: it is for local_header_rewrite_clients (relay/ours.c). */
enum outcome restrict_check_address_map(struct check *c, const struct restriction *r)
{
    (void)c, (void)r;
    return GO_ON;
}

enum outcome restrict_permit_sasl_authenticated(struct check *c, const struct restriction *r)
{
    (void)r;
    return c->f.login ? PERMIT : GO_ON;
}

/* ---- at DATA ---- */

enum outcome restrict_reject_multi_recipient_bounce(struct check *c, const struct restriction *r)
{
    const struct envelope *env = c->f.env;

    (void)r;
    if (!env || env->sender[0] || env->n_rcpts < 2 || c->at < GATE_DATA)
        return GO_ON;
    return check_reject_it(c, (struct subject){ "", c->subject.what }, c->f.cfg->multi_recipient_bounce_reject_code, "5.5.3",
                           "Multi-recipient bounce");
}
