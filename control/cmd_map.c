/* SPDX-License-Identifier: Apache-2.0
 *
 * baton map - lookup tables: make their indexes, ask them, look through them, change them. */
#include "control/command.h"
#include "control/tables.h"

#include "base/mem.h"
#include "map/map_build.h"

#include <getopt.h>
#include <stdio.h>
#include <string.h>

static const struct option long_options[] = {
    { "aliases", no_argument, NULL, 'a' },
    { "keep-case", no_argument, NULL, 'f' },
    { "replace", no_argument, NULL, 'r' },
    { NULL, 0, NULL, 0 },
};

static bool take_options(struct tables_options *o, int argc, char **argv)
{
    int c;

    while ((c = getopt_long(argc, argv, "+afr", long_options, NULL)) != -1)
        switch (c) {
        case 'a': o->map.is_aliases = true; break;
        case 'f': o->map.keeps_case = true; break;
        case 'r': o->build |= MAP_BUILD_REPLACES; break;
        default: return false;
        }
    return true;
}

static int run(const struct command_options *options, int argc, char **argv)
{
    struct tables_options o = { .me = "baton map", .is_json = options->json, .config_file = options->file };

    if (argc < 2 || !take_options(&o, argc - 1, argv + 1))
        return command_usage(&cmd_map);
    const char *verb = argv[1];
    char *const *words = argv + 1 + optind;
    size_t n = 0;
    while (words[n])
        n++;
    if (strcmp(verb, "make") == 0 && n > 0)
        return tables_make(&o, words);
    if (strcmp(verb, "query") == 0 && n > 1)
        return tables_query(&o, words[0], words + 1);
    if (strcmp(verb, "dump") == 0 && n > 0)
        return tables_dump(&o, words);
    if (strcmp(verb, "add") == 0 && n > 0)
        return tables_add(&o, words);
    if (strcmp(verb, "delete") == 0 && n > 1)
        return tables_delete(&o, words[0], words + 1);
    return command_usage(&cmd_map);
}

const struct command cmd_map = {
    .name = "map",
    .help = "make, ask and look through lookup tables",
    .usage = "[--json] map make  [-a] [-f] [-r] TABLE ...\n"
             "       baton [--json] map query [-a] [-f] KEY TABLE ...\n"
             "       baton [--json] map dump [-a] TABLE ...\n"
             "       baton map add [-a] [-f] [-r] TABLE ...\n"
             "       baton map delete [-a] [-f] KEY TABLE ...\n\n"
             "A TABLE is \"type:name\", or the name of a text alone, which is a hash. baton_table(5) has the types.\n"
             "  make    make the index of a text: FILE.lmdb\n"
             "  query   print the value of KEY, from the first table that has it; KEY -: of each line of stdin\n"
             "  dump    print all rows\n"
             "  add     put the rows of stdin into the index\n"
             "  delete  delete KEY from the index; KEY -: each line of stdin\n"
             "  -a, --aliases    texts are \"name: value\"\n"
             "  -f, --keep-case  keys are not folded to lower case\n"
             "  -r, --replace    of two rows with one key the last counts, not the first\n"
             "  --json           an object a row: { \"key\": ..., \"value\": ... }\n"
             "Exit status: 0 done or found, 1 not found, 75 it may work later, 78 the table is wrong.\n",
    .run = run,
};
