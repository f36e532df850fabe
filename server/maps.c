/* SPDX-License-Identifier: Apache-2.0
 *
 * The tables of the server module, as batond and baton see them. */
#include "relay/hooks.h"
#include "server/map_ldap.h"

#include "map/map_kind.h"

static void register_all(void)
{
    map_register(&map_kind_ldap);
}

static const struct server_maps maps = { .register_all = register_all, .use = map_ldap_use };

const struct server_maps *const server_maps = &maps;
