/* SPDX-License-Identifier: Apache-2.0
 *
 * The loop of the server's side: what came is given to the reader of the moment (a command, a
 * line of AUTH, content, a chunk) until a question is open, the replies pile up, or no reader
 * can do with what there is.
 *
 * What is being looked at is s->cur: the caller's bytes where they lie, or s->in when something
 * waited. s->cur is empty outside of it. Ops may answer, shut, or free the engine: after calling
 * one, a function returns without another look at the state, and the loop looks at all of it
 * again. */
#include "smtp/server.h"

#include "base/mem.h"
#include "smtp/server_int.h"

#include <stdio.h>
#include <stdlib.h>

/* Replies that the client has not taken: beyond this no more commands are looked at. */
#define OUT_HIGH 16384
/* What one call may leave behind, beyond a line: see smtp_server_input(). */
#define IN_MAX ((size_t)1 << 20)
#define KEEP   1024 /* of a buffer, while nothing is in it: there may be many idle clients */

void smtp_server_say_banner(struct smtp_server *s)
{
    const char *usual = s->cfg.is_lmtp ? "LMTP" : "ESMTP";
    smtp_server_sayf(s, "220 %s %s", s->cfg.hostname, s->cfg.banner ? s->cfg.banner : usual);
}

struct smtp_server *smtp_server_new(const struct smtp_server_config *cfg,
                                    const struct smtp_server_ops *ops, void *arg)
{
    struct smtp_server *s = xcalloc(1, sizeof *s);

    s->cfg = *cfg;
    s->cfg.hostname = xstrdup(cfg->hostname);
    s->cfg.banner = xstrdup_or_null(cfg->banner);
    s->cfg.mechanisms = NULL;
    smtp_server_set_auth(s, cfg->mechanisms ? SMTP_AUTH_OFFERED : SMTP_AUTH_NO, cfg->mechanisms);
    s->cfg.offers_starttls = cfg->offers_starttls && !(cfg->hidden & SMTP_EXT_STARTTLS);
    snprintf(s->bare_lf_reply, sizeof s->bare_lf_reply, "%d 5.5.2 Error: bare <LF> received",
             cfg->bare_lf_code ? cfg->bare_lf_code : 550);
    s->ops = ops;
    s->arg = arg;
    s->cmd.server = s;
    s->is_encrypted = cfg->is_encrypted;
    s->after = "CONNECT";
    buf_init(&s->in, IN_MAX + cfg->limits.line_length + cfg->limits.auth_length);
    buf_init(&s->out, BUF_NO_MAX); /* OUT_HIGH bounds it */
    smtp_server_say_banner(s);
    return s;
}

static void destroy(struct smtp_server *s)
{
    smtp_server_forget_question(s);
    buf_fini(&s->in);
    buf_fini(&s->out);
    free((char *)s->cfg.hostname);
    free((char *)s->cfg.banner);
    free((char *)s->cfg.mechanisms);
    free(s->hello);
    free(s->login);
    free(s);
}

void smtp_server_enter(struct smtp_server *s)
{
    s->depth++;
}

static void finish(struct smtp_server *s)
{
    if (--s->depth == 0 && s->is_dead)
        destroy(s);
}

void smtp_server_free(struct smtp_server *s)
{
    if (!s || s->is_dead)
        return;
    smtp_server_enter(s);
    s->is_dead = true;
    smtp_server_abort_auth(s);
    smtp_server_end_transaction(s);
    finish(s);
}

static const char *const phase_names[] = {
    [PHASE_GREETING] = "GREETING", [PHASE_READY] = "READY", [PHASE_MAIL] = "MAIL",
    [PHASE_RCPT] = "RCPT",         [PHASE_DATA] = "DATA",
};

void smtp_server_set_phase(struct smtp_server *s, enum phase phase)
{
    if (s->ops->trace && s->phase != phase) {
        char line[64];
        int n = snprintf(line, sizeof line, "(%s -> %s)", phase_names[s->phase],
                         phase_names[phase]);
        s->ops->trace(s->arg, true, span_of(line, (size_t)n));
    }
    s->phase = phase;
}

struct smtp_cmd *smtp_server_ask(struct smtp_server *s, enum question q)
{
    BUG_IF(s->cmd.question != ASKED_NOTHING);
    s->cmd.question = q;
    return &s->cmd;
}

void smtp_server_tell_reset(struct smtp_server *s)
{
    if (!s->has_transaction)
        return;
    s->has_transaction = false;
    s->ops->reset(s->arg);
}

