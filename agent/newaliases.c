/* SPDX-License-Identifier: Apache-2.0
 *
 * The relay reads alias files as they are: there is no index to build. What is left for newaliases is to say whether
 * the files can be read, and which of their lines cannot. */
#include "agent/agent.h"

#include "base/log.h"
#include "relay/alias.h"

#include <errno.h>

struct check {
    unsigned n_bad;
};

static void tell(void *arg, const char *text)
{
    struct check *c = arg;
    c->n_bad++;
    complain(0, "%s", text);
}

int newaliases_run(const struct options *o, const struct config *cfg)
{
    struct aliases *aliases = aliases_new();
    struct check check = { 0 };
    int status = EX_OK;

    map_register_texts();
    for (size_t i = 0; i < cfg->alias_maps.n; i++) {
        struct err e;
        if (!map_can_open(cfg->alias_maps.at[i])) /* no text */
            continue;
        if (aliases_add(aliases, cfg->alias_maps.at[i], tell, &check, &e) == 0) {
            if (o->is_verbose)
                complain(0, "%s is read by the relay as it is: nothing to build",
                         strchr(cfg->alias_maps.at[i], ':') + 1);
        } else if (e.sys != ENOENT) { /* one that does not exist counts as empty */
            status = complain(EX_CONFIG, "%s", e.text);
        }
    }
    aliases_free(aliases);
    return status ? status : check.n_bad ? EX_DATAERR : EX_OK;
}
