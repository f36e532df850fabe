/* SPDX-License-Identifier: Apache-2.0
 *
 * lines.h - makes every line end CRLF, and notes what the lines are like.
 *
 * Input comes in pieces of any size, cut anywhere. CRLF, LF, and any number of CRs before an LF are one line end. A
 * CR that stands alone never passes raw: in the header section (up to the first empty line) it becomes a blank, so
 * that a CR smuggled into a Subject cannot begin a new field; in the body it becomes a line end, so that the
 * progress bars of a cron job stay readable lines. NUL is dropped (RFC 5321 4.5.2 forbids it). Lines longer than
 * 998 stay as they are; `longest` says so. */
#ifndef MAIL_LINES_H
#define MAIL_LINES_H

#include "base/buf.h"
#include "base/span.h"

#include <stdbool.h>
#include <stdint.h>

struct lines {
    /* what has come out so far */
    uint64_t bytes;
    uint64_t longest;  /* of all lines, without CRLF */
    bool has_dot_line; /* a line begins with '.' */
    bool has_8bit;
    bool is_ended;     /* dot_ends: the dot has come; what follows is not taken */
    /* set before the first piece */
    bool dot_ends;     /* a line of one dot ends the text, as sendmail without -i reads it */
    bool in_body;      /* the text has no header section, or it has gone by */
    /* private */
    uint64_t column;
    bool seen_cr, held_dot;
};

void lines_init(struct lines *l, bool dot_ends);
/* Appends to `out` (at most 2 x the piece + 4). -1: the ceiling of `out`. */
int lines_feed(struct lines *l, struct span piece, struct buf *out);
/* No more to come: a last line without an end gets one. */
int lines_end(struct lines *l, struct buf *out);

#endif
