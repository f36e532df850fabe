/* SPDX-License-Identifier: Apache-2.0
 *
 * ldap_wire_int.h - what ldap_wire.c (the connection) and ldap_search.c (searching on it) share. */
#ifndef SERVER_LDAP_WIRE_INT_H
#define SERVER_LDAP_WIRE_INT_H

#include "server/ldap_wire.h"

#include <ldap.h>

struct ldap_wire {
    const struct ldap_table *table; /* borrowed, as `password` */
    const char *password;
    char **urls; /* of the servers, in order; NULL at the end */
    void *tls;   /* libldap's context, with the authorities read; or NULL */
    LDAP *ld;    /* NULL: not connected */
    const char *to; /* the URL that it goes to */
    struct ldap_watch *watch; /* of ld */
};

/* Fills in *e, with what libldap has to say beyond the code. Returns -1. */
int ldap_wire_failed(LDAP *ld, int code, struct err *e, const char *what, const char *url);
void ldap_wire_drop(struct ldap_wire *w);
int ldap_wire_connect(struct ldap_wire *w, struct err *e);
void ldap_wire_search(struct ldap_wire *w, struct ldap_search *const *searches, size_t n);
void ldap_wire_forget(struct ldap_search *s);

/* ldap_watch.c: libldap may wait without an end (for a TLS handshake, for SASL). A watch lets a connection that is not free of it
 * within the time limit be shut down by a thread of its own; reading and writing end by themselves after that time, too. */
struct ldap_watch;
/* Before `ld` connects. libldap keeps it as long as `ld` lives. */
struct ldap_watch *ldap_watch_new(LDAP *ld, int64_t limit_us);
/* We are in: it strikes no more. */
void ldap_watch_end(struct ldap_watch *w);
/* After `ld`. */
void ldap_watch_free(struct ldap_watch *w);
bool ldap_watch_has_connected(const struct ldap_watch *w);
bool ldap_watch_has_struck(const struct ldap_watch *w);

#endif
