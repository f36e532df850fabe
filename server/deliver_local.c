/* SPDX-License-Identifier: Apache-2.0
 *
 * deliver_local.c - users of this machine. Here, in the worker, the tables of aliases are asked; an alias that only has addresses did
 * not come this far (relay/resolve.h). The rest is done by errands: an alias's programs and files with the rights of whom its table
 * belongs to, a user's ~/.forward and mailbox with his own. */
#include "server/local_int.h"

#include "base/log.h"
#include "mail/address.h"
#include "net/offload.h"
#include "relay/extension.h"

#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

struct local_tables {
    struct tables **at; /* one for each of alias_maps, for each may belong to somebody else */
    uid_t *owner;
    size_t n;
    struct tables *transports, *fallbacks, *commands; /* mailbox_transport_maps, fallback_transport_maps, mailbox_command_maps */
};

/* Whose rights its commands have. */
static uid_t owner_of(const char *spec)
{
    const char *colon = strchr(spec, ':'), *path = colon ? colon + 1 : spec;
    struct stat st;

    return path[0] == '/' && stat(path, &st) == 0 ? st.st_uid : 0;
}

static int open_others(const struct config *cfg, struct local_tables *a, struct err *e)
{
    const struct tables_options o = { 0 };

    a->transports = tables_open("mailbox_transport_maps", &cfg->mailbox_transport_maps, &o, e);
    a->fallbacks = a->transports ? tables_open("fallback_transport_maps", &cfg->fallback_transport_maps, &o, e) : NULL;
    a->commands = a->fallbacks ? tables_open("mailbox_command_maps", &cfg->mailbox_command_maps, &o, e) : NULL;
    return a->commands ? 0 : -1;
}

static int open_tables(struct deliver *w, struct err *e)
{
    const struct strlist *maps = &w->cfg->alias_maps;
    const struct tables_options o = { .aliases = maps, .may_be_missing = true };
    struct local_tables *a = xcalloc(1, sizeof *a);

    w->local = a;
    a->at = xcalloc(maps->n + 1, sizeof(*a->at));
    a->owner = xcalloc(maps->n + 1, sizeof *a->owner);
    for (; a->n < maps->n; a->n++) {
        const struct strlist one = { &maps->at[a->n], 1 };
        a->owner[a->n] = owner_of(maps->at[a->n]);
        a->at[a->n] = tables_open("alias_maps", &one, &o, e);
        if (!a->at[a->n])
            return -1;
    }
    return open_others(w->cfg, a, e);
}

static void close_tables(struct deliver *w)
{
    struct local_tables *a = w->local;

    for (size_t i = 0; a && i < a->n; i++)
        tables_close(a->at[i]);
    if (a) {
        tables_close(a->transports);
        tables_close(a->fallbacks);
        tables_close(a->commands);
        free(a->at);
        free(a->owner);
    }
    free(a);
}

static bool are_stale(const struct deliver *w)
{
    for (size_t i = 0; i < w->local->n; i++)
        if (tables_are_stale(w->local->at[i]))
            return true;
    return tables_are_stale(w->local->transports) || tables_are_stale(w->local->fallbacks) || tables_are_stale(w->local->commands);
}

/* ---- the plan ---- */

void local_plan_free(struct local_plan *p)
{
    if (!p)
        return;
    free(p->local);
    free(p->user);
    free(p->extension);
    free(p->domain);
    free(p->owner_sender);
    free(p->transport);
    free(p->fallback);
    free(p->command);
    forwards_fini(&p->forwards);
    free(p);
}

struct local_plan *local_plan_new(const struct delivery *d)
{
    struct local_plan *p = xcalloc(1, sizeof *p);
    struct span domain = address_text_domain(d->rcpt->address);
    struct buf local;

    buf_init(&local, ADDRESS_MAX);
    if (address_local_unquoted(address_text_local(d->rcpt->address), &local) < 0)
        buf_clear(&local);
    p->local = buf_take(&local);
    ascii_lower_str(p->local);
    size_t cut = extension_at(span_str(p->local), d->mail->deliver->cfg->recipient_delimiter);
    p->user = span_dup(span_of(p->local, cut));
    p->extension = xstrdup(p->local[cut] ? p->local + cut + 1 : "");
    p->domain = domain.len ? span_dup(domain) : xstrdup(d->mail->deliver->cfg->myhostname);
    return p;
}

static enum map_result find(struct delivery *d, const char *name, struct span *value, uid_t *owner)
{
    const struct local_tables *a = d->mail->deliver->local;
    enum map_result r = MAP_NOT_FOUND;

    for (size_t i = 0; i < a->n && r == MAP_NOT_FOUND; i++) {
        r = tables_find(a->at[i], &d->lookup, span_str(name), true, value);
        *owner = a->owner[i];
    }
    return r;
}

static void end_with(struct delivery *d, const char *dsn, const char *text)
{
    struct outcome o;

    outcome_set(&o, dsn, "%s", text);
    delivery_end(d, &o);
}

/* owner-NAME is who gets the bounces of a list. */
static enum map_result find_owner(struct delivery *d, const char *name)
{
    const char *owner = lookup_printf(&d->lookup, "owner-%s", name);
    struct span value;
    uid_t uid;
    enum map_result r = d->mail->deliver->cfg->owner_request_special ? find(d, owner, &value, &uid) : MAP_NOT_FOUND;

    free(d->plan->owner_sender);
    d->plan->owner_sender = r == MAP_FOUND ? xasprintf("%s@%s", owner, d->plan->domain) : NULL;
    return r;
}

