/* SPDX-License-Identifier: Apache-2.0
 *
 * access.c - check_*_access: a table is asked for one key after the other, and what it answers is done. A table that has to wait
 * for others is asked on the runner. */
#include "server/access.h"

#include "base/log.h"
#include "base/mem.h"
#include "mail/address.h"
#include "net/offload.h"
#include "server/restrict_fns.h"

#include <stdlib.h>
#include <string.h>

/* ---- what an answer does ---- */

static enum outcome server_error(struct check *c)
{
    return check_trouble(c, 451, "4.3.5", "Server configuration error");
}

static const char *or_denied(struct span text, char *room, size_t size)
{
    snprintf(room, size, "%s", text.len ? log_safe(text) : "Access denied");
    return room;
}

static enum outcome refuse_with(struct check *c, struct subject s, int code, const char *def, const struct access_action *a)
{
    char room[300];

    return check_reject_it(c, s, code, a->status[0] ? a->status : def, "%s", or_denied(a->text, room, sizeof room));
}

static enum outcome put_off(struct check *c, struct subject s, const struct access_action *a)
{
    char room[300];
    const char *status = a->status[0] ? a->status : "4.7.1", *text = or_denied(a->text, room, sizeof room);

    return a->verb == ACCESS_DEFER_IF_PERMIT ? check_defer_if_permit(c, s, status, "%s", text)
                                             : check_defer_if_reject(c, s, status, "%s", text);
}

/* "NOQUEUE: hold: RCPT from ...: <a@example.com>: Recipient address triggers HOLD action; from=<> ..." */
static void tell(struct check *c, const char *event, struct subject s, struct span text)
{
    struct refusal line;

    refusal_set(&line, 0, "", "<%s>: %s triggers %s action%s", log_safe_str(s.name), s.what, event, text.len ? " " : "");
    size_t n = strlen(line.text);
    snprintf(line.text + n, sizeof line.text - n, "%.*s", (int)text.len, text.at);
    char small[12];
    snprintf(small, sizeof small, "%s", event);
    ascii_lower_str(small);
    gate_log(c->gate, small, &line);
}

/* The message is there to be changed. */
static bool may_wish(struct check *c, const char *from, const char *verb)
{
    if (c->f.env)
        return true;
    log_warn("access restrictions: %s: %s changes a message, and none is known yet (smtpd_delay_reject = no): passed over", from, verb);
    return false;
}

static enum outcome wish_address(struct check *c, const char *from, const struct access_action *a, struct subject s)
{
    const char *verb = a->verb == ACCESS_BCC ? "BCC" : "REDIRECT";
    struct address to;
    struct err e;

    if (!may_wish(c, from, verb))
        return GO_ON;
    if (address_parse(&to, a->text, ADDRESS_UTF8, &e) < 0) {
        log_warn("access restrictions: %s: %s takes a whole address, and not \"%s\"", from, verb, log_safe(a->text));
        return server_error(c);
    }
    struct wishes *w = gate_wishes(c->gate);
    tell(c, verb, s, span_str(to.text));
    if (a->verb == ACCESS_BCC) {
        strlist_add(&w->bcc, span_str(to.text));
    } else {
        free(w->redirect);
        w->redirect = xstrdup(to.text);
    }
    return GO_ON;
}

/* "smtp:[127.0.0.1]:10024": the last one wins. */
static enum outcome filter(struct check *c, const char *from, const struct access_action *a, struct subject s)
{
    struct transport t;
    struct err e;

    if (!may_wish(c, from, "FILTER"))
        return GO_ON;
    if (access_filter(c->f.cfg, a->text, &t, &e) < 0) {
        log_warn("access restrictions: %s: %s", from, e.text);
        return server_error(c);
    }
    tell(c, "FILTER", s, a->text);
    struct wishes *w = gate_wishes(c->gate);
    free(w->filter);
    w->filter = xasprintf("%s:%s", t.name, t.nexthop);
    transport_fini(&t);
    return GO_ON;
}

/* "Name: value" */
static enum outcome prepend(struct check *c, const char *from, const struct access_action *a, struct subject s)
{
    bool is_field = access_is_field(a->text);

    if (!may_wish(c, from, "PREPEND"))
        return GO_ON;
    if (!is_field || c->at == GATE_END) {
        log_warn("access restrictions: %s: PREPEND %s", from,
                 is_field ? "comes too late at the end of the message: write it into an earlier list"
                          : "takes a header field, \"Name: value\"");
        return is_field ? GO_ON : server_error(c);
    }
    tell(c, "PREPEND", s, a->text);
    buf_addf(&gate_wishes(c->gate)->prepend, "%.*s\r\n", (int)a->text.len, a->text.at);
    return GO_ON;
}

