/* SPDX-License-Identifier: Apache-2.0
 *
 * notify.h - telling the service manager how far we are: sd_notify(3)'s datagrams, in twenty lines instead of a library.
 * Without NOTIFY_SOCKET in the environment every call does nothing. */
#ifndef RELAY_NOTIFY_H
#define RELAY_NOTIFY_H

void notify_ready(void);
/* Type=notify-reload wants the time of the request with it; notify_ready() ends the reload. */
void notify_reloading(void);
void notify_stopping(void);

#endif