static enum map_result find_command(struct delivery *d)
{
    struct tables *t = d->mail->deliver->local->commands;
    struct span value;
    enum map_result r = tables_count(t) ? tables_find(t, &d->lookup, span_str(d->plan->user), true, &value) : MAP_NOT_FOUND;

    free(d->plan->command);
    d->plan->command = r == MAP_FOUND ? span_dup(span_trim(value)) : NULL;
    return r;
}

/* "local", or without a name, which leaves it as it is (server/ways.c): local. */
static bool is_ours(struct span transport)
{
    struct span name = span_trim(span_of(transport.at, span_find(transport, ':')));

    return name.len == 0 || span_eq(name, SPAN("local"));
}

/* A transport for the name, as the relay would find it (server/ways.c): by the whole address, then by its local part, each with its
 * extension and without; else `other`. NULL: it is we. */
static enum map_result find_transport(struct delivery *d, struct tables *t, const struct transport *other, char **out)
{
    const struct local_plan *p = d->plan;
    const char *const keys[] = {
        lookup_printf(&d->lookup, "%s@%s", p->local, p->domain), lookup_printf(&d->lookup, "%s@%s", p->user, p->domain), p->local, p->user,
    };
    enum map_result r = MAP_NOT_FOUND;
    struct span value;

    free(*out);
    *out = NULL;
    for (size_t i = 0; i < ARRAY_LEN(keys) && r == MAP_NOT_FOUND && tables_count(t); i++)
        r = tables_find(t, &d->lookup, span_str(keys[i]), i < 2, &value);
    if (r == MAP_CANNOT_TELL)
        return r;
    if (r == MAP_FOUND)
        *out = span_dup(span_trim(value));
    else if (other->name[0])
        *out = xasprintf("%s:%s", other->name, other->nexthop);
    if (*out && is_ours(span_str(*out))) {
        free(*out);
        *out = NULL;
    }
    return MAP_FOUND;
}

/* Its own name among the values is its mailbox, after all else. */
static bool takes_self_out(struct delivery *d)
{
    struct forwards *f = &d->plan->forwards;
    size_t n = 0;

    for (size_t i = 0; i < f->n; i++) {
        if ((f->at[i].kind == FORWARD_ADDRESS || f->at[i].kind == FORWARD_FINAL) && local_is_itself(d, f->at[i].text))
            free(f->at[i].text);
        else
            f->at[n++] = f->at[i];
    }
    bool has_self = n < f->n;
    f->n = n;
    return has_self;
}

static void run(struct delivery *d, errand_work_fn *work)
{
    const struct errand_terms terms = {
        .group = d->plan->user, .group_limit = (unsigned)d->mail->deliver->cfg->local_destination_concurrency_limit,
    };
    delivery_errand(d, &terms, work);
}

static void run_alias(struct delivery *d, struct span value)
{
    struct err e;

    forwards_fini(&d->plan->forwards);
    if (forwards_add(&d->plan->forwards, value, &e) < 0)
        log_warn("alias_maps: %s: %s", log_safe_str(d->plan->local), log_safe_str(e.text));
    d->plan->skips_forward = takes_self_out(d);
    if (d->plan->skips_forward && d->plan->forwards.n)
        d->then = local_run_user;
    if (d->plan->forwards.n)
        run(d, local_run_alias);
    else if (d->plan->skips_forward)
        run(d, local_run_user);
    else
        end_with(d, "4.3.5", "its alias names nobody that could be understood");
}

/* What of the configuration cannot be asked, or NULL. */
static const char *find_mailbox(struct delivery *d)
{
    const struct deliver *w = d->mail->deliver;
    const struct config *cfg = w->cfg;

    if (find_transport(d, w->local->transports, &cfg->mailbox_transport, &d->plan->transport) == MAP_CANNOT_TELL)
        return "mailbox_transport_maps cannot be asked at the moment";
    if (find_transport(d, w->local->fallbacks, &cfg->fallback_transport, &d->plan->fallback) == MAP_CANNOT_TELL)
        return "fallback_transport_maps cannot be asked at the moment";
    return find_command(d) == MAP_CANNOT_TELL ? "mailbox_command_maps cannot be asked at the moment" : NULL;
}

/* Made again from the top when an answer has come that had to be waited for. */
static void decide(void *arg)
{
    struct delivery *d = arg;
    struct span value;
    const char *name = d->plan->local;

    lookup_begin(&d->lookup);
    enum map_result r = find(d, name, &value, &d->plan->owner);
    if (r == MAP_NOT_FOUND && d->plan->extension[0]) {
        name = d->plan->user;
        r = find(d, name, &value, &d->plan->owner);
    }
    enum map_result owner = r == MAP_FOUND ? find_owner(d, name) : r;
    const char *trouble = find_mailbox(d);
    if (lookup_waits(&d->lookup))
        return;
    if (r == MAP_CANNOT_TELL || owner == MAP_CANNOT_TELL)
        end_with(d, "4.3.0", "alias_maps cannot be asked at the moment");
    else if (trouble)
        end_with(d, "4.3.0", trouble);
    else if (r == MAP_FOUND)
        run_alias(d, value);
    else
        run(d, local_run_user);
}

static void start(struct delivery *d)
{
    d->plan = local_plan_new(d);
    d->lookup = (struct lookup){ .runner = loop_runner(d->mail->deliver->loop), .may_ask = true, .when_told = decide, .arg = d };
    if (!d->plan->user[0])
        end_with(d, "5.1.1", "unknown user: \"\"");
    else
        decide(d);
}

static void fini(struct delivery *d)
{
    local_plan_free(d->plan);
}

const struct deliver_service deliver_local = {
    .name = "local", .open = open_tables, .close = close_tables, .is_stale = are_stale, .start = start, .fini = fini, .is_local = true,
};
