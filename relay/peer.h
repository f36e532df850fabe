/* SPDX-License-Identifier: Apache-2.0
 *
 * peer.h - connections to next hops: made when work is due, kept for a while, many messages on each. */
#ifndef RELAY_PEER_H
#define RELAY_PEER_H

#include "relay/relay_int.h"

/* Jobs of `d` are due: wakes its idle connections and opens more, within smtp_destination_concurrency_limit. */
void peer_feed(struct relay *r, struct dest *d);
/* While others wait for a connection (schedule_is_crowded): gives up those that have not got a greeting for long. Returns when the
 * next one will have been too long, clock_real_us(), INT64_MAX: none. */
int64_t peer_make_room(struct relay *r);
/* How many connections may wait for a name server at a time. */
extern const unsigned peer_lookups_max;
/* It has no connection any more, and will be freed. */
void peer_forget(struct dest *d);
/* No new work: idle ones say QUIT, busy ones when they are through with their message. r->n_peers counts what is left. */
void peer_stop_all(struct relay *r);
/* At once, whatever is under way; nothing is settled: the spool has it all. */
void peer_drop_all(struct relay *r);
/* Of all connections. */
size_t peer_count(const struct dest *d);

#endif
