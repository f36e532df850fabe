/* SPDX-License-Identifier: Apache-2.0
 *
 * The folder of a spool: making it, its version, its lock. FORMAT says what lies where. */
#include "spool/spool_int.h"

#include "base/clock.h"
#include "spool/record.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

static const struct {
    const char *name;
    mode_t mode;      /* when root makes it */
    mode_t own_mode;  /* when the spool is one user's */
    bool is_of_group;
} folders[] = {
    { "", 0755, 0755, true },
    { "journal", 0700, 0700, false },
    { "large", 0700, 0700, false },
    { "free", 0700, 0700, false },
    { "drop", 01730, 0700, true },
    { "public", 0755, 0755, false },
    { "private", 0700, 0700, false },
};

static int make_folder(const char *dir, size_t i, uid_t owner, gid_t group, struct err *e)
{
    bool is_root = geteuid() == 0;
    mode_t mode = is_root ? folders[i].mode : folders[i].own_mode;
    char path[PATH_MAX];
    struct stat st;

    snprintf(path, sizeof path, "%s%s%s", dir, i ? "/" : "", folders[i].name);
    bool is_new = mkdir(path, mode) == 0;
    if (!is_new && errno != EEXIST)
        return err_sys(e, "make folder %s", path);
    /* By an fd and not through a link: owners change below. */
    int fd = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC | (i ? O_NOFOLLOW : 0));
    if (fd < 0 || fstat(fd, &st) < 0) {
        err_sys(e, "open folder %s", path);
        goto fail;
    }
    gid_t gid = folders[i].is_of_group ? group : st.st_gid;
    if (is_root && (st.st_uid != owner || st.st_gid != gid) && fchown(fd, owner, gid) < 0) {
        err_sys(e, "give folder %s to its owner", path);
        goto fail;
    }
    if ((is_root || st.st_uid == geteuid()) && (is_new || i) && (st.st_mode & 07777) != mode &&
        fchmod(fd, mode) < 0) {
        err_sys(e, "set the mode of folder %s", path);
        goto fail;
    }
    close(fd);
    return 0;
fail:
    if (fd >= 0)
        close(fd);
    return -1;
}

static int write_version(const char *dir, uid_t owner, struct err *e)
{
    char path[PATH_MAX], tmp[PATH_MAX];
    struct spool_io *io = spool_io_real();

    snprintf(path, sizeof path, "%s/VERSION", dir);
    snprintf(tmp, sizeof tmp, "%s/.VERSION.%ld", dir, (long)getpid());
    unlink(tmp);
    int fd = open(tmp, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0644);
    if (fd < 0)
        return err_sys(e, "create %s", tmp);
    char text[16];
    int n = snprintf(text, sizeof text, "%u\n", SPOOL_VERSION);
    bool is_root = geteuid() == 0;
    if ((is_root && fchown(fd, owner, (gid_t)-1) < 0) || fchmod(fd, 0644) < 0 ||
        io_write(io, fd, text, (size_t)n, 0) < 0 || fsync(fd) < 0 || rename(tmp, path) < 0 ||
        io->fsync_dir(io, dir) < 0) {
        err_sys(e, "write %s", path);
        close(fd);
        unlink(tmp);
        return -1;
    }
    close(fd);
    return 0;
}

int folder_missing(const char *dir, struct err *e)
{
    err_set(e, ERR_CONFIG, "there is no queue in %s yet: batond makes it when it is started for the first time", dir);
    if (e)
        e->sys = ENOENT;
    return -1;
}

int folder_version(struct spool_io *io, const char *dir, uid_t *owner, struct err *e)
{
    char path[PATH_MAX], text[16] = "";
    struct spool_io_stat st;

    snprintf(path, sizeof path, "%s/VERSION", dir);
    int fd = io->open(io, path, O_RDONLY, 0);
    if (fd < 0)
        return errno == ENOENT ? folder_missing(dir, e) : err_sys(e, "%s is not a spool: open %s", dir, path);
    ssize_t n = io_read(io, fd, text, sizeof text - 1, 0);
    int rc = io->stat(io, fd, &st);
    io->close(io, fd);
    if (n < 0 || rc < 0)
        return err_sys(e, "read %s", path);
    uint64_t version;
    if (!span_u64(span_trim(span_str(text)), &version) || version == 0)
        return err_set(e, ERR_PERMANENT, "%s holds no version", path);
    if (version > SPOOL_VERSION)
        return err_set(e, ERR_CONFIG, "the spool %s was written by a newer Baton: its version is %llu, this one knows %u",
                       dir, (unsigned long long)version, SPOOL_VERSION);
    *owner = st.uid;
    return 0;
}

int spool_create(const char *dir, uid_t owner, gid_t group, struct err *e)
{
    char path[PATH_MAX];
    uid_t of;

    if (strlen(dir) > PATH_MAX - 64)
        return err_set(e, ERR_CONFIG, "the name of the spool is too long");
    snprintf(path, sizeof path, "%s/VERSION", dir);
    bool has_version = access(path, F_OK) == 0;
    /* Before anything is changed: a newer Baton may want its folders otherwise. */
    if (has_version && folder_version(spool_io_real(), dir, &of, e) < 0)
        return -1;
    for (size_t i = 0; i < sizeof folders / sizeof *folders; i++)
        if (make_folder(dir, i, owner, group, e) < 0)
            return -1;
    return has_version ? 0 : write_version(dir, owner, e);
}

int spool_lock(const char *dir, int wait_ms, struct err *e)
{
    char path[PATH_MAX];
    int64_t until = clock_mono_us() + wait_ms * INT64_C(1000);
    const struct timespec pause = { .tv_nsec = 10 * 1000 * 1000 };

    snprintf(path, sizeof path, "%s/lock", dir);
    int fd = open(path, O_RDWR | O_CREAT | O_NOFOLLOW | O_CLOEXEC, 0600);
    if (fd < 0)
        return err_sys(e, "open %s", path);
    while (flock(fd, LOCK_EX | LOCK_NB) < 0) {
        if (errno == EINTR)
            continue;
        if (errno != EWOULDBLOCK || clock_mono_us() >= until) {
            err_sys(e, errno == EWOULDBLOCK ? "the spool %s has a daemon already: lock" : "lock %s", path);
            close(fd);
            return -1;
        }
        nanosleep(&pause, NULL);
    }
    return fd;
}
