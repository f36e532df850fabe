/* SPDX-License-Identifier: Apache-2.0
 *
 * checks_ways.c - lines that are right by themselves and lead nowhere, because the line that would give them work is missing. */
#include "control/checks.h"

#include <string.h>
#include <strings.h>

static bool is_loopback(const char *address)
{
    return strncmp(address, "127.", 4) == 0 || strcmp(address, "::1") == 0 || strcasecmp(address, "localhost") == 0 ||
           strcasecmp(address, "loopback-only") == 0;
}

static bool reaches_out(const struct strlist *interfaces)
{
    for (size_t i = 0; i < interfaces->n; i++)
        if (!is_loopback(interfaces->at[i]))
            return true;
    return false;
}

static bool is_open_to_others(const struct config *cfg)
{
    bool is_open = cfg->n_listens == 0 && reaches_out(&cfg->inet_interfaces);

    for (size_t i = 0; i < cfg->n_listens; i++)
        is_open |= !cfg->listens[i].path[0] && reaches_out(&cfg->listens[i].address);
    return is_open;
}

static bool is_destination(const struct config *cfg)
{
    return cfg->mydestination.n || cfg->virtual_alias_maps.n || cfg->virtual_alias_domains.n || cfg->virtual_mailbox_domains.n ||
           cfg->relay_domains.n;
}

void check_ways(const struct config *cfg, struct findings *f)
{
    if (is_open_to_others(cfg) && !is_destination(cfg)) {
        findings_add(f, FINDING_NOTE, "domains", "others can reach this machine, and no domain's mail ends here: it is taken from mynetworks only");
        findings_advise(f, "for a server of %s: mydestination = \"$mydomain, $myhostname, localhost.$mydomain, localhost\"", cfg->mydomain);
    }
    if (config_is_written(cfg, "virtual_transport") && cfg->virtual_mailbox_domains.n == 0) {
        findings_add(f, FINDING_WARNING, "domains", "virtual_transport gets no mail: no domain is in virtual_mailbox_domains");
        findings_advise(f, "write virtual_mailbox_domains = \"%s\", or mailbox_transport for the users of this machine", cfg->mydomain);
    }
    if (cfg->mailbox_transport.name[0] && cfg->mydestination.n == 0) {
        findings_add(f, FINDING_WARNING, "domains", "mailbox_transport gets no mail: no domain is in mydestination");
        findings_advise(f, "write mydestination = \"$mydomain, $myhostname, localhost.$mydomain, localhost\"");
    }
}
