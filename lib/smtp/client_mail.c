/* SPDX-License-Identifier: Apache-2.0
 *
 * A message on its way out: MAIL, RCPT, DATA or BDAT, the content (RFC 5321 3.3, 2920, 3030,
 * 2033 4.2).
 *
 * With PIPELINING all commands up to DATA go out without waiting. With CHUNKING too the content
 * follows in the same flight when it is small: one round trip for the whole message, and a
 * server that refuses all recipients has to take the bytes and throw them away. A large message
 * waits for the recipients first.
 *
 * A recipient is told once: when it is refused, or with the reply to the end of the content, or
 * when all is lost. */
#include "smtp/client_int.h"

#include "base/mem.h"
#include "smtp/params.h"

#include <stdlib.h>

#define PIECE           32768
#define ONE_FLIGHT_SIZE 65536

static size_t data_step(const struct transaction *t)
{
    return t->message->n_rcpts + 1;
}

static size_t eod_step(const struct transaction *t)
{
    return t->message->n_rcpts + 2;
}

/* ---- results --------------------------------------------------------------------------------- */

static void tell(struct smtp_client *c, size_t index, const struct smtp_result *r)
{
    if (c->t.rcpts[index] == RCPT_TAKEN)
        c->t.n_taken--;
    c->t.rcpts[index] = RCPT_TOLD;
    if (!c->is_dead)
        c->ops->rcpt(c->arg, index, r);
}

static void tell_all(struct smtp_client *c, const struct smtp_result *r)
{
    for (size_t i = 0; !c->is_dead && i < c->t.message->n_rcpts; i++) {
        if (c->t.rcpts[i] != RCPT_TOLD)
            tell(c, i, r);
    }
}

static void give_back(struct smtp_client *c)
{
    free(c->t.rcpts);
    c->t = (struct transaction){ .message = NULL };
    if (!c->is_dead)
        c->ops->done(c->arg);
}

void smtp_client_settle(struct smtp_client *c, const struct smtp_result *why)
{
    struct smtp_result given_up = { .stage = SMTP_AT_IDLE, .is_ours = true };

    if (!c->t.message)
        return;
    if (!c->t.rcpts)
        c->t.rcpts = xcalloc(c->t.message->n_rcpts, 1);
    if (!why) {
        smtp_reply_set(&given_up.reply, 0, "4.3.2", "given up");
        why = &given_up;
    }
    tell_all(c, why);
    give_back(c);
}

/* Everybody has been told. */
static void finish(struct smtp_client *c, bool needs_rset)
{
    give_back(c);
    if (c->state == CLIENT_CLOSED)
        return;
    if (needs_rset) {
        c->state = CLIENT_RSET;
        smtp_client_command(c, "RSET");
    } else {
        smtp_client_set_ready(c);
    }
}

/* ---- before the first byte ------------------------------------------------------------------- */

static bool has_8bit(const char *address)
{
    while (*address && (unsigned char)*address < 0x80)
        address++;
    return *address;
}

/* RFC 6531 3.4. Who sent it may have said SMTPUTF8 to be on the safe side: what is ASCII
 * altogether goes anywhere. */
static bool needs_utf8(const struct smtp_message *m)
{
    bool needs = (m->env->smtputf8 && m->is_8bit) || has_8bit(m->env->sender);

    for (size_t i = 0; !needs && i < m->n_rcpts; i++)
        needs = has_8bit(m->rcpts[i]->address);
    return needs;
}

static bool cannot_take(const struct smtp_client *c, struct smtp_result *why)
{
    const struct smtp_message *m = c->t.message;
    const struct smtp_features *f = &c->features;

    *why = (struct smtp_result){ .stage = SMTP_AT_MAIL, .is_ours = true };
    if (f->has_size && f->size_limit && m->size_bytes > f->size_limit)
        smtp_reply_set(&why->reply, 0, "5.3.4",
                       "message size %llu exceeds the size limit %llu of the server",
                       (unsigned long long)m->size_bytes, (unsigned long long)f->size_limit);
    else if (c->t.is_utf8 && !f->has_smtputf8)
        smtp_reply_set(&why->reply, 0, "5.6.7",
                       "SMTPUTF8 is required, but was not offered by the server");
    else if (m->is_8bit && !f->has_8bitmime && !c->cfg.sends_8bit_anyway)
        smtp_reply_set(&why->reply, 0, "5.6.3",
                       "8BITMIME is required, but was not offered by the server");
    else
        return false;
    return true;
}

