/* SPDX-License-Identifier: Apache-2.0
 *
 * The order is: dotlock, open, the locks of the kernel, look whether it is still the same file, write, sync, unlock. */
#include "server/mbox.h"

#include "base/clock.h"
#include "base/mem.h"
#include "server/copy.h"
#include "server/file.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

struct mbox {
    const struct mbox_options *o;
    char *lock;    /* the dotlock that is ours, or NULL */
    int fd;
    bool is_new;
    off_t was;     /* its size before */
};

static void wait_a_moment(const struct mbox_options *o)
{
    const struct timespec t = { o->delay_us / USEC_PER_SEC, o->delay_us % USEC_PER_SEC * 1000 };
    nanosleep(&t, NULL);
}

/* As the group that may make files in the folder of the mailboxes, where there is such a one. It can be had (identity.h); if not,
 * what follows fails, and says so. */
static void as_spool(const struct mbox_options *o, bool is_on)
{
    int rc = o->spool_gid == (gid_t)-1 ? 0 : setegid(is_on ? o->spool_gid : getgid());
    (void)rc;
}

/* ---- dotlock ---- */

static void remove_if_stale(const struct mbox_options *o, const char *lock)
{
    struct stat st;

    if (lstat(lock, &st) == 0 && clock_real_us() - (int64_t)st.st_mtime * USEC_PER_SEC > o->stale_us)
        unlink(lock);
}

static int take_dotlock(struct mbox *m, struct err *e)
{
    char *lock = xasprintf("%s.lock", m->o->path);

    for (int i = 0; i < m->o->attempts; i++) {
        int fd = open(lock, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0600);
        int error = errno;
        if (fd >= 0) {
            close(fd);
            m->lock = lock;
            return 0;
        }
        if (error != EEXIST && error != ENOENT && m->o->dotlock_may_fail) {
            free(lock);
            return 0;
        }
        if (error != EEXIST) {
            errno = error;
            err_sys(e, "cannot create %s", lock);
            free(lock);
            return -1;
        }
        remove_if_stale(m->o, lock);
        if (i + 1 < m->o->attempts)
            wait_a_moment(m->o);
    }
    err_set(e, ERR_TEMPORARY, "unable to lock for exclusive access: %s is there", lock);
    free(lock);
    return -1;
}

/* ---- the kernel's locks ---- */

static int try_locks(const struct mbox *m)
{
    struct flock whole = { .l_type = F_WRLCK, .l_whence = SEEK_SET };

    if (m->o->locks & CONFIG_LOCK_FCNTL && fcntl(m->fd, F_SETLK, &whole) < 0)
        return -1;
    if (m->o->locks & CONFIG_LOCK_FLOCK && flock(m->fd, LOCK_EX | LOCK_NB) < 0) {
        int error = errno;
        whole.l_type = F_UNLCK;
        fcntl(m->fd, F_SETLK, &whole);
        errno = error;
        return -1;
    }
    return 0;
}

static int take_locks(const struct mbox *m, struct err *e)
{
    for (int i = 0; i < m->o->attempts; i++) {
        if (try_locks(m) == 0)
            return 0;
        if (errno != EAGAIN && errno != EACCES && errno != EWOULDBLOCK)
            return err_sys(e, "lock %s", m->o->path);
        if (i + 1 < m->o->attempts)
            wait_a_moment(m->o);
    }
    return err_set(e, ERR_TEMPORARY, "unable to lock for exclusive access: another program has %s", m->o->path);
}

/* ---- the file ---- */

/* Nobody but its user can have put a link there that leads elsewhere; this says so to him, too. */
static int look_at(struct mbox *m, struct err *e)
{
    struct stat st, now;

    if (fstat(m->fd, &st) < 0)
        return err_sys(e, "look at %s", m->o->path);
    if (!S_ISREG(st.st_mode))
        return err_set(e, ERR_CONFIG, "%s is not a regular file", m->o->path);
    if (st.st_nlink > 1)
        return err_set(e, ERR_CONFIG, "%s has another name too (a hard link)", m->o->path);
    if (m->o->is_strict && st.st_uid != geteuid())
        return err_set(e, ERR_CONFIG, "%s does not belong to uid %ld (strict_mailbox_ownership)", m->o->path, (long)geteuid());
    if (lstat(m->o->path, &now) < 0 || now.st_ino != st.st_ino || now.st_dev != st.st_dev)
        return err_set(e, ERR_TEMPORARY, "%s was replaced just now", m->o->path);
    m->was = st.st_size;
    return 0;
}

