/* SPDX-License-Identifier: Apache-2.0
 *
 * deliver_virtual.c - mailboxes of people who are no users of this machine (virtual(8)): their address says which mailbox, and whose
 * files it is made of. Three tables are asked one after the other, each with the keys of the address. */
#include "server/deliver.h"
#include "server/identity.h"
#include "server/maildir.h"
#include "server/mbox.h"

#include "base/log.h"
#include "mail/address.h"
#include "net/offload.h"
#include "relay/extension.h"

#include <stdlib.h>
#include <string.h>

static struct tables *open_one(const char *param, const struct strlist *specs, struct err *e)
{
    const struct tables_options o = { 0 };
    return tables_open(param, specs, &o, e);
}

static int open_tables(struct deliver *w, struct err *e)
{
    const struct config *cfg = w->cfg;

    w->virtual_mailboxes = open_one("virtual_mailbox_maps", &cfg->virtual_mailbox_maps, e);
    w->virtual_uids = w->virtual_mailboxes ? open_one("virtual_uid_maps", &cfg->virtual_uid_maps, e) : NULL;
    w->virtual_gids = w->virtual_uids ? open_one("virtual_gid_maps", &cfg->virtual_gid_maps, e) : NULL;
    return w->virtual_gids ? 0 : -1;
}

static void close_tables(struct deliver *w)
{
    tables_close(w->virtual_mailboxes);
    tables_close(w->virtual_uids);
    tables_close(w->virtual_gids);
}

static bool is_stale(const struct deliver *w)
{
    return tables_are_stale(w->virtual_mailboxes) || tables_are_stale(w->virtual_uids) || tables_are_stale(w->virtual_gids);
}

/* ---- in the child ---- */

static void deliver_mbox(const struct delivery *d, const struct config *cfg, struct span head, struct outcome *out)
{
    const struct mbox_options o = {
        .path = d->path,
        .locks = cfg->virtual_mailbox_lock,
        .attempts = cfg->deliver_lock_attempts,
        .delay_us = cfg->deliver_lock_delay,
        .stale_us = cfg->stale_lock_time,
        .limit = cfg->virtual_mailbox_limit,
        .is_strict = true,
        .spool_gid = (gid_t)-1,
        .done = "delivered to mailbox",
    };
    mbox_deliver(&o, head, d->mail->content, out);
}

static void deliver(void *arg, struct outcome *out)
{
    const struct delivery *d = arg;
    const struct config *cfg = d->mail->deliver->cfg;
    const struct identity id = { .uid = (uid_t)d->uid, .gid = (gid_t)d->gid };
    bool is_maildir = span_iends(span_str(d->path), "/");
    struct buf head;
    struct err e;

    if (identity_become(&id, (gid_t)-1, &e) < 0) {
        outcome_defer(out, "4.3.5", &e);
        return;
    }
    if (delivery_is_loop(d, d->rcpt->address)) {
        outcome_set(out, "5.4.6", "mail forwarding loop for %s", d->rcpt->address);
        return;
    }
    buf_init(&head, BUF_NO_MAX);
    delivery_head(d, HEAD_RETURN_PATH | HEAD_ORIGINAL | HEAD_DELIVERED | (is_maildir ? 0 : HEAD_FROM_LINE), d->rcpt->address, &head);
    if (is_maildir)
        maildir_deliver(d->path, cfg->myhostname, buf_span(&head), d->mail->content, cfg->virtual_mailbox_limit, out);
    else
        deliver_mbox(d, cfg, buf_span(&head), out);
    buf_fini(&head);
}

/* ---- the questions ---- */

static void defer(struct delivery *d, const char *dsn, const struct err *e)
{
    struct outcome o;

    outcome_defer(&o, dsn, e);
    log_warn("virtual: %s", log_safe_str(e->text));
    delivery_end(d, &o);
}

/* The whole address, then without its extension, then its domain; the first that is there. */
static enum map_result find(struct delivery *d, struct tables *t, struct span *value)
{
    const char *address = d->rcpt->address;
    struct span local = address_text_local(address), domain = address_text_domain(address);
    size_t cut = extension_at(local, d->mail->deliver->cfg->recipient_delimiter);
    enum map_result r = tables_find(t, &d->lookup, span_str(address), true, value);

