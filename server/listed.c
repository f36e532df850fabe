/* SPDX-License-Identifier: Apache-2.0
 *
 * Who there is: a recipient of ours that no table knows is refused at RCPT, not taken and returned (HANDBOOK B1). Whoever has an
 * alias is there; that has been found out before. */
#include "server/routing_int.h"


static enum map_result is_in(struct routing *ro, struct lookup *l, struct tables *t, const char *address, unsigned keys)
{
    struct found f;
    return keys_find(ro, l, t, address, keys, &f);
}

/* One whose address is rewritten on the way in is not yet whom the tables know. */
static enum map_result is_rewritten(struct routing *ro, struct lookup *l, const char *address)
{
    enum map_result result = is_in(ro, l, ro->rcpt_canonical, address, KEYS_LOCAL | KEYS_DOMAIN);

    return result == MAP_NOT_FOUND ? is_in(ro, l, ro->canonical, address, KEYS_LOCAL | KEYS_DOMAIN) : result;
}

enum map_result listed_why_not(void *self, struct lookup *l, const char *address, enum address_class class, const char **why)
{
    struct routing *ro = self;
    struct tables *t = NULL;
    const char *text = NULL;
    bool has_aliases_only = class == CLASS_VIRTUAL_ALIAS || class == CLASS_INFERRED;

    *why = NULL;
    switch (class) {
    case CLASS_LOCAL:
        t = ro->local_rcpt;
        text = "User unknown in local recipient table";
        break;
    case CLASS_INFERRED:
    case CLASS_VIRTUAL_ALIAS: text = "User unknown in virtual alias table"; break;
    case CLASS_VIRTUAL_MAILBOX:
        t = ro->virtual_mailbox;
        text = "User unknown in virtual mailbox table";
        break;
    case CLASS_RELAY:
        t = ro->relay_rcpt;
        text = "User unknown in relay recipient table";
        break;
    default: return MAP_FOUND;
    }
    if (!has_aliases_only && tables_count(t) == 0)
        return MAP_FOUND;
    unsigned keys = class == CLASS_LOCAL ? KEYS_LOCAL | KEYS_DOMAIN : KEYS_DOMAIN;
    enum map_result result = has_aliases_only ? MAP_NOT_FOUND : is_in(ro, l, t, address, keys);
    if (result == MAP_NOT_FOUND && class == CLASS_LOCAL)
        result = is_in(ro, l, ro->fallback_transport, address, KEYS_LOCAL);
    if (result == MAP_NOT_FOUND)
        result = is_rewritten(ro, l, address);
    if (result == MAP_NOT_FOUND)
        *why = text;
    return result == MAP_CANNOT_TELL ? result : MAP_FOUND;
}
