/* SPDX-License-Identifier: Apache-2.0
 *
 * fail_io.c - a disk that fails on command, for batond and sendmail as they are: LD_PRELOAD puts it between them and
 * libc, below one folder. No real disk can be made to fail at a chosen moment, and no part of the jail is touched: all
 * that is needed later is opened and mapped before main().
 *
 * A sync that fails loses what it was to keep, as with a kernel that has marked the pages clean: what was written to the
 * file since its last good sync becomes zeroes. So whoever tried again and believed the answer would have promised what
 * is not there. Whether anybody tried is counted, too.
 *
 *   FAIL_IO_DIR      the folder
 *   FAIL_IO_CONTROL  a file of CONTROL_BYTES that holds a struct control; the test writes and reads it at any time */
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#define CONTROL_BYTES 4096
#define MAX_FDS       4096
#define MAX_RANGES    64
#define PAGE_BYTES    4096 /* the first page of a segment: a seal there says that nothing behind it counts */

struct control {
    /* The test says: */
    _Atomic uint32_t syncs_to_fail, writes_to_fail;   /* the next so many */
    _Atomic uint32_t one_sync_in, one_write_in;       /* now and then; 0: none */
    _Atomic uint32_t only_pid;                        /* in this process; 0: in all */
    /* and is told: */
    _Atomic uint32_t syncs, failed_syncs, failed_folder_syncs, writes, failed_writes;
    _Atomic uint32_t synced_again, written_again;     /* files that had failed: both must stay 0 */
};

struct range {
    off_t from;
    size_t len;
};

struct file {
    bool is_ours, is_given_up, is_half_written;
    unsigned n;
    struct range unsynced[MAX_RANGES];
};

static struct control *control;
static struct file files[MAX_FDS];
static const char *folder;

static int (*real_open)(const char *, int, ...);
static int (*real_close)(int);
static int (*real_fdatasync)(int);
static int (*real_fsync)(int);
static ssize_t (*real_pwrite)(int, const void *, size_t, off_t);

static void *next(const char *name)
{
    void *f = dlsym(RTLD_NEXT, name);
    if (!f)
        abort();
    return f;
}

