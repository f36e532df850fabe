/* SPDX-License-Identifier: Apache-2.0
 *
 * ours.h - whose messages are put right: local_header_rewrite_clients. */
#ifndef RELAY_OURS_H
#define RELAY_OURS_H

#include "config/config.h"
#include "map/map.h"
#include "net/addr.h"

struct ours;
struct tls_info;

struct ours_client {
    const union addr *peer;
    const char *address; /* as text, the key of check_address_map */
    bool is_local, is_trusted, is_logged_in; /* a program of this machine; in mynetworks */
    const struct tls_info *certificate;      /* that it has shown, or NULL */
    const struct strlist *ccerts;            /* relay_clientcerts that count for it */
};

/* Before the jail: opens the tables, and finds the addresses of inet_interfaces. NULL: a table cannot be opened. `cfg` is borrowed. */
struct ours *ours_open(const struct config *cfg, struct err *e);
void ours_close(struct ours *o); /* may be NULL */
/* MAP_CANNOT_TELL: a table does not say; it was logged. */
enum map_result ours_has(struct ours *o, const struct ours_client *c);
/* A table has changed, and a new process has to open it. */
bool ours_are_stale(const struct ours *o);

#endif
