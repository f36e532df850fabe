/* SPDX-License-Identifier: Apache-2.0
 *
 * XCLIENT, Postfix's command for a proxy, or a test, that says who the client is: attributes with values in xtext (RFC 3461 4).
 * All of them are read before any counts. Then the conversation begins anew, with a greeting. */
#include "base/mem.h"
#include "mail/xtext.h"
#include "smtp/server_int.h"

#include <arpa/inet.h>
#include <stdlib.h>

#define VALUE_MAX 255

static bool is_name(const char *s)
{
    for (; *s; s++)
        if (!ascii_is_alnum((unsigned char)*s) && !strchr("-._", *s))
            return false;
    return true;
}

/* "192.0.2.1", "IPV6:2001:db8::1"; the prefix is taken off. */
static bool is_address(char *s)
{
    unsigned char bytes[16];

    if (inet_pton(AF_INET, s, bytes) == 1)
        return true;
    if (!span_istarts(span_str(s), "IPV6:") || inet_pton(AF_INET6, s + 5, bytes) != 1)
        return false;
    memmove(s, s + 5, strlen(s + 5) + 1);
    return true;
}

static bool is_port(const char *s)
{
    uint64_t n;
    return span_u64(span_str(s), &n) && n <= 65535;
}

static bool is_good(enum smtp_xclient_attr attr, char *value)
{
    switch (attr) {
    case SMTP_XCLIENT_NAME: return is_name(value);
    case SMTP_XCLIENT_ADDR:
    case SMTP_XCLIENT_DESTADDR: return is_address(value);
    case SMTP_XCLIENT_PORT:
    case SMTP_XCLIENT_DESTPORT: return is_port(value);
    case SMTP_XCLIENT_PROTO: return span_ieq_str(SPAN("SMTP"), value) || span_ieq_str(SPAN("ESMTP"), value);
    default: return true;
    }
}

static int find_attr(struct span name)
{
    static const char *const names[SMTP_XCLIENT_N] = {
        [SMTP_XCLIENT_NAME] = "NAME", [SMTP_XCLIENT_ADDR] = "ADDR",   [SMTP_XCLIENT_PORT] = "PORT",
        [SMTP_XCLIENT_PROTO] = "PROTO", [SMTP_XCLIENT_HELO] = "HELO", [SMTP_XCLIENT_LOGIN] = "LOGIN",
        [SMTP_XCLIENT_DESTADDR] = "DESTADDR", [SMTP_XCLIENT_DESTPORT] = "DESTPORT",
    };

    for (int i = 0; i < SMTP_XCLIENT_N; i++)
        if (span_ieq_str(name, names[i]))
            return i;
    return -1;
}

/* One "NAME=value"; the refusal when it is bad. */
static const char *take_attr(struct span word, struct smtp_xclient *x)
{
    size_t eq = span_find(word, '=');
    int attr = find_attr(span_of(word.at, eq));
    struct span text = span_from(word, eq + 1);
    struct buf value;
    struct err e;

    if (eq == word.len)
        return "501 5.5.4 Syntax: XCLIENT attribute=value...";
    if (attr < 0)
        return "501 5.5.4 Bad XCLIENT attribute name";
    x->given |= 1U << attr;
    free(x->value[attr]);
    x->value[attr] = NULL;
    if (span_ieq_str(text, "[UNAVAILABLE]") || span_ieq_str(text, "[TEMPUNAVAIL]"))
        return NULL;
    buf_init(&value, VALUE_MAX);
    if (!text.len || xtext_decode(text, &value, &e) < 0) {
        buf_fini(&value);
        return "501 5.5.4 Bad XCLIENT attribute value";
    }
    x->value[attr] = span_dup(buf_span(&value));
    buf_fini(&value);
    return is_good((enum smtp_xclient_attr)attr, x->value[attr]) ? NULL : "501 5.5.4 Bad XCLIENT attribute value";
}

static const char *parse(struct span args, struct smtp_xclient *x)
{
    struct span word;
    const char *no = NULL;

    while (!no && span_word(&args, "", &word))
        no = take_attr(word, x);
    return no || x->given ? no : "501 5.5.4 Syntax: XCLIENT attribute=value...";
}

/* What the new client is known to have said. */
static void apply(struct smtp_server *s, const struct smtp_xclient *x)
{
    const char *proto = x->value[SMTP_XCLIENT_PROTO];

    if (x->given & 1U << SMTP_XCLIENT_LOGIN)
        smtp_server_set_login(s, x->value[SMTP_XCLIENT_LOGIN]);
    s->is_authenticated = s->login != NULL;
    s->is_esmtp = proto && span_ieq_str(SPAN("ESMTP"), proto);
    free(s->hello);
    s->hello = xstrdup_or_null(x->value[SMTP_XCLIENT_HELO]);
    smtp_server_set_phase(s, s->hello ? PHASE_READY : PHASE_GREETING);
    smtp_server_say_banner(s);
}

bool smtp_server_xclient_answered(struct smtp_server *s, int code)
{
    s->xclient_taken = code == 220;
    return code != 220;
}

void smtp_server_do_xclient(struct smtp_server *s, struct span args)
{
    struct smtp_xclient x = { 0 };
    const char *no = s->cfg.offers_xclient ? parse(args, &x) : "550 5.7.0 Error: insufficient authorization";

    s->xclient_taken = false;
    if (no)
        smtp_server_say(s, no);
    else
        s->ops->xclient(s->arg, smtp_server_ask(s, ASKED_XCLIENT), &x);
    if (s->xclient_taken && !s->is_dead)
        apply(s, &x);
    for (int i = 0; i < SMTP_XCLIENT_N; i++)
        free(x.value[i]);
}

void smtp_server_set_bare_lf(struct smtp_server *s, enum smtp_bare_lf how)
{
    s->cfg.bare_lf = how;
}
