/* SPDX-License-Identifier: Apache-2.0 */
#include "base/log.h"
#include "build.h"
#include "config/config.h"
#include "map/map.h"
#include "relay/hooks.h"
#include "relay/supervise.h"

#include <getopt.h>
#include <stdio.h>
#include <string.h>
#include <sysexits.h>

static void usage(FILE *to)
{
    fputs("usage: batond [-c FILE]\n"
          "Takes mail from sendmail and from clients, keeps it safe, and relays it. Stays in the foreground.\n"
          "  -c FILE     the configuration (default: $BATON_CONF, or " SYSCONFDIR "/baton/baton.conf)\n"
          "  --help      this text\n"
          "  --version   the version\n"
          "See batond(8), and baton(8) for start, stop, reload and status.\n",
          to);
}

static int open_log(const struct config *cfg)
{
    enum log_kind kind = strcmp(cfg->log, "stderr") == 0   ? LOG_TO_STDERR
                         : strcmp(cfg->log, "syslog") == 0 ? LOG_TO_SYSLOG
                                                           : LOG_TO_FILE;
    if (log_open("baton/batond", kind, cfg->log, (enum log_level)cfg->log_level) == 0)
        return 0;
    fprintf(stderr, "batond: log: cannot open %s: %m\n", cfg->log);
    return -1;
}

int main(int argc, char **argv)
{
    static const struct option options[] = {
        { "help", no_argument, NULL, 'h' },
        { "version", no_argument, NULL, 'V' },
        { NULL, 0, NULL, 0 },
    };
    struct config_report report = { 0 };
    const char *path = NULL;
    int c;

    while ((c = getopt_long(argc, argv, "c:hV", options, NULL)) != -1) {
        switch (c) {
        case 'c': path = optarg; break;
        case 'h': usage(stdout); return 0;
        case 'V': puts("batond (Baton) " PACKAGE_VERSION); return 0;
        default: usage(stderr); return EX_USAGE;
        }
    }
    if (optind < argc) {
        fprintf(stderr, "batond: unexpected argument: %s\n", argv[optind]);
        usage(stderr);
        return EX_USAGE;
    }
    map_register_all();
    if (server_maps)
        server_maps->register_all();
    struct config *cfg = config_load(path, CONFIG_ENV, &report);
    config_report_print(&report, stderr, "batond", CONFIG_WARNING);
    config_report_fini(&report);
    if (!cfg)
        return EX_CONFIG;
    if (server_maps)
        server_maps->use(cfg);
    if (open_log(cfg) < 0)
        return EX_CONFIG;
    int status = supervise(cfg, path);
    config_free(cfg);
    return status;
}
