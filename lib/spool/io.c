/* SPDX-License-Identifier: Apache-2.0 */
#include "spool/io.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <unistd.h>

static int real_open(struct spool_io *io, const char *path, int flags, mode_t mode)
{
    (void)io;
    int fd = open(path, flags | O_CLOEXEC, mode);
    if (fd < 0 || !(flags & O_EXCL))
        return fd;
    /* What sendmail leaves must be readable for the daemon, whatever the umask of who calls it. A worker's own files are
     * as they should be, and its jail forbids fchmod(). */
    struct stat st;
    if (fstat(fd, &st) == 0 && ((st.st_mode & 07777) == mode || fchmod(fd, mode) == 0))
        return fd;
    int sys = errno;
    close(fd);
    unlink(path);
    errno = sys;
    return -1;
}

static void real_close(struct spool_io *io, int fd)
{
    (void)io;
    close(fd);
}

static int real_share(struct spool_io *io, int fd, const char *folder)
{
    struct stat st;

    (void)io;
    if (geteuid() == 0 && (stat(folder, &st) < 0 || fchown(fd, st.st_uid, st.st_gid) < 0))
        return -1;
    return fchmod(fd, 0640);
}

static ssize_t real_pread(struct spool_io *io, int fd, void *to, size_t len, uint64_t offset)
{
    (void)io;
    return pread(fd, to, len, (off_t)offset);
}

static ssize_t real_pwrite(struct spool_io *io, int fd, const void *from, size_t len, uint64_t offset)
{
    (void)io;
    return pwrite(fd, from, len, (off_t)offset);
}

static int real_allocate(struct spool_io *io, int fd, uint64_t size)
{
    (void)io;
    if (fallocate(fd, 0, 0, (off_t)size) == 0)
        return 0;
    if (errno == EOPNOTSUPP || errno == ENOSYS)
        return ftruncate(fd, (off_t)size);
    return -1;
}

static int real_fdatasync(struct spool_io *io, int fd)
{
    (void)io;
    return fdatasync(fd);
}

static int real_fsync(struct spool_io *io, int fd)
{
    (void)io;
    return fsync(fd);
}

static int real_fsync_dir(struct spool_io *io, const char *path)
{
    (void)io;
    int fd = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (fd < 0)
        return -1;
    int rc = fsync(fd);
    int sys = errno;
    close(fd);
    errno = sys;
    return rc;
}

static int real_rename(struct spool_io *io, const char *from, const char *to)
{
    (void)io;
    return rename(from, to);
}

static int real_unlink(struct spool_io *io, const char *path)
{
    (void)io;
    return unlink(path);
}

static int real_list(struct spool_io *io, const char *path, spool_io_name_fn *name, void *arg)
{
    (void)io;
    DIR *d = opendir(path);
    struct dirent *entry;

    if (!d)
        return -1;
    while (errno = 0, (entry = readdir(d)))
        if (entry->d_name[0] != '.')
            name(arg, entry->d_name);
    int sys = errno;
    closedir(d);
    errno = sys;
    return sys ? -1 : 0;
}

static int real_stat(struct spool_io *io, int fd, struct spool_io_stat *st)
{
    struct stat raw;
    (void)io;
    if (fstat(fd, &raw) < 0)
        return -1;
    *st = (struct spool_io_stat){
        .size = (uint64_t)raw.st_size,
        .mtime_us = raw.st_mtim.tv_sec * INT64_C(1000000) + raw.st_mtim.tv_nsec / 1000,
        .uid = raw.st_uid,
        .is_file = S_ISREG(raw.st_mode),
    };
    return 0;
}

static int real_space(struct spool_io *io, const char *path, uint64_t *free_bytes)
{
    struct statvfs raw;
    (void)io;
    if (statvfs(path, &raw) < 0)
        return -1;
    *free_bytes = (uint64_t)raw.f_bavail * raw.f_frsize;
    return 0;
}

struct spool_io *spool_io_real(void)
{
    static struct spool_io real = {
        .open = real_open,
        .close = real_close,
        .share = real_share,
        .pread = real_pread,
        .pwrite = real_pwrite,
        .allocate = real_allocate,
        .fdatasync = real_fdatasync,
        .fsync = real_fsync,
        .fsync_dir = real_fsync_dir,
        .rename = real_rename,
        .unlink = real_unlink,
        .list = real_list,
        .stat = real_stat,
        .space = real_space,
    };
    return &real;
}

int io_write(struct spool_io *io, int fd, const void *from, size_t len, uint64_t offset)
{
    const char *at = from;

    while (len) {
        ssize_t n = io->pwrite(io, fd, at, len, offset);
        if (n < 0 && errno == EINTR)
            continue;
        if (n <= 0) {
            errno = n < 0 ? errno : ENOSPC;
            return -1;
        }
        at += n;
        len -= (size_t)n;
        offset += (uint64_t)n;
    }
    return 0;
}

ssize_t io_read(struct spool_io *io, int fd, void *to, size_t len, uint64_t offset)
{
    size_t got = 0;

    while (got < len) {
        ssize_t n = io->pread(io, fd, (char *)to + got, len - got, offset + got);
        if (n < 0 && errno == EINTR)
            continue;
        if (n < 0)
            return -1;
        if (n == 0)
            break;
        got += (size_t)n;
    }
    return (ssize_t)got;
}
