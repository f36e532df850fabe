/* SPDX-License-Identifier: Apache-2.0
 *
 * AUTH (RFC 4954): the frame around a mechanism. What is exchanged is base64, checked and passed
 * on as such; what it means is the caller's affair. Nothing of it is kept here. */
#include "base/mem.h"
#include "smtp/server_int.h"

#include <stdio.h>
#include <stdlib.h>

#define MECHANISM_MAX 32 /* RFC 4422 3.1 says 20 */

static bool is_base64(struct span s)
{
    size_t pad = 0;

    if (s.len % 4)
        return false;
    for (size_t i = 0; i < s.len; i++) {
        char c = s.at[i];
        if (c == '=')
            pad++;
        else if (pad || !(ascii_is_alnum(c) || c == '+' || c == '/'))
            return false;
    }
    return pad <= 2;
}

/* Is it one of those offered? In capitals, terminated. */
static bool find_mechanism(const struct smtp_server *s, struct span name, char out[MECHANISM_MAX])
{
    struct span all = span_str(s->cfg.mechanisms), one;

    while (span_word(&all, "", &one)) {
        if (one.len < MECHANISM_MAX && span_ieq(one, name)) {
            snprintf(out, MECHANISM_MAX, "%.*s", (int)one.len, one.at);
            return true;
        }
    }
    return false;
}

void smtp_server_set_auth(struct smtp_server *s, enum smtp_auth how, const char *mechanisms)
{
    char *copy = xstrdup_or_null(mechanisms);

    free((char *)s->cfg.mechanisms);
    s->cfg.mechanisms = copy;
    s->auth = s->cfg.hidden & SMTP_EXT_AUTH ? SMTP_AUTH_NO : how;
}

static bool waits_for_tls(const struct smtp_server *s)
{
    return !s->is_encrypted && (s->cfg.auth_needs_tls || s->cfg.requires_tls || s->auth == SMTP_AUTH_AFTER_TLS);
}

bool smtp_server_offers_auth(const struct smtp_server *s)
{
    bool has_some = s->auth == SMTP_AUTH_OFFERED || s->auth == SMTP_AUTH_AFTER_TLS;

    return has_some && s->cfg.mechanisms && !waits_for_tls(s) && !s->is_authenticated;
}

static const char *refusal(const struct smtp_server *s)
{
    if (s->auth == SMTP_AUTH_NO)
        return "503 5.5.1 Error: authentication not enabled";
    if (waits_for_tls(s)) /* RFC 4954 4 */
        return "504 5.5.4 Encryption required for requested authentication mechanism";
    if (s->is_authenticated)
        return "503 5.5.1 Error: already authenticated";
    if (!s->is_esmtp)
        return "503 5.5.1 Error: send EHLO first";
    if (s->auth == SMTP_AUTH_LATER)
        return "454 4.7.0 Temporary authentication failure";
    return NULL;
}

void smtp_server_do_auth(struct smtp_server *s, struct span args)
{
    const char *no = refusal(s);
    struct span name, initial, more;
    char mechanism[MECHANISM_MAX];

    if (no) {
        smtp_server_say(s, no);
        return;
    }
    if (!span_word(&args, "", &name)) {
        smtp_server_say(s, "501 5.5.4 Syntax: AUTH mechanism");
        return;
    }
    if (!find_mechanism(s, name, mechanism)) {
        smtp_server_say(s, "504 5.5.4 Unrecognized authentication type");
        return;
    }
    if (!span_word(&args, "", &initial))
        initial = (struct span){ NULL, 0 };
    else if (span_eq(initial, SPAN("=")))
        initial.len = 0; /* RFC 4954 4: an empty one */
    if (span_word(&args, "", &more)) {
        smtp_server_say(s, "501 5.5.4 Syntax: AUTH mechanism");
        return;
    }
    if (!is_base64(initial)) {
        smtp_server_say(s, "501 5.5.2 Error: invalid base64");
        return;
    }
    s->in_auth = true;
    s->ops->auth(s->arg, smtp_server_ask(s, ASKED_AUTH), mechanism, initial);
}

bool smtp_server_auth_answered(struct smtp_server *s, int code)
{
    s->in_auth = false;
    s->reads = READS_COMMAND;
    s->is_authenticated = code == 235;
    return true;
}

void smtp_auth_challenge(struct smtp_cmd *c, struct span base64)
{
    struct smtp_server *s = c->server;

    BUG_IF(c->question != ASKED_AUTH);
    c->question = ASKED_NOTHING;
    smtp_server_enter(s);
    s->reads = READS_AUTH;
    buf_adds(&s->out, "334 ");
    buf_addspan(&s->out, base64);
    buf_adds(&s->out, "\r\n");
    if (s->ops->trace)
        s->ops->trace(s->arg, true, SPAN("334 ***"));
    smtp_server_leave(s);
}

void smtp_server_abort_auth(struct smtp_server *s)
{
    if (!s->in_auth)
        return;
    s->in_auth = false;
    if (s->reads == READS_AUTH)
        s->reads = READS_COMMAND;
    if (s->ops->auth_abort)
        s->ops->auth_abort(s->arg);
}

/* True: the client has sent more before it could know what we say to this. */
static bool is_out_of_sync(struct smtp_server *s)
{
    if (s->cfg.may_talk_early || !s->cur.len)
        return false;
    smtp_server_hang_up(s, "554 5.5.0 Error: SMTP protocol synchronization");
    return true;
}

bool smtp_server_read_auth(struct smtp_server *s)
{
    size_t before = s->cur.len;
    struct span line;

    if (!smtp_server_take_line(s, s->cfg.limits.auth_length, &line)) {
        if (before == s->cur.len)
            return s->reads != READS_AUTH;
        smtp_server_abort_auth(s); /* a bare LF, refused */
        return true;
    }
    if (s->ops->trace)
        s->ops->trace(s->arg, false, SPAN("***"));
    if (is_out_of_sync(s))
        return true;
    if (span_eq(line, SPAN("*"))) {
        smtp_server_abort_auth(s);
        smtp_server_say(s, "501 5.7.0 Authentication aborted");
    } else if (!is_base64(line)) {
        smtp_server_abort_auth(s);
        smtp_server_say(s, "501 5.5.2 Error: invalid base64");
    } else {
        s->reads = READS_COMMAND;
        s->ops->auth_response(s->arg, smtp_server_ask(s, ASKED_AUTH), line);
    }
    return true;
}
