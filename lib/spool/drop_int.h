/* SPDX-License-Identifier: Apache-2.0
 *
 * drop_int.h - the drop behind a seam of the caller's, for the crash test. */
#ifndef SPOOL_DROP_INT_H
#define SPOOL_DROP_INT_H

#include "spool/drop.h"
#include "spool/io.h"

struct spool_drop *drop_begin(struct spool_io *io, const char *dir, const struct envelope *env, struct err *e);

#endif
