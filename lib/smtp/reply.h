/* SPDX-License-Identifier: Apache-2.0
 *
 * reply.h - what a server answered (RFC 5321 4.2), its enhanced status code (RFC 2034, RFC
 * 3463), and where in the conversation it was said.
 *
 * A reply is a plain value: copy it, keep it, drop it. Its text is bounded, one line, without
 * control characters; bytes above 0x7f may be in it and are not checked, so it goes to a log
 * through log_escape() like all that is said by strangers. */
#ifndef SMTP_REPLY_H
#define SMTP_REPLY_H

#include "base/buf.h"
#include "base/span.h"

#include <stdbool.h>
#include <stdint.h>

#define SMTP_REPLY_TEXT 1024 /* with its NUL; what is beyond is cut */

struct smtp_reply {
    short code;             /* 200..599; 0: no server said it (smtp_result.is_ours) */
    unsigned char class;    /* of the enhanced status code: 2, 4, 5; 0: none was given */
    unsigned short subject; /* 0..999 */
    unsigned short detail;  /* 0..999 */
    char text[SMTP_REPLY_TEXT]; /* without the codes; lines joined by a blank */
};

/* Where in the conversation something was said or went wrong. */
enum smtp_stage {
    SMTP_AT_CONNECT, /* not the engine's: for the caller's own results */
    SMTP_AT_GREETING,
    SMTP_AT_EHLO, /* HELO and LHLO too */
    SMTP_AT_STARTTLS,
    SMTP_AT_AUTH,
    SMTP_AT_MAIL,
    SMTP_AT_RCPT,
    SMTP_AT_DATA, /* the answer to DATA, before the content */
    SMTP_AT_EOD,  /* the content, and the answer after its end; BDAT too */
    SMTP_AT_RSET,
    SMTP_AT_QUIT,
    SMTP_AT_IDLE, /* between two messages */
};

/* What became of a recipient, or of a connection. */
struct smtp_result {
    enum smtp_stage stage;
    bool is_ours; /* no server said this: the engine did (lost connection, message larger than SIZE, ...) */
    struct smtp_reply reply;
};

/* The name people know, in Postfix's words: "MAIL FROM", "end of DATA"; for "(in reply to ...
 * command)". */
const char *smtp_stage_name(enum smtp_stage stage);

/* The enhanced status code as text: the one given, else one made from the code ("5.0.0").
 * Returns `out`. */
char *smtp_reply_dsn(const struct smtp_reply *r, char out[static 12]);
/* "250 2.0.0 Ok: queued", as it was said; only the text where there is no code. NUL-terminated,
 * cut if it does not fit. Returns `out`. */
char *smtp_reply_format(const struct smtp_reply *r, char *out, size_t size);
/* `dsn` is "5.3.4" or NULL; `code` 0 for what we say ourselves. */
void smtp_reply_set(struct smtp_reply *r, int code, const char *dsn, const char *fmt, ...)
    __attribute__((format(printf, 4, 5)));

/* 2, 3, 4 or 5: of the code, or of the enhanced code where there is no other. */
static inline int smtp_reply_class(const struct smtp_reply *r)
{
    return r->code ? r->code / 100 : r->class;
}

/* ---- reading --------------------------------------------------------------------------------- */

/* Reads "X.Y.Z" off the front of *s, with the blanks after it; false, and nothing taken, if it
 * is not there. */
bool smtp_enhanced_parse(struct span *s, struct smtp_reply *r);

/* Gathers a reply from its lines. Strict in what decides (three digits, the same code on all
 * lines), tolerant in the rest: LF alone ends a line, "250" and "250 " without text, lines of
 * any length (cut), no enhanced code, text lines that repeat it. */
struct smtp_reply_reader {
    struct smtp_reply reply;
    size_t text_len;
    size_t line_len;   /* what was kept of the current line; the rest of a long one is dropped */
    unsigned lines;    /* of this reply so far */
    size_t bytes;      /* the same */
    unsigned n_whole;  /* replies before it */
    bool is_whole;     /* DONE was returned: the next byte begins a reply */
    char line[SMTP_REPLY_TEXT + 8];
};

enum smtp_read { SMTP_READ_MORE, SMTP_READ_LINE, SMTP_READ_DONE, SMTP_READ_BAD };

void smtp_reply_reader_init(struct smtp_reply_reader *rr);
/* Takes bytes off the front of *in, up to the end of one line. MORE: all taken, the line is not
 * whole. LINE: a line that is not the last one; DONE: the last one, rr->reply is whole. For LINE
 * and DONE *line is the line's text behind the code, valid till the next call. BAD: this is no
 * SMTP; nothing will come of it. After DONE the next call begins anew. */
enum smtp_read smtp_reply_read(struct smtp_reply_reader *rr, struct span *in, struct span *line);

#endif
