/* SPDX-License-Identifier: Apache-2.0 */
#include "control/maildir.h"

#include "base/clock.h"
#include "base/mem.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

static int make(const char *dir, const char *below, struct err *e)
{
    char *path = xasprintf("%s%s", dir, below);
    int result =
        mkdir(path, 0700) < 0 && errno != EEXIST ? err_sys(e, "make the folder %s", path) : 0;

    free(path);
    return result;
}

int maildir_make(const char *dir, struct err *e)
{
    static const char *const below[] = { "", "/tmp", "/new", "/cur" };

    for (size_t i = 0; i < ARRAY_LEN(below); i++)
        if (make(dir, below[i], e) < 0)
            return -1;
    return 0;
}

static void write_lines(FILE *to, struct span content)
{
    while (content.len) {
        size_t lf = span_find(content, '\n');
        size_t end = lf && lf < content.len && content.at[lf - 1] == '\r' ? lf - 1 : lf;
        fwrite(content.at, 1, end, to);
        putc('\n', to);
        content = span_from(content, lf + 1);
    }
}

static int write_file(const char *path, struct span head, struct span content, struct err *e)
{
    FILE *to = fopen(path, "wxe");

    if (!to)
        return err_sys(e, "write %s", path);
    fwrite(head.at, 1, head.len, to);
    write_lines(to, content);
    bool is_bad = ferror(to) != 0;
    if (fclose(to) != 0 || is_bad) {
        err_sys(e, "write %s", path);
        unlink(path);
        return -1;
    }
    return 0;
}

char *maildir_keep(const char *dir, struct span head, struct span content, struct err *e)
{
    static unsigned counter;
    char host[256] = "localhost";
    int64_t now = clock_real_us();

    gethostname(host, sizeof host - 1);
    char *name = xasprintf("%lld.M%06lldP%dQ%06u.%s", (long long)(now / USEC_PER_SEC),
                           (long long)(now % USEC_PER_SEC), (int)getpid(), ++counter, host);
    char *from = xasprintf("%s/tmp/%s", dir, name), *to = xasprintf("%s/new/%s", dir, name);
    bool is_kept = write_file(from, head, content, e) == 0;
    if (is_kept && rename(from, to) < 0) {
        err_sys(e, "rename %s", from);
        unlink(from);
        is_kept = false;
    }
    if (!is_kept) {
        free(to);
        to = NULL;
    }
    free(name);
    free(from);
    return to;
}