void smtp_client_begin(struct smtp_client *c)
{
    struct transaction *t = &c->t;
    struct smtp_result why;

    t->rcpts = xcalloc(t->message->n_rcpts, 1);
    t->is_utf8 = needs_utf8(t->message);
    if (cannot_take(c, &why)) {
        tell_all(c, &why);
        finish(c, false);
        return;
    }
    /* The size of a chunk has to be known before its lines are broken. */
    t->uses_bdat = c->features.has_chunking && !c->cfg.has_no_chunking && !t->message->line_max;
    dot_writer_init(&t->dots, t->message->has_dot_line && !t->uses_bdat, t->message->line_max);
    c->state = CLIENT_MESSAGE;
}

/* ---- commands -------------------------------------------------------------------------------- */

/* Addresses were parsed when they came in. This is the last door: nothing that ends a line
 * leaves by it. */
static void add_path(struct buf *out, const char *address)
{
    buf_addc(out, '<');
    for (const char *p = address; *p; p++)
        buf_addc(out, (unsigned char)*p < 0x20 || *p == 0x7f ? '?' : *p);
    buf_addc(out, '>');
}

static void end_command(struct smtp_client *c, size_t at)
{
    smtp_client_trace(c, true, span_from(buf_span(&c->out), at));
    buf_add(&c->out, "\r\n", 2);
}

static bool has_dsn(const struct smtp_client *c)
{
    return c->features.has_dsn && !c->cfg.has_no_dsn;
}

/* RFC 4954 5: what a client that had logged in has said of who submitted it goes on to any server that has AUTH; that nobody knows,
 * or that it is not believed, to one that we have logged in to. */
static const char *submitter_for(const struct smtp_client *c)
{
    const struct envelope *env = c->t.message->env;

    if (!env->submitter || !*c->features.mechanisms)
        return NULL;
    if (env->login && *env->submitter)
        return env->submitter;
    return smtp_client_mechanism(c) ? "" : NULL;
}

static void say_mail(struct smtp_client *c)
{
    const struct smtp_message *m = c->t.message;
    size_t at = c->out.len;

    buf_adds(&c->out, "MAIL FROM:");
    add_path(&c->out, m->env->sender);
    if (c->features.has_size)
        buf_addf(&c->out, " SIZE=%llu", (unsigned long long)m->size_bytes);
    if (c->features.has_8bitmime && (m->is_8bit || m->env->body == BODY_8BITMIME))
        buf_adds(&c->out, " BODY=8BITMIME");
    if (c->t.is_utf8)
        buf_adds(&c->out, " SMTPUTF8");
    if (has_dsn(c))
        dsn_params_format(m->env, &c->out);
    if (c->cfg.tells_origin)
        origin_params_format(m->env, &c->out);
    auth_param_format(submitter_for(c), &c->out);
    end_command(c, at);
}

static void say_rcpt(struct smtp_client *c, const struct rcpt *r)
{
    size_t at = c->out.len;

    buf_adds(&c->out, "RCPT TO:");
    add_path(&c->out, r->address);
    if (has_dsn(c))
        rcpt_params_format(r, c->t.is_utf8, &c->out);
    end_command(c, at);
}

/* What may go out before the replies to all before it are in (RFC 2920 3.1). */
static bool may_go_ahead(const struct smtp_client *c)
{
    const struct transaction *t = &c->t;

    if (t->next_reply == t->next_sent)
        return true;
    if (!c->features.has_pipelining || c->cfg.has_no_pipelining)
        return false;
    return t->next_sent < data_step(t) || !t->uses_bdat ||
           t->message->size_bytes <= ONE_FLIGHT_SIZE;
}

static void start_content(struct transaction *t, bool is_empty)
{
    t->is_sending = true;
    t->is_empty = is_empty;
}

