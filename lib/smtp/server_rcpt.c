/* SPDX-License-Identifier: Apache-2.0
 *
 * RCPT TO (RFC 5321 4.1.1.3). The recipient stands in the envelope while the caller thinks about
 * it. */
#include "mail/address.h"
#include "smtp/params.h"
#include "smtp/server_int.h"

#include <stdlib.h>

#define SYNTAX "501 5.5.4 Syntax: RCPT TO:<address>"

/* RFC 5321 4.5.3.1.10: too many is temporary, the client sends the others in another
 * transaction; so it is no error of its, until it goes on and on. */
static bool is_too_many(struct smtp_server *s)
{
    if (s->env.n_rcpts < s->cfg.limits.recipients)
        return false;
    if (s->overshoot++ < s->cfg.limits.recipients)
        s->errors -= s->errors > 0;
    smtp_server_say(s, "452 4.5.3 Error: too many recipients");
    return true;
}

/* Each text is a block of its own. */
static size_t bytes_of(const struct rcpt *r)
{
    enum { BLOCK = 24 };
    return strlen(r->address) + BLOCK + (r->orcpt ? strlen(r->orcpt) + BLOCK : 0) +
           (r->original ? strlen(r->original) + BLOCK : 0);
}

static void add(struct smtp_server *s, struct rcpt_params *p, const struct address *a)
{
    struct rcpt *r = envelope_add(&s->env, a->text);

    r->notify = p->notify;
    r->orcpt = p->orcpt;
    p->orcpt = NULL;
    s->ops->rcpt(s->arg, smtp_server_ask(s, ASKED_RCPT), &s->env, r);
}

void smtp_server_do_rcpt(struct smtp_server *s, struct span args)
{
    struct rcpt_params p = { .utf8 = s->env.smtputf8 };
    struct address a;
    struct span rest;
    char reply[200];
    const char *no;

    if (!span_istarts(args, "TO:")) {
        smtp_server_say(s, SYNTAX);
        return;
    }
    args = span_trim(span_from(args, 3));
    unsigned flags = ADDRESS_UTF8 | ADDRESS_LOCAL | (s->cfg.is_strict ? 0 : ADDRESS_BARE);
    if (address_parse_path(&a, args, flags, &rest, NULL) < 0) {
        smtp_server_say(s, args.len ? "501 5.1.3 Bad recipient address syntax" : SYNTAX);
        return;
    }
    no = rcpt_params_parse(&p, rest, reply, sizeof reply);
    if (!no && a.is_utf8 && !s->env.smtputf8)
        no = "553 5.6.7 Must declare SMTPUTF8 to permit unicode address";
    if (no)
        smtp_server_say(s, no);
    else if (!is_too_many(s))
        add(s, &p, &a);
    free(p.orcpt);
}

bool smtp_server_rcpt_answered(struct smtp_server *s, int code)
{
    if (code / 100 == 2) {
        s->rcpt_bytes += bytes_of(&s->env.rcpts[s->env.n_rcpts - 1]);
        smtp_server_set_phase(s, PHASE_RCPT);
        return true;
    }
    struct rcpt *r = &s->env.rcpts[--s->env.n_rcpts];
    free(r->address);
    free(r->orcpt);
    free(r->original);
    return true;
}
