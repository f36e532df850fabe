/* SPDX-License-Identifier: Apache-2.0
 *
 * Macros: what filters are told beside the events. A filter may ask for some by name when it negotiates; else those go out that the
 * configuration lists for the event. One without a value is not sent. */
#include "base/mem.h"
#include "net/tls.h"
#include "server/milter_int.h"

#include <stdio.h>
#include <stdlib.h>

struct value { /* room for those that have to be put together */
    char text[400];
};

typedef const char *macro_fn(const struct milter_question *q, struct value *v);

static const char *print(struct value *v, const char *fmt, const char *a, const char *b)
{
    snprintf(v->text, sizeof v->text, fmt, a, b);
    return v->text;
}

static const char *domain_of(const char *address)
{
    const char *at = strrchr(address, '@');
    return at ? at + 1 : NULL;
}

static const char *queue_id(const struct milter_question *q, struct value *v)
{
    (void)v;
    return q->facts.id[0] ? q->facts.id : NULL;
}

static const char *my_name(const struct milter_question *q, struct value *v)
{
    (void)v;
    return q->facts.cfg->myhostname;
}

static const char *version(const struct milter_question *q, struct value *v)
{
    (void)v;
    return q->facts.cfg->milter_macro_v;
}

static const char *daemon_name(const struct milter_question *q, struct value *v)
{
    (void)v;
    return q->facts.cfg->milter_macro_daemon_name;
}

static const char *client(const struct milter_question *q, struct value *v)
{
    return print(v, "%s [%s]", q->facts.client_name, q->facts.client_address);
}

static const char *client_name(const struct milter_question *q, struct value *v)
{
    (void)v;
    return q->facts.client_name;
}

static const char *client_address(const struct milter_question *q, struct value *v)
{
    (void)v;
    return q->facts.client_address;
}

static const char *client_port(const struct milter_question *q, struct value *v)
{
    sa_family_t family = q->facts.peer->sa.sa_family;
    snprintf(v->text, sizeof v->text, "%u", family == AF_INET || family == AF_INET6 ? addr_port(q->facts.peer) : 0);
    return v->text;
}

static const char *local(const struct milter_question *q, struct value *v, bool wants_port)
{
    const union addr *a = q->facts.local;

    if (!a || (a->sa.sa_family != AF_INET && a->sa.sa_family != AF_INET6))
        return NULL;
    if (wants_port)
        snprintf(v->text, sizeof v->text, "%u", addr_port(a));
    else
        sockaddr_format(&a->sa, v->text, sizeof v->text);
    return v->text;
}

static const char *daemon_address(const struct milter_question *q, struct value *v)
{
    return local(q, v, false);
}

static const char *daemon_port(const struct milter_question *q, struct value *v)
{
    return local(q, v, true);
}

static const char *login(const struct milter_question *q, struct value *v)
{
    (void)v;
    return q->facts.login;
}

static const char *auth_method(const struct milter_question *q, struct value *v)
{
    (void)v;
    return q->facts.login ? q->facts.auth_method : NULL;
}

static const char *submitter(const struct milter_question *q, struct value *v)
{
    (void)v;
    return q->facts.env && q->facts.env->submitter && q->facts.env->submitter[0] ? q->facts.env->submitter : NULL;
}

static const char *tls_version(const struct milter_question *q, struct value *v)
{
    (void)v;
    return q->facts.tls ? q->facts.tls->protocol : NULL;
}

static const char *cipher(const struct milter_question *q, struct value *v)
{
    (void)v;
    return q->facts.tls ? q->facts.tls->cipher : NULL;
}

static const char *cipher_bits(const struct milter_question *q, struct value *v)
{
    if (!q->facts.tls)
        return NULL;
    snprintf(v->text, sizeof v->text, "%u", q->facts.tls->cipher_bits);
    return v->text;
}

static const char *cert_subject(const struct milter_question *q, struct value *v)
{
    (void)v;
    return q->facts.certificate && q->facts.certificate->common_name[0] ? q->facts.certificate->common_name : NULL;
}

static const char *cert_issuer(const struct milter_question *q, struct value *v)
{
    (void)v;
    return q->facts.certificate && q->facts.certificate->issuer_name[0] ? q->facts.certificate->issuer_name : NULL;
}

static const char *mail_address(const struct milter_question *q, struct value *v)
{
    (void)v;
    return q->facts.env ? q->facts.env->sender : NULL;
}

