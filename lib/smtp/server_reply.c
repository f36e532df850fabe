/* SPDX-License-Identifier: Apache-2.0
 *
 * Replies of the server's side: the engine's own, and the answers of the caller (RFC 5321 4.2).
 *
 * What an answer does depends on the question: `effects` has a function for each, which moves
 * the conversation on, and then the reply is said. In LMTP the answers to the end of the content
 * wait for each other, because they go out in the order of the recipients (RFC 2033 4.2). */
#include "base/mem.h"
#include "smtp/server_int.h"

#include <stdio.h>
#include <stdlib.h>

#define TEXT_MAX 2000 /* of an answer */
#define LINE_MAX 500  /* of each line of it: RFC 5321 4.5.3.1.5 allows 512 with code and CRLF */

static void count_error(struct smtp_server *s)
{
    s->errors++;
    if (!s->is_dead && s->errors > s->cfg.limits.soft_errors && s->ops->slow_down)
        s->ops->slow_down(s->arg, s->errors);
}

/* What was said from `at` on refuses for now only: 550 5.7.1 is 450 4.7.1 (soft_bounce). */
static void soften(struct smtp_server *s, size_t at)
{
    while (s->cfg.is_soft && at < s->out.len) {
        char *line = s->out.at + at;
        size_t len = span_find(span_from(buf_span(&s->out), at), '\n');
        if (line[0] == '5') {
            line[0] = '4';
            if (len > 5 && line[4] == '5' && line[5] == '.')
                line[4] = '4';
        }
        at += len + 1;
    }
}

static void put_line(struct smtp_server *s, struct span line)
{
    size_t at = s->out.len;

    buf_addspan(&s->out, line);
    buf_add(&s->out, "\r\n", 2);
    soften(s, at);
    if (s->ops->trace)
        s->ops->trace(s->arg, true, line);
}

void smtp_server_say(struct smtp_server *s, const char *line)
{
    struct span text = span_str(line);

    if (s->is_dead)
        return;
    put_line(s, text);
    if (line[0] < '4')
        return;
    if (s->ops->refused)
        s->ops->refused(s->arg, s->after, text);
    count_error(s);
}

void smtp_server_sayf(struct smtp_server *s, const char *fmt, ...)
{
    char line[LINE_MAX];
    va_list ap;

    va_start(ap, fmt);
    vsnprintf(line, sizeof line, fmt, ap);
    va_end(ap);
    smtp_server_say(s, line);
}

void smtp_server_hang_up(struct smtp_server *s, const char *line)
{
    s->is_closing = true;
    smtp_server_abort_auth(s);
    smtp_server_end_transaction(s);
    smtp_server_say(s, line);
}

bool smtp_reply_closes(const char *line)
{
    return strncmp(line, "421", 3) == 0 || strncmp(line, "521", 3) == 0;
}

void smtp_server_forget_question(struct smtp_server *s)
{
    struct smtp_cmd *c = &s->cmd;

    for (size_t i = 0; i < c->n_lines; i++)
        free(c->lines[i]);
    free(c->lines);
    c->lines = NULL;
    c->n_lines = c->n_said = 0;
    c->question = ASKED_NOTHING;
}

/* ---- an answer ------------------------------------------------------------------------------- */

static void add_code(struct buf *out, int code, char sign)
{
    const char digits[] = { (char)('0' + code / 100 % 10), (char)('0' + code / 10 % 10),
                            (char)('0' + code % 10), sign };
    buf_add(out, digits, sizeof digits);
}

static void add_clean(struct buf *out, struct span line)
{
    size_t at = out->len;

    buf_addspan(out, line);
    for (; at < out->len; at++) {
        unsigned char c = (unsigned char)out->at[at];
        if (c < 0x20 || c == 0x7f)
            out->at[at] = '?';
    }
}

/* Adds `text` to `out` as the lines of one reply. */
static void format_reply(struct buf *out, int code, const char *enhanced, struct span text)
{
    do {
        size_t len = span_find(text, '\n');
        struct span line = span_of(text.at, len < LINE_MAX ? len : LINE_MAX);
        text = span_from(text, len + 1);
        add_code(out, code, text.len ? '-' : ' ');
        if (enhanced) {
            buf_adds(out, enhanced);
            buf_addc(out, ' ');
        }
        add_clean(out, line);
        buf_add(out, "\r\n", 2);
    } while (text.len);
}

static void trace_lines(struct smtp_server *s, struct span lines)
{
    while (s->ops->trace && lines.len) {
        size_t len = span_find(lines, '\r');
        s->ops->trace(s->arg, true, span_of(lines.at, len));
        lines = span_from(lines, len + 2);
    }
}

static void say_answer(struct smtp_server *s, int code, const char *enhanced, struct span text)
{
    size_t at = s->out.len;

    format_reply(&s->out, code, enhanced, text);
    soften(s, at);
    trace_lines(s, span_from(buf_span(&s->out), at));
}

static bool no_effect(struct smtp_server *s, int code)
{
    (void)s, (void)code;
    return true;
}

