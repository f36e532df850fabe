/* SPDX-License-Identifier: Apache-2.0
 *
 * The server module, as the rest of Baton sees it. */
#include "relay/hooks.h"

#include "server/auth.h"
#include "server/deliver.h"
#include "server/milter.h"
#include "server/restrict.h"

static bool receive_connects(const struct config *cfg)
{
    return milters_are_used(cfg) || server_auth_connects(cfg) || config_restrictions_ask(cfg);
}

static const struct server_hooks hooks = {
    .restrictions = &restrict_step,
    .restrictions_open = restrictions_open,
    .restrictions_start = restrictions_start,
    .restrictions_close = restrictions_close,
    .deliver_main = deliver_main,
    .milters = &milter_step,
    .receive_connects = receive_connects,
    .milters_open = milters_open,
    .milters_close = milters_close,
    .auth_open = server_auth_open,
};

const struct server_hooks *const server_hooks = &hooks;