static bool say_next(struct smtp_client *c)
{
    struct transaction *t = &c->t;
    size_t n = t->next_sent;

    if (n > data_step(t) || t->has_failed || !may_go_ahead(c))
        return false;
    if (n == data_step(t) && t->is_probe)
        return false;
    if (n == 0) {
        say_mail(c);
    } else if (n < data_step(t)) {
        say_rcpt(c, t->message->rcpts[n - 1]);
    } else if (t->uses_bdat) {
        smtp_client_command(c, "BDAT %llu LAST", (unsigned long long)t->message->size_bytes);
        start_content(t, false);
        t->next_sent++; /* there is no step DATA */
        if (t->next_reply == n)
            t->next_reply++;
    } else {
        smtp_client_command(c, "DATA");
    }
    t->next_sent++;
    return true;
}

/* ---- content --------------------------------------------------------------------------------- */

static void end_content(struct smtp_client *c)
{
    struct transaction *t = &c->t;

    if (!t->uses_bdat) {
        buf_addspan(&c->out, dot_write_end(&t->dots));
        t->next_sent = eod_step(t) + 1;
    }
    t->is_sending = false;
    t->is_sent = true;
}

/* A piece of the content behind what is in c->out. */
static long add_piece(struct smtp_client *c, size_t len)
{
    struct transaction *t = &c->t;
    bool is_copied = dot_writer_works(&t->dots);
    char *to = buf_room(&c->out, is_copied ? 3 * len + DOT_WRITE_MORE : len);
    char *from = is_copied ? to + 2 * len + DOT_WRITE_MORE : to;
    long n = c->ops->content(c->arg, t->offset, from, len);

    if (n <= 0 || (size_t)n > len || c->is_dead)
        return -1;
    if (is_copied) {
        c->out.len += dot_write(&t->dots, span_of(from, (size_t)n), to);
    } else {
        dot_writer_note(&t->dots, span_of(from, (size_t)n));
        c->out.len += (size_t)n;
    }
    return n;
}

static bool send_content(struct smtp_client *c)
{
    struct transaction *t = &c->t;
    uint64_t left = t->is_empty ? 0 : t->message->size_bytes - t->offset;

    if (!left) {
        end_content(c);
        if (t->next_reply > eod_step(t)) /* refused in the midst of a chunk, which is now through */
            finish(c, t->mail_ok);
        return true;
    }
    long n = add_piece(c, left < PIECE ? (size_t)left : PIECE);
    if (n < 0) {
        /* An end now would make half a message a whole one. */
        if (!c->is_dead)
            smtp_client_fail(c, SMTP_AT_EOD, "4.3.0", "the message cannot be read from the spool");
        return false;
    }
    t->offset += (uint64_t)n;
    return true;
}

/* All recipients are refused, and the server knows it: nothing more is to be said in this
 * transaction. */
static bool is_hopeless(const struct transaction *t)
{
    return t->next_reply >= data_step(t) && !t->n_taken && t->next_sent <= data_step(t);
}

bool smtp_client_step(struct smtp_client *c)
{
    struct transaction *t = &c->t;

    if (t->is_sending)
        return send_content(c);
    return !is_hopeless(t) && say_next(c);
}

/* ---- replies --------------------------------------------------------------------------------- */

static void mail_reply(struct smtp_client *c, const struct smtp_result *said)
{
    c->t.mail_ok = said->reply.code / 100 == 2;
    if (c->t.mail_ok)
        return;
    c->t.has_failed = true;
    tell_all(c, said);
}

static void rcpt_reply(struct smtp_client *c, size_t index, const struct smtp_result *said)
{
    if (c->t.rcpts[index] == RCPT_TOLD)
        return; /* MAIL was refused: this one only repeats it */
    if (said->reply.code / 100 == 2 && !c->t.is_probe) {
        c->t.rcpts[index] = RCPT_TAKEN;
        c->t.n_taken++;
    } else {
        tell(c, index, said);
    }
}