__attribute__((constructor)) static void start(void)
{
    const char *path = getenv("FAIL_IO_CONTROL");

    *(void **)&real_open = next("open");
    *(void **)&real_close = next("close");
    *(void **)&real_fdatasync = next("fdatasync");
    *(void **)&real_fsync = next("fsync");
    *(void **)&real_pwrite = next("pwrite");
    folder = getenv("FAIL_IO_DIR");
    int fd = path && folder ? real_open(path, O_RDWR | O_CLOEXEC) : -1;
    if (fd < 0)
        return;
    void *at = mmap(NULL, CONTROL_BYTES, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
    if (at != MAP_FAILED)
        control = at;
    real_close(fd);
}

static struct file *file_of(int fd)
{
    return control && fd >= 0 && fd < MAX_FDS && files[fd].is_ours ? &files[fd] : NULL;
}

static bool is_due(_Atomic uint32_t *left, uint32_t one_in)
{
    static _Thread_local uint64_t x;
    uint32_t n = atomic_load(left), pid = atomic_load(&control->only_pid);

    if (pid && pid != (uint32_t)getpid())
        return false;
    while (n > 0)
        if (atomic_compare_exchange_weak(left, &n, n - 1))
            return true;
    if (!one_in)
        return false;
    if (!x) {
        struct timespec now;
        clock_gettime(CLOCK_MONOTONIC, &now);
        x = (uint64_t)now.tv_nsec * 2654435761u + (uint64_t)getpid();
    }
    x = x * UINT64_C(6364136223846793005) + UINT64_C(1442695040888963407);
    return (x >> 33) % one_in == 0;
}

/* ---- which files ---- */

static int opened(const char *path, int fd)
{
    if (!control || fd < 0 || fd >= MAX_FDS)
        return fd;
    files[fd] = (struct file){ .is_ours = strncmp(path, folder, strlen(folder)) == 0 };
    return fd;
}

static mode_t mode_of(int flags, va_list ap)
{
    return flags & (O_CREAT | O_TMPFILE) ? va_arg(ap, mode_t) : 0;
}

int open(const char *path, int flags, ...)
{
    va_list ap;

    va_start(ap, flags);
    mode_t mode = mode_of(flags, ap);
    va_end(ap);
    return opened(path, real_open(path, flags, mode));
}

int open64(const char *path, int flags, ...)
{
    va_list ap;

    va_start(ap, flags);
    mode_t mode = mode_of(flags, ap);
    va_end(ap);
    return opened(path, real_open(path, flags, mode));
}

int close(int fd)
{
    if (file_of(fd))
        files[fd].is_ours = false;
    return real_close(fd);
}

/* ---- writing ---- */

static void note_range(struct file *f, off_t from, size_t len)
{
    struct range *last = f->n ? &f->unsynced[f->n - 1] : NULL;

    if (last && last->from + (off_t)last->len == from)
        last->len += len;
    else if (f->n < MAX_RANGES)
        f->unsynced[f->n++] = (struct range){ from, len };
}

static ssize_t write_or_fail(int fd, const void *at, size_t len, off_t offset)
{
    struct file *f = file_of(fd);

    if (!f)
        return real_pwrite(fd, at, len, offset);
    atomic_fetch_add(&control->writes, 1);
    if (f->is_given_up && offset >= PAGE_BYTES)
        atomic_fetch_add(&control->written_again, 1);
    bool is_half = f->is_half_written;
    f->is_half_written = false;
    if (is_half || (offset >= PAGE_BYTES && is_due(&control->writes_to_fail, control->one_write_in))) {
        if (!is_half && len > 1) { /* half of it gets there, the rest fails */
            f->is_half_written = true;
            len /= 2;
        } else {
            f->is_given_up = true;
            atomic_fetch_add(&control->failed_writes, 1);
            errno = EIO;
            return -1;
        }
    }
    ssize_t n = real_pwrite(fd, at, len, offset);
    if (n > 0)
        note_range(f, offset, (size_t)n);
    return n;
}

ssize_t pwrite(int fd, const void *at, size_t len, off_t offset)
{
    return write_or_fail(fd, at, len, offset);
}

ssize_t pwrite64(int fd, const void *at, size_t len, off_t offset)
{
    return write_or_fail(fd, at, len, offset);
}

/* ---- syncing ---- */

static void lose(int fd, struct file *f)
{
    static const char zeroes[65536];

    for (unsigned i = 0; i < f->n; i++) {
        struct range r = f->unsynced[i];
        for (ssize_t n; r.len; r.from += n, r.len -= (size_t)n) {
            n = real_pwrite(fd, zeroes, r.len < sizeof zeroes ? r.len : sizeof zeroes, r.from);
            if (n <= 0)
                return;
        }
    }
    f->n = 0;
}

static int sync_or_fail(int fd, int (*real)(int))
{
    struct file *f = file_of(fd);
    struct stat st;

    if (!f)
        return real(fd);
    bool is_folder = fstat(fd, &st) == 0 && S_ISDIR(st.st_mode);
    atomic_fetch_add(&control->syncs, 1);
    if (f->is_given_up)
        atomic_fetch_add(&control->synced_again, 1);
    if (is_due(&control->syncs_to_fail, control->one_sync_in)) {
        f->is_given_up = true;
        atomic_fetch_add(is_folder ? &control->failed_folder_syncs : &control->failed_syncs, 1);
        if (!is_folder)
            lose(fd, f);
        errno = EIO;
        return -1;
    }
    int rc = real(fd);
    if (rc == 0)
        f->n = 0;
    return rc;
}

int fdatasync(int fd)
{
    return sync_or_fail(fd, real_fdatasync);
}

int fsync(int fd)
{
    return sync_or_fail(fd, real_fsync);
}
