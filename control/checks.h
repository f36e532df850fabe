/* SPDX-License-Identifier: Apache-2.0
 *
 * checks.h - what `baton check` looks at, a subject a function. Each tells what it found; none
 * changes anything. */
#ifndef CONTROL_CHECKS_H
#define CONTROL_CHECKS_H

#include "config/config.h"
#include "control/findings.h"

typedef void check_fn(const struct config *cfg, struct findings *f);

/* checks_mail.c: what the configuration says of the way of mail */
void check_name(const struct config *cfg, struct findings *f);
void check_relayhost(const struct config *cfg, struct findings *f);
void check_authorities(const struct config *cfg, struct findings *f);
void check_logins(const struct config *cfg, struct findings *f);
void check_maps(const struct config *cfg, struct findings *f);
void check_maps_live(const struct config *cfg, struct findings *f); /* connects to those who serve them */
void check_aliases(const struct config *cfg, struct findings *f);

/* checks_routes.c: what it says of domains */
void check_domains(const struct config *cfg, struct findings *f);

/* checks_rows.c: rows of transport_maps and its kin */
void check_transport_rows(const struct config *cfg, struct findings *f);
/* checks_ways.c: lines that lead nowhere */
void check_ways(const struct config *cfg, struct findings *f);

/* checks_transports.c: the sockets of lmtp:unix: */
check_fn check_transport_sockets;

/* checks_access.c: rows of access tables that nothing follows from, policy servers that are away */
void check_access(const struct config *cfg, struct findings *f);

/* checks_host.c: what it needs of this machine */
void check_users(const struct config *cfg, struct findings *f);
void check_spool(const struct config *cfg, struct findings *f);
void check_space(const struct config *cfg, struct findings *f);
void check_sendmail(const struct config *cfg, struct findings *f);
void check_listeners(const struct config *cfg, struct findings *f);
void check_log(const struct config *cfg, struct findings *f);

/* checks_auth.c: who looks at passwords of users; and, with --live, what he says */
void check_auth(const struct config *cfg, struct findings *f);
void probe_auth(const struct config *cfg, struct findings *f);

/* checks_milters.c: filters; the second one speaks with them (--live) */
void check_milters(const struct config *cfg, struct findings *f);
void probe_milters(const struct config *cfg, struct findings *f);

/* checks_deliver.c: users, folders and programs that mail is delivered to */
void check_mailboxes(const struct config *cfg, struct findings *f);
bool check_has_mailboxes(const struct config *cfg); /* users of this machine get mail by `local` */
/* checks_unit.c: whether systemd's unit lets batond get there */
check_fn check_unit;

/* checks_tls.c: what clients are shown */
void check_certificates(const struct config *cfg, struct findings *f);
/* What servers are shown. */
void check_own_certificate(const struct config *cfg, struct findings *f);

#endif
