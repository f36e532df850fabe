/* SPDX-License-Identifier: Apache-2.0 */
#include "server/maildir.h"

#include "base/clock.h"
#include "base/mem.h"
#include "server/file.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

struct entry {
    const char *folder;
    char *tmp, *final; /* full names */
    int fd;
};

static char *folder_in(const char *folder, const char *sub)
{
    size_t n = strlen(folder);
    return xasprintf("%s%s%s", folder, n && folder[n - 1] == '/' ? "" : "/", sub);
}

static int sync_folder_in(const char *folder, const char *sub, struct err *e)
{
    char *path = folder_in(folder, sub);
    int rc = file_sync_folder(path, e);
    free(path);
    return rc;
}

/* tmp is the last: who finds it finds the others, too, while another delivery makes them. */
static int make_folders(const char *folder, struct err *e)
{
    static const char *const subs[] = { "cur", "new", "tmp" };
    int rc = 0;

    for (size_t i = 0; i < ARRAY_LEN(subs) && rc == 0; i++) {
        char *path = folder_in(folder, subs[i]);
        rc = file_make_folders(path, 0700, e);
        free(path);
    }
    return rc;
}

/* A name that nobody else takes on this machine, and, with the host in it, on no other. */
static int open_tmp(struct entry *en, const char *host, int64_t now, struct err *e)
{
    char *sub = xasprintf("tmp/%lld.M%lldP%ld.%s", (long long)(now / USEC_PER_SEC), (long long)(now % USEC_PER_SEC), (long)getpid(), host);

    en->tmp = folder_in(en->folder, sub);
    free(sub);
    en->fd = open(en->tmp, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0600);
    if (en->fd < 0 && errno == ENOENT) {
        if (make_folders(en->folder, e) < 0)
            return -1;
        en->fd = open(en->tmp, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0600);
    }
    return en->fd < 0 ? err_sys(e, "create maildir file %s", en->tmp) : 0;
}

static void name_it(struct entry *en, const char *host, int64_t now)
{
    struct stat st = { 0 };

    fstat(en->fd, &st);
    char *sub = xasprintf("new/%lld.V%llxI%llxM%lld.%s", (long long)(now / USEC_PER_SEC), (unsigned long long)st.st_dev,
                          (unsigned long long)st.st_ino, (long long)(now % USEC_PER_SEC), host);
    en->final = folder_in(en->folder, sub);
    free(sub);
}

/* Numbered as the promise asks for: 1. data, 2. sync, 3. its name, 4. the folders. */
static int put(struct entry *en, struct span head, const struct content *c, struct err *e)
{
    if (file_write(en->fd, head, e) < 0 || file_write_content(en->fd, c, 0, e) < 0)
        return -1;
    if (fsync(en->fd) < 0)
        return err_sys(e, "sync %s", en->tmp);
    if (link(en->tmp, en->final) == 0)
        unlink(en->tmp);
    else if (errno == EEXIST || rename(en->tmp, en->final) < 0) /* a file system without links */
        return err_sys(e, "create maildir file %s", en->final);
    if (sync_folder_in(en->folder, "new", e) < 0 || sync_folder_in(en->folder, "tmp", e) < 0)
        return -1;
    return 0;
}

static void entry_fini(struct entry *en)
{
    if (en->fd >= 0)
        close(en->fd);
    free(en->tmp);
    free(en->final);
}

void maildir_deliver(const char *folder, const char *host, struct span head, const struct content *c, uint64_t limit,
                     struct outcome *out)
{
    struct entry en = { .folder = folder, .fd = -1 };
    int64_t now = clock_real_us();
    struct err e;

    if (limit && head.len + content_size(c) > limit) {
        outcome_set(out, "5.2.3", "maildir delivery failed: the message is larger than the mailbox may be (%llu bytes)",
                    (unsigned long long)limit);
        return;
    }
    if (open_tmp(&en, host, now, &e) < 0) {
        file_failed(out, "maildir delivery failed", &e);
        entry_fini(&en);
        return;
    }
    name_it(&en, host, now);
    if (put(&en, head, c, &e) < 0) {
        unlink(en.tmp);
        unlink(en.final);
        file_failed(out, "maildir delivery failed", &e);
    } else {
        outcome_set(out, "2.0.0", "delivered to maildir");
    }
    entry_fini(&en);
}
