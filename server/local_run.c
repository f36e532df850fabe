/* SPDX-License-Identifier: Apache-2.0
 *
 * local_run.c - what an alias, a ~/.forward or an :include: says, done with the rights of whom it belongs to. Programs and files come
 * first, and new mail last: what has to be tried again then has sent nothing on yet. */
#include "server/local_int.h"

#include "mail/address.h"
#include "server/submit.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

enum { INCLUDE_DEPTH = 10 };

struct work {
    const struct delivery *d;
    const struct identity *id; /* as who we are; NULL: that of an alias */
    gid_t spool_gid;
    struct envelope env;       /* whom it is sent on to */
    bool wants_mailbox;
    struct outcome *out;
    bool has_failed;
};

/* Trying again goes before giving up, and both before success. */
static int weight(const struct outcome *o)
{
    if (!o->dsn[0])
        return 0;
    return o->kind == OUTCOME_SENT ? 1 : o->kind == OUTCOME_BOUNCED ? 2 : 3;
}

static void note(struct work *w, const struct outcome *o)
{
    if (weight(o) > weight(w->out))
        *w->out = *o;
    w->has_failed |= o->kind != OUTCOME_SENT;
}

static void note_err(struct work *w, const char *dsn, const struct err *e)
{
    struct outcome o;

    outcome_defer(&o, dsn, e);
    note(w, &o);
}

/* ---- what they say ---- */

bool local_is_itself(const struct delivery *d, const char *address)
{
    const struct config *cfg = d->mail->deliver->cfg;
    struct span local = address_text_local(address), domain = address_text_domain(address);

    if (!span_ieq_str(local, d->plan->user) && !span_ieq_str(local, d->plan->local))
        return false;
    if (!domain.len || span_ieq_str(domain, d->plan->domain) || span_ieq_str(domain, cfg->myhostname) || span_ieq_str(domain, "localhost"))
        return true;
    for (size_t i = 0; i < cfg->mydestination.n; i++)
        if (span_ieq_str(domain, cfg->mydestination.at[i]))
            return true;
    return false;
}

static void run_all(struct work *w, const struct forwards *f, unsigned where, int depth);

static void include(struct work *w, const char *path, int depth)
{
    struct forwards f = { 0 };
    struct buf text;
    struct err e;

    buf_init(&text, LOCAL_TEXT_MAX + 8192);
    if (depth <= 0 || path[0] != '/') {
        err_set(&e, ERR_CONFIG, depth <= 0 ? ":include:%s: includes are nested too deeply" : ":include:%s is no full file name", path);
        note_err(w, "4.2.4", &e);
    } else if (local_read_text(path, false, &text, &e) < 0 || forwards_add_text(&f, buf_span(&text), &e) < 0) {
        err_prefix(&e, ":include:%s", path);
        note_err(w, "4.2.4", &e);
    } else {
        run_all(w, &f, CONFIG_IN_INCLUDE, depth - 1);
    }
    forwards_fini(&f);
    buf_fini(&text);
}

static bool is_allowed(struct work *w, const struct forward *f, unsigned where, unsigned allowed)
{
    struct outcome o;

    if (where & allowed)
        return true;
    outcome_set(&o, "5.7.1", "mail to %s \"%s\" is not allowed here", f->kind == FORWARD_FILE ? "file" : "command", f->text);
    note(w, &o);
    return false;
}

/* As an address of an envelope: with a domain. */
static void add_address(struct work *w, const struct forward *f)
{
    struct address a;
    struct err e;

    if (address_parse(&a, span_str(f->text), ADDRESS_LOCAL | ADDRESS_UTF8, &e) < 0 ||
        address_complete(&a, w->d->mail->deliver->cfg->myorigin, &e) < 0) {
        note_err(w, "4.3.5", &e);
        return;
    }
    struct rcpt *r = envelope_add(&w->env, a.text);
    r->notify = (unsigned char)(w->d->rcpt->notify & ~(unsigned)NOTIFY_SUCCESS); /* that it came this far is told already */
}

