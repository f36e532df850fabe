/* SPDX-License-Identifier: Apache-2.0
 *
 * message.h - a message while it is being read: the header section in memory, of the body a MiB in memory and the
 * rest in a file without a name, so that memory stays small whatever is sent. */
#ifndef AGENT_MESSAGE_H
#define AGENT_MESSAGE_H

#include "config/config.h"
#include "mail/fixup.h"
#include "mail/header.h"
#include "mail/lines.h"

struct message {
    struct header_reader reader;
    struct lines lines;
    struct buf piece;      /* normalised, about to be sorted */
    struct buf body;       /* the last of it */
    int spill_fd;          /* what came before that; -1: nothing */
    uint64_t spilled;
    uint64_t size_limit;   /* 0: none */
    bool body_is_8bit;
    struct buf section;    /* after message_fix(): the final header section with the empty line */
    struct fixup_result fixed;
};

void message_init(struct message *m, const struct config *cfg, bool dot_ends);
void message_fini(struct message *m);
/* Bytes as they come. 0, or an exit status: EX_UNAVAILABLE too large, EX_DATAERR a header too large, EX_TEMPFAIL no
 * place. */
int message_add(struct message *m, struct span bytes, struct err *e);
int message_end(struct message *m, struct err *e);
/* The raw header section, after message_end(). */
struct span message_header(const struct message *m);
int message_fix(struct message *m, const struct fixup_facts *facts, struct err *e);
/* Of header section and body, after message_fix(). */
bool message_is_8bit(const struct message *m);
uint64_t message_size(const struct message *m);
/* Hands the body out in pieces. -1: what `fn` said, or the file could not be read. */
typedef int message_fn(void *arg, struct span data, struct err *e);
int message_body(const struct message *m, message_fn *fn, void *arg, struct err *e);

#endif
