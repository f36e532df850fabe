/* SPDX-License-Identifier: Apache-2.0
 *
 * AUTH of a session (RFC 4954): what EHLO offers of it, the exchange between the client and who can tell (auth.h), and what a wrong
 * password costs: a line in the log that fail2ban knows, and time, more with each one. */
#include "relay/session_int.h"

#include "base/log.h"
#include "base/mem.h"
#include "relay/auth.h"
#include "relay/limits.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { DELAY_MAX_MS = 10000 };

struct auth_talk { /* what a session needs of it, from its first EHLO or AUTH on */
    struct session *session;
    struct list link;          /* among those that wait to know what to offer */
    bool is_waiting;
    struct smtp_cmd *hello;    /* whose EHLO waits for that */
    struct smtp_cmd *cmd;      /* the AUTH under way */
    struct auth_try *under_way;
    char method[32];
    int64_t began_ms;
    unsigned failures;
    char *reply;               /* 535, for when its time has come */
    struct timer delay;
};

static const struct auth_backend *backend(const struct session *s)
{
    return s->receiver->auth->backend;
}

/* ---- terms ---- */

static enum config_listen_auth mode(const struct session *s)
{
    const struct receiver *r = s->receiver;
    const struct cidr_list *exempt = &s->cfg->smtpd_sasl_exceptions_networks;

    if (!r->auth || s->is_local)
        return CONFIG_LISTEN_AUTH_NO;
    if (!s->is_unknown && cidr_list_matches(exempt->at, exempt->n, &s->peer.sa))
        return CONFIG_LISTEN_AUTH_NO;
    return config_listen_auth(r->cfg, s->section);
}

void session_auth_terms(const struct session *s, struct smtp_server_config *sc)
{
    sc->requires_auth = mode(s) == CONFIG_LISTEN_AUTH_REQUIRED;
    sc->says_auth_twice = s->cfg->broken_sasl_auth_clients;
    sc->limits.auth_length = s->cfg->smtpd_sasl_response_limit;
}

/* What is there before TLS counts for the client as it is; what would be there within TLS says at least that it is no use to ask. */
static void offer(struct session *s)
{
    struct auth *a = s->receiver->auth;
    bool is_encrypted = smtp_server_is_encrypted(s->server);
    const char *list = mode(s) == CONFIG_LISTEN_AUTH_NO ? "" : backend(s)->mechanisms(a, is_encrypted);

    if (!list)
        smtp_server_set_auth(s->server, SMTP_AUTH_LATER, NULL);
    else if (*list)
        smtp_server_set_auth(s->server, SMTP_AUTH_OFFERED, list);
    else if (mode(s) != CONFIG_LISTEN_AUTH_NO && !is_encrypted && *backend(s)->mechanisms(a, true))
        smtp_server_set_auth(s->server, SMTP_AUTH_AFTER_TLS, NULL);
    else
        smtp_server_set_auth(s->server, SMTP_AUTH_NO, NULL);
}

static struct auth_talk *talk(struct session *s)
{
    if (!s->auth) {
        s->auth = xcalloc(1, sizeof *s->auth);
        s->auth->session = s;
    }
    return s->auth;
}

/* ---- EHLO ---- */

static void stop_waiting(struct auth_talk *t)
{
    if (t->is_waiting)
        list_remove(&t->link);
    t->is_waiting = false;
}

bool session_auth_hello(struct session *s, struct smtp_cmd *c)
{
    struct receiver *r = s->receiver;

    if (!r->auth || s->is_local)
        return true;
    if (mode(s) == CONFIG_LISTEN_AUTH_NO || !backend(s)->is_settling(r->auth)) {
        offer(s);
        return true;
    }
    struct auth_talk *t = talk(s);
    t->hello = c;
    t->is_waiting = true;
    list_append(&r->auth_waiting, &t->link);
    return false;
}

void session_auth_settled(void *arg)
{
    struct receiver *r = arg;

    while (!list_is_empty(&r->auth_waiting)) {
        struct auth_talk *t = list_entry(r->auth_waiting.next, struct auth_talk, link);
        struct session *s = t->session;
        struct smtp_cmd *c = t->hello;
        stop_waiting(t);
        t->hello = NULL;
        offer(s);
        session_hello_go_on(s, c);
        session_pump(s);
    }
}

/* ---- the end of an exchange ---- */

const char *session_auth_method(const struct session *s)
{
    return s->auth && s->auth->method[0] ? s->auth->method : "XCLIENT";
}

static void log_failure(const struct session *s, const char *what, const struct auth_answer *a, const char *otherwise)
{
    log_warn("%s: SASL %s authentication %s: %s, sasl_username=%s", s->client, s->auth->method, what,
             a->reason ? log_safe_str(a->reason) : otherwise, a->user ? log_safe_str(a->user) : "(unavailable)");
}

