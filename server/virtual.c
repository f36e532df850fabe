/* SPDX-License-Identifier: Apache-2.0
 *
 * Virtual aliases (HANDBOOK B2): one step; that they are followed to the end, within limits, is relay/expand.c's. */
#include "server/routing_int.h"

#include "base/mem.h"

enum map_result virtual_alias(void *self, struct lookup *l, const char *address, struct route_values *out)
{
    struct routing *ro = self;
    struct found f;
    enum map_result result = keys_find(ro, l, ro->virtual_alias, address, KEYS_LOCAL | KEYS_DOMAIN, &f);

    if (result != MAP_FOUND)
        return result;
    if (keys_addresses(ro, l, "virtual_alias_maps", address, &f, keys_propagates(ro->cfg, "virtual"), out))
        return MAP_FOUND;
    lookup_fail(l); /* what somebody wrote there is wrong: the mail waits till it is put right */
    return MAP_CANNOT_TELL;
}
