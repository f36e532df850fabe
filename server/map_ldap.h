/* SPDX-License-Identifier: Apache-2.0
 *
 * map_ldap.h - the type ldap: of lookup tables (baton_table(5)). */
#ifndef SERVER_MAP_LDAP_H
#define SERVER_MAP_LDAP_H

#include "config/config.h"
#include "map/map_kind.h"

extern const struct map_kind map_kind_ldap;

/* Where ldap:NAME finds its section; borrowed. NULL: nowhere. */
void map_ldap_use(const struct config *cfg);

#endif
