/* SPDX-License-Identifier: Apache-2.0
 *
 * Built with --disable-server: the resolver is a null client's. */
#include "relay/route_hooks.h"

const struct route_hooks *const route_hooks = NULL;
