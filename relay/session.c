/* SPDX-License-Identifier: Apache-2.0
 *
 * The header section of a message is gathered till its empty line, put right, and begins the spool's record; what follows
 * goes there as it comes. 250 leaves when the commit has called back, and not before.
 *
 * A session may go while its commit is under way: the pending struct belongs to the commit and only points back. */
#include "relay/session.h"

#include "base/clock.h"
#include "base/log.h"
#include "mail/fixup.h"
#include "mail/header.h"
#include "mail/received.h"
#include "relay/policy.h"
#include "smtp/server.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>

enum { SPACE_CHECK_US = 1000000 };

struct pending { /* a commit under way */
    struct session *session; /* NULL: it has gone */
    struct smtp_cmd *cmd;
    uint64_t id;
};

struct session {
    struct list link;
    struct receiver *receiver;
    const struct listening *on; /* borrowed from the worker's listeners */
    struct conn *conn;
    struct smtp_server *server;
    bool is_local, is_trusted;
    uid_t uid;
    char client[80];            /* "unknown[192.0.2.1]", "local[uid 1000]" */
    char address[INET6_ADDRSTRLEN + 8];
    /* the message under way */
    struct envelope *env;       /* the engine's */
    bool has_reader;
    struct header_reader reader;
    struct spool_msg *msg;
    struct pending *pending;
    struct err trouble;         /* kind != ERR_NONE: this is what its end will be answered with */
    int trouble_code;
    char trouble_dsn[12];
    char id[SPOOL_ID_TEXT];
    unsigned n_messages;
    struct timer pause;
    struct later free_later;
    bool is_dead;
};

/* ---- its end ---- */

static void forget_message(struct session *s)
{
    spool_abort(s->msg);
    s->msg = NULL;
    s->env = NULL;
    if (s->has_reader)
        header_reader_fini(&s->reader);
    s->has_reader = false;
    s->trouble = (struct err){ 0 };
    s->id[0] = '\0';
}

static void free_session(void *arg)
{
    struct session *s = arg;

    smtp_server_free(s->server);
    conn_close(s->conn);
    timer_stop(&s->pause);
    free(s);
}

static void bury(struct session *s)
{
    if (s->is_dead)
        return;
    s->is_dead = true;
    forget_message(s);
    if (s->pending)
        s->pending->session = NULL;
    s->pending = NULL;
    list_remove(&s->link);
    s->receiver->n_sessions--;
    timer_stop(&s->pause);
    later_start(&s->free_later, s->receiver->loop, free_session, s);
}

/* ---- bytes ---- */

static void pump(struct session *s)
{
    struct span out;
    bool has_room = true;

    while (!s->is_dead && has_room && (out = smtp_server_output(s->server)).len) {
        has_room = conn_write(s->conn, out);
        smtp_server_sent(s->server, out.len);
    }
    if (s->is_dead)
        return;
    if (smtp_server_is_closing(s->server) && has_room) {
        conn_end(s->conn);
        s->conn = NULL;
        bury(s);
        return;
    }
    if (has_room && smtp_server_wants_input(s->server))
        conn_resume(s->conn);
    else
        conn_pause(s->conn);
}

static void on_data(void *arg, struct span bytes)
{
    struct session *s = arg;
    smtp_server_input(s->server, bytes);
    pump(s);
}

static void on_drained(void *arg)
{
    pump(arg);
}

static void on_closed(void *arg, const struct err *why)
{
    struct session *s = arg;

    if (why->kind != ERR_NONE && !smtp_server_is_closing(s->server)) {
        smtp_server_shut(s->server, 421, "4.4.2", "Error: timeout exceeded");
        log_info("%s after %s from %s", why->sys == ETIMEDOUT || why->sys == 0 ? "timeout" : "lost connection",
                 smtp_server_after(s->server), s->client);
        struct span out = smtp_server_output(s->server);
        conn_write(s->conn, out);
    } else if (!smtp_server_is_closing(s->server) && !s->is_local) {
        log_info("lost connection after %s from %s", smtp_server_after(s->server), s->client);
    }
    bury(s);
}

static const struct conn_ops conn_ops = { on_data, on_drained, on_closed };

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