static enum outcome discard(struct check *c, const char *from, const struct access_action *a, struct subject s)
{
    if (!may_wish(c, from, "DISCARD"))
        return GO_ON;
    tell(c, "DISCARD", s, a->text);
    gate_wishes(c->gate)->is_discarded = true;
    c->is_discarded = true;
    return GO_ON;
}

static enum outcome hold(struct check *c, const char *from, const struct access_action *a, struct subject s)
{
    if (!may_wish(c, from, "HOLD"))
        return GO_ON;
    tell(c, "HOLD", s, a->text);
    gate_wishes(c->gate)->is_held = true;
    return GO_ON;
}

static enum outcome ask_restrictions(struct check *c, const char *from, const struct access_action *a, struct subject s)
{
    struct restriction_list l = { 0 };
    struct err e;

    /* What any list names was opened, also for a listener that has other lists. */
    if (access_check(c->all->cfg, a->text, &e) == 0 && restrictions_parse(a->text, &l, &e) == 0)
        return check_go_into(c, NULL, &l, s);
    restrictions_fini(&l);
    log_warn("access restrictions: %s: %s", from, e.text);
    return server_error(c);
}

enum outcome access_do(struct check *c, const char *from, struct span value, struct subject s, bool no_permit)
{
    struct access_action a;

    access_parse(value, &a);
    switch (a.verb) {
    case ACCESS_OK:
        if (no_permit)
            log_warn("access restrictions: %s: OK permits nobody by what the DNS says of others: write DUNNO", from);
        return no_permit ? GO_ON : PERMIT;
    case ACCESS_DUNNO: return GO_ON;
    case ACCESS_REJECT: return refuse_with(c, s, c->f.cfg->access_map_reject_code, "5.7.1", &a);
    case ACCESS_DEFER: return refuse_with(c, s, c->f.cfg->access_map_defer_code, "4.7.1", &a);
    case ACCESS_CODE: return refuse_with(c, s, a.code, a.code >= 500 ? "5.7.1" : "4.7.1", &a);
    case ACCESS_DEFER_IF_PERMIT:
    case ACCESS_DEFER_IF_REJECT: return put_off(c, s, &a);
    case ACCESS_DISCARD: return discard(c, from, &a, s);
    case ACCESS_HOLD: return hold(c, from, &a, s);
    case ACCESS_REDIRECT:
    case ACCESS_BCC: return wish_address(c, from, &a, s);
    case ACCESS_PREPEND: return prepend(c, from, &a, s);
    case ACCESS_INFO: tell(c, "INFO", s, a.text); return GO_ON;
    case ACCESS_WARN: tell(c, "WARN", s, a.text); return GO_ON;
    case ACCESS_FILTER: return filter(c, from, &a, s);
    case ACCESS_RESTRICTIONS: break;
    }
    return ask_restrictions(c, from, &a, s);
}

/* ---- asking ---- */

struct access_job {
    struct check *c;
    const char *table; /* borrowed from the list */
    struct map *map;
    struct access_keys keys;
    size_t next;
    struct subject subject;
    bool no_permit;
    /* the answer */
    bool is_there;
    enum map_result result;
    struct buf value;
    struct map_ask *ask;
};

static void free_job(struct access_job *j)
{
    access_keys_fini(&j->keys);
    buf_fini(&j->value);
    free(j);
}

static void stop(struct check *c)
{
    struct access_job *j = c->job;

    map_ask_cancel(j->ask);
    free_job(j);
}

static bool asks_for_parts(const char *table)
{
    static const char *const types[] = { "regexp:", "pcre:", "cidr:", "tcp:" };

    for (size_t i = 0; i < ARRAY_LEN(types); i++)
        if (strncmp(table, types[i], strlen(types[i])) == 0)
            return false;
    return true;
}

static enum outcome go_through(struct access_job *j);

static void got_answer(void *arg, enum map_result result, struct span value, const struct err *e)
{
    struct access_job *j = arg;
    bool is_later = j->ask != NULL;
    struct check *c = j->c;

    j->ask = NULL;
    j->is_there = true;
    j->result = result;
    buf_clear(&j->value);
    if (result == MAP_FOUND)
        buf_addspan(&j->value, value);
    else if (result == MAP_CANNOT_TELL)
        log_warn("access restrictions: %s: %s", j->table, e->text);
    if (!is_later)
        return;
    enum outcome o = go_through(j);
    if (o != LATER)
        check_answer(c, o);
}

static enum outcome end(struct access_job *j, enum outcome o)
{
    free_job(j);
    return o;
}

