/* SPDX-License-Identifier: Apache-2.0
 *
 * The server module, as the rest of Baton sees it. */
#include "relay/hooks.h"
#include "server/deliver.h"
#include "server/restrict.h"

static const struct server_hooks hooks = {
    .restrictions = &restrict_step,
    .restrictions_open = restrictions_open,
    .restrictions_start = restrictions_start,
    .restrictions_close = restrictions_close,
    .deliver_main = deliver_main,
};

const struct server_hooks *const server_hooks = &hooks;
