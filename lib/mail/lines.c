/* SPDX-License-Identifier: Apache-2.0
 *
 * Bytes between two special ones (CR, LF, NUL) are copied in one go. CRs are held back until it is known whether an
 * LF follows; so is a '.' at the start of a line when a line of it alone would end the text. */
#include "mail/lines.h"

void lines_init(struct lines *l, bool dot_ends)
{
    *l = (struct lines){ .dot_ends = dot_ends };
}

static int put(struct lines *l, struct span run, struct buf *out)
{
    if (run.len == 0)
        return 0;
    if (l->column == 0)
        l->has_dot_line |= run.at[0] == '.';
    l->column += run.len;
    l->bytes += run.len;
    if (l->column > l->longest)
        l->longest = l->column;
    return buf_addspan(out, run);
}

static int put_end(struct lines *l, struct buf *out)
{
    if (l->column == 0)
        l->in_body = true;
    l->column = 0;
    l->bytes += 2;
    return buf_add(out, "\r\n", 2);
}

/* No LF has followed: see lines.h. */
static int put_lone_cr(struct lines *l, struct buf *out)
{
    l->seen_cr = false;
    return l->in_body ? put_end(l, out) : put(l, SPAN(" "), out);
}

static int release_dot(struct lines *l, struct buf *out)
{
    l->held_dot = false;
    return put(l, SPAN("."), out);
}

static bool is_plain(char c)
{
    return c != '\r' && c != '\n' && c != '\0';
}

static size_t plain_run(struct lines *l, struct span s)
{
    size_t i = 0;
    unsigned char all = 0;

    for (; i < s.len && is_plain(s.at[i]); i++)
        all |= (unsigned char)s.at[i];
    l->has_8bit |= all >= 0x80;
    return i;
}

/* What the held dot turns out to be, now that `c` follows it: 1 when the text has ended. */
static int settle_dot(struct lines *l, char c, struct buf *out)
{
    if (c == '\n')
        l->is_ended = true;
    else if (c != '\r' && c != '\0')
        return release_dot(l, out);
    return l->is_ended;
}

static int take_special(struct lines *l, char c, struct buf *out)
{
    if (c == '\0')
        return 0;
    if (c == '\r') {
        l->seen_cr = true;
        return 0;
    }
    l->seen_cr = false;
    return put_end(l, out);
}

int lines_feed(struct lines *l, struct span piece, struct buf *out)
{
    while (piece.len && !l->is_ended) {
        char c = piece.at[0];
        size_t n = 1;
        int rc;
        if (l->seen_cr && c != '\n' && c != '\r' && c != '\0') {
            if ((l->held_dot && release_dot(l, out) < 0) || put_lone_cr(l, out) < 0)
                return -1;
        }
        if (l->held_dot && (rc = settle_dot(l, c, out)) != 0)
            return rc < 0 ? -1 : 0;
        if (c == '.' && l->column == 0 && l->dot_ends && !l->held_dot) {
            l->held_dot = true;
        } else if (is_plain(c)) {
            n = plain_run(l, piece);
            if (put(l, span_of(piece.at, n), out) < 0)
                return -1;
        } else if (take_special(l, c, out) < 0) {
            return -1;
        }
        piece = span_from(piece, n);
    }
    return 0;
}

int lines_end(struct lines *l, struct buf *out)
{
    if (l->is_ended)
        return 0;
    if (l->held_dot) { /* a last line of one dot ends the text too, with or without a line end */
        l->is_ended = true;
        return 0;
    }
    if (l->seen_cr || l->column) {
        l->seen_cr = false;
        return put_end(l, out);
    }
    return 0;
}
