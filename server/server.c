/* SPDX-License-Identifier: Apache-2.0
 *
 * The server module, as the rest of Baton sees it. */
#include "relay/hooks.h"

static const struct server_hooks hooks = { 0 };

const struct server_hooks *const server_hooks = &hooks;
