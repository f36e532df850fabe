/* SPDX-License-Identifier: Apache-2.0
 *
 * postmap and postalias, by their names: what scripts and handbooks call. Exit status 1 says "not found", and nothing else
 * does. */
#include "control/tables.h"

#include "base/mem.h"
#include "map/map_build.h"

#include <getopt.h>
#include <stdio.h>
#include <sysexits.h>

struct wish {
    struct tables_options o;
    const char *query, *delete;
    bool adds, dumps;
};

static int usage(const struct wish *w)
{
    fprintf(stderr, "usage: %s [-fijnNoprsuUvw] [-c folder] [-d key] [-q key] [type:]file ...\n", w->o.me);
    return EX_USAGE;
}

static bool take_option(struct wish *w, int c)
{
    switch (c) {
    case 'd': w->delete = optarg; return true;
    case 'q': w->query = optarg; return true;
    case 'i': w->adds = true; return true;
    case 's': w->dumps = true; return true;
    case 'f': w->o.map.keeps_case = true; return true;
    case 'j': w->o.is_short_json = true; return true;
    case 'o': w->o.build |= MAP_BUILD_STAYS_ROOT; return true;
    case 'p': w->o.build |= MAP_BUILD_MODE_0644; return true;
    case 'r': w->o.build |= MAP_BUILD_REPLACES; return true;
    case 'w': w->o.build |= MAP_BUILD_IS_QUIET; return true;
    case 'u': w->o.map.takes_any_bytes = true; return true;
    case 'v': w->o.is_verbose = true; return true;
    case 'c': /* a table needs no configuration */
    case 'n': /* whether keys end in a NUL: ours do not, and readers of ours need not know */
    case 'N':
    case 'U': return true;
    default: return false; /* -b, -F, -h, -m as well: they ask for what is not here */
    }
}

int postmap_main(int argc, char **argv, bool is_aliases)
{
    struct wish w = { .o = { .me = is_aliases ? "postalias" : "postmap", .map.is_aliases = is_aliases } };
    int c;

    while ((c = getopt(argc, argv, "c:d:q:fijnNoprsuUvw")) != -1)
        if (!take_option(&w, c))
            return usage(&w);
    if (optind == argc || (w.query != NULL) + (w.delete != NULL) + w.adds + w.dumps > 1)
        return usage(&w);
    char *const *specs = argv + optind;
    int status = w.query    ? tables_query(&w.o, w.query, specs)
                 : w.delete ? tables_delete(&w.o, w.delete, specs)
                 : w.adds   ? tables_add(&w.o, specs)
                 : w.dumps  ? tables_dump(&w.o, specs)
                            : tables_make(&w.o, specs);
    if (fflush(stdout) != 0 || ferror(stdout)) {
        fprintf(stderr, "%s: what was printed could not be written\n", w.o.me);
        return EX_IOERR;
    }
    return status;
}
