/* SPDX-License-Identifier: Apache-2.0
 *
 * baton - what operators run. This file finds the subcommand; each has a file of its own,
 * cmd_NAME.c. */
#include "control/command.h"

#include "base/mem.h"
#include "control/tables.h"
#include "relay/hooks.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static const struct command *const commands[] = {
    &cmd_check, &cmd_config, &cmd_start, &cmd_stop, &cmd_reload, &cmd_status, &cmd_queue, &cmd_map, &cmd_test, &cmd_sink,
    &cmd_import,
};

static const struct command *find(const char *name)
{
    for (size_t i = 0; i < ARRAY_LEN(commands); i++)
        if (strcmp(commands[i]->name, name) == 0)
            return commands[i];
    return NULL;
}

static void print_help(FILE *to)
{
    fprintf(to, "usage: baton [-c FILE] [--json] COMMAND [ARGUMENT ...]\n\n");
    for (size_t i = 0; i < ARRAY_LEN(commands); i++)
        fprintf(to, "  %-9s %s\n", commands[i]->name, commands[i]->help);
    fprintf(to, "\n\"baton COMMAND --help\" says more, and baton(8) all.\n");
}

int command_usage(const struct command *c)
{
    fprintf(stderr, "usage: baton %s", c->usage);
    return EX_USAGE;
}

struct config *command_config(const struct command_options *o)
{
    struct config_report report = { 0 };
    struct config *cfg = config_load(o->file, CONFIG_ENV, &report);

    config_report_print(&report, stderr, "baton", CONFIG_WARNING);
    config_report_fini(&report);
    if (server_maps)
        server_maps->use(cfg);
    return cfg;
}

struct found {
    struct command_options options;
    bool wants_help, wants_version;
    bool lacks_file; /* -c was the last word */
};

/* -c FILE, --json, --help and --version count wherever they stand before "--"; they are taken out
 * of argv. */
static int take_options(struct found *f, int argc, char **argv)
{
    int kept = 1;

    for (int i = 1; i < argc; i++) {
        if (strcmp(argv[i], "--") == 0) {
            while (i < argc)
                argv[kept++] = argv[i++];
            break;
        }
        if (strcmp(argv[i], "-c") == 0) {
            f->lacks_file = i + 1 == argc;
            f->options.file = argv[++i];
        } else if (strcmp(argv[i], "--json") == 0) {
            f->options.json = true;
        } else if (strcmp(argv[i], "--help") == 0) {
            f->wants_help = true;
        } else if (strcmp(argv[i], "--version") == 0) {
            f->wants_version = true;
        } else {
            argv[kept++] = argv[i];
        }
    }
    argv[kept] = NULL;
    return kept;
}

int main(int argc, char **argv)
{
    struct found f = { 0 };
    const char *slash = strrchr(argv[0], '/'), *name = slash ? slash + 1 : argv[0];

    map_register_all();
    if (server_maps)
        server_maps->register_all();
    if (strcmp(name, "postmap") == 0 || strcmp(name, "postalias") == 0)
        return postmap_main(argc, argv, name[4] == 'a');
    argc = take_options(&f, argc, argv);
    if (f.wants_version) {
        printf("baton %s\n", PACKAGE_VERSION);
        return EX_OK;
    }
    const struct command *c = argc > 1 ? find(argv[1]) : NULL;
    if (f.wants_help) {
        if (c)
            printf("usage: baton %s", c->usage);
        else
            print_help(stdout);
        return EX_OK;
    }
    if (f.lacks_file) {
        fprintf(stderr, "baton: -c needs the name of a file behind it\n");
        return EX_USAGE;
    }
    if (!c) {
        if (argc > 1)
            fprintf(stderr, "baton: there is no command \"%s\"\n", argv[1]);
        print_help(stderr);
        return EX_USAGE;
    }
    int status = c->run(&f.options, argc - 1, argv + 1);
    if (fflush(stdout) != 0 || ferror(stdout)) {
        fprintf(stderr, "baton: what was printed could not be written\n");
        return status ? status : EX_IOERR;
    }
    return status;
}
