/* SPDX-License-Identifier: Apache-2.0
 *
 * sim_fs.h - a file system in memory that can be cut off at any moment: it knows what was synced and what was not.
 *
 * It promises less than real ones do. What was written to a file since its last sync may survive in any selection, the
 * last write in part; what was done to names may be lost, file by file, from the last step back; a sync of a folder
 * keeps the steps that touched it, a sync of a file keeps its data (fdatasync) or its name as well (fsync). After a sync
 * that failed, what it covered is gone from disk though it can still be read: later syncs do not bring it back. */
#ifndef SIM_FS_H
#define SIM_FS_H

#include "spool/io.h"

struct sim_fs;

enum sim_survival { /* of what was not synced */
    SIM_NOTHING,
    SIM_EVERYTHING,
    SIM_TORN,      /* everything, but only the first `cut` bytes of the last write */
    SIM_LAST_ONLY, /* the last write of each file, and no name */
    SIM_NAMES,     /* all that was done to names, and no data */
    SIM_RANDOM,    /* a selection that follows from `cut` */
};

struct sim_fs *sim_new(void);
void sim_free(struct sim_fs *fs);
struct spool_io *sim_io(struct sim_fs *fs);
/* What a machine finds that starts after a power cut now. */
struct sim_fs *sim_after_cut(const struct sim_fs *fs, enum sim_survival survival, uint64_t cut);
/* Makes a file, synced. */
void sim_put(struct sim_fs *fs, const char *path, const char *text);
unsigned sim_count(const struct sim_fs *fs, const char *folder);
/* Changes bytes of a file on disk. */
void sim_damage(struct sim_fs *fs, const char *path, uint64_t offset, size_t len);

/* Called after every step that changes something: create, write, allocate, sync, rename, unlink. */
void sim_on_step(struct sim_fs *fs, void (*fn)(void *arg), void *arg);
/* Called once, before read number `n` from now on (open, list and pread count): what happens beside a reader. */
void sim_on_read(struct sim_fs *fs, unsigned n, void (*fn)(void *arg), void *arg);
uint64_t sim_steps(const struct sim_fs *fs);
/* Length of the write that was the last step, or 0. */
size_t sim_last_write(const struct sim_fs *fs);
/* From now on there is no room for new files. */
void sim_fill(struct sim_fs *fs);
/* Step number `step` fails with `sys`; a write gets half-way first. */
void sim_fail(struct sim_fs *fs, uint64_t step, int sys);

#endif
