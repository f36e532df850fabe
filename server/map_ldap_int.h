/* SPDX-License-Identifier: Apache-2.0
 *
 * map_ldap_int.h - what map_ldap.c (the table), map_ldap_ask.c (questions) and map_ldap_result.c (answers) share. */
#ifndef SERVER_MAP_LDAP_INT_H
#define SERVER_MAP_LDAP_INT_H

#include "server/ldap_wire.h"
#include "server/map_ldap.h"
#include "server/map_ldap_cache.h"

/* What a value of an entry is to us. */
enum ldap_role { LDAP_RESULT, LDAP_SPECIAL, LDAP_LEAF, LDAP_TERMINAL };

struct ldap_map {
    const struct map_source *source; /* borrowed */
    struct ldap_table *table;
    char *password;                  /* or NULL */
    char *filter;                    /* query_filter, in parentheses */
    char **attrs;                    /* all that are asked for, NULL at the end; the texts are the table's */
    enum ldap_role *roles;           /* of each of them */
    struct map **domains;            /* tables in `domain` */
    size_t n_domains;
    struct ldap_cache *cache;        /* or NULL */
    const struct ldap_module *module;
    struct ldap_wire *wire;
    int64_t paused_until_us;         /* it hangs: nobody else waits for it before then */
    struct err why_paused;
};

/* Asks the directory for all of them. */
void ldap_ask(struct ldap_map *m, struct map_question *const *questions, size_t n);

/* Makes the answer of what a search has found, following special_result_attribute. */
enum map_result ldap_collect(struct ldap_map *m, struct ldap_search *first, struct span key, struct buf *value, struct err *e);

#endif
