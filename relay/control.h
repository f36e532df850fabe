/* SPDX-License-Identifier: Apache-2.0
 *
 * control.h - what operators ask the running relay worker, over the unix socket QUEUE_DIRECTORY/public/control.
 *
 * A client sends one line of words and reads till the end of the stream. The first line of the answer is "ok", or
 * "error TEXT", or "denied TEXT" for who may not do that; what follows "ok" is lines of fields with a TAB between them. No field holds a control character:
 * strangers' text is escaped by log_escape(), so that a client may print it as it is. Times are microseconds since
 * 1970. Fields may be added at the end of a line, and lines with new first fields: clients pass over both.
 *
 *   status                      "KEY TAB VALUE" lines: version, since, relayhost, waiting, active, held, bytes, disk,
 *                               next, trouble (once for each: since, destination, text; there may be several)
 *   queue list [ID]             for each message a line  m ID STATE SIZE ARRIVAL NEXT ATTEMPTS SENDER REASON
 *                               (STATE: active, ready, deferred, hold; NEXT 0: now) and for each recipient that is left
 *                               r ADDRESS REASON
 *   queue cat ID                the content of the message, raw, to the end of the stream (owner of the spool, root)
 *   queue hold|release|delete|retry ID...    or ALL:  "n TAB COUNT" after it is done; before
 *                               that, of many, now and then "sofar TAB COUNT"
 *
 * Everybody may ask for status, list and retry; the rest is for root, for the uid that runs the relay, and, of messages
 * of their own (hold, release, delete, cat), for users. */
#ifndef RELAY_CONTROL_H
#define RELAY_CONTROL_H

#include "base/err.h"

struct relay;
struct control;

/* Listens on the fd that the supervisor opened (it is closed by control_free()). */
struct control *control_new(struct relay *relay, int listen_fd, struct err *e);
void control_free(struct control *c);

#endif
