/* SPDX-License-Identifier: Apache-2.0
 *
 * command.h - what a subcommand of baton is. To add one: write control/cmd_NAME.c with a `const
 * struct command cmd_NAME`, declare it here, put it into the table in main.c and the file into
 * local.mk. */
#ifndef CONTROL_COMMAND_H
#define CONTROL_COMMAND_H

#include "config/config.h"

#include <stdbool.h>
#include <sysexits.h>

/* What stands before and between the words of every subcommand; main() has taken it out of argv. */
struct command_options {
    const char *file; /* -c FILE, or NULL: config_load() then finds it */
    bool json;        /* --json */
};

struct command {
    const char *name;
    const char *help;  /* one line for `baton --help`, without a full stop */
    const char *usage; /* what `baton NAME --help` prints: the synopsis behind "usage: baton ", then
                          what it does */
    /* argv[0] is the name. Options of its own it reads with getopt_long(). Returns the exit status,
     * of sysexits.h. */
    int (*run)(const struct command_options *o, int argc, char **argv);
};

extern const struct command cmd_check, cmd_config, cmd_import, cmd_map, cmd_queue, cmd_reload, cmd_sink, cmd_start, cmd_status, cmd_stop,
    cmd_test;

/* What `baton` does with these words, argv[0] being its own name; returns the exit status. */
int command_main(int argc, char **argv);
/* The configuration, all that is wrong with it told on stderr; NULL: return EX_CONFIG. */
struct config *command_config(const struct command_options *o);
/* What somebody probably meant who wrote `word`: one of `names`, or NULL. */
const char *command_nearest(const char *word, const char *const *names, size_t n);
/* Prints the usage to stderr; returns EX_USAGE. */
int command_usage(const struct command *c);

#endif