    if (r == MAP_NOT_FOUND && cut < local.len) {
        const char *rest = lookup_printf(&d->lookup, "%.*s@%.*s", (int)cut, local.at, (int)domain.len, domain.at);
        r = tables_find(t, &d->lookup, span_str(rest), true, value);
    }
    if (r == MAP_NOT_FOUND && domain.len)
        r = tables_find(t, &d->lookup, span_of(domain.at - 1, domain.len + 1), false, value);
    return r;
}

/* A number from a table that has to have one. */
static int find_number(struct delivery *d, struct tables *t, const char *what, uint64_t min, uint64_t *out, struct err *e)
{
    struct span value;
    enum map_result r = find(d, t, &value);

    if (r == MAP_CANNOT_TELL)
        return err_set(e, ERR_TEMPORARY, "%s cannot be asked at the moment", what);
    if (r == MAP_NOT_FOUND)
        return err_set(e, ERR_CONFIG, "%s has no number for %s", what, d->rcpt->address);
    value = span_trim(value);
    if (!span_u64(value, out) || *out == 0 || *out >= UINT32_MAX)
        return err_set(e, ERR_CONFIG, "%s: \"%.*s\" is no number of a user or group, for %s", what,
                       (int)(value.len < 80 ? value.len : 80), value.at, d->rcpt->address);
    if (*out < min)
        return err_set(e, ERR_CONFIG, "%s: %llu, of %s, is below virtual_minimum_uid (%llu)", what, (unsigned long long)*out,
                       d->rcpt->address, (unsigned long long)min);
    return 0;
}

/* ".." could come from a pattern's "$1": nobody's mailbox lies there. */
static bool leads_out(struct span path)
{
    while (path.len) {
        size_t end = span_find(path, '/');
        if (span_eq(span_of(path.at, end), SPAN("..")))
            return true;
        path = span_from(path, end + 1);
    }
    return false;
}

static int take_mailbox(struct delivery *d, struct span path, struct err *e)
{
    const char *base = d->mail->deliver->cfg->virtual_mailbox_base;

    if (!path.len || leads_out(path) || memchr(path.at, '\0', path.len) || (!*base && path.at[0] != '/'))
        return err_set(e, ERR_CONFIG, "virtual_mailbox_maps: the value of %s is no mailbox below virtual_mailbox_base", d->rcpt->address);
    d->path = xasprintf("%s%s%.*s", base, *base ? "/" : "", (int)path.len, path.at);
    return 0;
}

/* Made again from the top when an answer has come that had to be waited for. */
static void decide(void *arg)
{
    struct delivery *d = arg;
    struct deliver *w = d->mail->deliver;
    struct span path;
    struct outcome o;
    struct err e;

    lookup_begin(&d->lookup);
    free(d->path);
    d->path = NULL;
    enum map_result r = find(d, w->virtual_mailboxes, &path);
    int rc = r == MAP_FOUND         ? take_mailbox(d, span_trim(path), &e)
             : r == MAP_CANNOT_TELL ? err_set(&e, ERR_TEMPORARY, "virtual_mailbox_maps cannot be asked at the moment")
                                    : 0;
    if (rc == 0 && r == MAP_FOUND)
        rc = find_number(d, w->virtual_uids, "virtual_uid_maps", (uint64_t)w->cfg->virtual_minimum_uid, &d->uid, &e);
    if (rc == 0 && r == MAP_FOUND)
        rc = find_number(d, w->virtual_gids, "virtual_gid_maps", 1, &d->gid, &e);
    if (lookup_waits(&d->lookup))
        return;
    if (rc < 0) {
        defer(d, "4.3.5", &e);
    } else if (r == MAP_NOT_FOUND) {
        outcome_set(&o, "5.1.1", "unknown user: \"%s\"", d->rcpt->address);
        delivery_end(d, &o);
    } else {
        delivery_errand(d, NULL, deliver);
    }
}

static void start(struct delivery *d)
{
    d->lookup = (struct lookup){ .runner = loop_runner(d->mail->deliver->loop), .may_ask = true, .when_told = decide, .arg = d };
    decide(d);
}

const struct deliver_service deliver_virtual = {
    .name = "virtual", .open = open_tables, .close = close_tables, .is_stale = is_stale, .start = start,
};
