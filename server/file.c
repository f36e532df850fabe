/* SPDX-License-Identifier: Apache-2.0 */
#include "server/file.h"

#include "base/mem.h"
#include "server/copy.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

int file_write(int fd, struct span bytes, struct err *e)
{
    while (bytes.len) {
        ssize_t n = write(fd, bytes.at, bytes.len);
        if (n < 0 && errno == EINTR)
            continue;
        if (n < 0)
            return err_sys(e, "error writing message");
        bytes = span_from(bytes, (size_t)n);
    }
    return 0;
}

int file_write_content(int fd, const struct content *c, unsigned how, struct err *e)
{
    struct copy copy;
    struct span piece;
    int rc;

    copy_init(&copy, c, how);
    while ((rc = copy_next(&copy, &piece, e)) > 0 && (rc = file_write(fd, piece, e)) == 0)
        ;
    copy_fini(&copy);
    return rc;
}

int file_sync_folder(const char *path, struct err *e)
{
    int fd = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);

    if (fd < 0)
        return err_sys(e, "open folder %s", path);
    int rc = fsync(fd);
    if (rc < 0 && errno == EINVAL) /* a file system that knows no such thing */
        rc = 0;
    int error = errno;
    close(fd);
    errno = error;
    return rc < 0 ? err_sys(e, "sync folder %s", path) : 0;
}

/* The name of the folder that `path` is in. */
static char *parent_of(const char *path)
{
    size_t n = strlen(path);

    while (n > 1 && path[n - 1] == '/')
        n--;
    size_t slash = span_rfind(span_of(path, n), '/');
    if (slash == n)
        return xstrdup(".");
    return span_dup(span_of(path, slash ? slash : 1));
}

/* 0: made, or there already. The one above it may be writable and not readable: then its own sync has to do. */
static int make_folder(const char *path, const char *parent, mode_t mode, struct err *e)
{
    struct stat st;

    if (mkdir(path, mode) < 0) {
        int error = errno;
        bool is_there = error == EEXIST || (error != ENOENT && stat(path, &st) == 0 && S_ISDIR(st.st_mode));
        errno = error;
        return is_there ? 0 : err_sys(e, "make folder %s", path);
    }
    return file_sync_folder(parent, e) == 0 || (e->sys == EACCES && file_sync_folder(path, e) == 0) ? 0 : -1;
}

int file_make_folders(const char *path, mode_t mode, struct err *e)
{
    char *parent = parent_of(path);
    int rc = make_folder(path, parent, mode, e);

    if (rc < 0 && e->sys == ENOENT && strcmp(parent, "/") != 0 && strcmp(parent, ".") != 0) {
        rc = file_make_folders(parent, mode, e);
        if (rc == 0)
            rc = make_folder(path, parent, mode, e);
    }
    free(parent);
    return rc;
}

void file_failed(struct outcome *out, const char *what, const struct err *e)
{
    const char *dsn = e->sys == EDQUOT   ? "4.2.2"
                      : e->sys == EFBIG  ? "5.2.2"
                      : e->sys == ENOSPC ? "4.3.1"
                                         : "4.2.0";
    outcome_set(out, dsn, "%s: %s", what, e->text);
}