static void say_no(void *arg)
{
    struct session *s = arg;
    struct auth_talk *t = s->auth;
    struct smtp_cmd *c = t->cmd;
    char *reply = t->reply;

    t->cmd = NULL;
    t->reply = NULL;
    smtp_answer(c, 535, "5.7.8", "%s", reply);
    free(reply);
    session_pump(s);
}

/* Whoever guesses has to wait, for each wrong guess of this connection longer. What the other side has waited already counts. */
static void fail(struct session *s, const struct auth_answer *a)
{
    struct auth_talk *t = s->auth;
    struct buf reply;
    int64_t wait = ++t->failures * (s->cfg->smtpd_error_sleep_time / 1000);

    log_failure(s, "failed", a, "(reason unavailable)");
    buf_init(&reply, BUF_NO_MAX);
    buf_addf(&reply, "Error: authentication failed: %s", a->reason ? log_safe_str(a->reason) : "(reason unavailable)");
    t->reply = buf_take(&reply);
    wait = (wait < DELAY_MAX_MS ? wait : DELAY_MAX_MS) - (loop_now_ms(s->receiver->loop) - t->began_ms);
    timer_start(&t->delay, s->receiver->loop, wait > 0 ? wait : 0, say_no, s);
}

/* Its text goes into envelopes and logs. */
static bool is_sane(const char *user)
{
    size_t n = strlen(user);

    for (const char *at = user; *at; at++)
        if ((unsigned char)*at < ' ' || *at == 0x7f)
            return false;
    return n > 0 && n <= 512 && span_is_utf8(span_of(user, n));
}

static void got_answer(void *arg, const struct auth_answer *a)
{
    struct session *s = arg;
    struct auth_talk *t = s->auth;
    struct auth_answer insane = { .result = AUTH_NO, .reason = "the authentication server gave no user" };

    if (a->result == AUTH_YES && !(a->user && is_sane(a->user)))
        a = &insane;
    if (a->result != AUTH_MORE)
        t->under_way = NULL;
    if (a->result == AUTH_NO) {
        fail(s, a);
        return;
    }
    struct smtp_cmd *c = t->cmd;
    t->cmd = NULL;
    if (a->result == AUTH_MORE) {
        smtp_auth_challenge(c, a->challenge);
    } else if (a->result == AUTH_YES) {
        smtp_server_set_login(s->server, a->user);
        smtp_answer(c, 235, "2.7.0", "Authentication successful");
    } else {
        /* Not "failed: ...", or the clients of a server whose passwords cannot be looked up would be locked out as guessers. */
        log_failure(s, "could not be tried", a, "no reason given");
        smtp_answer(c, 454, "4.7.0", "Temporary authentication failure%s%s", a->reason ? ": " : "",
                    a->reason ? log_safe_str(a->reason) : "");
    }
    session_pump(s);
}

/* ---- the engine's questions ---- */

static void tell_addresses(const struct session *s, char server[INET6_ADDRSTRLEN + 8], struct auth_client *who)
{
    const union addr *local = conn_local(s->conn);

    server[0] = '\0';
    if (local->sa.sa_family != AF_UNIX)
        sockaddr_format(&local->sa, server, INET6_ADDRSTRLEN + 8);
    *who = (struct auth_client){
        .address = s->peer.sa.sa_family == AF_UNIX ? "" : s->address,
        .server_address = server,
        .is_encrypted = smtp_server_is_encrypted(s->server),
    };
}

void session_auth(void *arg, struct smtp_cmd *c, const char *mech, struct span initial)
{
    struct session *s = arg;
    struct auth_talk *t = talk(s);
    struct auth_client who;
    char server[INET6_ADDRSTRLEN + 8];

    snprintf(t->method, sizeof t->method, "%s", mech);
    if (!limits_auth(s, c))
        return;
    t->cmd = c;
    t->began_ms = loop_now_ms(s->receiver->loop);
    tell_addresses(s, server, &who);
    t->under_way = backend(s)->begin(s->receiver->auth, &who, mech, initial, got_answer, s);
}

void session_auth_response(void *arg, struct smtp_cmd *c, struct span response)
{
    struct session *s = arg;

    s->auth->cmd = c;
    backend(s)->respond(s->auth->under_way, response);
}

void session_auth_abort(void *arg)
{
    struct session *s = arg;
    struct auth_talk *t = s->auth;

    if (!t)
        return;
    if (t->under_way)
        backend(s)->cancel(t->under_way);
    t->under_way = NULL;
    timer_stop(&t->delay);
    free(t->reply);
    t->reply = NULL;
    t->cmd = NULL;
}

void session_auth_close(struct session *s)
{
    if (!s->auth)
        return;
    session_auth_abort(s);
    stop_waiting(s->auth);
    free(s->auth);
    s->auth = NULL;
}
