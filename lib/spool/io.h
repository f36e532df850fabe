/* SPDX-License-Identifier: Apache-2.0
 *
 * io.h - the seam: everything the spool does to files goes through here.
 *
 * The programs use spool_io_real(). The crash test puts a file system of its own behind it, which forgets what was not
 * synced. All functions return as the system calls they are named for: -1 with errno. They may be called from several
 * threads at once, never for the same fd at the same time, but for pread(). */
#ifndef SPOOL_IO_H
#define SPOOL_IO_H

#include "base/err.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

struct spool_io_stat {
    uint64_t size;
    int64_t mtime_us;
    uid_t uid;
    bool is_file; /* a regular one */
};

typedef void spool_io_name_fn(void *arg, const char *name);

struct spool_io {
    int (*open)(struct spool_io *io, const char *path, int flags, mode_t mode); /* O_CLOEXEC is added;
                                                       with O_EXCL the mode is that, whatever the umask */
    void (*close)(struct spool_io *io, int fd);
    /* Whoever made the file (root, a user with any umask), whoever owns `folder` can read it. */
    int (*share)(struct spool_io *io, int fd, const char *folder);
    ssize_t (*pread)(struct spool_io *io, int fd, void *to, size_t len, uint64_t offset);
    ssize_t (*pwrite)(struct spool_io *io, int fd, const void *from, size_t len, uint64_t offset);
    /* Makes the file `size` bytes long, with its blocks where the file system can. */
    int (*allocate)(struct spool_io *io, int fd, uint64_t size);
    int (*fdatasync)(struct spool_io *io, int fd);
    /* After a rename: makes the file's new name durable too (ext4, XFS and btrfs do that). */
    int (*fsync)(struct spool_io *io, int fd);
    int (*fsync_dir)(struct spool_io *io, const char *path);
    int (*rename)(struct spool_io *io, const char *from, const char *to);
    int (*unlink)(struct spool_io *io, const char *path);
    /* Calls `name` for each file in the folder, but those whose name begins with a dot. */
    int (*list)(struct spool_io *io, const char *path, spool_io_name_fn *name, void *arg);
    int (*stat)(struct spool_io *io, int fd, struct spool_io_stat *st);
    int (*space)(struct spool_io *io, const char *path, uint64_t *free_bytes);
};

struct spool_io *spool_io_real(void);

/* All of it, over short writes and signals. -1 with errno. */
int io_write(struct spool_io *io, int fd, const void *from, size_t len, uint64_t offset);
/* Up to `len` bytes: fewer only at the end of the file. -1 with errno. */
ssize_t io_read(struct spool_io *io, int fd, void *to, size_t len, uint64_t offset);

#endif