static void run_one(struct work *w, const struct forward *f, unsigned where, int depth)
{
    const struct config *cfg = w->d->mail->deliver->cfg;
    struct outcome o = { 0 };

    switch (f->kind) {
    case FORWARD_INCLUDE: include(w, f->text, depth); return;
    case FORWARD_COMMAND:
        if (!is_allowed(w, f, where, cfg->allow_mail_to_commands))
            return;
        local_command(w->d, w->id, f->text, &o);
        break;
    case FORWARD_FILE:
        if (!is_allowed(w, f, where, cfg->allow_mail_to_files))
            return;
        local_file(w->d, f->text, &o);
        break;
    case FORWARD_ADDRESS:
    case FORWARD_FINAL:
        if (local_is_itself(w->d, f->text))
            w->wants_mailbox = true;
        else
            add_address(w, f);
        return;
    }
    note(w, &o);
}

static void run_all(struct work *w, const struct forwards *f, unsigned where, int depth)
{
    for (size_t i = 0; i < f->n; i++)
        run_one(w, &f->at[i], where, depth);
}

static void send_on(struct work *w)
{
    const struct delivery *d = w->d;
    const struct config *cfg = d->mail->deliver->cfg;
    struct envelope *env = &w->env;
    struct outcome o;
    struct buf head;

    if (!env->n_rcpts || (w->has_failed && w->out->kind == OUTCOME_DEFERRED))
        return;
    envelope_set_sender(env, d->plan->owner_sender ? d->plan->owner_sender : d->mail->env.sender);
    env->ret = d->mail->env.ret;
    env->body = d->mail->env.body;
    env->smtputf8 = d->mail->env.smtputf8;
    env->envid = d->mail->env.envid ? xstrdup(d->mail->env.envid) : NULL;
    char *path = xasprintf("%s/public/submit", cfg->queue_directory);
    buf_init(&head, BUF_NO_MAX);
    if (cfg->prepend_delivered_header & CONFIG_TO_FORWARD)
        delivery_head(d, HEAD_DELIVERED, d->rcpt->address, &head);
    submit_mail(path, cfg->myhostname, env, buf_span(&head), d->mail->content, &o);
    note(w, &o);
    buf_fini(&head);
    free(path);
}

bool local_is_loop(const struct delivery *d, struct outcome *out)
{
    if (!delivery_is_loop(d, d->rcpt->address))
        return false;
    outcome_set(out, "5.4.6", "mail forwarding loop for %s", d->rcpt->address);
    return true;
}

/* ---- an alias ---- */

static bool needs_rights(const struct forwards *f)
{
    for (size_t i = 0; i < f->n; i++)
        if (f->at[i].kind == FORWARD_COMMAND || f->at[i].kind == FORWARD_FILE)
            return true;
    return false;
}

/* The owner of the table; for root's, default_privs. */
static int become_owner(const struct delivery *d, struct err *e)
{
    const char *name = d->mail->deliver->cfg->default_privs;
    struct identity id = { 0 };

    if (geteuid() != 0 && !needs_rights(&d->plan->forwards))
        return 0;
    int rc = d->plan->owner ? identity_of_uid(&id, d->plan->owner, e) : identity_of_user(&id, name, e);
    if (rc == 0)
        rc = err_set(e, ERR_CONFIG, d->plan->owner ? "alias_maps: the owner of the table has no name" : "default_privs: there is no user \"%s\"",
                     name);
    if (rc > 0)
        rc = identity_become(&id, (gid_t)-1, e);
    identity_fini(&id);
    return rc;
}

void local_run_alias(void *arg, struct outcome *out)
{
    const struct delivery *d = arg;
    struct work w = { .d = d, .spool_gid = (gid_t)-1, .out = out };
    struct err e;

    if (become_owner(d, &e) < 0) {
        outcome_defer(out, "4.3.5", &e);
        return;
    }
    if (local_is_loop(d, out))
        return;
    envelope_init(&w.env);
    run_all(&w, &d->plan->forwards, CONFIG_IN_ALIAS, INCLUDE_DEPTH);
    send_on(&w);
    if (!out->dsn[0]) /* nothing but its own name: the mailbox comes next */
        outcome_set(out, "2.0.0", "delivered to nobody: its alias names nobody");
    out->wants_mailbox = d->plan->skips_forward && out->kind == OUTCOME_SENT;
    envelope_fini(&w.env);
}

