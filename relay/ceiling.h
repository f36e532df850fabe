/* SPDX-License-Identifier: Apache-2.0
 *
 * ceiling.h - how much memory all receive workers hold for their clients, against receive_memory_limit.
 *
 * Counted is what clients can make grow, as it is allocated: a connection with its buffers and TLS, header sections while
 * they are gathered, envelopes, content, and messages until their commit has called back, also those whose client has
 * gone. Each worker keeps its own sum and tells the others when it has changed by STEP. From 4/16 of the limit on it tells
 * what its process has really grown by, with the allocator's holes, when that is more. The program itself is counted with
 * CEILING_PROGRAM a worker, but with a quarter of the limit at most.
 *
 *   up to 12/16  all is well
 *   above        new connections get 421, new mail 452; content that waits in memory moves to a file
 *   above 14/16  whoever holds more than his share gets no more: 452 for the message, 421 where there is none
 * Programs on this machine go on to 15/16 and 16/16: they find a place when others have filled theirs.
 *
 * A share, CEILING_CONNECTION and CEILING_MESSAGE more for a message, is counted as taken from the beginning: so what has
 * begun and is of an ordinary kind ends well, however full it is. */
#ifndef RELAY_CEILING_H
#define RELAY_CEILING_H

#include "base/err.h"
#include "relay/session.h"

struct session;
struct smtp_cmd;

#define CEILING_CONNECTION ((size_t)8 * 1024)
#define CEILING_MESSAGE    ((size_t)32 * 1024)
#define CEILING_PROGRAM    ((size_t)4 * 1024 * 1024)

/* ---- the supervisor: shared memory, made before it forks ---- */

struct ceiling *ceiling_new(unsigned n_workers, struct err *e);
void ceiling_free(struct ceiling *c);
/* It has been reaped, and holds nothing any more. */
void ceiling_forget_worker(struct ceiling *c, unsigned worker);

/* ---- workers ---- */

/* Before the first client; resident_open() comes first. */
void ceiling_start(struct receiver *r);
/* Bytes that all workers hold. */
uint64_t ceiling_used(const struct ceiling *c);
/* What has no session: a commit whose client may be gone. */
void ceiling_add(struct receiver *r, size_t bytes);
void ceiling_drop(struct receiver *r, size_t bytes);

/* Whether another connection may come. Says in the log, once a minute for all workers, when not. */
bool ceiling_has_room(struct receiver *r, bool is_local);
/* Whether a message may begin. False: the question has been answered. */
bool ceiling_allows_mail(struct session *s, struct smtp_cmd *c);
/* Whether what the session holds may grow. */
bool ceiling_allows_more(struct session *s);
/* Whether content had better be in a file. */
bool ceiling_is_near(struct session *s);
/* Counts what the session holds now. False: its buffers hold too much, and it should go. */
bool ceiling_weigh(struct session *s);
/* Its memory goes now. When a flood or a crowd is over, what the allocator has left goes back to the system. */
void ceiling_left(struct session *s);

#endif
