/* SPDX-License-Identifier: Apache-2.0
 *
 * auth.h - who looks at the passwords of clients (relay/auth.h): by smtpd_sasl_type, Dovecot's authentication server or the Cyrus
 * SASL library. */
#ifndef SERVER_AUTH_H
#define SERVER_AUTH_H

#include "relay/auth.h"

/* auth_open of relay/hooks.h */
struct auth *server_auth_open(const struct config *cfg, struct err *e);
/* It asks another machine, or one whose name is to be looked up. */
bool server_auth_connects(const struct config *cfg);

struct auth *auth_dovecot_open(const struct config *cfg, struct err *e);
struct auth *auth_sasl_open(const struct config *cfg, struct err *e);

#endif
