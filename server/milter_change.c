/* SPDX-License-Identifier: Apache-2.0
 *
 * What a filter asks for at the end of a message: fields and body go to the draft, addresses to the envelope as it will be kept. */
#include "base/log.h"
#include "base/mem.h"
#include "mail/address.h"
#include "relay/draft.h"
#include "server/milter_int.h"
#include "smtp/params.h"

#include <stdlib.h>

/* "<a@b>" or "a@b"; a name alone is one of ours. */
static int parse_address(const struct milter_question *q, struct span text, unsigned flags, struct address *a, struct err *e)
{
    if (address_parse_path(a, span_trim(text), flags | ADDRESS_BARE | ADDRESS_LOCAL | ADDRESS_UTF8, NULL, e) < 0)
        return -1;
    return a->has_domain || !a->len ? 0 : address_complete(a, q->facts.cfg->myorigin, e);
}

static bool has_rcpt(const struct envelope *env, const char *address)
{
    for (size_t i = 0; i < env->n_rcpts; i++)
        if (strcmp(env->rcpts[i].address, address) == 0)
            return true;
    return false;
}

static int add_rcpt(const struct milter_question *q, const struct milter_news *news, struct err *e)
{
    struct envelope *env = gate_envelope(q->gate);
    struct address a;

    if (parse_address(q, news->name, 0, &a, e) < 0)
        return -1;
    if (has_rcpt(env, a.text))
        return 0;
    struct rcpt *r = envelope_add(env, a.text);
    env->smtputf8 |= a.is_utf8;
    if (!news->value.len)
        return 0;
    struct rcpt_params p = { .utf8 = env->smtputf8 };
    char reply[100];
    const char *wrong = rcpt_params_parse(&p, news->value, reply, sizeof reply);
    if (wrong) {
        log_warn("%s: a filter adds <%s> with \"%s\": %s", q->facts.id, log_safe_str(a.text), log_safe(news->value), wrong);
        free(p.orcpt);
        return 0;
    }
    r->notify = p.notify;
    r->orcpt = p.orcpt;
    return 0;
}

static void delete_rcpt(const struct milter_question *q, const char *address)
{
    struct envelope *env = gate_envelope(q->gate);
    size_t kept = 0;

    for (size_t i = 0; i < env->n_rcpts; i++) {
        struct rcpt *r = &env->rcpts[i];
        if (strcmp(r->address, address) != 0) {
            env->rcpts[kept++] = *r;
            continue;
        }
        free(r->address);
        free(r->orcpt);
        free(r->original);
    }
    env->n_rcpts = kept;
}

static int change_sender(const struct milter_question *q, const struct milter_news *news, struct err *e)
{
    struct envelope *env = gate_envelope(q->gate);
    struct address a;

    if (parse_address(q, news->name, ADDRESS_NULL, &a, e) < 0)
        return -1;
    envelope_set_sender(env, a.text);
    env->smtputf8 |= a.is_utf8;
    return 0;
}

void milter_log_action(const struct milter_question *q, const char *action, const char *why)
{
    const struct gate_facts *f = &q->facts;
    const struct rcpt *to = f->env && f->env->n_rcpts ? &f->env->rcpts[f->env->n_rcpts - 1] : NULL;
    static const char *const verbs[] = { "CONNECT", "EHLO", "MAIL", "RCPT", "DATA", "END-OF-MESSAGE", "UNKNOWN" };

    log_info("%s: milter-%s: %s from %s: %s; from=<%s>%s%s%s proto=%s%s%s%s", f->id[0] ? f->id : "NOQUEUE", action, verbs[q->at],
             f->client, log_safe_str(why), log_safe_str(f->env ? f->env->sender : ""), to ? " to=<" : "",
             to ? log_safe_str(to->address) : "", to ? ">" : "", f->protocol, f->helo ? " helo=<" : "",
             f->helo ? log_safe_str(f->helo) : "", f->helo ? ">" : "");
}

static void quarantine(const struct milter_question *q, struct span reason)
{
    char why[300];

    log_escape(reason, why, sizeof why);
    gate_wishes(q->gate)->is_held = true;
    milter_log_action(q, "hold", why[0] ? why : "the filter quarantines it");
}

int milter_make_change(const struct milter_question *q, const struct milter_news *news, struct err *e)
{
    struct draft *d = q->facts.draft;
    struct address a;

    if (!d)
        return err_set(e, ERR_PERMANENT, "there is no content");
    switch (news->change) {
    case MILTER_ADD_HEADER: return draft_add_header(d, news->name, news->value, news->has_space, e);
    case MILTER_INSERT_HEADER: return draft_insert_header(d, news->index, news->name, news->value, news->has_space, e);
    case MILTER_CHANGE_HEADER: return draft_change_header(d, news->index, news->name, news->value, news->has_space, e);
    case MILTER_REPLACE_BODY: return draft_add_body(d, news->value, e);
    case MILTER_ADD_RCPT: return add_rcpt(q, news, e);
    case MILTER_DELETE_RCPT:
        if (parse_address(q, news->name, 0, &a, e) < 0)
            return -1;
        delete_rcpt(q, a.text);
        return 0;
    case MILTER_CHANGE_SENDER: return change_sender(q, news, e);
    case MILTER_QUARANTINE: quarantine(q, news->value); return 0;
    }
    return 0;
}
