/* SPDX-License-Identifier: Apache-2.0
 *
 * One message: the header section is gathered till its empty line, put right, and begins the spool's record; what follows
 * goes there as it comes. 250 leaves when the commit has called back, and not before.
 *
 * A session may go while its commit is under way: the pending struct belongs to the commit and only points back. */
#include "relay/session_int.h"

#include "base/clock.h"
#include "base/log.h"
#include "mail/fixup.h"
#include "mail/received.h"
#include "relay/ceiling.h"
#include "relay/limits.h"
#include "relay/flow.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>

enum { SPACE_CHECK_US = 1000000 };

struct pending { /* a commit under way, or an answer that is held back */
    bool is_held;
    struct session *session; /* NULL: it has gone */
    struct smtp_cmd *cmd;
    struct receiver *receiver;
    size_t bytes; /* that it holds */
    uint64_t id;
};

void session_forget_message(void *arg)
{
    struct session *s = arg;

    spool_abort(s->msg);
    s->msg = NULL;
    s->env = NULL;
    gate_forget_message(s);
    if (s->has_reader)
        header_reader_fini(&s->reader);
    s->has_reader = false;
    free(s->trouble);
    s->trouble = NULL;
    s->id[0] = '\0';
}

void session_leave_commit(struct session *s)
{
    if (s->pending && s->pending->is_held)
        free(s->pending);
    else if (s->pending)
        s->pending->session = NULL;
    s->pending = NULL;
}

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

static void log_refusal(const struct session *s, const char *verb, const struct refusal *no)
{
    const struct envelope *env = s->env;
    const char *helo = smtp_server_hello(s->server);
    const struct rcpt *to = env && env->n_rcpts ? &env->rcpts[env->n_rcpts - 1] : NULL;

    if (s->is_local)
        return;
    log_info("NOQUEUE: reject: %s from %s: %d %s %s; from=<%s>%s%s%s proto=%s helo=<%s>", verb, s->client, no->code, no->status,
             no->text, log_safe_str(env ? env->sender : ""), to ? " to=<" : "", to ? log_safe_str(to->address) : "",
             to ? ">" : "", session_protocol(s), log_safe_str(helo ? helo : ""));
}

/* The answer may come from inside, when whoever has called us sends what there is to send. */
static void ask(struct session *s, struct smtp_cmd *c, enum gate_at at, gate_fn *then)
{
    s->asked = c;
    s->is_asking = true;
    gate_ask(s, at, then);
    s->is_asking = false;
}

static void answer_no(struct session *s, const char *verb, const struct refusal *no)
{
    log_refusal(s, verb, no);
    smtp_answer(s->asked, no->code, no->status[0] ? no->status : NULL, "%s", no->text);
}

static void pump_later_answer(struct session *s)
{
    if (!s->is_asking)
        session_pump(s);
}

/* What the gate says to a command whose yes is a word. */
static void answer(struct session *s, const char *verb, const struct refusal *no, int code, const char *dsn, const char *text)
{
    if (no->code)
        answer_no(s, verb, no);
    else
        smtp_answer(s->asked, code, dsn, "%s", text);
    pump_later_answer(s);
}

static void answer_mail(struct session *s, const struct refusal *no)
{
    answer(s, "MAIL", no, 250, "2.1.0", "Ok");
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
    env->uid = s->uid;
    env->arrival_us = clock_real_us();
    if (!s->is_local) {
        free(env->client);
        env->client = xstrdup(s->client);
    }
    s->env = env;
    s->size = size;
    ask(s, c, GATE_MAIL, answer_mail);
}

const char *session_protocol(const struct session *s)
{
    return s->is_lmtp ? "LMTP" : smtp_server_is_esmtp(s->server) ? "ESMTP" : "SMTP";
}

static void answer_rcpt(struct session *s, const struct refusal *no)
{
    answer(s, "RCPT", no, 250, "2.1.5", "Ok");
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
    ask(s, c, GATE_RCPT, answer_rcpt);
}

/* ---- content ---- */

static bool fail(struct session *s, int code, const char *dsn, const struct err *e)
{
    free(s->trouble);
    s->trouble = xmalloc(sizeof *s->trouble);
    *s->trouble = *e;
    s->trouble_code = code;
    snprintf(s->trouble_dsn, sizeof s->trouble_dsn, "%s", dsn);
    spool_abort(s->msg);
    s->msg = NULL;
    if (s->has_reader)
        header_reader_fini(&s->reader);
    s->has_reader = false;
    return false;
}

static bool fail_writing(struct session *s, const struct err *e)
{
    log_error("%s: cannot be written: %s", s->client, e->text);
    return e->sys == ENOSPC ? fail(s, 452, "4.3.1", e) : fail(s, 451, "4.3.0", e);
}

static void format_received(struct session *s, struct buf *out)
{
    char tls[SESSION_TLS_TEXT];
    struct received f = {
        .myhostname = s->receiver->cfg->myhostname,
        .id = s->id,
        .rcpt = s->env->n_rcpts == 1 ? s->env->rcpts[0].address : NULL,
        .now_us = s->env->arrival_us,
        .uid = s->uid,
        .helo = smtp_server_hello(s->server),
        .client_name = s->name,
        .client_address = s->address,
        .is_esmtp = smtp_server_is_esmtp(s->server),
        .is_lmtp = s->is_lmtp,
        .is_authenticated = smtp_server_login(s->server) != NULL,
        .is_utf8 = s->env->smtputf8,
    };
    session_tls_received(s, &f, tls);
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

    if (!content.len)
        return true;
    if (ceiling_is_near(s) && spool_spill(s->msg, &e) < 0)
        return fail_writing(s, &e);
    return spool_write(s->msg, content, &e) == 0 || fail_writing(s, &e);
}

