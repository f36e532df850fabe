/* SPDX-License-Identifier: Apache-2.0
 *
 * dot.h - content on the wire: the dots of RFC 5321 4.5.2, and what may stand between them.
 *
 * Reading: only CR LF . CR LF ends a message. A line may also end with LF alone (it comes out as
 * CR LF, and is noted), but then neither it nor the next dot is part of an end: what one server
 * takes for the end of a message and the next does not is how mail is smuggled. A CR that is not
 * before LF, and a NUL, come out as a blank. A dot at the start of a line is taken off,
 * whichever way the line before ended. (`lf_ends` is for clients that know LF only: LF . LF ends the
 * message as long as no line of it has ended with CRLF.) So what comes out has no CR or LF but in CR LF, and no
 * NUL.
 *
 * Writing: the content is such already; a dot is added where a line begins with one, and one that is too long is broken: CR LF and
 * a blank, as Postfix does it, not within a character of UTF-8. */
#ifndef SMTP_DOT_H
#define SMTP_DOT_H

#include "base/buf.h"
#include "base/span.h"

enum dot_state {
    DOT_AT_LINE_START,
    DOT_IN_LINE,
    DOT_SEEN_CR,
    DOT_SEEN_DOT,    /* at a line's start; it has been dropped */
    DOT_SEEN_DOT_CR,
};

typedef void dot_out_fn(void *arg, struct span content);

struct dot_reader {
    enum dot_state state;
    bool is_chunk;   /* BDAT: no dots, no end */
    bool after_lf;   /* the line before ended with LF alone */
    bool lf_ends;    /* set by the caller after init; false after the first CRLF */
    bool has_dot_line, is_8bit, had_bare_lf, had_bad_bytes;
    uint64_t size;   /* of what was handed out */
    dot_out_fn *out; /* pieces as large as they can be */
    void *arg;
};

void dot_reader_init(struct dot_reader *r, bool is_chunk, dot_out_fn *out, void *arg);
/* Takes bytes off the front of *in: all of them, or up to the end of the message; true if that
 * was found. */
bool dot_read(struct dot_reader *r, struct span *in);
/* BDAT LAST is over: ends the last line if the client has not. */
void dot_read_end(struct dot_reader *r);

struct dot_writer {
    bool stuffs;     /* false: the content is known to need no dots */
    size_t line_max; /* 0: lines stay as long as they are; else 64 at least */
    bool at_line_start, seen_cr;
    size_t line_len; /* with line_max: what the line has already */
};

void dot_writer_init(struct dot_writer *w, bool stuffs, size_t line_max);
/* Whether it changes anything; if not, the content need not be copied. */
static inline bool dot_writer_works(const struct dot_writer *w)
{
    return w->stuffs || w->line_max;
}
/* Writes `in` to `to`, which holds 2 * in.len + DOT_WRITE_MORE bytes; returns how many it wrote. `to` may not
 * overlap `in`. */
enum { DOT_WRITE_MORE = 4 };
size_t dot_write(struct dot_writer *w, struct span in, char *to);
/* For content that is not copied: notes how it ends. */
void dot_writer_note(struct dot_writer *w, struct span in);
/* ".CRLF", with a CRLF before it if the content has none at its end. */
struct span dot_write_end(const struct dot_writer *w);

#endif
