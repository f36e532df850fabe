/* SPDX-License-Identifier: Apache-2.0
 *
 * sink.c - one client: the engine of lib/smtp between its connection and keep(). */
#include "control/sink.h"

#include "base/base64.h"
#include "base/cidr.h"
#include "base/mem.h"
#include "smtp/server.h"

#include <fnmatch.h>
#include <stdlib.h>

enum { CLIENT_LIMIT_MS = 300000, CONTENT_MAX = 256 << 20, LEAVE_MS = 20 };

struct client {
    struct sink *sink;
    struct conn *conn;
    struct smtp_server *engine;
    const struct envelope *env; /* of the transaction under way; the engine's */
    struct buf content;
    bool is_too_large;
    bool wants_password; /* AUTH LOGIN: the user's name has come */
    struct buf user;
};

static void client_free(struct client *c)
{
    smtp_server_free(c->engine);
    buf_fini(&c->content);
    buf_fini(&c->user);
    free(c);
}

/* ---- answers ---------------------------------------- */

static const struct sink_rule *rule_for(const struct sink *s, const char *text)
{
    for (size_t i = 0; i < s->n_rules; i++)
        if (text[0]
                ? s->rules[i].pattern[0] && fnmatch(s->rules[i].pattern, text, FNM_CASEFOLD) == 0
                : !s->rules[i].pattern[0])
            return &s->rules[i];
    return NULL;
}

static void on_mail(void *arg, struct smtp_cmd *cmd, struct envelope *env, uint64_t size)
{
    struct client *c = arg;
    (void)size;

    c->env = env;
    smtp_answer(cmd, 250, "2.1.0", "Ok");
}

static void on_rcpt(void *arg, struct smtp_cmd *cmd, struct envelope *env, struct rcpt *r)
{
    struct client *c = arg;
    const struct sink_rule *rule = rule_for(c->sink, r->address);
    (void)env;

    if (rule)
        smtp_answer(cmd, rule->code, NULL, "%s", rule->text);
    else
        smtp_answer(cmd, 250, "2.1.5", "Ok");
}

static void on_data_begin(void *arg, struct smtp_cmd *cmd, struct envelope *env)
{
    struct client *c = arg;

    c->env = env;
    buf_clear(&c->content);
    c->is_too_large = false;
    smtp_answer(cmd, 354, NULL, "End data with <CR><LF>.<CR><LF>");
}

static bool on_data(void *arg, struct span content)
{
    struct client *c = arg;

    c->is_too_large |= buf_addspan(&c->content, content) < 0;
    return !c->is_too_large;
}

static bool keep(struct client *c)
{
    char text[64];
    const struct sink_message m = {
        .env = c->env,
        .content = buf_span(&c->content),
        .client = sockaddr_format(&conn_peer(c->conn)->sa, text, sizeof text),
        .login = smtp_server_login(c->engine),
        .is_encrypted = smtp_server_is_encrypted(c->engine),
    };
    return c->sink->keep(c->sink->arg, &m);
}

static void on_data_end(void *arg, struct smtp_cmd *cmd, const struct smtp_data_info *info)
{
    struct client *c = arg;
    const struct sink_rule *rule = rule_for(c->sink, "");
    (void)info;

    if (c->is_too_large)
        smtp_answer(cmd, 552, "5.3.4", "Message too large for this sink");
    else if (rule)
        smtp_answer(cmd, rule->code, NULL, "%s", rule->text);
    else if (keep(c))
        smtp_answer(cmd, 250, "2.0.0", "Ok: kept");
    else
        smtp_answer(cmd, 451, "4.3.0", "Cannot keep it");
    buf_trim(&c->content, 1 << 20);
    c->env = NULL;
}

static void on_reset(void *arg)
{
    struct client *c = arg;
    c->env = NULL;
}

/* ---- AUTH ---------------------------------------- */

static void decide(struct client *c, struct smtp_cmd *cmd, struct span user, struct span password)
{
    bool is_good =
        span_eq(user, span_str(c->sink->user)) && span_eq(password, span_str(c->sink->password));

    if (is_good) {
        smtp_server_set_login(c->engine, c->sink->user);
        smtp_answer(cmd, 235, "2.7.0", "Authentication successful");
    } else {
        smtp_answer(cmd, 535, "5.7.8", "Error: authentication failed");
    }
}

/* RFC 4616: authorisation NUL user NUL password. */
static void auth_plain(struct client *c, struct smtp_cmd *cmd, struct span base64)
{
    struct buf text;

    buf_init(&text, 4096);
    if (base64_decode(base64, &text) < 0)
        buf_clear(&text);
    struct span all = buf_span(&text);
    struct span rest = span_from(all, span_find(all, '\0') + 1);
    size_t user_len = span_find(rest, '\0');
    decide(c, cmd, span_of(rest.at, user_len), span_from(rest, user_len + 1));
    buf_fini(&text);
}

