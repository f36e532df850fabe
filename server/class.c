/* SPDX-License-Identifier: Apache-2.0
 *
 * Whose a domain is (HANDBOOK B1). The first class that has it counts; that two have it, `baton check` tells. */
#include "server/routing_int.h"

#include "base/mem.h"
#include "mail/address.h"

#include <stdlib.h>

/* ---- addresses of this machine ---- */

/* "[192.0.2.1]", "[IPv6:2001:db8::1]"; a zone in it is none of ours, and would be looked up */
static bool is_own_address(const struct routing *ro, struct span domain)
{
    union addr a;

    return domain.len > 2 && domain.at[0] == '[' && span_find(domain, '%') == domain.len && addr_parse(&a, domain, 0) &&
           addr_list_has_host(&ro->own, &a);
}

/* ---- classes ---- */

enum map_result class_is_local(struct routing *ro, struct lookup *l, struct span domain)
{
    if (ro->cfg->mydestination.n && is_own_address(ro, domain))
        return MAP_FOUND;
    return resolver_is_destination(ro->resolver, l, domain);
}

enum map_result class_of(void *self, struct lookup *l, const char *address, enum address_class *out)
{
    struct routing *ro = self;
    struct span domain = address_text_domain(address);
    struct match *const lists[] = { ro->alias_domains, ro->mailbox_domains, ro->relay_domains };
    static const enum address_class classes[] = { CLASS_VIRTUAL_ALIAS, CLASS_VIRTUAL_MAILBOX, CLASS_RELAY };

    *out = CLASS_LOCAL;
    enum map_result result = class_is_local(ro, l, domain);
    for (size_t i = 0; i < ARRAY_LEN(lists) && result == MAP_NOT_FOUND; i++) {
        *out = classes[i];
        result = match_find(lists[i], l, domain);
    }
    if (result != MAP_NOT_FOUND)
        return result;
    *out = infer_has(ro, domain) ? CLASS_INFERRED : CLASS_DEFAULT;
    return MAP_FOUND;
}
