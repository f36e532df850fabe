/* SPDX-License-Identifier: Apache-2.0
 *
 * The relay reads alias files as they are: there is no index to build. What is left for newaliases is to say whether
 * they can be read. */
#include "agent/agent.h"

#include "base/log.h"

#include <errno.h>
#include <string.h>
#include <unistd.h>

int newaliases_run(const struct options *o, const struct config *cfg)
{
    int status = EX_OK;

    for (size_t i = 0; i < cfg->alias_maps.n; i++) {
        const char *file = cfg->alias_maps.at[i];
        if (access(file, R_OK) < 0 && errno != ENOENT) /* one that does not exist counts as empty */
            status = complain(EX_CONFIG, "%s: %s", file, strerror(errno));
        else if (o->is_verbose)
            complain(0, "%s is read by the relay as it is: nothing to build", file);
    }
    return status;
}
