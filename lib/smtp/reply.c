/* SPDX-License-Identifier: Apache-2.0
 *
 * Strict in what decides (three digits, the same on every line, the sign behind them), tolerant
 * in everything else: a server that we cannot read is mail that we cannot deliver. */
#include "smtp/reply.h"

#include <stdio.h>

#define LINES_MAX 1000
#define BYTES_MAX ((size_t)512 * 1024)

static const char *const stage_names[] = {
    [SMTP_AT_CONNECT] = "connect",      [SMTP_AT_GREETING] = "greeting",
    [SMTP_AT_EHLO] = "EHLO",            [SMTP_AT_STARTTLS] = "STARTTLS",
    [SMTP_AT_AUTH] = "AUTH",            [SMTP_AT_MAIL] = "MAIL FROM",
    [SMTP_AT_RCPT] = "RCPT TO",         [SMTP_AT_DATA] = "DATA",
    [SMTP_AT_EOD] = "end of DATA",      [SMTP_AT_RSET] = "RSET",
    [SMTP_AT_QUIT] = "QUIT",            [SMTP_AT_IDLE] = "idle",
};

const char *smtp_stage_name(enum smtp_stage stage)
{
    return stage_names[stage];
}

char *smtp_reply_dsn(const struct smtp_reply *r, char out[static 12])
{
    unsigned class = r->class;

    if (!class)
        class = r->code >= 500 ? 5 : r->code >= 400 || !r->code ? 4 : 2;
    snprintf(out, 12, "%u.%u.%u", class % 10, r->class ? r->subject % 1000U : 0,
             r->class ? r->detail % 1000U : 0);
    return out;
}

char *smtp_reply_format(const struct smtp_reply *r, char *out, size_t size)
{
    char dsn[12] = "";

    if (r->class)
        smtp_reply_dsn(r, dsn);
    if (r->code)
        snprintf(out, size, "%d%s%s%s%s", r->code, *dsn ? " " : "", dsn, *r->text ? " " : "",
                 r->text);
    else
        snprintf(out, size, "%s", r->text);
    return out;
}

void smtp_reply_set(struct smtp_reply *r, int code, const char *dsn, const char *fmt, ...)
{
    struct span s = span_str(dsn);
    va_list ap;

    *r = (struct smtp_reply){ .code = (short)code };
    smtp_enhanced_parse(&s, r);
    va_start(ap, fmt);
    vsnprintf(r->text, sizeof r->text, fmt, ap);
    va_end(ap);
}

/* ---- reading --------------------------------------------------------------------------------- */

/* 1 to 3 digits, as RFC 3463 2 has it. */
static bool read_number(struct span *s, unsigned short *out)
{
    size_t n = 0;

    for (*out = 0; n < s->len && n < 3 && ascii_is_digit(s->at[n]); n++)
        *out = (unsigned short)(*out * 10 + (s->at[n] - '0'));
    *s = span_from(*s, n);
    return n > 0;
}

static bool read_dot(struct span *s)
{
    bool is_dot = s->len && *s->at == '.';

    *s = span_from(*s, is_dot);
    return is_dot;
}

bool smtp_enhanced_parse(struct span *s, struct smtp_reply *r)
{
    struct span rest = *s;
    unsigned short class, subject, detail;

    if (!rest.len || !(*rest.at == '2' || *rest.at == '4' || *rest.at == '5'))
        return false;
    class = (unsigned short)(*rest.at - '0');
    rest = span_from(rest, 1);
    if (!read_dot(&rest) || !read_number(&rest, &subject) || !read_dot(&rest) ||
        !read_number(&rest, &detail) || (rest.len && *rest.at != ' ' && *rest.at != '\t'))
        return false;
    r->class = (unsigned char)class;
    r->subject = subject;
    r->detail = detail;
    while (rest.len && (*rest.at == ' ' || *rest.at == '\t'))
        rest = span_from(rest, 1);
    *s = rest;
    return true;
}

void smtp_reply_reader_init(struct smtp_reply_reader *rr)
{
    *rr = (struct smtp_reply_reader){ .is_whole = false };
}

static void add_text(struct smtp_reply_reader *rr, struct span text)
{
    char *to = rr->reply.text;

    if (rr->text_len && text.len && rr->text_len < SMTP_REPLY_TEXT - 1)
        to[rr->text_len++] = ' ';
    for (size_t i = 0; i < text.len && rr->text_len < SMTP_REPLY_TEXT - 1; i++) {
        unsigned char c = (unsigned char)text.at[i];
        to[rr->text_len++] = c == '\t' ? ' ' : c < 0x20 || c == 0x7f ? '?' : (char)c;
    }
    to[rr->text_len] = '\0';
}

/* The enhanced code counts only when its class is the code's (RFC 2034 4); each line may repeat
 * it. */
static void add_line(struct smtp_reply_reader *rr, struct span text)
{
    struct smtp_reply found = { 0 };
    struct span rest = text = span_trim(text);

    if (smtp_enhanced_parse(&rest, &found) && found.class == rr->reply.code / 100) {
        if (!rr->reply.class) {
            rr->reply.class = found.class;
            rr->reply.subject = found.subject;
            rr->reply.detail = found.detail;
        }
        text = rest;
    }
    add_text(rr, text);
}

static int read_code(const char *line, size_t len)
{
    if (len < 3 || line[0] < '2' || line[0] > '5' || !ascii_is_digit(line[1]) ||
        !ascii_is_digit(line[2]))
        return -1;
    return (line[0] - '0') * 100 + (line[1] - '0') * 10 + (line[2] - '0');
}

static enum smtp_read end_line(struct smtp_reply_reader *rr, struct span *line)
{
    size_t len = rr->line_len;
    int code = read_code(rr->line, len);
    char sign = len > 3 ? rr->line[3] : ' ';

    rr->line_len = 0;
    if (code < 0 || (rr->lines && code != rr->reply.code) || ascii_is_digit(sign) ||
        ++rr->lines > LINES_MAX)
        return SMTP_READ_BAD;
    rr->reply.code = (short)code;
    *line = len > 4 ? span_of(rr->line + 4, len - 4) : span_of("", 0);
    add_line(rr, *line);
    rr->is_whole = sign != '-';
    rr->n_whole += rr->is_whole;
    return rr->is_whole ? SMTP_READ_DONE : SMTP_READ_LINE;
}

static void keep(struct smtp_reply_reader *rr, struct span piece)
{
    size_t room = sizeof rr->line - rr->line_len;

    if (piece.len > room)
        piece.len = room;
    if (piece.len)
        memcpy(rr->line + rr->line_len, piece.at, piece.len);
    rr->line_len += piece.len;
}

enum smtp_read smtp_reply_read(struct smtp_reply_reader *rr, struct span *in, struct span *line)
{
    size_t len = span_find(*in, '\n');
    bool is_line = len < in->len;

    if (!in->len)
        return SMTP_READ_MORE;
    if (rr->is_whole) {
        rr->is_whole = false;
        rr->lines = 0;
        rr->bytes = 0;
        rr->text_len = 0;
        rr->reply.code = 0;
        rr->reply.class = 0;
        rr->reply.subject = rr->reply.detail = 0;
        rr->reply.text[0] = '\0';
    }
    keep(rr, span_of(in->at, len));
    *in = span_from(*in, is_line ? len + 1 : len);
    rr->bytes += len;
    if (rr->bytes > BYTES_MAX)
        return SMTP_READ_BAD;
    if (!is_line)
        return SMTP_READ_MORE;
    while (rr->line_len && rr->line[rr->line_len - 1] == '\r')
        rr->line_len--;
    return end_line(rr, line);
}
