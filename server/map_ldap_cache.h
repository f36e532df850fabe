/* SPDX-License-Identifier: Apache-2.0
 *
 * map_ldap_cache.h - answers that are kept for a while. Each key has one place, which the next key that falls on it takes: so
 * nothing has to be thrown out, and the size is bounded. */
#ifndef SERVER_MAP_LDAP_CACHE_H
#define SERVER_MAP_LDAP_CACHE_H

#include "map/map.h"

struct ldap_cache;

struct ldap_cache *ldap_cache_new(uint64_t size_bytes, int64_t lifetime_us);
void ldap_cache_free(struct ldap_cache *c);
/* MAP_CANNOT_TELL: it is not in there. */
enum map_result ldap_cache_find(const struct ldap_cache *c, struct span key, struct buf *value);
/* MAP_CANNOT_TELL is not kept. */
void ldap_cache_put(struct ldap_cache *c, struct span key, enum map_result result, struct span value);

#endif