static int open_file(struct mbox *m, struct err *e)
{
    m->fd = open(m->o->path, O_RDWR | O_APPEND | O_NOFOLLOW | O_CLOEXEC | O_NONBLOCK);
    if (m->fd >= 0 || errno != ENOENT)
        return m->fd < 0 ? err_sys(e, "cannot open mailbox %s", m->o->path) : 0;
    m->fd = open(m->o->path, O_RDWR | O_APPEND | O_NOFOLLOW | O_CLOEXEC | O_CREAT | O_EXCL, 0600);
    m->is_new = true;
    return m->fd < 0 ? err_sys(e, "cannot create mailbox %s", m->o->path) : 0;
}

static int open_and_lock(struct mbox *m, struct err *e)
{
    as_spool(m->o, true);
    int rc = m->o->locks & CONFIG_LOCK_DOTLOCK ? take_dotlock(m, e) : 0;
    if (rc == 0)
        rc = open_file(m, e);
    as_spool(m->o, false);
    if (rc == 0)
        rc = take_locks(m, e);
    return rc == 0 ? look_at(m, e) : -1;
}

static void close_and_unlock(struct mbox *m)
{
    if (m->fd >= 0)
        close(m->fd); /* and the kernel's locks are gone */
    if (m->lock) {
        as_spool(m->o, true);
        unlink(m->lock);
        as_spool(m->o, false);
    }
    free(m->lock);
}

/* ---- the message ---- */

static int sync_folder_of(const char *path, struct err *e)
{
    char *folder = xstrdup(path), *slash = strrchr(folder, '/');

    if (slash)
        slash[slash == folder ? 1 : 0] = '\0';
    int rc = file_sync_folder(slash ? folder : ".", e);
    free(folder);
    return rc;
}

/* What another program left there without a line end, or without the empty line that parts messages, must not run into ours. */
static int mend_end(const struct mbox *m, struct err *e)
{
    char end[2] = "\n\n";

    if (m->was == 0)
        return 0;
    size_t n = m->was < 2 ? 1 : 2;
    if (pread(m->fd, end + 2 - n, n, m->was - (off_t)n) != (ssize_t)n)
        return err_sys(e, "read %s", m->o->path);
    return file_write(m->fd, end[1] != '\n' ? SPAN("\n\n") : end[0] != '\n' ? SPAN("\n") : SPAN(""), e);
}

static int append(const struct mbox *m, struct span head, const struct content *c, struct err *e)
{
    if (mend_end(m, e) < 0 || file_write(m->fd, head, e) < 0 || file_write_content(m->fd, c, COPY_QUOTE_FROM, e) < 0 ||
        file_write(m->fd, SPAN("\n"), e) < 0)
        return -1;
    if (fsync(m->fd) < 0)
        return err_sys(e, "sync %s", m->o->path);
    return m->is_new ? sync_folder_of(m->o->path, e) : 0;
}

static void cut_off(const struct mbox *m, struct err *e)
{
    if (ftruncate(m->fd, m->was) < 0 || fsync(m->fd) < 0)
        err_prefix(e, "part of a message stays in %s", m->o->path);
}

void mbox_deliver(const struct mbox_options *o, struct span head, const struct content *c, struct outcome *out)
{
    struct mbox m = { .o = o, .fd = -1 };
    struct err e;

    if (open_and_lock(&m, &e) < 0) {
        file_failed(out, "cannot update mailbox", &e);
    } else if (o->limit && (uint64_t)m.was + head.len + content_size(c) > o->limit) {
        outcome_set(out, "5.2.2", "mailbox %s is full: it may have %llu bytes", o->path, (unsigned long long)o->limit);
    } else if (append(&m, head, c, &e) < 0) {
        cut_off(&m, &e);
        file_failed(out, "cannot update mailbox", &e);
    } else {
        outcome_set(out, "2.0.0", "%s", o->done);
    }
    close_and_unlock(&m);
}
