/* SPDX-License-Identifier: Apache-2.0
 *
 * baton check - is everything there that the configuration names, and right? Without the network,
 * unless --live. */
#include "control/checks.h"
#include "control/command.h"
#include "control/probe.h"
#include "relay/hooks.h"

#include "base/mem.h"

#include <getopt.h>

static check_fn *const checks[] = {
    check_name,  check_relayhost, check_authorities, check_logins,    check_maps,  check_aliases, check_access, check_domains, check_ways, check_transport_rows, check_transport_sockets, check_users,
    check_spool, check_space,     check_sendmail,    check_listeners, check_mailboxes, check_unit, check_certificates, check_own_certificate, check_auth,
    check_milters, check_log,
};

static const struct option long_options[] = {
    { "live", no_argument, NULL, 'l' },
    { NULL, 0, NULL, 0 },
};

static const enum finding_kind kind_of[] = {
    [CONFIG_NOTICE] = FINDING_NOTE,
    [CONFIG_WARNING] = FINDING_WARNING,
    [CONFIG_ERROR] = FINDING_ERROR,
};

static struct config *check_config(const struct command_options *o, struct findings *f)
{
    struct config_report r = { 0 };
    struct config *cfg = config_load(o->file, CONFIG_ENV, &r);

    for (size_t i = 0; i < r.n; i++)
        findings_add(f, kind_of[r.at[i].severity], "config", "%s%s%s", r.at[i].where,
                     *r.at[i].where ? ": " : "", r.at[i].text);
    if (cfg && r.n_warnings == 0 && cfg->file)
        findings_add(f, FINDING_OK, "config", "%s", cfg->file);
    config_report_fini(&r);
    if (server_maps)
        server_maps->use(cfg);
    return cfg;
}

static int end(struct findings *f)
{
    unsigned errors = findings_errors(f), warnings = findings_warnings(f);

    if (errors)
        findings_end(f, "%u error%s, %u warning%s: baton will not work like this", errors,
                     errors == 1 ? "" : "s", warnings, warnings == 1 ? "" : "s");
    else if (warnings)
        findings_end(f, "it will work, but look at the warning%s", warnings == 1 ? "" : "s");
    else
        findings_end(f, "all is well");
    findings_free(f);
    return errors ? EX_CONFIG : EX_OK;
}

static int run(const struct command_options *o, int argc, char **argv)
{
    bool is_live = false;
    int c;

    while ((c = getopt_long(argc, argv, "+", long_options, NULL)) != -1) {
        if (c != 'l')
            return command_usage(&cmd_check);
        is_live = true;
    }
    if (optind != argc)
        return command_usage(&cmd_check);
    struct findings *f = findings_new(o->json);
    struct config *cfg = check_config(o, f);
    for (size_t i = 0; cfg && i < ARRAY_LEN(checks); i++)
        checks[i](cfg, f);
    if (cfg && is_live) {
        check_maps_live(cfg, f);
        probe_relayhosts(cfg, f);
        probe_auth(cfg, f);
        probe_milters(cfg, f);
    }
    config_free(cfg);
    return end(f);
}

const struct command cmd_check = {
    .name = "check",
    .help = "look whether the configuration and all that it names is right",
    .usage =
        "[-c FILE] [--json] check [--live]\n\n"
        "Reads the configuration and looks at what it names: spool, users, certificates, passwords, aliases,\n"
        "ports. Nothing is changed and the network is left alone.\n"
        "  --live  also resolve and reach the relayhost, with TLS and login, as `baton test` does, ask Dovecot what\n"
        "          logins it offers, and the directories of tables whether they answer, and negotiate with the milters\n"
        "  --json  one object with all findings\n"
        "Exit status: 0 when nothing is in the way, 78 when something is.\n",
    .run = run,
};