static void on_mail(void *arg, struct smtp_cmd *c, struct envelope *env, uint64_t size)
{
    struct session *s = arg;

    if (!has_space(s->receiver, size)) {
        smtp_answer(c, 452, "4.3.1", "Insufficient system storage");
        return;
    }
    env->uid = s->uid;
    env->arrival_us = clock_real_us();
    if (!s->is_local) {
        free(env->client);
        env->client = xstrdup(s->client);
    }
    s->env = env;
    smtp_answer(c, 250, "2.1.0", "Ok");
}

static void on_rcpt(void *arg, struct smtp_cmd *c, struct envelope *env, struct rcpt *r)
{
    struct session *s = arg;
    struct refusal no;

    policy_rcpt(s->receiver->resolver, s->is_trusted, r->address, &no);
    if (!no.code) {
        smtp_answer(c, 250, "2.1.5", "Ok");
        return;
    }
    if (!s->is_local)
        log_info("NOQUEUE: reject: RCPT from %s: %d %s %s; from=<%s> to=<%s> proto=%s helo=<%s>", s->client, no.code,
                 no.status, no.text, log_safe_str(env->sender), log_safe_str(r->address),
                 smtp_server_is_esmtp(s->server) ? "ESMTP" : "SMTP", log_safe_str(smtp_server_hello(s->server)));
    smtp_answer(c, no.code, no.status, "%s", no.text);
}

/* ---- content ---- */

static bool fail(struct session *s, int code, const char *dsn, const struct err *e)
{
    s->trouble = *e;
    s->trouble_code = code;
    snprintf(s->trouble_dsn, sizeof s->trouble_dsn, "%s", dsn);
    spool_abort(s->msg);
    s->msg = NULL;
    return false;
}

static bool fail_writing(struct session *s, const struct err *e)
{
    log_error("%s: cannot be written: %s", s->client, e->text);
    return e->sys == ENOSPC ? fail(s, 452, "4.3.1", e) : fail(s, 451, "4.3.0", e);
}

static void format_received(struct session *s, struct buf *out)
{
    const struct received f = {
        .myhostname = s->receiver->cfg->myhostname,
        .id = s->id,
        .rcpt = s->env->n_rcpts == 1 ? s->env->rcpts[0].address : NULL,
        .now_us = s->env->arrival_us,
        .uid = s->uid,
        .helo = smtp_server_hello(s->server),
        .client_name = "unknown",
        .client_address = s->address,
        .is_esmtp = smtp_server_is_esmtp(s->server),
        .is_utf8 = s->env->smtputf8,
    };
    received_format(&f, out);
}

static bool begin_record(struct session *s)
{
    const struct config *cfg = s->receiver->cfg;
    struct buf received, header;
    struct fixup_result result;
    struct err e;
    bool ok = false;

    buf_init(&received, BUF_NO_MAX);
    buf_init(&header, BUF_NO_MAX);
    s->msg = spool_begin(s->receiver->spool, s->env, &e);
    if (!s->msg) {
        fail_writing(s, &e);
        goto out;
    }
    spool_id_format(spool_msg_id(s->msg), s->id);
    format_received(s, &received);
    const struct fixup_facts facts = {
        .myhostname = cfg->myhostname,
        .myorigin = cfg->myorigin,
        .sender = s->env->sender,
        .id = s->id,
        .now_us = s->env->arrival_us,
        .received = buf_span(&received),
        .flags = !s->is_trusted ? 0 : FIXUP_ADD | FIXUP_COMPLETE | (s->env->smtputf8 ? 0 : FIXUP_ENCODE),
        .field_max = cfg->header_size_limit,
    };
    if (fixup_header(buf_span(&s->reader.section), &facts, &header, &result, &e) < 0) {
        fail(s, 552, "5.3.4", &e);
    } else if (result.hops >= (unsigned)cfg->hopcount_limit) {
        err_set(&e, ERR_PERMANENT, "Error: too many hops");
        fail(s, 554, "5.4.0", &e);
    } else if (spool_write(s->msg, buf_span(&header), &e) < 0) {
        fail_writing(s, &e);
    } else {
        ok = true;
    }
out:
    buf_fini(&received);
    buf_fini(&header);
    return ok;
}