/* ---- a user ---- */

static void run_forward(struct work *w)
{
    struct forwards f = { 0 };
    struct err e;
    int rc = w->d->plan->skips_forward ? 0 : local_find_forward(w->d, w->id, &f, &e);

    w->wants_mailbox = rc == 0 || (rc > 0 && f.n == 0); /* an empty one says nothing */
    if (rc < 0)
        note_err(w, "4.3.5", &e);
    else
        run_all(w, &f, CONFIG_IN_FORWARD, INCLUDE_DEPTH);
    forwards_fini(&f);
}

static void run_as(const struct delivery *d, const struct identity *id, gid_t spool_gid, const struct local_helper *helper,
                   struct outcome *out)
{
    struct work w = { .d = d, .id = id, .spool_gid = spool_gid, .out = out };
    struct outcome o = { 0 };

    envelope_init(&w.env);
    run_forward(&w);
    if (w.wants_mailbox && !w.has_failed) {
        if (helper->pid)
            local_helper_ask(helper, &o);
        else
            local_mailbox(d, id, spool_gid, &o);
        note(&w, &o);
    }
    send_on(&w);
    envelope_fini(&w.env);
}

static void become_and_run(const struct delivery *d, const struct identity *id, struct outcome *out)
{
    gid_t spool_gid = local_spool_gid(d->mail->deliver->cfg);
    struct local_helper helper = { 0 };
    struct err e;

    if ((d->plan->transport && local_helper_start(&helper, d, &e) < 0) || identity_become(id, spool_gid, &e) < 0)
        outcome_defer(out, "4.3.5", &e);
    else if (!local_is_loop(d, out) && local_has_home(d, id, out))
        run_as(d, id, spool_gid, &helper, out);
    local_helper_end(&helper);
}

/* luser_relay; "@other.example" keeps the name. */
static void send_to_luser(const struct delivery *d, struct outcome *out)
{
    const struct deliver *w = d->mail->deliver;
    const struct identity named = { .name = d->plan->user }, id = { .uid = w->ids.uid, .gid = w->ids.gid };
    const struct local_names names = { d, &named };
    struct work work = { .d = d, .spool_gid = (gid_t)-1, .out = out };
    struct buf text;
    struct err e;

    buf_init(&text, BUF_NO_MAX);
    if (w->cfg->luser_relay[0] == '@')
        buf_adds(&text, d->plan->local);
    if (template_expand(span_str(w->cfg->luser_relay), local_value, (void *)(uintptr_t)&names, &text, &e) < 0 ||
        identity_become(&id, (gid_t)-1, &e) < 0) {
        outcome_defer(out, "4.3.5", &e);
    } else if (!local_is_loop(d, out)) {
        struct forward f = { FORWARD_ADDRESS, buf_take(&text) };
        envelope_init(&work.env);
        add_address(&work, &f);
        send_on(&work);
        envelope_fini(&work.env);
        free(f.text);
    }
    buf_fini(&text);
}

static void run_for_nobody(const struct delivery *d, struct outcome *out)
{
    if (d->plan->fallback)
        local_hand_over(d, d->plan->fallback, out);
    else if (d->mail->deliver->cfg->luser_relay[0])
        send_to_luser(d, out);
    else
        outcome_set(out, "5.1.1", "unknown user: \"%s\"", d->plan->user);
}

/* The order is Postfix's: ~/.forward, then the transport that has the mailboxes, which may know more users than this machine; then a
 * mailbox here; then those who are nobody. */
void local_run_user(void *arg, struct outcome *out)
{
    const struct delivery *d = arg;
    const struct local_plan *p = d->plan;
    struct identity id = { 0 };
    struct err e;
    int rc = p->transport && p->skips_forward ? 0 : identity_of_user(&id, p->user, &e);

    if (p->transport && rc >= 0 && id.uid == 0) /* nobody runs root's ~/.forward */
        local_hand_over(d, p->transport, out);
    else if (rc == 0)
        run_for_nobody(d, out);
    else if (rc < 0)
        outcome_defer(out, "4.3.0", &e);
    else
        become_and_run(d, &id, out);
    identity_fini(&id);
}
