/* SPDX-License-Identifier: Apache-2.0
 *
 * baton - what operators run. This file finds the subcommand; each has a file of its own,
 * cmd_NAME.c. */
#include "control/command.h"

#include "base/mem.h"
#include "control/postfix_names.h"
#include "control/tables.h"
#include "relay/hooks.h"

#include <stdio.h>
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

const char *command_nearest(const char *word, const char *const *names, size_t n)
{
    const char *best = NULL;
    size_t best_distance = strlen(word) / 3 + 2;

    for (size_t i = 0; i < n; i++) {
        size_t d = span_distance(span_str(word), span_str(names[i]));
        if (d < best_distance && d < strlen(word)) {
            best = names[i];
            best_distance = d;
        }
    }
    return best;
}

static int no_such_command(const char *word)
{
    const char *names[ARRAY_LEN(commands)];

    for (size_t i = 0; i < ARRAY_LEN(commands); i++)
        names[i] = commands[i]->name;
    const char *nearest = command_nearest(word, names, ARRAY_LEN(names));
    fprintf(stderr, "baton: there is no command \"%s\"", word);
    if (nearest)
        fprintf(stderr, "; did you mean %s?", nearest);
    fprintf(stderr, "\n\"baton --help\" lists them.\n");
    return EX_USAGE;
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

int command_main(int argc, char **argv)
{
    struct found f = { 0 };

    argc = take_options(&f, argc, argv);
    if (argc > 1 && strcmp(argv[1], "help") == 0) { /* as others have it */
        f.wants_help = true;
        argv++;
        argc--;
    }
    f.wants_version |= argc > 1 && strcmp(argv[1], "version") == 0;
    if (f.wants_version) {
        printf("baton %s\n", PACKAGE_VERSION);
        return EX_OK;
    }
    const struct command *c = argc > 1 ? find(argv[1]) : NULL;
    if (!c && argc > 1)
        return no_such_command(argv[1]);
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

int main(int argc, char **argv)
{
    const char *slash = strrchr(argv[0], '/'), *name = slash ? slash + 1 : argv[0];

    map_register_all();
    if (server_maps)
        server_maps->register_all();
    if (strcmp(name, "postmap") == 0 || strcmp(name, "postalias") == 0)
        return postmap_main(argc, argv, name[4] == 'a');
    postfix_main_fn *other = postfix_name(name);
    return other ? other(argc, argv) : command_main(argc, argv);
}