static bool write_body(struct session *s, struct span content)
{
    struct err e;
    return !content.len || spool_write(s->msg, content, &e) == 0 || fail_writing(s, &e);
}

static bool on_content(void *arg, struct span content)
{
    struct session *s = arg;
    struct span lead;
    struct err e;

    if (s->trouble.kind != ERR_NONE)
        return false;
    if (s->msg)
        return write_body(s, content);
    int done = header_reader_take(&s->reader, &content, &lead, &e);
    if (done < 0)
        return fail(s, 552, "5.3.4", &e);
    return !done || (begin_record(s) && write_body(s, lead) && write_body(s, content));
}

static void on_data_begin(void *arg, struct smtp_cmd *c, struct envelope *env)
{
    struct session *s = arg;

    s->env = env;
    header_reader_init(&s->reader, s->receiver->cfg->header_size_limit);
    s->has_reader = true;
    smtp_answer(c, 354, NULL, "End data with <CR><LF>.<CR><LF>");
}

static void log_taken(const struct session *s, const struct envelope *env)
{
    if (s->is_local)
        log_info("%s: uid=%ld from=<%s>", s->id, (long)s->uid, log_safe_str(env->sender));
    else
        log_info("%s: client=%s", s->id, s->client);
    struct header_field f;
    if (header_find(buf_span(&s->reader.section), "Message-ID", &f))
        log_info("%s: message-id=%s", s->id, log_safe(span_trim(f.value)));
}

static void answer_commit(struct session *s, struct smtp_cmd *c, const char *id, enum spool_result result,
                          const struct err *e)
{
    if (result == SPOOL_KEPT)
        smtp_answer(c, 250, "2.0.0", "Ok: queued as %s", id);
    else if (e->sys == ENOSPC)
        smtp_answer(c, 452, "4.3.1", "Insufficient system storage");
    else
        smtp_answer(c, 451, "4.3.0", "Error: queue file write error");
    pump(s);
}

static void committed(void *arg, enum spool_result result, const struct err *e)
{
    struct pending *p = arg;
    struct session *s = p->session;
    char id[SPOOL_ID_TEXT];

    spool_id_format(p->id, id);
    if (result != SPOOL_KEPT)
        log_error("%s: not kept: %s", id, e->text);
    if (s) {
        s->pending = NULL;
        answer_commit(s, p->cmd, id, result, e);
    }
    free(p);
}

/* A message of nothing but a header section ends here. */
static bool end_header(struct session *s)
{
    struct span lead;
    struct err e;

    if (s->trouble.kind != ERR_NONE || s->msg)
        return s->msg != NULL;
    if (header_reader_end(&s->reader, &lead, &e) < 0)
        return fail(s, 552, "5.3.4", &e);
    return begin_record(s) && write_body(s, lead);
}

static void on_data_end(void *arg, struct smtp_cmd *c, const struct smtp_data_info *info)
{
    struct session *s = arg;

    (void)info;
    if (!end_header(s)) {
        smtp_answer(c, s->trouble_code, s->trouble_dsn, "%s",
                    s->trouble.kind == ERR_PERMANENT   ? s->trouble.text
                    : s->trouble_code == 452           ? "Insufficient system storage"
                                                       : "Error: queue file write error");
        forget_message(s);
        return;
    }
    log_taken(s, s->env);
    struct pending *p = xcalloc(1, sizeof *p);
    *p = (struct pending){ .session = s, .cmd = c, .id = spool_msg_id(s->msg) };
    s->pending = p;
    s->n_messages++;
    struct spool_msg *m = s->msg;
    s->msg = NULL;
    forget_message(s);
    spool_commit(m, committed, p);
}

static void on_reset(void *arg)
{
    forget_message(arg);
}

/* ---- manners ---- */

static void resume(void *arg)
{
    struct session *s = arg;
    smtp_server_resume(s->server);
    pump(s);
}

/* smtpd_error_sleep_time: a second for each error beyond the soft limit. */
static void on_slow_down(void *arg, unsigned n)
{
    struct session *s = arg;
    (void)n;
    if (s->is_local)
        return;
    smtp_server_pause(s->server);
    timer_start(&s->pause, s->receiver->loop, 1000, resume, s);
}

