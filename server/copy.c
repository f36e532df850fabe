/* SPDX-License-Identifier: Apache-2.0 */
#include "server/copy.h"

#include "base/mem.h"

#include <stdlib.h>

enum { PIECE = 65536 };

void copy_init(struct copy *c, const struct content *content, unsigned how)
{
    *c = (struct copy){ .content = content, .how = how, .piece = xmalloc(PIECE) };
    buf_init(&c->changed, BUF_NO_MAX);
}

void copy_fini(struct copy *c)
{
    free(c->piece);
    buf_fini(&c->changed);
}

static const char *put_before(const struct copy *c, struct span line)
{
    if (c->how & COPY_QUOTE_FROM && span_starts(line, "From "))
        return ">";
    return c->how & COPY_STUFF_DOTS && span_starts(line, ".") ? "." : "";
}

static void change_lines(struct copy *c, struct span piece)
{
    buf_clear(&c->changed);
    while (piece.len) {
        size_t end = span_find(piece, '\n');
        struct span line = span_of(piece.at, end);
        if (!c->is_in_line)
            buf_adds(&c->changed, put_before(c, line));
        buf_addspan(&c->changed, line);
        c->is_in_line = end == piece.len;
        if (!c->is_in_line)
            buf_adds(&c->changed, c->eol ? c->eol : c->how & COPY_CRLF ? "\r\n" : "\n");
        piece = span_from(piece, end + 1);
    }
}

int copy_next(struct copy *c, struct span *out, struct err *e)
{
    ssize_t n = content_read(c->content, c->at, c->piece, PIECE);

    if (n < 0)
        return err_sys(e, "read the message");
    if (n == 0)
        return 0;
    *out = span_of(c->piece, (size_t)n);
    if (c->how || c->eol) {
        size_t last = span_rfind(*out, '\n');
        if (last < out->len) /* the rest of a line comes again with the next piece, so that "From " is not cut */
            out->len = last + 1;
        c->at += out->len;
        change_lines(c, *out);
        *out = buf_span(&c->changed);
        return 1;
    }
    c->at += out->len;
    return 1;
}
