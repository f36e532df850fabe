/* SPDX-License-Identifier: Apache-2.0
 *
 * tls_setup.h - the supervisor's part in TLS for clients: it reads certificates and keys, which workers may not, and they
 * inherit them. So a worker that is started again shows what the others show, whatever has become of the files. */
#ifndef RELAY_TLS_SETUP_H
#define RELAY_TLS_SETUP_H

#include "config/config.h"
#include "net/tls.h"

struct tls_setup;

/* `old`, NULL at the start, is whose certificates stay when the new ones cannot be loaded; that is logged. NULL: there are
 * none to keep, or the terms are such as this library can't have. `tickets` is borrowed. */
struct tls_setup *tls_setup_new(const struct config *cfg, struct tls_tickets *tickets, const struct tls_setup *old,
                                struct err *e);
/* Wipes the keys in this process. NULL is fine. */
void tls_setup_free(struct tls_setup *t);
/* Logs certificates that have expired or soon will. */
void tls_setup_warn(const struct tls_setup *t);
/* For the listeners that demand TLS, or those that offer it, and that ask clients for certificates, or do not; NULL when there is no
 * certificate. */
struct tls_server *tls_setup_server(const struct tls_setup *t, bool is_demanded, bool asks);

#endif
