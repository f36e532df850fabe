/* SPDX-License-Identifier: Apache-2.0
 *
 * Built with --disable-server: there are no tables that need it. */
#include "relay/hooks.h"

#include <stddef.h>

const struct server_maps *const server_maps = NULL;
