/* SPDX-License-Identifier: Apache-2.0
 *
 * copy.h - the content of a message piece by piece, with what its reader needs done to its lines. */
#ifndef SERVER_COPY_H
#define SERVER_COPY_H

#include "base/buf.h"
#include "server/content.h"

enum {
    COPY_QUOTE_FROM = 1, /* ">" before lines that begin with "From " */
    COPY_STUFF_DOTS = 2, /* "." before lines that begin with one */
    COPY_CRLF = 4,       /* for a network */
};

struct copy {
    const struct content *content; /* borrowed */
    unsigned how;
    const char *eol;               /* borrowed; what ends a line instead of LF, or NULL */
    uint64_t at;
    bool is_in_line; /* what was given last has not ended with a line */
    char *piece;
    struct buf changed;
};

void copy_init(struct copy *c, const struct content *content, unsigned how);
void copy_fini(struct copy *c);
/* 1: *out is the next piece, valid till the next call; 0: that was all; -1: it cannot be read. */
int copy_next(struct copy *c, struct span *out, struct err *e);

#endif
