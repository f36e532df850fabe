/* SPDX-License-Identifier: Apache-2.0
 *
 * flags.h - the command line of sendmail: every flag that real callers pass, one table (flags.c). */
#ifndef AGENT_FLAGS_H
#define AGENT_FLAGS_H

#include "base/envelope.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdio.h>

enum mode {
    MODE_SEND,
    MODE_SMTP,       /* -bs */
    MODE_VERIFY,     /* -bv */
    MODE_MAILQ,      /* -bp */
    MODE_NEWALIASES, /* -bi, -I */
    MODE_RETRY,      /* -q */
    MODE_DAEMON,     /* -bd and its kin: batond does that */
    MODE_HELP,
    MODE_VERSION,
};

struct options { /* text is borrowed from argv */
    enum mode mode;
    const char *sender;      /* as given; "" and "<>" are the null sender; NULL: not given */
    const char *full_name;   /* NULL: not given */
    const char *envid;
    const char *config_file;
    enum dsn_ret ret;
    unsigned notify;         /* NOTIFY_* */
    bool reads_recipients;   /* -t */
    bool dot_is_text;        /* -i */
    bool is_verbose;
    char **words;            /* what is no flag: recipients; in argv itself, its order changed */
    size_t n_words;
};

/* Flags may stand behind recipients; "--" ends them. -1: `why` (of `size` bytes) says what is wrong. */
int flags_parse(struct options *o, int argc, char **argv, char *why, size_t size);
/* A line a flag. */
void flags_help(FILE *to);

#endif
