/* SPDX-License-Identifier: Apache-2.0
 *
 * MAIL FROM (RFC 5321 4.1.1.2): syntax, parameters, size; then the caller's word. */
#include "mail/address.h"
#include "smtp/params.h"
#include "smtp/server_int.h"

#include <stdlib.h>

#define SYNTAX "501 5.5.4 Syntax: MAIL FROM:<address>"

/* Without SMTPUTF8 no byte beyond ASCII belongs into an address (RFC 6531 3.4). */
static bool has_8bit(struct span s)
{
    for (size_t i = 0; i < s.len; i++) {
        if ((unsigned char)s.at[i] >= 0x80)
            return true;
    }
    return false;
}

static const char *check(const struct smtp_server *s, const struct mail_params *p,
                         const struct address *a)
{
    uint64_t max = s->cfg.limits.message_size;

    if (a->is_utf8 && !p->smtputf8)
        return "553 5.6.7 Must declare SMTPUTF8 to permit unicode address";
    if (max && p->size_bytes > max)
        return "552 5.3.4 Message size exceeds fixed limit";
    return NULL;
}

static void begin(struct smtp_server *s, struct mail_params *p, const struct address *a)
{
    envelope_init(&s->env);
    envelope_set_sender(&s->env, a->text);
    s->env.body = p->body;
    s->env.smtputf8 = p->smtputf8;
    s->env.ret = p->ret;
    s->env.envid = p->envid;
    s->env.client = p->client;
    s->env.login = p->login;
    s->env.submitter = p->submitter;
    p->envid = p->client = p->login = p->submitter = NULL;
    s->ops->mail(s->arg, smtp_server_ask(s, ASKED_MAIL), &s->env, p->size_bytes);
}

void smtp_server_do_mail(struct smtp_server *s, struct span args)
{
    struct mail_params p = { .takes_auth = s->auth != SMTP_AUTH_NO || s->is_authenticated, .takes_origin = s->cfg.takes_origin };
    struct address a;
    struct span rest;
    char reply[200];
    const char *no;

    if (s->cfg.requires_auth && !s->is_authenticated) {
        smtp_server_say(s, s->auth == SMTP_AUTH_LATER ? "454 4.7.0 Temporary authentication failure"
                                                      : "530 5.7.0 Authentication required");
        return;
    }
    if (!span_istarts(args, "FROM:")) {
        smtp_server_say(s, SYNTAX);
        return;
    }
    args = span_trim(span_from(args, 5));
    unsigned flags = ADDRESS_UTF8 | ADDRESS_NULL | ADDRESS_LOCAL | (s->cfg.is_strict ? 0 : ADDRESS_BARE);
    if (address_parse_path(&a, args, flags, &rest, NULL) < 0) {
        smtp_server_say(s, args.len ? "501 5.1.7 Bad sender address syntax" : SYNTAX);
        return;
    }
    no = mail_params_parse(&p, rest, reply, sizeof reply);
    if (!no)
        no = check(s, &p, &a);
    if (!no && !p.smtputf8 && has_8bit(rest))
        no = "501 5.5.4 Bad parameter syntax";
    if (no)
        smtp_server_say(s, no);
    else
        begin(s, &p, &a);
    free(p.envid);
    free(p.client);
    free(p.login);
    free(p.submitter);
}

bool smtp_server_mail_answered(struct smtp_server *s, int code)
{
    if (code / 100 == 2) {
        s->has_transaction = true;
        s->overshoot = 0;
        smtp_server_set_phase(s, PHASE_MAIL);
    } else {
        envelope_fini(&s->env);
    }
    return true;
}
