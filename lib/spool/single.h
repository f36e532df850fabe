/* SPDX-License-Identifier: Apache-2.0
 *
 * single.h - one message in one file: what is large, and what sendmail leaves in the drop.
 *
 * The content streams in at its final place, from PAGE_BYTES on; record and header are written last. Until the rename at
 * the end the file is called tmp-ID, and nobody takes it for a message. Blocks; single_finish() belongs on a runner
 * where there is a loop. */
#ifndef SPOOL_SINGLE_H
#define SPOOL_SINGLE_H

#include "base/err.h"
#include "base/span.h"
#include "spool/io.h"
#include "spool/record.h"

#define SINGLE_TMP "tmp-"

struct single;

/* `folder` is "large" or "drop". NULL with e->sys EEXIST: take another id. */
struct single *single_new(struct spool_io *io, const char *dir, const char *folder, uint64_t id, mode_t mode, struct err *e);
/* For the drop: whatever the umask, the owner of the folder can read it; made by root, it is theirs. */
int single_share(struct single *s, struct err *e);
int single_write(struct single *s, struct span data, struct err *e);
/* Writes `head` (its fixed part is filled in from `r`, whose gen, id, size and sums are set here), syncs, renames, syncs
 * the folder: then the message is kept. On -1 only single_free() is left. */
int single_finish(struct single *s, struct record *r, struct buf *head, struct err *e);
/* Removes the file unless it was finished. */
void single_free(struct single *s);

#endif
