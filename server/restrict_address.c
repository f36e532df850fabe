/* SPDX-License-Identifier: Apache-2.0
 *
 * restrict_address.c - restrictions about sender and recipient: whether the address is whole, whether we are a destination for it,
 * whether anybody has it. The last two are the resolver's to say. */
#include "base/log.h"
#include "mail/address.h"
#include "server/restrict_fns.h"

#include <stdio.h>
#include <string.h>

/* ---- asking the resolver ---- */

static void note(struct known *k, const struct resolve_verdict *v)
{
    k->is_known = true;
    k->cannot_tell = v->cannot_tell;
    k->is_ours = v->is_ours;
    k->class = v->class;
    k->is_refused = !v->cannot_tell && v->route.kind == ROUTE_REFUSED;
    snprintf(k->unlisted, sizeof k->unlisted, "%s", v->unlisted ? v->unlisted : "");
    snprintf(k->status, sizeof k->status, "%s", k->is_refused ? v->route.status : "");
    snprintf(k->text, sizeof k->text, "%s", k->is_refused && v->route.text ? v->route.text : "refused");
}

static void know_recipient(void *arg, const struct resolve_verdict *v)
{
    struct check *c = arg;

    note(&c->rcpt, v);
    check_answer(c, AGAIN);
}

static void know_sender(void *arg, const struct resolve_verdict *v)
{
    struct check *c = arg;

    note(&c->sender, v);
    check_answer(c, AGAIN);
}

static void stop_resolving(struct check *c)
{
    resolve_cancel(c->job);
}

static enum outcome resolve(struct check *c, const char *address, resolve_rcpt_fn *fn)
{
    struct resolve_ask *a = resolve_rcpt(c->f.resolver, c->f.env->sender, address, fn, c);

    if (a) {
        c->job = a;
        c->stop = stop_resolving;
    }
    return LATER;
}

enum outcome check_resolve_recipient(struct check *c)
{
    return resolve(c, check_recipient(c), know_recipient);
}

enum outcome check_resolve_sender(struct check *c)
{
    return resolve(c, c->f.env->sender, know_sender);
}

/* ---- whose mail it is ---- */

static enum outcome cannot_tell(struct check *c, const char *address)
{
    return check_trouble(c, 451, "4.3.0", "<%s>: Temporary lookup failure", log_safe_str(address));
}

enum outcome restrict_permit_auth_destination(struct check *c, const struct restriction *r)
{
    (void)r;
    if (!check_recipient(c))
        return GO_ON;
    if (!c->rcpt.is_known)
        return check_resolve_recipient(c);
    if (c->rcpt.cannot_tell)
        return cannot_tell(c, check_recipient(c));
    return c->rcpt.is_ours ? PERMIT : GO_ON;
}

static enum outcome unauth_destination(struct check *c, int code)
{
    const char *address = check_recipient(c);

    if (!address)
        return GO_ON;
    if (!c->rcpt.is_known)
        return check_resolve_recipient(c);
    /* Perhaps not, by the tables as they are now: whoever reads them anew will say. */
    if (c->rcpt.cannot_tell || (!c->rcpt.is_ours && resolver_is_stale(c->f.resolver)))
        return cannot_tell(c, address);
    return c->rcpt.is_ours ? GO_ON
                           : check_reject(c, code, code >= 500 ? "5.7.1" : "4.7.1", "<%s>: Relay access denied", log_safe_str(address));
}

enum outcome restrict_reject_unauth_destination(struct check *c, const struct restriction *r)
{
    (void)r;
    return unauth_destination(c, c->f.cfg->relay_domains_reject_code);
}

enum outcome restrict_defer_unauth_destination(struct check *c, const struct restriction *r)
{
    int code = c->f.cfg->relay_domains_reject_code;

    (void)r;
    return unauth_destination(c, code >= 500 ? code - 100 : code);
}

/* ---- whether anybody has it ---- */

