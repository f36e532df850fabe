/* SPDX-License-Identifier: Apache-2.0
 *
 * The connection of a client: bytes between the socket and the engine, who the client is, how it is treated when it
 * misbehaves, and its end. */
#include "relay/session_int.h"

#include "base/log.h"
#include "relay/ceiling.h"
#include "relay/limits.h"
#include "relay/policy.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* ---- its end ---- */

static void free_session(void *arg)
{
    struct session *s = arg;

    smtp_server_free(s->server);
    conn_close(s->conn);
    timer_stop(&s->pause);
    timer_stop(&s->handshake);
    ceiling_left(s);
    free(s->reverse_name);
    free(s->command);
    free(s);
}

void session_bury(struct session *s)
{
    if (s->is_dead)
        return;
    s->is_dead = true;
    session_forget_message(s);
    session_leave_commit(s);
    gate_close(s);
    session_auth_close(s);
    session_proxy_end(s);
    session_name_end(s);
    session_time_stop(s);
    limits_forget(s);
    limits_left(s->receiver, s->on);
    list_remove(&s->link);
    s->receiver->n_sessions--;
    ceiling_weigh(s);
    timer_stop(&s->pause);
    timer_stop(&s->handshake);
    later_start(&s->free_later, s->receiver->loop, free_session, s);
}

/* ---- bytes ---- */

static void end_connection(struct session *s)
{
    if (s->is_abrupt) {
        conn_flush(s->conn);
        conn_close(s->conn);
    } else if (strcmp(smtp_server_after(s->server), "QUIT") == 0) {
        conn_end_last(s->conn);
    } else {
        conn_end(s->conn);
    }
    s->conn = NULL;
}

void session_pump(struct session *s)
{
    struct span out;
    bool has_room = conn_queued(s->conn) < CONN_HIGH_WATER;

    if (session_tls_is_under_way(s)) {
        ceiling_weigh(s);
        if (smtp_server_is_closing(s->server)) /* it could not be told */
            session_bury(s);
        return;
    }
    while (!s->is_dead && has_room && (out = smtp_server_output(s->server)).len) {
        has_room = conn_write(s->conn, out);
        session_time_replied(s);
        smtp_server_sent(s->server, out.len);
    }
    if (s->is_dead)
        return;
    if (smtp_server_is_closing(s->server) && has_room) {
        end_connection(s);
        session_bury(s);
        return;
    }
    if (has_room && smtp_server_wants_input(s->server))
        conn_resume(s->conn);
    else
        conn_pause(s->conn);
    if (!ceiling_weigh(s))
        session_shut(s, "4.3.1", "insufficient system storage");
}

void session_shut(struct session *s, const char *dsn, const char *text)
{
    smtp_server_shut(s->server, 421, dsn, "%s Error: %s", s->cfg->myhostname, text);
    if (!session_tls_is_under_way(s)) {
        conn_write(s->conn, smtp_server_output(s->server));
        conn_end(s->conn);
        s->conn = NULL;
    }
    session_bury(s);
}

static void on_data(void *arg, struct span bytes)
{
    struct session *s = arg;
    session_time_came(s, bytes.len);
    smtp_server_input(s->server, bytes);
    session_pump(s);
    if (s->is_dead) { /* in a crowd the end of the turn is far, and there may be much to free */
        later_cancel(&s->free_later);
        free_session(s);
    }
}

static void on_drained(void *arg)
{
    session_time_came(arg, 0);
    session_pump(arg);
}

static void on_closed(void *arg, const struct err *why)
{
    struct session *s = arg;

    if (!smtp_server_is_closing(s->server) && (why->kind != ERR_NONE || !s->is_local))
        log_info("lost connection after %s from %s", smtp_server_after(s->server), s->client);
    session_bury(s);
}

static const struct conn_ops conn_ops = { on_data, on_drained, on_closed };

/* ---- manners ---- */

static void resume(void *arg)
{
    struct session *s = arg;
    smtp_server_resume(s->server);
    session_pump(s);
}