static void data_reply(struct smtp_client *c, const struct smtp_result *said)
{
    struct transaction *t = &c->t;

    if (said->reply.code / 100 == 3) {
        /* RFC 2920 3.1: said to no recipient at all, it still waits for a dot. In LMTP nobody
         * knows what comes then. */
        if (!t->n_taken && c->cfg.is_lmtp)
            smtp_client_fail(c, SMTP_AT_DATA, "4.5.0", "the server takes data for no recipient");
        else
            start_content(t, !t->n_taken);
        return;
    }
    if (said->reply.code / 100 == 2) {
        smtp_client_fail(c, SMTP_AT_DATA, "4.5.0", "unexpected reply to DATA: %d %s",
                         said->reply.code, said->reply.text);
        return;
    }
    tell_all(c, said);
    finish(c, t->mail_ok);
}

/* LMTP: the next recipient that was taken, or n_rcpts. */
static size_t next_taken(struct transaction *t)
{
    while (t->eod_index < t->message->n_rcpts && t->rcpts[t->eod_index] != RCPT_TAKEN)
        t->eod_index++;
    return t->eod_index;
}

static bool has_more_replies(struct smtp_client *c)
{
    return c->cfg.is_lmtp && next_taken(&c->t) < c->t.message->n_rcpts;
}

/* It does not wait for the rest of what we have to say. Whatever it said, it has not taken the
 * message. */
static void give_up(struct smtp_client *c, const struct smtp_result *said)
{
    if (said->reply.code >= 400)
        smtp_client_close(c, said);
    else
        smtp_client_fail(c, said->stage, "4.5.0", "unexpected reply from the server: %d %s",
                         said->reply.code, said->reply.text);
}

static void eod_reply(struct smtp_client *c, const struct smtp_result *said)
{
    struct transaction *t = &c->t;
    bool has_more = !t->is_sent || c->out.len > c->out_sent;

    /* A chunk may be refused before it is through, but then it goes on to its end (RFC 3030 4.2).
     * Nobody can have taken a message that has not left yet. */
    if (has_more && said->reply.code < 400) {
        give_up(c, said);
        return;
    }
    if (c->cfg.is_lmtp && t->n_taken)
        tell(c, next_taken(t), said);
    else
        tell_all(c, said);
    if (c->is_dead || has_more_replies(c))
        return;
    t->next_reply++;
    if (t->is_sent)
        finish(c, t->uses_bdat && t->mail_ok && said->reply.code / 100 != 2);
}

void smtp_client_message_reply(struct smtp_client *c)
{
    struct transaction *t = &c->t;
    size_t step = t->next_reply;
    struct smtp_result said = smtp_client_said(c, smtp_client_message_stage(c));

    if (said.reply.code == 421) {
        smtp_client_close(c, &said);
        return;
    }
    if (step >= t->next_sent) {
        give_up(c, &said);
        return;
    }
    if (step == eod_step(t)) {
        eod_reply(c, &said);
        return;
    }
    t->next_reply++;
    if (t->uses_bdat && t->next_reply == data_step(t) && t->next_sent > t->next_reply)
        t->next_reply++;
    if (step == 0)
        mail_reply(c, &said);
    else if (step < data_step(t))
        rcpt_reply(c, step - 1, &said);
    else
        data_reply(c, &said);
    if (!c->is_dead && t->message && t->next_reply == t->next_sent && !t->is_sending &&
        (t->has_failed || is_hopeless(t)))
        finish(c, t->mail_ok);
}

/* ---- where we are ---------------------------------------------------------------------------- */

enum smtp_stage smtp_client_message_stage(const struct smtp_client *c)
{
    const struct transaction *t = &c->t;

    if (t->next_reply == 0)
        return SMTP_AT_MAIL;
    if (t->next_reply < data_step(t))
        return SMTP_AT_RCPT;
    return t->next_reply == data_step(t) && !t->uses_bdat ? SMTP_AT_DATA : SMTP_AT_EOD;
}

enum smtp_client_phase smtp_client_message_phase(const struct smtp_client *c)
{
    if (c->t.is_sending || (c->t.is_sent && c->out.len > c->out_sent))
        return SMTP_CLIENT_DATA_XFER;
    switch (smtp_client_message_stage(c)) {
    case SMTP_AT_MAIL: return SMTP_CLIENT_MAIL;
    case SMTP_AT_RCPT: return SMTP_CLIENT_RCPT;
    case SMTP_AT_DATA: return SMTP_CLIENT_DATA_INIT;
    default: return SMTP_CLIENT_DATA_DONE;
    }
}
