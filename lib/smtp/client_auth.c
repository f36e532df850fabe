/* SPDX-License-Identifier: Apache-2.0
 *
 * The client's AUTH (RFC 4954): which mechanism, and its exchange. A mechanism is a row: what it
 * is called, whether it shows the password to who listens, what it says first, and what it
 * answers to each 334. */
#include "base/base64.h"
#include "base/mem.h"
#include "smtp/client_int.h"

#include <stdio.h>
#include <stdlib.h>

#define STEPS_MAX 5 /* of an exchange: no mechanism has more, whatever the server asks */

struct mechanism {
    const char *name;
    bool is_clear; /* the password can be read by who listens */
    bool is_first; /* speaks first (RFC 4954 4): its answer number 0 goes with AUTH */
    /* Adds the answer number `step` to `out`, not encoded. False: there is none, the exchange is
     * wrong. */
    bool (*answer)(const struct smtp_client *c, unsigned step, struct buf *out);
};

/* RFC 4616 */
static bool plain(const struct smtp_client *c, unsigned step, struct buf *out)
{
    if (step > 0)
        return false;
    buf_addc(out, '\0');
    buf_adds(out, c->cfg.user);
    buf_addc(out, '\0');
    buf_adds(out, c->cfg.secret ? c->cfg.secret : "");
    return true;
}

/* Never a standard; everybody asks for the name first and the password then, whatever the prompt
 * says. */
static bool login(const struct smtp_client *c, unsigned step, struct buf *out)
{
    if (step > 1)
        return false;
    buf_adds(out, step == 0 ? c->cfg.user : c->cfg.secret ? c->cfg.secret : "");
    return true;
}

static const struct mechanism mechanisms[] = { /* best first */
    { "PLAIN", true, true, plain },
    { "LOGIN", true, false, login },
};

static bool has_word(const char *words, const char *word)
{
    struct span rest = span_str(words), one;

    while (span_word(&rest, ",", &one)) {
        if (span_ieq_str(one, word))
            return true;
    }
    return false;
}

/* The caller's order if there is one, else the table's. */
static const struct mechanism *choose(const struct smtp_client *c)
{
    struct span wanted = span_str(c->cfg.mechanisms), one;
    const char *offered = c->features.mechanisms;

    if (!c->cfg.mechanisms) {
        for (size_t i = 0; i < ARRAY_LEN(mechanisms); i++) {
            if (has_word(offered, mechanisms[i].name))
                return &mechanisms[i];
        }
        return NULL;
    }
    while (span_word(&wanted, ",", &one)) {
        for (size_t i = 0; i < ARRAY_LEN(mechanisms); i++) {
            if (span_ieq_str(one, mechanisms[i].name) && has_word(offered, mechanisms[i].name))
                return &mechanisms[i];
        }
    }
    return NULL;
}

void smtp_client_wipe_secret(struct smtp_client *c)
{
    if (!c->cfg.secret)
        return;
    wipe((char *)c->cfg.secret, strlen(c->cfg.secret));
    free((char *)c->cfg.secret);
    c->cfg.secret = NULL;
}

/* Adds "prefix" and the mechanism's next answer to c->out. The buffer does not move while a
 * secret is in it. */
static bool say_answer(struct smtp_client *c, const char *prefix)
{
    size_t most = strlen(c->cfg.user) + (c->cfg.secret ? strlen(c->cfg.secret) : 0) + 2;
    struct buf raw;
    bool ok;

    buf_init(&raw, BUF_NO_MAX);
    buf_room(&raw, most);
    ok = c->mechanism->answer(c, c->auth_step++, &raw);
    if (ok) {
        buf_room(&c->out, strlen(prefix) + most * 2 + 8);
        c->has_secret = true;
        buf_adds(&c->out, prefix);
        base64_encode(buf_span(&raw), &c->out);
        buf_add(&c->out, "\r\n", 2);
    }
    if (raw.at)
        wipe(raw.at, raw.cap);
    buf_fini(&raw);
    return ok;
}

void smtp_client_auth(struct smtp_client *c)
{
    char command[64];

    c->mechanism = choose(c);
    if (!c->mechanism) {
        smtp_client_fail(c, SMTP_AT_AUTH, "4.7.0",
                         *c->features.mechanisms
                             ? "the server offers no way to log in that we have (it offers %s)"
                             : "a login is configured, but the server offers none%s",
                         c->features.mechanisms);
        return;
    }
    if (c->mechanism->is_clear && !c->is_encrypted && !c->cfg.may_auth_in_clear) {
        smtp_client_fail(c, SMTP_AT_AUTH, "4.7.11",
                         "the password is not sent without TLS, which the server did not start");
        return;
    }
    c->state = CLIENT_AUTH;
    c->auth_step = 0;
    snprintf(command, sizeof command, "AUTH %s", c->mechanism->name);
    if (!c->mechanism->is_first) {
        smtp_client_command(c, "%s", command);
        return;
    }
    strncat(command, " ", sizeof command - strlen(command) - 1);
    say_answer(c, command);
    strncat(command, "***", sizeof command - strlen(command) - 1);
    smtp_client_trace(c, true, span_str(command));
}

void smtp_client_auth_reply(struct smtp_client *c)
{
    int code = c->reader.reply.code;

    if (code == 334 && c->auth_step < STEPS_MAX) {
        if (say_answer(c, ""))
            smtp_client_trace(c, true, SPAN("***"));
        else
            smtp_client_command(c, "*"); /* 501 is to follow */
        return;
    }
    smtp_client_wipe_secret(c);
    if (code == 235) {
        c->is_logged_in = true;
        smtp_client_set_ready(c);
        return;
    }
    struct smtp_result said = smtp_client_said(c, SMTP_AT_AUTH);
    smtp_client_close(c, &said);
}

const char *smtp_client_mechanism(const struct smtp_client *c)
{
    return c->is_logged_in ? c->mechanism->name : NULL;
}
