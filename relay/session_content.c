/* SPDX-License-Identifier: Apache-2.0
 *
 * The content of one message: the header section is gathered till its empty line, put right (session_header.c), and begins the
 * spool's record; what follows goes there as it comes. Where a step of the gate wants to see it first, it is kept as a draft till
 * they have answered. 250 leaves when the commit has called back, and not before.
 *
 * A session may go while its commit is under way: the pending struct belongs to the commit and only points back. */
#include "relay/session_int.h"

#include "base/clock.h"
#include "base/log.h"
#include "base/mem.h"
#include "relay/ceiling.h"
#include "relay/draft.h"
#include "relay/flow.h"
#include "relay/worker.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>

enum { PIECE = 65536 };

struct pending { /* a commit under way, or an answer that is held back */
    bool is_held;
    struct session *session; /* NULL: it has gone */
    struct smtp_cmd *cmd;
    struct receiver *receiver;
    size_t bytes; /* that it holds */
    uint64_t id;
};

static void forget_draft(struct session *s)
{
    draft_free(s->draft);
    s->draft = NULL;
}

void session_forget_message(void *arg)
{
    struct session *s = arg;

    session_header_cancel(s);
    session_envelope_cancel(s);
    spool_abort(s->msg);
    s->msg = NULL;
    s->env = NULL;
    forget_draft(s);
    if (s->changed) {
        envelope_fini(s->changed);
        free(s->changed);
        s->changed = NULL;
    }
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

bool session_fail(struct session *s, int code, const char *dsn, const struct err *e)
{
    session_header_cancel(s);
    free(s->trouble);
    s->trouble = xmalloc(sizeof *s->trouble);
    *s->trouble = *e;
    s->trouble_code = code;
    snprintf(s->trouble_dsn, sizeof s->trouble_dsn, "%s", dsn);
    spool_abort(s->msg);
    s->msg = NULL;
    forget_draft(s);
    if (s->has_reader)
        header_reader_fini(&s->reader);
    s->has_reader = false;
    return false;
}

bool session_fail_writing(struct session *s, const struct err *e)
{
    log_error("%s: cannot be written: %s", s->client, e->text);
    return e->sys == ENOSPC ? session_fail(s, 452, "4.3.1", e) : session_fail(s, 451, "4.3.0", e);
}

static bool write_draft(struct session *s, struct span content)
{
    struct err e;

    if (ceiling_is_near(s) && scratch_spill(s->draft->body, &e) < 0)
        return session_fail_writing(s, &e);
    return scratch_add(s->draft->body, content, &e) == 0 || session_fail_writing(s, &e);
}

static bool write_body(struct session *s, struct span content)
{
    struct err e;

    if (!content.len)
        return true;
    if (s->draft)
        return write_draft(s, content);
    if (ceiling_is_near(s) && spool_spill(s->msg, &e) < 0)
        return session_fail_writing(s, &e);
    return spool_write(s->msg, content, &e) == 0 || session_fail_writing(s, &e);
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
        return session_fail(s, 452, "4.3.1", &e);
    }
    int done = header_reader_take(&s->reader, &content, &lead, &e);
    if (done < 0)
        return session_fail(s, 552, "5.3.4", &e);
    return !done || (session_begin_record(s) && write_body(s, lead) && write_body(s, content));
}

static void answer_data(struct session *s, const struct refusal *no)
{
    if (!no->code) {
        header_reader_init(&s->reader, s->cfg->header_size_limit);
        s->has_reader = true;
    }
    session_answer(s, "DATA", no, 354, NULL, "End data with <CR><LF>.<CR><LF>");
}

void session_data_begin(void *arg, struct smtp_cmd *c, struct envelope *env)
{
    struct session *s = arg;

    s->env = env;
    session_ask(s, c, GATE_DATA, answer_data);
}

static void log_taken(const struct session *s, const struct envelope *env)
{
    const char *login = smtp_server_login(s->server), *submitter = env->submitter ? env->submitter : "";

    if (s->is_local)
        log_info("%s: uid=%ld from=<%s>", s->id, (long)s->uid, log_safe_str(env->sender));
    else
        log_info("%s: client=%s%s%s%s%s%s%s", s->id, s->client, login ? ", sasl_method=" : "", login ? session_auth_method(s) : "",
                 login ? ", sasl_username=" : "", login ? log_safe_str(login) : "", *submitter ? ", sasl_sender=" : "",
                 log_safe_str(submitter));
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
        return session_fail(s, 552, "5.3.4", &e);
    return session_begin_record(s) && write_body(s, lead);
}

static void refuse_content(struct session *s)
{
    const struct err *why = s->trouble;

    smtp_answer(s->asked, s->trouble_code, s->trouble_dsn, "%s",
                why->kind == ERR_PERMANENT || why->kind == ERR_CONFIG ? why->text
                : s->trouble_code == 452   ? "Insufficient system storage"
                                           : "Error: queue file write error");
}

/* ---- what was asked for, and what was changed ---- */

/* What the draft has become, in the spool's record. Memory stays as it is: a body in a file goes from there to its place piece by
 * piece. */
static int write_changed(struct session *s, struct err *e)
{
    struct draft *d = s->draft;
    struct span piece = buf_span(&d->header);
    uint64_t at = 0;

    char *room = xmalloc(PIECE);
    int rc = spool_write(s->msg, piece, e);
    while (rc == 0 && (rc = scratch_look(d->body, at, room, PIECE, &piece, e)) == 0 && piece.len) {
        at += piece.len;
        rc = spool_write(s->msg, piece, e);
    }
    free(room);
    forget_draft(s);
    return rc;
}

/* ---- its end ---- */

static void discard(struct session *s)
{
    log_taken(s, s->env);
    smtp_answer(s->asked, 250, "2.0.0", "Ok: queued as %s", s->id);
    s->n_messages++;
    session_forget_message(s);
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

/* The envelope is in the record, or cannot be: `e` says why. */
static void finish(struct session *s, int rc, struct err *e)
{
    if (rc < 0 && e->kind == ERR_PERMANENT)
        session_fail(s, 552, "5.5.3", e);
    else if (rc < 0 && e->kind == ERR_CONFIG)
        session_fail(s, 451, "4.3.0", e);
    else if (rc < 0 || (s->draft && write_changed(s, e) < 0))
        session_fail_writing(s, e);
    if (s->trouble) {
        refuse_content(s);
        session_forget_message(s);
    } else {
        commit(s);
    }
    session_pump_later_answer(s);
}

static void answer_end(struct session *s, const struct refusal *no)
{
    const struct wishes *w = gate_wanted(s);

    if (!no->code && !session_is_for_nobody(s, w)) {
        session_write_envelope(s, w, finish);
        return;
    }
    if (no->code) {
        session_answer_no(s, "END-OF-MESSAGE", no);
        session_forget_message(s);
    } else {
        discard(s);
    }
    session_pump_later_answer(s);
}

void session_header_made(struct session *s)
{
    if (!s->trouble) {
        session_ask(s, s->asked, GATE_END, answer_end);
    } else {
        refuse_content(s);
        session_forget_message(s);
    }
    session_pump(s);
}

void session_data_end(void *arg, struct smtp_cmd *c, const struct smtp_data_info *info)
{
    struct session *s = arg;

    s->size = info->size_bytes;
    s->asked = c;
    if (!end_header(s)) {
        refuse_content(s);
        session_forget_message(s);
    } else if (!session_header_is_waited_for(s)) {
        session_ask(s, c, GATE_END, answer_end);
    }
}
