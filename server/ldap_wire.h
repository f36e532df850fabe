/* SPDX-License-Identifier: Apache-2.0
 *
 * ldap_wire.h - ldap.so: a connection to a directory, on which one searches. Here lies all that needs libldap; what is asked and
 * what becomes of the answers is map_ldap.c's.
 *
 * A wire belongs to one thread at a time. All calls wait, within the time limit of the table. The connection is made when it is
 * needed, to the first server that lets us in, and kept; one that has broken meanwhile is made once more, and what was asked is
 * asked again. */
#ifndef SERVER_LDAP_WIRE_H
#define SERVER_LDAP_WIRE_H

#include "base/buf.h"
#include "config/config.h"
#include "server/module.h"

struct ldap_wire;

struct ldap_value {
    size_t attr; /* its place in the search's attrs */
    char *at;
    size_t len;
};

struct ldap_entry {
    char *dn;
    struct ldap_value *values;
    size_t n;
};

enum ldap_outcome {
    LDAP_ANSWERED,   /* with `n` entries, maybe none */
    LDAP_NO_BASE,    /* there is no such base */
    LDAP_NO_ANSWER,  /* `err` says why */
};

struct ldap_search {
    const char *base, *filter;
    enum config_ldap_scope scope;
    char *const *attrs; /* NULL at the end */
    enum ldap_outcome outcome;
    struct err err;
    bool is_hanging; /* no answer in time */
    struct ldap_entry *at;
    size_t n;
};

/* An LDAP URL as a search; `attrs` NULL: all. */
struct ldap_url {
    char *base, *filter;
    enum config_ldap_scope scope;
    char **attrs;
    void *inside;
};

struct ldap_module {
    struct module head;
    /* Reads all files that a connection will need, and loads what libldap loads later: afterwards the jail may be entered. `t` and
     * `password` (or NULL) are borrowed. */
    struct ldap_wire *(*open)(const struct ldap_table *t, const char *password, struct err *e);
    void (*close)(struct ldap_wire *w);
    /* Makes a connection if there is none. */
    int (*connect)(struct ldap_wire *w, struct err *e);
    /* Asks all of them, without waiting for one before the next. Each has its outcome afterwards. */
    void (*search)(struct ldap_wire *w, struct ldap_search *const *searches, size_t n);
    /* Frees the entries. */
    void (*forget)(struct ldap_search *s);
    bool (*is_url)(const char *text);
    bool (*parse_url)(const char *text, struct ldap_url *out);
    void (*free_url)(struct ldap_url *u);
};

#endif