/* Once for each error beyond the soft limit. */
static void on_slow_down(void *arg, unsigned n)
{
    struct session *s = arg;
    int64_t ms = s->cfg->smtpd_error_sleep_time / 1000;
    (void)n;
    if (s->is_local || !ms)
        return;
    smtp_server_pause(s->server);
    timer_start(&s->pause, s->receiver->loop, ms, resume, s);
}

static void on_refused(void *arg, const char *after, struct span reply)
{
    struct session *s = arg;
    if (!s->is_local)
        log_info("%s: after %s: %s", s->client, after, log_safe(span_trim(reply)));
}

static void answer_unknown(struct session *s, const struct refusal *no)
{
    free(s->command);
    s->command = NULL;
    if (!no->code)
        on_refused(s, smtp_server_after(s->server), SPAN("500 5.5.2 Error: command not recognized"));
    session_answer(s, "UNKNOWN", no, 500, "5.5.2", "Error: command not recognized");
}

static void on_unknown(void *arg, struct smtp_cmd *c, struct span line)
{
    struct session *s = arg;

    s->command = span_dup(line);
    session_ask(s, c, GATE_UNKNOWN, answer_unknown);
}

static const struct smtp_server_ops server_ops = {
    .hello = session_hello,
    .mail = session_mail,
    .rcpt = session_rcpt,
    .data_begin = session_data_begin,
    .data = session_content,
    .data_end = session_data_end,
    .reset = session_forget_message,
    .starttls = session_starttls,
    .start_tls = session_start_tls,
    .auth = session_auth,
    .auth_response = session_auth_response,
    .auth_abort = session_auth_abort,
    .xclient = session_xclient,
    .unknown = on_unknown,
    .slow_down = on_slow_down,
    .refused = on_refused,
};

/* ---- beginning ---- */

void session_name_client(struct session *s)
{
    s->uid = ENVELOPE_NO_UID;
    s->is_local = s->on->kind == LISTEN_SUBMIT;
    s->is_lmtp = s->section && s->section->protocol == CONFIG_LISTEN_LMTP;
    s->is_trusted = !s->is_unknown && policy_trusts(s->cfg, &s->peer.sa);
    uid_t uid;
    if (!s->name[0])
        memcpy(s->name, "unknown", sizeof "unknown");
    sockaddr_format(&s->peer.sa, s->address, sizeof s->address);
    if (s->peer.sa.sa_family == AF_UNIX && !s->is_unknown && conn_peer_uid(s->conn, &uid, NULL)) {
        snprintf(s->client, sizeof s->client, "local[uid %ld]", (long)uid);
        if (s->is_local)
            s->uid = uid;
        return;
    }
    snprintf(s->client, sizeof s->client, "%s[%s]", s->name, s->address);
}

/* smtpd_banner begins with the host name as the RFC wants it, and the engine says that by itself. */
static const char *banner_behind_hostname(const struct config *cfg, bool is_lmtp)
{
    size_t n = strlen(cfg->myhostname);
    const char *banner = cfg->smtpd_banner;

    if (strncmp(banner, cfg->myhostname, n) == 0 && banner[n] == ' ')
        banner += n + 1;
    if (is_lmtp && strncmp(banner, "ESMTP", 5) == 0)
        banner = "LMTP";
    return banner;
}

/* RFC 5321 4.3.1: a client waits for the greeting. Who does not wants no answer, or speaks with somebody else's voice. */
void session_check_early_talk(struct session *s)
{
    if (s->is_local || !s->cfg->smtpd_forbid_unauth_pipelining || session_tls_is_under_way(s) || !conn_has_input(s->conn))
        return;
    smtp_server_shut(s->server, 554, "5.5.0", "Error: SMTP protocol synchronization");
    log_info("%s: after CONNECT: 554 5.5.0 Error: SMTP protocol synchronization", s->client);
}

