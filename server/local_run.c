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

enum { TEXT_MAX = 1 << 20, INCLUDE_DEPTH = 10 };

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

/* ---- files with text ---- */

static int may_be_read(const char *path, const struct stat *st, bool is_forward, struct err *e)
{
    if (!S_ISREG(st->st_mode))
        return err_set(e, ERR_CONFIG, "%s is not a regular file", path);
    if (is_forward && st->st_uid != geteuid() && st->st_uid != 0)
        return err_set(e, ERR_CONFIG, "%s belongs to somebody else", path);
    if (is_forward && st->st_mode & S_IWOTH)
        return err_set(e, ERR_CONFIG, "%s can be written by anybody: chmod o-w", path);
    if (st->st_size > TEXT_MAX)
        return err_set(e, ERR_CONFIG, "%s is larger than %d bytes", path, TEXT_MAX);
    return 0;
}

static int read_all(int fd, const char *path, bool is_forward, struct buf *text, struct err *e)
{
    struct stat st;
    ssize_t n;

    if (fstat(fd, &st) < 0)
        return err_sys(e, "look at %s", path);
    if (may_be_read(path, &st, is_forward, e) < 0)
        return -1;
    while ((n = read(fd, buf_room(text, 4096), 4096)) > 0 && text->len < TEXT_MAX)
        text->len += (size_t)n;
    return n < 0 ? err_sys(e, "read %s", path) : 1;
}

/* 1: read; 0: there is none. As who we are, so that nobody reads by mail what he may not read. */
static int read_text(const char *path, bool is_forward, struct buf *text, struct err *e)
{
    int fd = open(path, O_RDONLY | O_NONBLOCK | O_NOCTTY | O_CLOEXEC);

    if (fd < 0 && is_forward && (errno == ENOENT || errno == ENOTDIR || errno == EACCES))
        return 0;
    if (fd < 0)
        return err_sys(e, "open %s", path);
    int rc = read_all(fd, path, is_forward, text, e);
    close(fd);
    return rc;
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

    buf_init(&text, TEXT_MAX + 8192);
    if (depth <= 0 || path[0] != '/') {
        err_set(&e, ERR_CONFIG, depth <= 0 ? ":include:%s: includes are nested too deeply" : ":include:%s is no full file name", path);
        note_err(w, "4.2.4", &e);
    } else if (read_text(path, false, &text, &e) < 0 || forwards_add_text(&f, buf_span(&text), &e) < 0) {
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

static bool is_loop(const struct delivery *d, struct outcome *out)
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
    if (is_loop(d, out))
        return;
    envelope_init(&w.env);
    run_all(&w, &d->plan->forwards, CONFIG_IN_ALIAS, INCLUDE_DEPTH);
    send_on(&w);
    if (!out->dsn[0]) /* nothing but its own name: the mailbox comes next */
        outcome_set(out, "2.0.0", "delivered to nobody: its alias names nobody");
    envelope_fini(&w.env);
}

/* ---- a user ---- */

/* The first file of forward_path that is there. */
static int find_forward(const struct delivery *d, const struct identity *id, struct forwards *f, struct err *e)
{
    struct span rest = span_str(d->mail->deliver->cfg->forward_path), word;
    const struct local_names names = { d, id };
    struct buf path, text;
    int rc = 0;

    buf_init(&path, BUF_NO_MAX);
    buf_init(&text, TEXT_MAX + 8192);
    while (rc == 0 && span_word(&rest, ",\n", &word)) {
        buf_clear(&path);
        int known = template_expand(word, local_value, (void *)(uintptr_t)&names, &path, e);
        rc = known > 0 ? read_text(buf_cstr(&path), true, &text, e) : known;
    }
    if (rc > 0 && forwards_add_text(f, buf_span(&text), e) < 0)
        rc = err_prefix(e, "%s", buf_cstr(&path));
    buf_fini(&path);
    buf_fini(&text);
    return rc;
}

static void run_forward(struct work *w)
{
    struct forwards f = { 0 };
    struct err e;
    int rc = w->d->plan->skips_forward ? 0 : find_forward(w->d, w->id, &f, &e);

    w->wants_mailbox = rc == 0 || (rc > 0 && f.n == 0); /* an empty one says nothing */
    if (rc < 0)
        note_err(w, "4.3.5", &e);
    else
        run_all(w, &f, CONFIG_IN_FORWARD, INCLUDE_DEPTH);
    forwards_fini(&f);
}

static void run_as(const struct delivery *d, const struct identity *id, gid_t spool_gid, struct outcome *out)
{
    struct work w = { .d = d, .id = id, .spool_gid = spool_gid, .out = out };
    struct outcome o = { 0 };

    envelope_init(&w.env);
    run_forward(&w);
    if (w.wants_mailbox && !w.has_failed) {
        local_mailbox(d, id, spool_gid, &o);
        note(&w, &o);
    }
    send_on(&w);
    envelope_fini(&w.env);
}

/* An alias that names itself, where another server has the mailboxes: others do not come here (server/ways.c). As whom the relay would
 * be there. */
static void hand_over(const struct delivery *d, struct outcome *out)
{
    const struct deliver *w = d->mail->deliver;
    const struct identity id = { .uid = w->ids.uid, .gid = w->ids.gid };
    const char *nexthop = w->cfg->mailbox_transport.nexthop;
    struct envelope env;
    struct err e;

    if (strcmp(w->cfg->mailbox_transport.name, "lmtp") != 0 || strncmp(nexthop, "unix:/", 6) != 0) {
        outcome_set(out, "4.3.5", "mailbox_transport is no LMTP server at a UNIX socket: let the alias name the mailbox in another way");
    } else if (identity_become(&id, (gid_t)-1, &e) < 0) {
        outcome_defer(out, "4.3.5", &e);
    } else {
        envelope_copy(&env, &d->mail->env);
        while (env.n_rcpts) { /* this one only */
            struct rcpt *r = &env.rcpts[--env.n_rcpts];
            free(r->address);
            free(r->orcpt);
            free(r->original);
        }
        envelope_add(&env, d->rcpt->address);
        submit_lmtp(nexthop + strlen("unix:"), w->cfg->myhostname, &env, d->mail->content, out);
        envelope_fini(&env);
    }
}

void local_run_user(void *arg, struct outcome *out)
{
    const struct delivery *d = arg;

    if (d->plan->skips_forward && d->mail->deliver->cfg->mailbox_transport.name[0]) {
        hand_over(d, out);
        return;
    }
    gid_t spool_gid = local_spool_gid(d->mail->deliver->cfg);
    struct identity id = { 0 };
    struct err e;
    int rc = identity_of_user(&id, d->plan->user, &e);

    if (rc == 0)
        outcome_set(out, "5.1.1", "unknown user: \"%s\"", d->plan->user);
    else if (rc < 0 || identity_become(&id, spool_gid, &e) < 0)
        outcome_defer(out, rc < 0 ? "4.3.0" : "4.3.5", &e);
    else if (!is_loop(d, out))
        run_as(d, &id, spool_gid, out);
    identity_fini(&id);
}
