/* SPDX-License-Identifier: Apache-2.0 */
#include "server/content.h"

#include "base/buf.h"
#include "base/mem.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <sys/fsuid.h>
#include <unistd.h>

struct content {
    const char *dir;
    uid_t uid;
    gid_t gid;
    struct buf head; /* all of it, or what has not been written yet */
    int fd;
    uint64_t written;
};

struct content *content_new(const char *dir, uid_t uid, gid_t gid)
{
    struct content *c = xcalloc(1, sizeof *c);

    *c = (struct content){ .dir = dir, .uid = uid, .gid = gid, .fd = -1 };
    buf_init(&c->head, BUF_NO_MAX);
    return c;
}

void content_free(struct content *c)
{
    if (!c)
        return;
    if (c->fd >= 0)
        close(c->fd);
    buf_fini(&c->head);
    free(c);
}

/* The folder is mail_owner's, and we have none of root's rights to files: so as that user. */
static int open_file(struct content *c, struct err *e)
{
    bool is_root = geteuid() == 0;

    if (is_root) {
        setfsgid(c->gid);
        setfsuid(c->uid);
    }
    c->fd = open(c->dir, O_TMPFILE | O_RDWR | O_CLOEXEC, 0600);
    if (c->fd < 0 && (errno == EOPNOTSUPP || errno == EISDIR)) {
        char *name = xasprintf("%s/deliver.XXXXXX", c->dir);
        c->fd = mkostemp(name, O_CLOEXEC);
        if (c->fd >= 0)
            unlink(name);
        free(name);
    }
    int error = errno;
    if (is_root) {
        setfsuid(0);
        setfsgid(0);
    }
    errno = error;
    return c->fd < 0 ? err_sys(e, "make a file in %s", c->dir) : 0;
}

static int write_out(struct content *c, struct err *e)
{
    if (c->fd < 0 && open_file(c, e) < 0)
        return -1;
    for (size_t done = 0; done < c->head.len;) {
        ssize_t n = pwrite(c->fd, c->head.at + done, c->head.len - done, (off_t)c->written);
        if (n < 0 && errno == EINTR)
            continue;
        if (n < 0)
            return err_sys(e, "write to a file in %s", c->dir);
        done += (size_t)n;
        c->written += (uint64_t)n;
    }
    buf_clear(&c->head);
    return 0;
}

/* CRs stand before LFs only (smtp/server.h), so they can go. */
int content_add(struct content *c, struct span crlf, struct err *e)
{
    while (crlf.len) {
        size_t n = span_find(crlf, '\r');
        buf_add(&c->head, crlf.at, n);
        crlf = span_from(crlf, n + 1);
        if (c->head.len > CONTENT_IN_MEMORY && write_out(c, e) < 0)
            return -1;
    }
    return c->fd >= 0 ? write_out(c, e) : 0;
}

uint64_t content_size(const struct content *c)
{
    return c->fd >= 0 ? c->written : c->head.len;
}

ssize_t content_read(const struct content *c, uint64_t offset, char *to, size_t len)
{
    if (c->fd < 0) {
        struct span rest = span_from(buf_span(&c->head), offset < SIZE_MAX ? (size_t)offset : SIZE_MAX);
        len = len < rest.len ? len : rest.len;
        if (len)
            memcpy(to, rest.at, len);
        return (ssize_t)len;
    }
    ssize_t n;
    while ((n = pread(c->fd, to, len, (off_t)offset)) < 0 && errno == EINTR)
        ;
    return n;
}

int content_fd(const struct content *c)
{
    return c->fd;
}