static const char *mail_host(const struct milter_question *q, struct value *v)
{
    (void)v;
    return q->facts.env ? domain_of(q->facts.env->sender) : NULL;
}

/* Of one that was refused the macros say why: as if a mailer "error" had it. */
static const char *rcpt_address(const struct milter_question *q, struct value *v)
{
    (void)v;
    if (q->facts.refused)
        return q->facts.refused->text;
    return q->facts.rcpt ? q->facts.rcpt->address : NULL;
}

static const char *rcpt_host(const struct milter_question *q, struct value *v)
{
    (void)v;
    if (q->facts.refused)
        return q->facts.refused->status;
    return q->facts.rcpt ? domain_of(q->facts.rcpt->address) : NULL;
}

static const char *mailer(const struct milter_question *q, struct value *v)
{
    (void)v;
    return q->facts.env ? "smtp" : NULL;
}

static const char *rcpt_mailer(const struct milter_question *q, struct value *v)
{
    return q->facts.refused ? "error" : mailer(q, v);
}

static const struct {
    const char *name;
    macro_fn *value;
} macros[] = {
    { "i", queue_id },
    { "j", my_name },
    { "v", version },
    { "_", client },
    { "{daemon_name}", daemon_name },
    { "{daemon_addr}", daemon_address },
    { "{daemon_port}", daemon_port },
    { "{client_name}", client_name },
    { "{client_ptr}", client_name },
    { "{client_addr}", client_address },
    { "{client_port}", client_port },
    { "{auth_authen}", login },
    { "{auth_type}", auth_method },
    { "{auth_author}", submitter },
    { "{tls_version}", tls_version },
    { "{cipher}", cipher },
    { "{cipher_bits}", cipher_bits },
    { "{cert_subject}", cert_subject },
    { "{cert_issuer}", cert_issuer },
    { "{mail_addr}", mail_address },
    { "{mail_host}", mail_host },
    { "{mail_mailer}", mailer },
    { "{rcpt_addr}", rcpt_address },
    { "{rcpt_host}", rcpt_host },
    { "{rcpt_mailer}", rcpt_mailer },
};

/* "name" and "{name}" are one, as "{i}" and "i". */
static struct span bare(struct span name)
{
    return name.len >= 2 && name.at[0] == '{' && name.at[name.len - 1] == '}' ? span_of(name.at + 1, name.len - 2) : name;
}

/* "name=value" of milter_macro_defaults. */
static const char *default_of(const struct config *cfg, struct span name)
{
    for (size_t i = 0; i < cfg->milter_macro_defaults.n; i++) {
        const char *text = cfg->milter_macro_defaults.at[i], *eq = strchr(text, '=');
        if (eq && span_eq(bare(span_of(text, (size_t)(eq - text))), bare(name)))
            return eq + 1;
    }
    return NULL;
}

static void send_macro(struct milter *m, struct span name, const struct milter_question *q)
{
    struct value v;
    const char *value = NULL;

    for (size_t i = 0; i < ARRAY_LEN(macros) && !value; i++)
        if (span_eq(bare(span_str(macros[i].name)), bare(name)))
            value = macros[i].value(q, &v);
    if (!value)
        value = default_of(q->facts.cfg, name);
    if (!value)
        return;
    char *text = span_dup(name);
    milter_macro(m, text, value);
    free(text);
}

static const struct strlist *configured(const struct config *cfg, enum milter_event event)
{
    switch (event) {
    case MILTER_CONNECT: return &cfg->milter_connect_macros;
    case MILTER_HELO: return &cfg->milter_helo_macros;
    case MILTER_MAIL: return &cfg->milter_mail_macros;
    case MILTER_RCPT: return &cfg->milter_rcpt_macros;
    case MILTER_DATA: return &cfg->milter_data_macros;
    case MILTER_EOH: return &cfg->milter_end_of_header_macros;
    case MILTER_END: return &cfg->milter_end_of_data_macros;
    case MILTER_UNKNOWN: return &cfg->milter_unknown_command_macros;
    default: return NULL;
    }
}

void milter_send_macros(struct milter *m, enum milter_event event, const struct milter_question *q)
{
    const char *asked = milter_asked_macros(m, event);
    const struct strlist *list = configured(q->facts.cfg, event);
    struct span rest = span_str(asked), word;

    if (!milter_wants(m, event))
        return;
    while (asked && span_word(&rest, ",", &word))
        send_macro(m, word, q);
    for (size_t i = 0; !asked && list && i < list->n; i++)
        send_macro(m, span_str(list->at[i]), q);
}