void smtp_server_end_transaction(struct smtp_server *s)
{
    smtp_server_tell_reset(s);
    envelope_fini(&s->env);
    s->rcpt_bytes = 0;
    s->in_bdat = s->is_swallowing = false;
    s->content_error = NULL;
    s->overshoot = 0;
    if (s->phase > PHASE_READY)
        smtp_server_set_phase(s, PHASE_READY);
    if (s->reads == READS_CONTENT || s->reads == READS_CHUNK)
        s->reads = READS_COMMAND;
}

/* ---- input ----------------------------------------------------------------------------------- */

static bool is_open(const struct smtp_server *s)
{
    return !s->is_dead && !s->is_closing;
}

static bool can_read(const struct smtp_server *s)
{
    return is_open(s) && s->cmd.question == ASKED_NOTHING && !s->is_paused && !s->tls_pending &&
           s->out.len - s->out_sent < OUT_HIGH;
}

bool smtp_server_wants_input(const struct smtp_server *s)
{
    return can_read(s);
}

static bool (*const readers[])(struct smtp_server *) = {
    [READS_COMMAND] = smtp_server_read_command,
    [READS_REST_OF_LINE] = smtp_server_read_rest_of_line,
    [READS_AUTH] = smtp_server_read_auth,
    [READS_CONTENT] = smtp_server_read_content,
    [READS_CHUNK] = smtp_server_read_chunk,
};

static void consume(struct smtp_server *s)
{
    while (s->cur.len && can_read(s)) {
        if (!readers[s->reads](s))
            break;
    }
}

static void drop_input(struct smtp_server *s)
{
    buf_trim(&s->in, 0);
    s->in_taken = 0;
}

static struct span waiting(const struct smtp_server *s)
{
    return span_from(buf_span(&s->in), s->in_taken);
}

bool smtp_server_has_more(const struct smtp_server *s)
{
    return s->cur.len > 0 || (!s->depth && s->in.len > s->in_taken);
}

/* Keeps what is left of s->cur, which is either all of s->in or bytes of the caller's. */
static void keep_rest(struct smtp_server *s, bool is_ours)
{
    if (!is_open(s))
        drop_input(s);
    else if (is_ours)
        s->in_taken = s->in.len - s->cur.len;
    else if (s->cur.len && buf_addspan(&s->in, s->cur) < 0)
        smtp_server_hang_up(s, "421 4.3.0 Error: too much input at once");
    if (s->in_taken == s->in.len) {
        buf_trim(&s->in, KEEP);
        s->in_taken = 0;
    } else if (s->in_taken > s->in.len / 2) { /* not for each line of many */
        buf_drop(&s->in, s->in_taken);
        s->in_taken = 0;
    }
    s->cur = span_of("", 0);
}

void smtp_server_leave(struct smtp_server *s)
{
    if (s->depth == 1 && s->in.len && can_read(s)) {
        s->cur = waiting(s);
        consume(s);
        keep_rest(s, true);
    }
    finish(s);
}

/* An early talker (RFC 5321 4.3.1: the client waits for the greeting) is a spam sender, or
 * somebody else's payload. */
static bool talks_early(struct smtp_server *s)
{
    if (s->banner_sent || s->cfg.may_talk_early)
        return false;
    buf_clear(&s->out);
    smtp_server_hang_up(s, "554 5.5.0 Error: SMTP protocol synchronization");
    return true;
}

void smtp_server_input(struct smtp_server *s, struct span bytes)
{
    BUG_IF(s->depth);
    if (!is_open(s) || !bytes.len)
        return;
    smtp_server_enter(s);
    if (!talks_early(s)) {
        if (s->in.len) {
            if (buf_addspan(&s->in, bytes) < 0)
                smtp_server_hang_up(s, "421 4.3.0 Error: too much input at once");
            bytes.len = 0;
        }
        bool is_ours = s->in.len > 0;
        s->cur = is_ours ? waiting(s) : bytes;
        consume(s);
        keep_rest(s, is_ours);
    }
    finish(s);
}

/* Too long for us to keep: said once, and the rest of it is passed over, but not for ever. */
static bool too_long(struct smtp_server *s)
{
    bool in_auth = s->reads == READS_AUTH, was_auth = in_auth || span_istarts(s->cur, "AUTH ");

    s->reads = READS_REST_OF_LINE;
    s->line_dropped = 0;
    if (in_auth)
        smtp_server_abort_auth(s);
    if (was_auth)
        smtp_server_say(s, "500 5.5.6 Error: SASL response limit exceeded");
    else
        smtp_server_sayf(s, "500 5.5.2 %.255s Error: command too long", s->cfg.hostname);
    return false;
}

