/* SPDX-License-Identifier: Apache-2.0
 *
 * anvil.h - who is connected and how often they come, counted over all receive workers (what anvil(8) is to Postfix).
 *
 * A table in shared memory that the supervisor makes before it forks. It has two parts:
 *   services  how many connections each has (process_limit);
 *   clients   by service and address (or network, smtpd_client_ipv6_prefix_length): how many connections they have now,
 *             and how many events of each kind in the current window. A window begins with the first event after the end
 *             of the last one (anvil_rate_time_unit).
 *
 * The table has a fixed size: a new client takes the place of the one that was idle for longest. Whoever has a connection is never
 * put out; where all places of a set (16) are held by such, a newcomer is not counted.
 * Connections are counted for each worker apart. One that is killed, at whatever instruction, leaves its count and maybe
 * a held lock; anvil_forget_worker() takes back the first, and the locks are robust. */
#ifndef RELAY_ANVIL_H
#define RELAY_ANVIL_H

#include "base/err.h"

#include <stdbool.h>
#include <stdint.h>
#include <sys/socket.h>

#define ANVIL_SERVICES 64 /* names of services that are in use at a time */

struct anvil;

enum anvil_event { ANVIL_CONNECT, ANVIL_MESSAGE, ANVIL_RECIPIENT, ANVIL_AUTH, ANVIL_NEW_TLS, ANVIL_EVENTS };

/* ---- the supervisor ---- */

/* `n_workers` at a time, 64 at most; room for some times `n_clients` that are connected at once. */
struct anvil *anvil_new(unsigned n_workers, unsigned n_clients, struct err *e);
void anvil_free(struct anvil *a);
/* The number of the service called `name`: the same one for the same name, also after a reload. A name that nobody is
 * connected under gives way when there are too many; if none does, the last one is shared. */
int anvil_service(struct anvil *a, const char *name);
/* This worker has been reaped: its connections count no more. Before another gets its number. */
void anvil_forget_worker(struct anvil *a, unsigned worker);

/* ---- workers: services ---- */

/* One connection more, or less. Enter returns how many there are now over all workers, this one included. */
unsigned anvil_enter(struct anvil *a, unsigned worker, int service);
void anvil_leave(struct anvil *a, unsigned worker, int service);
/* True once a minute, for one worker: that the service is full may be said in the log. */
bool anvil_may_complain(struct anvil *a, int service, int64_t now_us);

/* ---- workers: clients ---- */

struct anvil_who {
    int service;
    const struct sockaddr *address;
    int ipv4_bits, ipv6_bits; /* what of the address counts */
};

struct anvil_seat { /* a connection that counts; zeroes: one that does not */
    uint32_t place;
};

struct anvil_counts {
    unsigned connections; /* of this client, now, this one included */
    unsigned rate;        /* how many it has made in this window */
};

/* Counts a connection, whatever the counts are: over a limit, the caller sees to it that it goes. Pair it with
 * anvil_disconnect(), which empties the seat. */
void anvil_connect(struct anvil *a, unsigned worker, const struct anvil_who *who, int64_t now_us, int64_t unit_us,
                   struct anvil_seat *seat, struct anvil_counts *out);
void anvil_disconnect(struct anvil *a, unsigned worker, struct anvil_seat *seat);
/* Counts an event; how many there were in this window with it. 0 for an empty seat. */
unsigned anvil_count(struct anvil *a, const struct anvil_seat *seat, enum anvil_event event, int64_t now_us,
                     int64_t unit_us);

/* Logs the highest counts since the last report, if there are any, and forgets them; nothing when some worker did so less
 * than `apart_us` ago. */
void anvil_report(struct anvil *a, int64_t apart_us, int64_t unit_us);

#endif