static int unlisted_code(const struct config *cfg, enum address_class class)
{
    switch (class) {
    case CLASS_INFERRED:
    case CLASS_VIRTUAL_ALIAS: return cfg->unknown_virtual_alias_reject_code;
    case CLASS_VIRTUAL_MAILBOX: return cfg->unknown_virtual_mailbox_reject_code;
    case CLASS_RELAY: return cfg->unknown_relay_recipient_reject_code;
    default: return cfg->unknown_local_recipient_reject_code;
    }
}

/* What programs of this machine send to names that nobody has is delivered to somebody, as in Postfix: `local` sees to that. */
static bool somebody_gets_it(const struct check *c, const struct known *k)
{
    const struct config *cfg = c->f.cfg;

    return c->f.is_local && k->class == CLASS_LOCAL && (cfg->luser_relay[0] || cfg->fallback_transport.name[0]);
}

static enum outcome unlisted(struct check *c, const struct known *k, struct subject s, const char *status)
{
    bool may_relay = c->f.is_trusted || c->f.login;
    bool is_unlisted = k->unlisted[0] && !(k->class == CLASS_INFERRED && may_relay) && !somebody_gets_it(c, k);
    bool is_no = k->is_refused || is_unlisted;

    if (k->cannot_tell || (is_no && resolver_is_stale(c->f.resolver)))
        return cannot_tell(c, s.name);
    if (k->is_refused) /* HANDBOOK B1: 450 for a 4.x.x status */
        return check_reject_it(c, s, k->status[0] == '4' ? 450 : 550, k->status, "%s", k->text);
    if (is_unlisted)
        return check_reject_it(c, s, unlisted_code(c->f.cfg, k->class), status, "%s", k->unlisted);
    return GO_ON;
}

enum outcome reject_unlisted_recipient(struct check *c)
{
    if (!check_recipient(c))
        return GO_ON;
    if (!c->rcpt.is_known)
        return check_resolve_recipient(c);
    c->rcpt_was_looked_up = true;
    return unlisted(c, &c->rcpt, about_recipient(c), "5.1.1");
}

enum outcome reject_unlisted_sender(struct check *c)
{
    if (!c->f.env || !c->f.env->sender[0])
        return GO_ON;
    if (!c->sender.is_known)
        return check_resolve_sender(c);
    c->sender_was_looked_up = true;
    return c->sender.is_ours || c->sender.cannot_tell ? unlisted(c, &c->sender, about_sender(c), "5.1.0") : GO_ON;
}

enum outcome restrict_reject_unlisted_recipient(struct check *c, const struct restriction *r)
{
    (void)r;
    return reject_unlisted_recipient(c);
}

enum outcome restrict_reject_unlisted_sender(struct check *c, const struct restriction *r)
{
    (void)r;
    return reject_unlisted_sender(c);
}

/* ---- its form ---- */

static bool is_whole(const char *address)
{
    struct span domain = address_text_domain(address);
    struct span name = domain.len && domain.at[domain.len - 1] == '.' ? span_of(domain.at, domain.len - 1) : domain;

    if (name.len && name.at[0] == '[')
        return true;
    return name.len && span_find(name, '.') < name.len && name.at[0] != '.' && name.at[name.len - 1] != '.';
}

static enum outcome non_fqdn(struct check *c, struct subject s)
{
    if (is_whole(s.name))
        return GO_ON;
    return check_reject_it(c, s, c->f.cfg->non_fqdn_reject_code, "5.5.2", "need fully-qualified address");
}

enum outcome restrict_reject_non_fqdn_sender(struct check *c, const struct restriction *r)
{
    (void)r;
    return c->f.env && c->f.env->sender[0] ? non_fqdn(c, about_sender(c)) : GO_ON;
}

enum outcome restrict_reject_non_fqdn_recipient(struct check *c, const struct restriction *r)
{
    (void)r;
    return check_recipient(c) ? non_fqdn(c, about_recipient(c)) : GO_ON;
}
