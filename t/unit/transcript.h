/* SPDX-License-Identifier: Apache-2.0
 *
 * transcript.h - a conversation as one reads it in an RFC, run against an engine.
 *
 *     C: EHLO client.example      said by the client, with CRLF
 *     C+ MAIL FROM:<a@b>          the same, but in one piece with the next one
 *     C| raw\r\nbytes\0\x80       said as it is; \r \n \t \0 \\ \xHH are understood; |+ as above
 *     S: 250 ok                   said by the server; a '*' at the end stands for the rest of the line
 *     = rcpt <c@d>                what the engine asked or told its caller
 *     ! name                      something the caller does: tests give it a meaning
 *
 * One side is the engine under test: what it says must be there, all of it, when the other side
 * speaks next. */
#ifndef TRANSCRIPT_H
#define TRANSCRIPT_H

#include "base/buf.h"

struct transcript {
    char engine; /* 'C' or 'S': which side is the engine */
    bool bytewise; /* what is said to it comes byte by byte */
    void *engine_arg;
    void (*feed)(void *engine, struct span bytes);
    /* Moves all that is to be sent to `out`. */
    void (*take)(void *engine, struct buf *out);
    void (*act)(void *engine, const char *name);
    struct buf events; /* what ops() noted, each line ending with LF */
    struct buf said;   /* not looked at yet */
    struct buf piece;
};

void transcript_init(struct transcript *t);
void transcript_fini(struct transcript *t);
void transcript_note(struct transcript *t, const char *fmt, ...) __attribute__((format(printf, 2, 3)));
/* Fails the test with the line that is not as it should be. */
void transcript_run(struct transcript *t, const char *script);

#endif