static bool (*const effects[N_QUESTIONS])(struct smtp_server *s, int code) = {
    [ASKED_HELLO] = smtp_server_hello_answered,
    [ASKED_MAIL] = smtp_server_mail_answered,
    [ASKED_RCPT] = smtp_server_rcpt_answered,
    [ASKED_DATA] = smtp_server_data_answered,
    [ASKED_CHUNK] = smtp_server_chunk_answered,
    [ASKED_DATA_END] = smtp_server_data_end_answered,
    [ASKED_STARTTLS] = smtp_server_starttls_answered,
    [ASKED_AUTH] = smtp_server_auth_answered,
    [ASKED_VRFY] = no_effect,
    [ASKED_UNKNOWN] = no_effect,
    [ASKED_XCLIENT] = smtp_server_xclient_answered,
};

/* What an answer leads to, whatever it answered. */
static void settle(struct smtp_server *s, int code)
{
    if (code >= 400)
        count_error(s);
    if (code == 421) {
        s->is_closing = true;
        smtp_server_abort_auth(s);
        smtp_server_end_transaction(s);
    }
}

static void answer(struct smtp_server *s, int code, const char *enhanced, struct span text)
{
    enum question q = s->cmd.question;

    s->cmd.question = ASKED_NOTHING;
    if (effects[q](s, code))
        say_answer(s, code, enhanced, text);
    settle(s, code);
}

/* ---- LMTP: a reply for each recipient -------------------------------------------------------- */

static bool is_one_each(const struct smtp_server *s, int code)
{
    enum question q = s->cmd.question;
    return s->cfg.is_lmtp &&
           (q == ASKED_DATA_END || (q == ASKED_CHUNK && s->chunk_is_last && code != 354));
}

static void gather(struct smtp_cmd *c, size_t index, int code, const char *enhanced,
                   struct span text)
{
    struct buf b;

    if (!c->lines) {
        c->lines = xcalloc(c->server->env.n_rcpts, sizeof *c->lines);
        c->n_lines = c->server->env.n_rcpts;
    }
    BUG_IF(index >= c->n_lines || c->lines[index]);
    buf_init(&b, BUF_NO_MAX);
    format_reply(&b, code, enhanced, text);
    c->lines[index] = buf_take(&b);
}

/* In the order of the recipients, each as soon as those before it have been said. */
static void say_gathered(struct smtp_server *s)
{
    struct smtp_cmd *c = &s->cmd;
    enum question q = c->question;
    bool any_ok = false;

    for (; c->n_said < c->n_lines && c->lines[c->n_said]; c->n_said++) {
        size_t at = s->out.len;
        buf_adds(&s->out, c->lines[c->n_said]);
        soften(s, at);
        trace_lines(s, span_str(c->lines[c->n_said]));
    }
    if (c->n_said < c->n_lines)
        return;
    for (size_t i = 0; i < c->n_lines; i++)
        any_ok |= c->lines[i][0] == '2';
    smtp_server_forget_question(s);
    effects[q](s, any_ok ? 250 : 451);
    settle(s, any_ok ? 250 : 451);
}

static void answer_rest(struct smtp_server *s, int code, const char *enhanced, struct span text)
{
    for (size_t i = 0; i < s->env.n_rcpts; i++) {
        if (!s->cmd.lines || !s->cmd.lines[i])
            gather(&s->cmd, i, code, enhanced, text);
    }
    say_gathered(s);
}

static struct span format_text(char *text, size_t size, const char *fmt, va_list ap)
{
    if (!strchr(fmt, '%')) /* most of them, and thousands a second */
        return span_str(fmt);
    int n = vsnprintf(text, size, fmt, ap);
    return span_of(text, n < 0 ? 0 : (size_t)n < size ? (size_t)n : size - 1);
}

void smtp_answer_rcpt(struct smtp_cmd *c, size_t index, int code, const char *enhanced,
                      const char *fmt, ...)
{
    struct smtp_server *s = c->server;
    char text[TEXT_MAX];
    va_list ap;

    BUG_IF(!is_one_each(s, code));
    smtp_server_enter(s);
    va_start(ap, fmt);
    gather(c, index, code, enhanced, format_text(text, sizeof text, fmt, ap));
    va_end(ap);
    say_gathered(s);
    smtp_server_leave(s);
}

void smtp_answer(struct smtp_cmd *c, int code, const char *enhanced, const char *fmt, ...)
{
    struct smtp_server *s = c->server;
    char text[TEXT_MAX];
    struct span said;
    va_list ap;

    BUG_IF(c->question == ASKED_NOTHING);
    va_start(ap, fmt);
    said = format_text(text, sizeof text, fmt, ap);
    va_end(ap);
    smtp_server_enter(s);
    if (is_one_each(s, code))
        answer_rest(s, code, enhanced, said);
    else
        answer(s, code, enhanced, said);
    smtp_server_leave(s);
}

void smtp_server_shut(struct smtp_server *s, int code, const char *enhanced, const char *fmt, ...)
{
    char text[TEXT_MAX];
    struct span said;
    va_list ap;

    if (s->is_closing || s->is_dead)
        return;
    va_start(ap, fmt);
    said = format_text(text, sizeof text, fmt, ap);
    va_end(ap);
    smtp_server_enter(s);
    if (!s->banner_sent)
        buf_clear(&s->out);
    smtp_server_forget_question(s);
    smtp_server_abort_auth(s);
    smtp_server_end_transaction(s);
    s->is_closing = true;
    s->is_paused = false; /* there is nothing more to wait for, and this is to be heard */
    say_answer(s, code, enhanced, said);
    smtp_server_leave(s);
}