static void auth_login(struct client *c, struct smtp_cmd *cmd, struct span base64)
{
    struct buf text;

    buf_init(&text, 4096);
    if (base64_decode(base64, &text) < 0)
        buf_clear(&text);
    if (c->wants_password) {
        decide(c, cmd, buf_span(&c->user), buf_span(&text));
    } else {
        buf_clear(&c->user);
        buf_addspan(&c->user, buf_span(&text));
        c->wants_password = true;
        smtp_auth_challenge(cmd, SPAN("UGFzc3dvcmQ6")); /* "Password:" */
    }
    buf_fini(&text);
}

static bool is_login(const struct client *c)
{
    return c->user.max != 0;
}

static void on_auth_response(void *arg, struct smtp_cmd *cmd, struct span response)
{
    struct client *c = arg;

    if (is_login(c))
        auth_login(c, cmd, response);
    else
        auth_plain(c, cmd, response);
}

static void on_auth(void *arg, struct smtp_cmd *cmd, const char *mech, struct span initial)
{
    struct client *c = arg;
    bool is_plain = strcmp(mech, "PLAIN") == 0;

    buf_fini(&c->user);
    buf_init(&c->user, is_plain ? 0 : 4096);
    c->wants_password = false;
    if (initial.at)
        on_auth_response(c, cmd, initial);
    else
        smtp_auth_challenge(cmd, is_plain ? SPAN("") : SPAN("VXNlcm5hbWU6")); /* "Username:" */
}

/* ---- the connection ---------------------------------------- */

static void leave(void *arg)
{
    loop_stop(arg);
}

static void pump(struct client *c)
{
    struct span out;
    bool has_room = true;

    while ((out = smtp_server_output(c->engine)).len) {
        has_room = conn_write(c->conn, out);
        smtp_server_sent(c->engine, out.len);
    }
    /* Other clients' replies of this turn are still to leave. */
    if (c->sink->is_done && !timer_is_armed(&c->sink->leave))
        timer_start(&c->sink->leave, c->sink->loop, LEAVE_MS, leave, c->sink->loop);
    if (smtp_server_is_closing(c->engine)) {
        conn_end(c->conn);
        client_free(c);
    } else if (!has_room) {
        conn_pause(c->conn);
    }
}

static void on_bytes(void *arg, struct span bytes)
{
    struct client *c = arg;

    if (c->sink->is_done)
        return;
    if (smtp_server_wants_input(c->engine))
        smtp_server_input(c->engine, bytes);
    pump(c);
}

static void on_drained(void *arg)
{
    struct client *c = arg;
    conn_resume(c->conn);
}

static void on_closed(void *arg, const struct err *why)
{
    struct client *c = arg;
    (void)why;

    conn_close(c->conn);
    client_free(c);
}

static const struct conn_ops conn_ops = { .data = on_bytes,
                                          .drained = on_drained,
                                          .closed = on_closed };

static void start_engine(struct client *c, bool is_encrypted);

static void on_tls(void *arg, const struct tls_info *info, const struct err *why)
{
    struct client *c = arg;
    (void)info;

    if (why->kind != ERR_NONE) {
        on_closed(c, why);
        return;
    }
    if (c->engine)
        smtp_server_tls_started(c->engine);
    else
        start_engine(c, true);
    pump(c);
}

static void on_start_tls(void *arg)
{
    struct client *c = arg;
    conn_start_tls_server(c->conn, c->sink->tls, on_tls);
}

static const struct smtp_server_ops engine_ops = {
    .mail = on_mail,
    .rcpt = on_rcpt,
    .data_begin = on_data_begin,
    .data = on_data,
    .data_end = on_data_end,
    .reset = on_reset,
    .start_tls = on_start_tls,
    .auth = on_auth,
    .auth_response = on_auth_response,
};

static void start_engine(struct client *c, bool is_encrypted)
{
    const struct sink *s = c->sink;
    struct smtp_server_config cfg = {
        .is_lmtp = s->is_lmtp,
        .is_encrypted = is_encrypted,
        .offers_starttls = s->tls && !is_encrypted,
        .requires_auth = s->user != NULL,
        .hostname = s->hostname,
        .banner = "ESMTP Baton sink",
        .mechanisms = s->user ? "PLAIN LOGIN" : NULL,
        .bare_lf = SMTP_BARE_LF_NORMALIZE,
        .limits = SMTP_SERVER_LIMITS_DEFAULT,
    };

    cfg.limits.message_size = s->size_limit;
    cfg.limits.recipients = 10000;
    c->engine = smtp_server_new(&cfg, &engine_ops, c);
}

void sink_serve(struct sink *s, struct conn *conn)
{
    struct client *c = xcalloc(1, sizeof *c);

    c->sink = s;
    c->conn = conn;
    buf_init(&c->content, CONTENT_MAX);
    conn_open(conn, &conn_ops, c);
    conn_set_timeout(conn, CLIENT_LIMIT_MS);
    if (s->is_implicit_tls) {
        conn_start_tls_server(conn, s->tls, on_tls);
    } else {
        start_engine(c, false);
        pump(c);
    }
}
