/* SPDX-License-Identifier: Apache-2.0
 *
 * state.h - the form of a spool_state on disk: "Kvalue" lines like those of an envelope (base/envelope.h); unknown keys
 * in small letters are passed over, in capitals they are an error. */
#ifndef SPOOL_STATE_H
#define SPOOL_STATE_H

#include "base/buf.h"
#include "spool/spool.h"

void state_pack(const struct spool_state *st, struct buf *out);
/* On -1 `st` is zeroes. */
int state_unpack(struct spool_state *st, struct span packed, struct err *e);

#endif
