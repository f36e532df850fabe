/* SPDX-License-Identifier: Apache-2.0
 *
 * baton config - prints what counts, wherever it was set. */
#include "control/command.h"

#include "base/buf.h"

#include <getopt.h>
#include <stdio.h>

static const struct option long_options[] = {
    { "mdoc", required_argument, NULL, 'm' },
    { NULL, 0, NULL, 0 },
};

static int print(struct buf *out, int result, const struct err *e)
{
    if (result < 0)
        fprintf(stderr, "baton: %s\n", e->text);
    else
        fwrite(out->at ? out->at : "", 1, out->len, stdout);
    buf_fini(out);
    return result < 0 ? EX_USAGE : EX_OK;
}

static int show(const struct command_options *o, char *const *names, unsigned flags)
{
    struct config *cfg = NULL;
    struct buf out;
    struct err e;

    if (!(flags & CONFIG_SHOW_DEFAULTS) && !(cfg = command_config(o)))
        return EX_CONFIG;
    buf_init(&out, BUF_NO_MAX);
    int result =
        (o->json ? config_show_json : config_show)(cfg, *names ? names : NULL, flags, &out, &e);
    config_free(cfg);
    return print(&out, result, &e);
}

static int run(const struct command_options *o, int argc, char **argv)
{
    unsigned flags = 0;
    struct buf out;
    struct err e;
    int c;

    while ((c = getopt_long(argc, argv, "+ndh", long_options, NULL)) != -1) {
        if (c == 'n') {
            flags |= CONFIG_SHOW_NON_DEFAULT;
        } else if (c == 'd') {
            flags |= CONFIG_SHOW_DEFAULTS;
        } else if (c == 'h') {
            flags |= CONFIG_SHOW_VALUE_ONLY;
        } else if (c == 'm') {
            buf_init(&out, BUF_NO_MAX);
            int result = config_show_mdoc(optarg, &out, &e);
            return print(&out, result, &e);
        } else {
            return command_usage(&cmd_config);
        }
    }
    return show(o, argv + optind, flags);
}

const struct command cmd_config = {
    .name = "config",
    .help = "print parameters and their values",
    .usage = "[-c FILE] [--json] config [-n | -d] [-h] [NAME ...]\n\n"
             "Prints \"name = value\" for the parameters named, or for all, with $name replaced.\n"
             "  -n      only what is set, in the file or the environment\n"
             "  -d      the defaults, as they stand in the manual\n"
             "  -h      the values without the names\n"
             "  --json  one object; lists as arrays, times in seconds\n",
    .run = run,
};
