/* SPDX-License-Identifier: Apache-2.0
 *
 * packed.h - lines "Kvalue\n", each with a key of one letter: the form in which envelopes and states lie in the spool.
 *
 * A key in small letters may be passed over by who does not know it; any other one stands for something that has to be
 * understood. */
#ifndef BASE_PACKED_H
#define BASE_PACKED_H

#include "base/buf.h"
#include "base/err.h"
#include "base/span.h"

/* Nothing for NULL. It trusts nobody: a line end in a value, which would be a key of its own, becomes '?'. */
void packed_put(struct buf *out, char key, const char *value);

/* Takes one line off *packed. 1: there is one, 0: none is left, -1: it is no such line. */
int packed_next(struct span *packed, char *key, struct span *value, struct err *e);
/* A key that the caller does not know: -1 unless it may be passed over. */
int packed_unknown(char key, struct err *e);

#endif
