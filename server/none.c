/* SPDX-License-Identifier: Apache-2.0
 *
 * Built with --disable-server: there is no server module. */
#include "relay/hooks.h"

#include <stddef.h>

const struct server_hooks *const server_hooks = NULL;
