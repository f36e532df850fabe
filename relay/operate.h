/* SPDX-License-Identifier: Apache-2.0
 *
 * operate.h - what operators see of the queue and do to it; control.c carries it to them. */
#ifndef RELAY_OPERATE_H
#define RELAY_OPERATE_H

#include "relay/relay_int.h"

/* Lines of control.h's "queue list" for one message. */
void operate_describe(struct relay *r, struct message *m, struct buf *out);
/* Lines of "status". */
void operate_status(struct relay *r, struct buf *out);
/* Whether `uid` may change or read a message: root, the uid of the spool, whoever submitted it here. */
bool operate_may(struct relay *r, uid_t uid, uint64_t id);

/* Each: whether it changed anything. */
bool operate_hold(struct relay *r, struct message *m);
bool operate_release(struct relay *r, struct message *m);
bool operate_delete(struct relay *r, struct message *m);
bool operate_retry(struct relay *r, struct message *m);
/* After the last of them: destinations whose mail is to be tried are, once. */
void operate_finish(struct relay *r);

#endif