bool session_content(void *arg, struct span content)
{
    struct session *s = arg;
    struct span lead;
    struct err e;

    if (s->trouble)
        return false;
    if (s->msg)
        return write_body(s, content);
    if (!ceiling_allows_more(s)) {
        err_set(&e, ERR_TEMPORARY, "receive_memory_limit is reached");
        return fail(s, 452, "4.3.1", &e);
    }
    int done = header_reader_take(&s->reader, &content, &lead, &e);
    if (done < 0)
        return fail(s, 552, "5.3.4", &e);
    return !done || (begin_record(s) && write_body(s, lead) && write_body(s, content));
}

static void answer_data(struct session *s, const struct refusal *no)
{
    if (!no->code) {
        header_reader_init(&s->reader, s->receiver->cfg->header_size_limit);
        s->has_reader = true;
    }
    answer(s, "DATA", no, 354, NULL, "End data with <CR><LF>.<CR><LF>");
}

void session_data_begin(void *arg, struct smtp_cmd *c, struct envelope *env)
{
    struct session *s = arg;

    s->env = env;
    ask(s, c, GATE_DATA, answer_data);
}

static void log_taken(const struct session *s, const struct envelope *env)
{
    if (s->is_local)
        log_info("%s: uid=%ld from=<%s>", s->id, (long)s->uid, log_safe_str(env->sender));
    else
        log_info("%s: client=%s%s%s", s->id, s->client, smtp_server_login(s->server) ? ", sasl_username=" : "",
                 smtp_server_login(s->server) ? log_safe_str(smtp_server_login(s->server)) : "");
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
    session_pump(s);
}

/* Whose share of the flow it uses: an address, or a user of this machine. */
static uint64_t client_key(const struct session *s)
{
    uint64_t key = UINT64_C(14695981039346656037);

    for (const char *at = s->address; *at; at++)
        key = (key ^ (unsigned char)*at) * UINT64_C(1099511628211);
    return key ^ s->uid;
}

static void answer_held(void *arg)
{
    struct session *s = arg;
    struct pending *p = s->pending;
    char id[SPOOL_ID_TEXT];

    s->pending = NULL;
    answer_commit(s, p->cmd, spool_id_format(p->id, id), SPOOL_KEPT, NULL);
    free(p);
}

/* The relay falls behind and this client sends more than its share: 250 comes later. */
static bool hold_back(struct session *s, struct pending *p)
{
    const struct receiver *r = s->receiver;
    int64_t wait = r->is_stopping ? 0 : flow_wait_us(r->env->flow, client_key(s), r->cfg->in_flow_delay, clock_mono_us());

    if (wait < 1000)
        return false;
    p->is_held = true;
    timer_start(&s->pause, r->loop, wait / 1000, answer_held, s);
    return true;
}

static void committed(void *arg, enum spool_result result, const struct err *e)
{
    struct pending *p = arg;
    struct session *s = p->session;
    char id[SPOOL_ID_TEXT];

    ceiling_drop(p->receiver, p->bytes);
    spool_id_format(p->id, id);
    if (result != SPOOL_KEPT)
        log_error("%s: not kept: %s", id, e->text);
    if (s && result == SPOOL_KEPT && hold_back(s, p))
        return;
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

    if (s->trouble || s->msg)
        return s->msg != NULL;
    if (header_reader_end(&s->reader, &lead, &e) < 0)
        return fail(s, 552, "5.3.4", &e);
    return begin_record(s) && write_body(s, lead);
}

static void refuse_content(struct session *s)
{
    const struct err *why = s->trouble;

    smtp_answer(s->asked, s->trouble_code, s->trouble_dsn, "%s",
                why->kind == ERR_PERMANENT ? why->text
                : s->trouble_code == 452   ? "Insufficient system storage"
                                           : "Error: queue file write error");
}

static void commit(struct session *s)
{
    struct pending *p = xcalloc(1, sizeof *p);

    log_taken(s, s->env);
    *p = (struct pending){ .session = s, .cmd = s->asked, .receiver = s->receiver, .id = spool_msg_id(s->msg) };
    p->bytes = sizeof *p + spool_msg_memory(s->msg);
    ceiling_add(s->receiver, p->bytes);
    s->pending = p;
    s->n_messages++;
    struct spool_msg *m = s->msg;
    s->msg = NULL;
    session_forget_message(s);
    spool_commit(m, committed, p);
}

static void answer_end(struct session *s, const struct refusal *no)
{
    if (no->code) {
        answer_no(s, "END-OF-MESSAGE", no);
        session_forget_message(s);
    } else {
        commit(s);
    }
    pump_later_answer(s);
}

void session_data_end(void *arg, struct smtp_cmd *c, const struct smtp_data_info *info)
{
    struct session *s = arg;

    s->size = info->size_bytes;
    s->asked = c;
    if (end_header(s)) {
        ask(s, c, GATE_END, answer_end);
        return;
    }
    refuse_content(s);
    session_forget_message(s);
}