static void on_refused(void *arg, const char *after, struct span reply)
{
    struct session *s = arg;
    if (!s->is_local)
        log_info("%s: after %s: %s", s->client, after, log_safe(span_trim(reply)));
}

static const struct smtp_server_ops server_ops = {
    .mail = on_mail,
    .rcpt = on_rcpt,
    .data_begin = on_data_begin,
    .data = on_content,
    .data_end = on_data_end,
    .reset = on_reset,
    .slow_down = on_slow_down,
    .refused = on_refused,
};

/* ---- beginning ---- */

static void name_client(struct session *s)
{
    const union addr *peer = conn_peer(s->conn);

    s->uid = ENVELOPE_NO_UID;
    s->is_local = s->on->kind == LISTEN_SUBMIT;
    s->is_trusted = policy_trusts(s->receiver->cfg, &peer->sa);
    if (s->is_local && conn_peer_uid(s->conn, &s->uid, NULL)) {
        snprintf(s->client, sizeof s->client, "local[uid %ld]", (long)s->uid);
        return;
    }
    sockaddr_format(&peer->sa, s->address, sizeof s->address);
    snprintf(s->client, sizeof s->client, "unknown[%s]", s->address);
}

/* smtpd_banner begins with the host name as the RFC wants it, and the engine says that by itself. */
static const char *banner_behind_hostname(const struct config *cfg)
{
    size_t n = strlen(cfg->myhostname);
    const char *banner = cfg->smtpd_banner;

    return strncmp(banner, cfg->myhostname, n) == 0 && banner[n] == ' ' ? banner + n + 1 : banner;
}

static void turn_away(struct session *s)
{
    struct receiver *r = s->receiver;
    int64_t now = clock_mono_us();

    smtp_server_shut(s->server, 421, "4.7.0", "Error: too many connections, try again later");
    if (now - r->crowd_warned_us > 60 * USEC_PER_SEC || !r->crowd_warned_us) {
        r->crowd_warned_us = now;
        log_warn("default_process_limit: %d clients are connected, more are turned away", r->cfg->default_process_limit);
    }
}

void session_start(struct receiver *r, const struct listening *on, struct conn *conn)
{
    struct session *s = xcalloc(1, sizeof *s);
    const struct config *cfg = r->cfg;

    s->receiver = r;
    s->on = on;
    s->conn = conn;
    list_append(&r->sessions, &s->link);
    r->n_sessions++;
    name_client(s);
    const struct smtp_server_config sc = {
        .is_local = s->is_local,
        .hostname = cfg->myhostname,
        .banner = banner_behind_hostname(cfg),
        .bare_lf = cfg->smtpd_forbid_bare_newline && !s->is_trusted ? SMTP_BARE_LF_REJECT : SMTP_BARE_LF_NORMALIZE,
        .limits = {
            .line_length = cfg->line_length_limit,
            .auth_length = 12288,
            .message_size = cfg->message_size_limit,
            .recipients = (unsigned)cfg->smtpd_recipient_limit,
            .soft_errors = (unsigned)cfg->smtpd_soft_error_limit,
            .hard_errors = (unsigned)cfg->smtpd_hard_error_limit,
            .junk_commands = (unsigned)cfg->smtpd_junk_command_limit,
        },
    };
    s->server = smtp_server_new(&sc, &server_ops, s);
    if (!s->is_local)
        log_info("connect from %s", s->client);
    conn_open(conn, &conn_ops, s);
    conn_set_timeout(conn, cfg->smtpd_timeout / 1000);
    if (r->n_sessions > (unsigned)cfg->default_process_limit)
        turn_away(s);
    pump(s);
}

static void each_session(struct receiver *r, void (*fn)(struct session *s))
{
    list_each(it, &r->sessions)
        fn(list_entry(it, struct session, link));
}

static void stop_session(struct session *s)
{
    if (smtp_server_is_busy(s->server))
        return;
    smtp_server_shut(s->server, 421, "4.3.2", "Service shutting down");
    pump(s);
}

void session_stop_all(struct receiver *r)
{
    each_session(r, stop_session);
}

static void drop_session(struct session *s)
{
    bury(s);
    later_cancel(&s->free_later);
    free_session(s);
}

void session_drop_all(struct receiver *r)
{
    each_session(r, drop_session);
}
