/* SPDX-License-Identifier: Apache-2.0 */
#include "control/ask.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <sys/un.h>
#include <unistd.h>

static int dial(const struct config *cfg, struct err *e)
{
    struct sockaddr_un to = { .sun_family = AF_UNIX };
    const struct timeval limit = { .tv_sec = 30 };

    int n = snprintf(to.sun_path, sizeof to.sun_path, "%s/public/control", cfg->queue_directory);
    if (n < 0 || (size_t)n >= sizeof to.sun_path)
        return err_set(e, ERR_CONFIG, "queue_directory is too long for a socket below it: %s", cfg->queue_directory);
    int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (fd < 0)
        return err_sys(e, "socket");
    setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &limit, sizeof limit);
    setsockopt(fd, SOL_SOCKET, SO_SNDTIMEO, &limit, sizeof limit);
    if (connect(fd, (struct sockaddr *)&to, sizeof to) < 0) {
        err_sys(e, "batond does not answer at %s", to.sun_path);
        close(fd);
        return -1;
    }
    return fd;
}

static int send_line(int fd, const char *question, struct err *e)
{
    size_t len = strlen(question), at = 0;
    char *line = malloc(len + 1);

    if (!line)
        return err_sys(e, "out of memory");
    memcpy(line, question, len);
    line[len] = '\n';
    while (at < len + 1) {
        ssize_t n = send(fd, line + at, len + 1 - at, MSG_NOSIGNAL);
        if (n < 0 && errno == EINTR)
            continue;
        if (n < 0)
            break;
        at += (size_t)n;
    }
    free(line);
    return at == len + 1 ? 0 : err_sys(e, "the question to batond");
}

FILE *ask(const struct config *cfg, const char *question, struct err *e)
{
    char first[1200];
    int fd = dial(cfg, e);
    FILE *in = NULL;

    if (fd < 0)
        return NULL;
    if (send_line(fd, question, e) < 0 || !(in = fdopen(fd, "r"))) {
        close(fd);
        return NULL;
    }
    if (!fgets(first, sizeof first, in)) {
        err_set(e, ERR_TEMPORARY, "batond did not answer");
    } else {
        first[strcspn(first, "\n")] = '\0';
        if (strcmp(first, "ok") == 0)
            return in;
        bool is_denied = strncmp(first, "denied ", 7) == 0;
        err_set(e, ERR_PERMANENT, "%s", is_denied ? first + 7 : strncmp(first, "error ", 6) == 0 ? first + 6 : first);
        e->sys = is_denied ? EPERM : 0;
    }
    fclose(in);
    return NULL;
}

size_t ask_fields(char *line, char **fields, size_t max)
{
    size_t n = 0;

    line[strcspn(line, "\n")] = '\0';
    char *end = line + strlen(line);
    for (char *at = line; at && n < max;) {
        char *tab = strchr(at, '\t');
        if (tab)
            *tab = '\0';
        fields[n++] = at;
        at = tab ? tab + 1 : NULL;
    }
    for (size_t i = n; i < max; i++)
        fields[i] = end;
    return n;
}
