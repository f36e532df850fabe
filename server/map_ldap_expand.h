/* SPDX-License-Identifier: Apache-2.0
 *
 * map_ldap_expand.h - %s and its like in search_base, query_filter and result_format (Postfix's ldap_table(5)), and their quoting.
 * What a stranger has written into a key can only ever be a value: it ends neither a filter's nor a DN's part. */
#ifndef SERVER_MAP_LDAP_EXPAND_H
#define SERVER_MAP_LDAP_EXPAND_H

#include "base/buf.h"
#include "base/err.h"

enum ldap_quote {
    LDAP_QUOTE_NONE,   /* result_format */
    LDAP_QUOTE_FILTER, /* RFC 4515 */
    LDAP_QUOTE_DN,     /* RFC 4514 */
};

/* -1: a % with something behind it that means nothing. */
int ldap_template_check(const char *text, struct err *e);
/* Whether the key counts in it at all. */
bool ldap_template_is_fixed(const char *text);

/* Adds the expansion to `out`. `value` is what %s, %u and %d stand for; the capitals and the digits stand for parts of the key;
 * value.at NULL: for the key, all of them. False: something is missing (a domain, a label of it, what stands before the @),
 * or `out` is full; what has been added then is to be thrown away. */
bool ldap_expand(const char *text, struct span key, struct span value, enum ldap_quote quote, struct buf *out);
/* Whether the key has all that the capitals and digits in it ask for. */
bool ldap_template_suits(const char *text, struct span key);

#endif
