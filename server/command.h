/* SPDX-License-Identifier: Apache-2.0
 *
 * command.h - a program that gets a message on its standard input, and says by its exit status what became of it (sysexits.h). Run
 * by a child that has become its user, and waits for it; no shell is between. */
#ifndef SERVER_COMMAND_H
#define SERVER_COMMAND_H

#include "config/config.h"
#include "server/content.h"
#include "server/outcome.h"

struct command {
    const struct strlist *argv; /* the first is the program's full name */
    const struct strlist *env;  /* "NAME=value": nothing else is in its environment */
    const char *directory;      /* NULL, or to run it in */
    int64_t time_limit_us;
    struct span head, tail;     /* before and behind the content */
    unsigned how;               /* COPY_* */
    const char *eol;            /* what ends a line; NULL: LF */
    const char *done;           /* "delivered to command: /usr/bin/x" */
};

void command_run(const struct command *c, const struct content *content, struct outcome *out);

/* "4.2.2 mailbox full" in front of what it printed, or its exit status: what became of the message. For tests too. */
void command_judge(int status, const char *name, const char *printed, const char *done, struct outcome *out);

#endif
