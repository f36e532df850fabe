/* SPDX-License-Identifier: Apache-2.0
 *
 * whole.c - a file in memory, of bounded size and in one piece. */
#include "config/config_int.h"

#include "base/mem.h"

#include <fcntl.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

char *read_whole(const char *file, size_t size_max, size_t *len, mode_t *mode, struct err *e)
{
    int fd = open(file, O_RDONLY | O_CLOEXEC | O_NOCTTY);
    char *text = NULL;
    struct stat st;
    ssize_t got;

    *len = 0;
    if (fd < 0) {
        err_sys(e, "cannot read it");
        return NULL;
    }
    if (fstat(fd, &st) < 0) {
        err_sys(e, "cannot look at it");
        goto fail;
    }
    if (S_ISDIR(st.st_mode)) {
        err_set(e, ERR_CONFIG, "it is a folder");
        goto fail;
    }
    *mode = st.st_mode;
    /* One piece of memory from the start: a secret in it leaves no copies behind. A file has its
     * size, a pipe has none. */
    if (S_ISREG(st.st_mode) && st.st_size > 0 && (uint64_t)st.st_size <= size_max)
        size_max = (size_t)st.st_size;
    text = xmalloc(size_max + 1);
    while ((got = read(fd, text + *len, size_max + 1 - *len)) > 0)
        if ((*len += (size_t)got) > size_max) {
            err_set(e, ERR_CONFIG, "it is larger than %zu bytes", size_max);
            goto fail;
        }
    if (got < 0) {
        err_sys(e, "cannot read it");
        goto fail;
    }
    text[*len] = '\0';
    close(fd);
    return text;
fail:
    if (text)
        wipe(text, *len);
    free(text);
    close(fd);
    return NULL;
}