/* What the configuration says of its engine. */
static void engine_terms(const struct session *s, struct smtp_server_config *sc)
{
    static char *const nothing = NULL;
    const struct config *cfg = s->cfg;

    *sc = (struct smtp_server_config){
        .is_lmtp = s->is_lmtp,
        .may_talk_early = s->is_local || !cfg->smtpd_forbid_unauth_pipelining,
        .hostname = cfg->myhostname,
        .banner = banner_behind_hostname(cfg, s->is_lmtp),
        .offers_xclient = !s->is_local && !s->is_unknown && policy_may_xclient(cfg, &s->peer.sa),
        .has_no_vrfy = cfg->disable_vrfy_command,
        .is_soft = cfg->soft_bounce && !s->is_local,
        .needs_no_hello = !cfg->smtpd_helo_required,
        .is_strict = cfg->strict_rfc821_envelopes,
        .hidden = cfg->smtpd_discard_ehlo_keywords,
        .forbidden = cfg->smtpd_forbidden_commands.at ? cfg->smtpd_forbidden_commands.at : &nothing,
        .n_forbidden = cfg->smtpd_forbidden_commands.n,
        .bare_lf = policy_bare_lf(cfg, s->is_unknown ? NULL : &s->peer.sa),
        .bare_lf_code = cfg->smtpd_forbid_bare_newline_reject_code,
        .limits = {
            .line_length = cfg->line_length_limit,
            .message_size = cfg->message_size_limit,
            .recipients = (unsigned)cfg->smtpd_recipient_limit,
            .soft_errors = (unsigned)cfg->smtpd_soft_error_limit,
            .hard_errors = (unsigned)cfg->smtpd_hard_error_limit,
            .junk_commands = (unsigned)cfg->smtpd_junk_command_limit,
        },
    };
    session_tls_terms(s, sc);
    session_auth_terms(s, sc);
}

static void log_connect(struct session *s)
{
    if (!s->is_local)
        log_info("connect from %s", s->client);
}

/* Its name is known. */
static void begin_named(struct session *s)
{
    log_connect(s);
    session_ask_connect(s);
    session_pump(s);
}

void session_greet(struct session *s)
{
    struct smtp_server_config sc;

    session_name_client(s);
    engine_terms(s, &sc);
    s->is_unlimited = sc.offers_xclient; /* till it says for whom it speaks */
    s->server = smtp_server_new(&sc, &server_ops, s);
    bool has_name = !session_asks_name(s);
    if (has_name)
        log_connect(s);
    conn_open(s->conn, &conn_ops, s);
    session_time_start(s);
    bool is_welcome = limits_client(s);
    if (sc.is_encrypted && (!is_welcome || !limits_tls(s))) { /* nothing can be said yet */
        session_bury(s);
        return;
    }
    if (sc.is_encrypted)
        session_tls_begin(s);
    if (!has_name && is_welcome)
        session_find_name(s, begin_named);
    else if (!has_name)
        log_connect(s);
    else if (is_welcome)
        session_ask_connect(s);
    session_pump(s);
}

void session_start(struct receiver *r, const struct listening *on, struct conn *conn)
{
    if (!limits_let_in(r, on, conn))
        return;
    struct session *s = xcalloc(1, sizeof *s);
    s->receiver = r;
    s->on = on;
    s->section = on->section < 0 ? NULL : &r->cfg->listens[on->section];
    s->cfg = config_view(r->cfg, s->section);
    s->conn = conn;
    s->peer = *conn_peer(conn);
    list_append(&r->sessions, &s->link);
    r->n_sessions++;
    if (session_comes_by_proxy(s))
        session_proxy_start(s);
    else
        session_greet(s);
}

static void each_session(struct receiver *r, void (*fn)(struct session *s))
{
    list_each(it, &r->sessions)
        fn(list_entry(it, struct session, link));
}

static void stop_session(struct session *s)
{
    if (!s->server) { /* nothing was said yet */
        session_bury(s);
        return;
    }
    if (smtp_server_is_busy(s->server))
        return;
    smtp_server_shut(s->server, 421, "4.3.2", "Service shutting down");
    session_pump(s);
}

void session_stop_all(struct receiver *r)
{
    each_session(r, stop_session);
}

static void drop_session(struct session *s)
{
    session_bury(s);
    later_cancel(&s->free_later);
    free_session(s);
}

void session_drop_all(struct receiver *r)
{
    each_session(r, drop_session);
}