bool smtp_server_take_line(struct smtp_server *s, size_t limit, struct span *line)
{
    size_t len = span_find(s->cur, '\n');

    if (len >= limit)
        return too_long(s);
    if (len == s->cur.len)
        return false;
    *line = span_of(s->cur.at, len);
    s->cur = span_from(s->cur, len + 1);
    if (line->len && line->at[line->len - 1] == '\r') {
        line->len--;
        s->said_crlf = true;
    } else if (s->cfg.bare_lf == SMTP_BARE_LF_REJECT) {
        if (smtp_reply_closes(s->bare_lf_reply))
            smtp_server_hang_up(s, s->bare_lf_reply);
        else
            smtp_server_say(s, s->bare_lf_reply);
        return false;
    }
    return true;
}

bool smtp_server_read_rest_of_line(struct smtp_server *s)
{
    size_t len = span_find(s->cur, '\n');

    s->line_dropped += len;
    if (s->line_dropped > 8 * s->cfg.limits.auth_length) {
        smtp_server_hang_up(s, "421 4.7.0 Error: line too long");
        return false;
    }
    if (len < s->cur.len) {
        len++;
        s->reads = READS_COMMAND;
    }
    s->cur = span_from(s->cur, len);
    return true;
}

/* ---- output ---------------------------------------------------------------------------------- */

struct span smtp_server_output(struct smtp_server *s)
{
    if (s->is_paused || s->out.len == s->out_sent)
        return span_of("", 0);
    return span_from(buf_span(&s->out), s->out_sent);
}

void smtp_server_sent(struct smtp_server *s, size_t n)
{
    BUG_IF(n > s->out.len - s->out_sent);
    s->out_sent += n;
    s->banner_sent = s->banner_sent || n;
    smtp_server_enter(s);
    if (s->out_sent == s->out.len) {
        buf_trim(&s->out, KEEP);
        s->out_sent = 0;
        if (s->tls_pending && !s->tls_asked && is_open(s)) {
            s->tls_asked = true;
            s->ops->start_tls(s->arg);
        }
    }
    smtp_server_leave(s);
}

void smtp_server_tls_started(struct smtp_server *s)
{
    /* RFC 3207 4.2: forget what was said before TLS, above all what came in the clear behind
     * STARTTLS. */
    drop_input(s);
    s->tls_pending = s->tls_asked = false;
    s->is_encrypted = true;
    s->is_esmtp = false;
    free(s->hello);
    s->hello = NULL;
    smtp_server_set_phase(s, PHASE_GREETING);
}

void smtp_server_pause(struct smtp_server *s)
{
    s->is_paused = true;
}

void smtp_server_resume(struct smtp_server *s)
{
    s->is_paused = false;
    smtp_server_enter(s);
    smtp_server_leave(s);
}

/* ---- what was said --------------------------------------------------------------------------- */

bool smtp_server_is_closing(const struct smtp_server *s)
{
    return s->is_closing;
}

const char *smtp_server_hello(const struct smtp_server *s)
{
    return s->hello;
}

bool smtp_server_is_encrypted(const struct smtp_server *s)
{
    return s->is_encrypted;
}

bool smtp_server_is_esmtp(const struct smtp_server *s)
{
    return s->is_esmtp;
}

const char *smtp_server_login(const struct smtp_server *s)
{
    return s->login;
}

void smtp_server_set_login(struct smtp_server *s, const char *login)
{
    char *copy = xstrdup_or_null(login);
    free(s->login);
    s->login = copy;
}

const char *smtp_server_after(const struct smtp_server *s)
{
    return s->after;
}

bool smtp_server_is_busy(const struct smtp_server *s)
{
    return s->cmd.question != ASKED_NOTHING || s->phase > PHASE_READY || s->in_auth;
}

bool smtp_server_is_asking(const struct smtp_server *s)
{
    return s->cmd.question != ASKED_NOTHING;
}

bool smtp_server_in_content(const struct smtp_server *s)
{
    return s->reads == READS_CONTENT || s->reads == READS_CHUNK;
}

size_t smtp_server_buffered(const struct smtp_server *s)
{
    return sizeof *s + s->in.cap + s->out.cap;
}

size_t smtp_server_envelope_bytes(const struct smtp_server *s)
{
    return s->env.cap_rcpts * sizeof *s->env.rcpts + s->rcpt_bytes;
}
