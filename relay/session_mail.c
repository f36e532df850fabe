/* SPDX-License-Identifier: Apache-2.0
 *
 * What a client says before the content: the limits are looked at, then those are asked who have a say (gate.h), and their
 * answer is the engine's. */
#include "relay/session_int.h"

#include "base/clock.h"
#include "base/log.h"
#include "relay/ceiling.h"
#include "relay/limits.h"

#include <stdio.h>
#include <stdlib.h>

enum { SPACE_CHECK_US = 1000000 };

/* ---- envelope ---- */

static bool has_space(struct receiver *r, uint64_t size)
{
    const struct config *cfg = r->cfg;
    uint64_t need = cfg->message_size_limit + cfg->message_size_limit / 2;
    int64_t now = clock_mono_us();

    if (now - r->space_checked_us > SPACE_CHECK_US || !r->space_checked_us) {
        struct err e;
        r->space_checked_us = now;
        if (spool_space(r->spool, &r->space_bytes, &e) < 0)
            r->space_bytes = UINT64_MAX; /* the write will tell */
    }
    if (need < size)
        need = size;
    if (need < cfg->queue_minfree)
        need = cfg->queue_minfree;
    if (r->space_bytes > need)
        return true;
    if (now - r->full_warned_us > 60 * USEC_PER_SEC || !r->full_warned_us) {
        r->full_warned_us = now;
        log_warn("not enough free space in the queue: %llu bytes, %llu wanted: mail is refused for now",
                 (unsigned long long)r->space_bytes, (unsigned long long)need);
    }
    return false;
}

void session_log_refusal(const struct session *s, const char *event, const char *verb, const struct refusal *no)
{
    const struct envelope *env = s->env;
    const char *helo = smtp_server_hello(s->server);
    const struct rcpt *to = env && env->n_rcpts ? &env->rcpts[env->n_rcpts - 1] : NULL;

    if (s->is_local && !no->is_milters)
        return;
    char code[8] = "";
    if (no->code && !(no->is_milters && s->id[0] && no->status[0])) /* of a message that has a name Postfix's cleanup says the status alone */
        snprintf(code, sizeof code, "%d ", no->code);
    char who[600] = "";
    if (env)
        snprintf(who, sizeof who, " from=<%s>%s%s%s", log_safe_str(env->sender), to ? " to=<" : "",
                 to ? log_safe_str(to->address) : "", to ? ">" : "");
    char hello[280] = "";
    if (helo)
        snprintf(hello, sizeof hello, " helo=<%s>", log_safe_str(helo));
    log_info("%s: %s: %s from %s: %s%s%s%s;%s proto=%s%s", s->id[0] ? s->id : "NOQUEUE",
             event, verb, s->client, code, no->status, no->status[0] ? " " : "",
             log_safe_str(no->text), who, session_protocol(s), hello);
}

/* The answer may come from inside, when whoever has called us sends what there is to send. */
void session_ask(struct session *s, struct smtp_cmd *c, enum gate_at at, gate_fn *then)
{
    s->asked = c;
    s->is_asking = true;
    gate_ask(s, at, then);
    s->is_asking = false;
}

void session_answer_no(struct session *s, const char *verb, const struct refusal *no)
{
    session_log_refusal(s, no->is_milters ? "milter-reject" : "reject", verb, no);
    smtp_answer(s->asked, no->code, no->status[0] ? no->status : NULL, "%s", no->text);
}

void session_pump_later_answer(struct session *s)
{
    if (!s->is_asking)
        session_pump(s);
}

/* What the gate says to a command whose yes is a word. */
void session_answer(struct session *s, const char *verb, const struct refusal *no, int code, const char *dsn, const char *text)
{
    if (no->code)
        session_answer_no(s, verb, no);
    else
        smtp_answer(s->asked, code, dsn, "%s", text);
    session_pump_later_answer(s);
}

/* RFC 5321 3.1: 554 instead of 220 is a host that takes no mail; 421 one that does not for now. Any other 4xx: let it say EHLO
 * first, whoever asks has an answer for MAIL. */
static void answer_connect(struct session *s, const struct refusal *no)
{
    const struct config *cfg = s->cfg;

    smtp_server_resume(s->server);
    if (no->code)
        session_log_refusal(s, no->is_milters ? "milter-reject" : "reject", "CONNECT", no);
    if (no->code / 100 == 5)
        smtp_server_shut(s->server, 554, NULL, "%s ESMTP not accepting connections", cfg->myhostname);
    else if (no->code == 421)
        smtp_server_shut(s->server, 421, "4.7.0", "%s Service unavailable - try again later", cfg->myhostname);
    else
        session_check_early_talk(s);
    session_pump_later_answer(s);
}

void session_ask_connect(struct session *s)
{
    smtp_server_pause(s->server);
    session_ask(s, NULL, GATE_CONNECT, answer_connect);
}

static void answer_hello(struct session *s, const struct refusal *no)
{
    session_answer(s, smtp_server_after(s->server), no, 250, NULL, "Ok");
}

void session_hello_go_on(struct session *s, struct smtp_cmd *c)
{
    session_ask(s, c, GATE_HELLO, answer_hello);
}

void session_hello(void *arg, struct smtp_cmd *c, const char *name, bool is_esmtp)
{
    (void)name, (void)is_esmtp;
    if (session_auth_hello(arg, c))
        session_hello_go_on(arg, c);
}

static void answer_mail(struct session *s, const struct refusal *no)
{
    session_answer(s, "MAIL", no, 250, "2.1.0", "Ok");
}

void session_mail(void *arg, struct smtp_cmd *c, struct envelope *env, uint64_t size)
{
    struct session *s = arg;

    if (s->receiver->is_stopping) { /* a client that pipelines is never found idle */
        smtp_answer(c, 421, "4.3.2", "Service shutting down");
        return;
    }
    if (!limits_mail(s, c) || !ceiling_allows_mail(s, c))
        return;
    if (!has_space(s->receiver, size)) {
        smtp_answer(c, 452, "4.3.1", "Insufficient system storage");
        return;
    }
    const char *login = smtp_server_login(s->server);
    if (login && !env->login)
        env->login = xstrdup(login);
    env->uid = s->uid;
    env->arrival_us = clock_real_us();
    if (!s->is_local) {
        free(env->client);
        env->client = xstrdup(s->client);
    }
    s->env = env;
    s->size = size;
    session_ask(s, c, GATE_MAIL, answer_mail);
}

const char *session_protocol(const struct session *s)
{
    return s->is_lmtp ? "LMTP" : smtp_server_is_esmtp(s->server) ? "ESMTP" : "SMTP";
}

static void answer_rcpt(struct session *s, const struct refusal *no)
{
    session_answer(s, "RCPT", no, 250, "2.1.5", "Ok");
}

void session_rcpt(void *arg, struct smtp_cmd *c, struct envelope *env, struct rcpt *r)
{
    struct session *s = arg;

    (void)env;
    (void)r;
    if (!limits_rcpt(s, c))
        return;
    if (!ceiling_allows_more(s)) {
        smtp_answer(c, 452, "4.3.1", "Insufficient system storage");
        return;
    }
    session_ask(s, c, GATE_RCPT, answer_rcpt);
}
