/* SPDX-License-Identifier: Apache-2.0
 *
 * map_file.c - files that change under us. A file is known by size, time, inode and device; what was made of it answers until
 * something new has been made in full. */
#include "map/map_int.h"

#include "base/clock.h"
#include "base/mem.h"

#include <errno.h>
#include <fcntl.h>
#include <unistd.h>

enum { LOOK_EVERY_US = 1000000 };

struct map_mark map_mark_of(const struct stat *st)
{
    return (struct map_mark){
        .size = (uint64_t)st->st_size,
        .mtime_ns = (int64_t)st->st_mtim.tv_sec * 1000000000 + st->st_mtim.tv_nsec,
        .inode = st->st_ino,
        .device = st->st_dev,
    };
}

bool map_mark_eq(const struct map_mark *a, const struct map_mark *b)
{
    return a->size == b->size && a->mtime_ns == b->mtime_ns && a->inode == b->inode && a->device == b->device;
}

bool map_is_time_to_look(int64_t *look_us)
{
    int64_t now = clock_mono_us();

    if (now < *look_us)
        return false;
    *look_us = now + LOOK_EVERY_US;
    return true;
}

static int read_all(int fd, struct buf *out)
{
    for (;;) {
        char *at = buf_room(out, 65536);
        ssize_t n = at ? read(fd, at, 65536) : -1;
        if (n == 0)
            return 0;
        if (n < 0 && at && errno == EINTR)
            continue;
        if (n < 0)
            return -1;
        out->len += (size_t)n;
    }
}

int map_read_file(const char *path, struct buf *out, struct map_mark *mark, struct err *e)
{
    struct stat st;
    int fd = open(path, O_RDONLY | O_CLOEXEC | O_NOCTTY | O_NONBLOCK), rc = -1;

    if (fd < 0)
        return err_sys(e, "%s", path);
    if (fstat(fd, &st) < 0) {
        err_sys(e, "%s", path);
    } else if (S_ISDIR(st.st_mode)) {
        err_set(e, ERR_CONFIG, "%s is a folder", path);
    } else {
        *mark = map_mark_of(&st);
        if (S_ISREG(st.st_mode))
            buf_room(out, (size_t)st.st_size + 1);
        rc = read_all(fd, out);
        if (rc < 0)
            err_sys(e, "%s", path);
    }
    close(fd);
    return rc;
}

/* ---- following ---- */

int map_follow_open(struct map_follow *f, struct err *e)
{
    f->made = f->load(f->source, &f->mark, e, f->arg);
    map_is_time_to_look(&f->look_us);
    return f->made ? 0 : -1;
}

void *map_follow_get(struct map_follow *f)
{
    struct map_mark mark;
    struct stat st;
    struct err e;

    if (!f->mark.inode || !map_is_time_to_look(&f->look_us)) /* none: it was no file */
        return f->made;
    if (stat(f->source->name, &st) == 0) {
        mark = map_mark_of(&st);
        if (map_mark_eq(&mark, &f->mark)) {
            f->has_complained = false;
            return f->made;
        }
    } else if (errno == EACCES) { /* a folder that we may not search: nothing is known, so nothing has changed */
        return f->made;
    }
    void *made = f->load(f->source, &mark, &e, f->arg);
    if (made) {
        f->free(f->made);
        f->made = made;
        f->mark = mark;
        f->source->state->generation++;
        f->source->state->is_stale = f->has_complained = false;
        return made;
    }
    f->source->state->is_stale = e.sys == EACCES || e.sys == EPERM;
    if (!f->has_complained && !f->source->state->is_stale)
        map_complain(f->source, "%s; what was read before stays in force", e.text);
    f->has_complained = true;
    return f->made;
}

void map_follow_close(struct map_follow *f)
{
    if (f->made)
        f->free(f->made);
}
