/* SPDX-License-Identifier: Apache-2.0
 *
 * restrict_login.c - who may use which sender. smtpd_sender_login_maps say which logins own an address. Without them a login owns
 * the address that it is: the same, or the same user in a domain of ours. So the handbooks' reject_sender_login_mismatch alone does
 * what their readers expect of it, and is not without effect as in Postfix. */
#include "base/log.h"
#include "base/mem.h"
#include "mail/address.h"
#include "net/offload.h"
#include "server/access.h"
#include "server/restrict_fns.h"

#include <stdlib.h>
#include <string.h>

enum owner_rule {
    FOR_LOGGED_IN = 1, /* who has logged in is an owner */
    FOR_OTHERS = 2,    /* who has not may use nothing that is owned */
    UNLESS_UNKNOWN = 4, /* an address that nobody owns is everybody's */
};

struct owner_job {
    struct check *c;
    unsigned rule;
    struct access_keys keys;
    size_t key, map; /* asked next */
    enum map_result result;
    struct buf owners;
    struct map_ask *ask;
};

static enum outcome not_owned(struct check *c)
{
    char login[100];

    snprintf(login, sizeof login, "%s", log_safe_str(c->f.login));
    return check_reject_it(c, about_sender(c), 553, "5.7.1", "not owned by user %s", login);
}

/* ---- with tables ---- */

static bool names(struct span owners, const char *login)
{
    struct span word;

    while (span_word(&owners, ",", &word))
        if (span_ieq_str(word, login))
            return true;
    return false;
}

static enum outcome judge(const struct owner_job *j)
{
    struct check *c = j->c;

    if (j->result == MAP_CANNOT_TELL)
        return check_trouble(c, 451, "4.3.0", "<%s>: Temporary lookup failure", log_safe_str(c->f.env->sender));
    if (!c->f.login)
        return j->result == MAP_FOUND ? check_reject_it(c, about_sender(c), 553, "5.7.1", "not logged in") : GO_ON;
    if (j->result == MAP_FOUND ? names(buf_span(&j->owners), c->f.login) : (j->rule & UNLESS_UNKNOWN) != 0)
        return GO_ON;
    return not_owned(c);
}

static void free_job(struct owner_job *j)
{
    access_keys_fini(&j->keys);
    buf_fini(&j->owners);
    free(j);
}

static void stop(struct check *c)
{
    struct owner_job *j = c->job;

    map_ask_cancel(j->ask);
    free_job(j);
}

static enum outcome go_through(struct owner_job *j);

static void got_owners(void *arg, enum map_result result, struct span value, const struct err *e)
{
    struct owner_job *j = arg;
    struct check *c = j->c;
    bool is_later = j->ask != NULL;

    j->ask = NULL;
    j->result = result;
    buf_clear(&j->owners);
    if (result == MAP_FOUND)
        buf_addspan(&j->owners, value);
    else if (result == MAP_CANNOT_TELL)
        log_warn("smtpd_sender_login_maps: %s", e->text);
    if (!is_later)
        return;
    enum outcome o = go_through(j);
    if (o != LATER)
        check_answer(c, o);
}

/* Each key in all tables before the next key. */
static enum outcome go_through(struct owner_job *j)
{
    const struct strlist *tables = &j->c->f.cfg->smtpd_sender_login_maps;

    while (j->result == MAP_NOT_FOUND && j->key < j->keys.n) {
        struct map *m = restrictions_table(j->c->all, tables->at[j->map]);
        struct span key = span_str(j->keys.at[j->key].text);
        if (++j->map == tables->n) {
            j->map = 0;
            j->key++;
        }
        struct map_ask *ask = map_ask(m, loop_runner(j->c->f.loop), key, got_owners, j);
        if (ask) {
            j->ask = ask;
            j->c->job = j;
            j->c->stop = stop;
            return LATER;
        }
    }
    enum outcome o = judge(j);
    free_job(j);
    return o;
}

/* HANDBOOK B7: user@domain, user (of a local domain), @domain; each with its extension first. */
static void add_keys(const struct check *c, struct access_keys *k)
{
    const char *sender = c->f.env->sender;
    struct span local = address_text_local(sender), domain = address_text_domain(sender);
    struct span plain = address_without_extension(local, c->f.cfg->recipient_delimiter);
    char *text;

    access_keys_add(k, span_str(sender), true);
    if (plain.len < local.len) {
        text = xasprintf("%.*s@%.*s", (int)plain.len, plain.at, (int)domain.len, domain.at);
        access_keys_add(k, span_str(text), true);
        free(text);
    }
    if (c->sender.is_ours && c->sender.class == CLASS_LOCAL) {
        access_keys_add(k, local, true);
        if (plain.len < local.len)
            access_keys_add(k, plain, true);
    }
    text = xasprintf("@%.*s", (int)domain.len, domain.at);
    access_keys_add(k, span_str(text), true);
    free(text);
}

static enum outcome ask_tables(struct check *c, unsigned rule)
{
    if (!c->sender.is_known)
        return check_resolve_sender(c);
    struct owner_job *j = xcalloc(1, sizeof *j);
    j->c = c;
    j->rule = rule;
    j->result = MAP_NOT_FOUND;
    buf_init(&j->owners, MAP_VALUE_MAX);
    add_keys(c, &j->keys);
    return go_through(j);
}

/* ---- without ---- */

static bool is_own(const struct check *c)
{
    const char *sender = c->f.env->sender, *login = c->f.login;
    struct span local = address_text_local(sender), domain = address_text_domain(sender);
    struct span plain = address_without_extension(local, c->f.cfg->recipient_delimiter);
    struct span user = span_of(login, strcspn(login, "@"));
    bool same_user = span_ieq(local, user) || span_ieq(plain, user);

    return login[user.len] ? same_user && span_ieq_str(domain, login + user.len + 1) : same_user && c->sender.is_ours;
}

static enum outcome ask_login(struct check *c)
{
    if (!c->f.login)
        return GO_ON;
    if (!c->sender.is_known)
        return check_resolve_sender(c);
    return is_own(c) ? GO_ON : not_owned(c);
}

/* ---- the restrictions ---- */

static enum outcome mismatch(struct check *c, unsigned rule)
{
    if (!c->f.env || !c->f.env->sender[0] || !(rule & (c->f.login ? FOR_LOGGED_IN : FOR_OTHERS)))
        return GO_ON;
    return c->f.cfg->smtpd_sender_login_maps.n ? ask_tables(c, rule) : ask_login(c);
}

enum outcome restrict_reject_sender_login_mismatch(struct check *c, const struct restriction *r)
{
    (void)r;
    return mismatch(c, FOR_LOGGED_IN | FOR_OTHERS);
}

enum outcome restrict_reject_authenticated_sender_login_mismatch(struct check *c, const struct restriction *r)
{
    (void)r;
    return mismatch(c, FOR_LOGGED_IN);
}

enum outcome restrict_reject_unauthenticated_sender_login_mismatch(struct check *c, const struct restriction *r)
{
    (void)r;
    return mismatch(c, FOR_OTHERS);
}

enum outcome restrict_reject_known_sender_login_mismatch(struct check *c, const struct restriction *r)
{
    (void)r;
    return mismatch(c, FOR_LOGGED_IN | UNLESS_UNKNOWN);
}
