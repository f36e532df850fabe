/* SPDX-License-Identifier: Apache-2.0
 *
 * limits.h - what one client may have: connections, and events in a time (HANDBOOK's smtpd_client_*_limit). anvil.h
 * counts; here is whose limits count, and what is said to who goes over one.
 *
 * The address is the session's: after PROXY or XCLIENT has changed it, limits_client() counts anew. Not counted:
 * programs on this machine, clients in smtpd_client_event_limit_exceptions, and sessions that are `is_unlimited`. */
#ifndef RELAY_LIMITS_H
#define RELAY_LIMITS_H

#include "relay/session.h"

struct session;
struct smtp_cmd;

/* Whether the service has room for one more connection, which is then counted till limits_left(). Asked before
 * anything is known of the client and before there is a session: a crowd at the door costs little. False: the connection
 * was told so, and is closed. */
bool limits_let_in(struct receiver *r, const struct listening *on, struct conn *c);
void limits_left(struct receiver *r, const struct listening *on);

/* The address has become known, or is another one now. False: one connection too many; the engine has said 421. */
bool limits_client(struct session *s);
/* The session ends. */
void limits_forget(struct session *s);

/* Each counts one event. False: that was one too many, and the question has been answered. */
bool limits_mail(struct session *s, struct smtp_cmd *c);
bool limits_rcpt(struct session *s, struct smtp_cmd *c);
bool limits_auth(struct session *s, struct smtp_cmd *c);
bool limits_starttls(struct session *s, struct smtp_cmd *c);
/* The same for TLS from the first byte, before the handshake: on false, close. */
bool limits_tls(struct session *s);

#endif