/* An answer that says nothing ends the keys of its group. */
static bool pass_group(struct access_job *j)
{
    unsigned group = j->keys.at[j->next - 1].group;

    while (j->next < j->keys.n && j->keys.at[j->next].group == group)
        j->next++;
    return j->next < j->keys.n;
}

/* The answer is in *j: LATER when there are more keys to ask for. */
static enum outcome take_answer(struct access_job *j)
{
    struct check *c = j->c;

    if (j->result == MAP_NOT_FOUND)
        return LATER;
    if (j->result == MAP_CANNOT_TELL)
        return check_trouble(c, 451, "4.3.0", "<%s>: Temporary lookup failure", log_safe_str(j->subject.name));
    size_t depth = c->depth;
    enum outcome o = access_do(c, j->table, buf_span(&j->value), j->subject, j->no_permit);
    return o == GO_ON && c->depth == depth && !c->is_discarded && pass_group(j) ? LATER : o;
}

static enum outcome go_through(struct access_job *j)
{
    bool parts = asks_for_parts(j->table);

    if (j->is_there) {
        enum outcome o = take_answer(j);
        if (o != LATER)
            return end(j, o);
    }
    while (j->next < j->keys.n) {
        const struct access_key *k = &j->keys.at[j->next++];
        if (!k->is_whole && !parts)
            continue;
        j->is_there = false;
        j->ask = NULL;
        struct map_ask *ask = map_ask(j->map, loop_runner(j->c->f.loop), span_str(k->text), got_answer, j);
        if (ask) {
            j->ask = ask;
            j->c->job = j;
            j->c->stop = stop;
            return LATER;
        }
        enum outcome o = take_answer(j);
        if (o != LATER)
            return end(j, o);
    }
    return end(j, GO_ON);
}

enum outcome access_ask(struct check *c, const char *table, struct access_keys *keys, struct subject s, bool no_permit)
{
    struct access_job *j = xcalloc(1, sizeof *j);

    *j = (struct access_job){ .c = c, .table = table, .keys = *keys, .subject = s, .no_permit = no_permit };
    *keys = (struct access_keys){ 0 };
    j->map = restrictions_table(c->all, table);
    buf_init(&j->value, MAP_VALUE_MAX);
    if (j->map)
        return go_through(j);
    log_warn("access restrictions: %s was not opened", table);
    return end(j, server_error(c));
}

/* ---- the restrictions ---- */

bool access_has_dots(const struct check *c)
{
    const struct strlist *l = &c->f.cfg->parent_domain_matches_subdomains;

    for (size_t i = 0; i < l->n; i++)
        if (strcasecmp(l->at[i], "smtpd_access_maps") == 0)
            return false;
    return true;
}

static enum outcome ask_host(struct check *c, const struct restriction *r, const char *name, const char *address, struct subject s)
{
    struct access_keys k = { 0 };

    access_keys_host(&k, name, address, access_has_dots(c));
    return access_ask(c, r->arg, &k, s, false);
}

static enum outcome ask_address(struct check *c, const struct restriction *r, struct subject s)
{
    struct access_keys k = { 0 };

    access_keys_address(&k, s.name, c->f.cfg->recipient_delimiter, c->f.cfg->smtpd_null_access_lookup_key, access_has_dots(c));
    return access_ask(c, r->arg, &k, s, false);
}

enum outcome restrict_check_client_access(struct check *c, const struct restriction *r)
{
    return ask_host(c, r, c->f.client_name, c->f.client_address, about_client(c));
}

enum outcome restrict_check_reverse_client_hostname_access(struct check *c, const struct restriction *r)
{
    return ask_host(c, r, c->f.reverse_name, c->f.client_address,
                    (struct subject){ c->f.reverse_name ? c->f.reverse_name : "unknown", "Unverified Client host" });
}

enum outcome restrict_check_sasl_access(struct check *c, const struct restriction *r)
{
    struct access_keys k = { 0 };

    if (!c->f.login)
        return GO_ON;
    access_keys_add(&k, span_str(c->f.login), true);
    return access_ask(c, r->arg, &k, (struct subject){ c->f.login, "SASL login name" }, false);
}

enum outcome restrict_check_helo_access(struct check *c, const struct restriction *r)
{
    return c->f.helo ? ask_host(c, r, c->f.helo, NULL, about_helo(c)) : GO_ON;
}

enum outcome restrict_check_sender_access(struct check *c, const struct restriction *r)
{
    return c->f.env ? ask_address(c, r, about_sender(c)) : GO_ON;
}

enum outcome restrict_check_recipient_access(struct check *c, const struct restriction *r)
{
    return check_recipient(c) ? ask_address(c, r, about_recipient(c)) : GO_ON;
}
