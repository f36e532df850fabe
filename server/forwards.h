/* SPDX-License-Identifier: Apache-2.0
 *
 * forwards.h - whom mail goes to instead: the right-hand side of an alias, a ~/.forward, the file of an :include: (aliases(5)). */
#ifndef SERVER_FORWARDS_H
#define SERVER_FORWARDS_H

#include "base/err.h"
#include "base/span.h"

enum forward_kind {
    FORWARD_ADDRESS, /* "user", "user@domain" */
    FORWARD_FINAL,   /* "\user": that mailbox, and no alias any more */
    FORWARD_COMMAND, /* "|command" */
    FORWARD_FILE,    /* "/file" */
    FORWARD_INCLUDE, /* ":include:/file" */
};

struct forward {
    enum forward_kind kind;
    char *text; /* without what marks its kind */
};

struct forwards { /* zeroes: none */
    struct forward *at;
    size_t n;
};

/* Those of one line, parted by commas. -1: one is not understood; the others are there. */
int forwards_add(struct forwards *f, struct span line, struct err *e);
/* Those of a file: lines, "#" begins one that says nothing. */
int forwards_add_text(struct forwards *f, struct span text, struct err *e);
void forwards_fini(struct forwards *f);

#endif
