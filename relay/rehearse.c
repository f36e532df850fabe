/* SPDX-License-Identifier: Apache-2.0
 *
 * What a configuration names is opened by the workers: tables, authorities, restrictions. One that lacks a file would have
 * them die and be started again and again, and after a reload nobody would serve. So before a configuration is taken up a relay
 * and a receive worker rehearse: each begins as ever, says what is wrong instead of logging it, and ends before its jail. In
 * processes of their own, for what they load is not for the supervisor. */
#include "relay/supervise_int.h"

#include "base/log.h"
#include "relay/hooks.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <sys/wait.h>
#include <sysexits.h>
#include <unistd.h>

struct player {
    pid_t pid;
    int fd; /* what it says */
};

static void play(const struct supervisor *s, const struct config *cfg, enum worker_role role, int fd)
{
    const struct worker_env env = {
        .role = role,
        .is_rehearsal = true,
        .cfg = cfg,
        .shared = s->shared,
        .listeners = s->listeners,
        .anvil = s->anvil,
        .ceiling = s->ceiling,
        .flow = s->flow,
        .ready_fd = fd,
    };
    sigset_t none;

    signal(SIGPIPE, SIG_IGN);
    alarm(60); /* what it opens may be a pipe, or lie on a disk that does not answer, and batond waits */
    sigemptyset(&none);
    sigprocmask(SIG_SETMASK, &none, NULL);
    log_silence();
    if (server_maps)
        server_maps->use(cfg);
    _exit(role == ROLE_RELAY ? relay_main(&env) : receive_main(&env));
}

static int start(struct player *p, const struct supervisor *s, const struct config *cfg, enum worker_role role, struct err *e)
{
    int fds[2];

    if (pipe2(fds, O_CLOEXEC) < 0)
        return err_sys(e, "cannot try the configuration: pipe");
    p->pid = fork();
    if (p->pid == 0)
        play(s, cfg, role, fds[1]);
    close(fds[1]);
    p->fd = fds[0];
    if (p->pid > 0)
        return 0;
    close(fds[0]);
    return err_sys(e, "cannot try the configuration: fork");
}

static int finish(struct player *p, struct err *e)
{
    char text[sizeof e->text];
    size_t len = 0;
    ssize_t n;
    int status;

    while (len < sizeof text - 1 && ((n = read(p->fd, text + len, sizeof text - 1 - len)) > 0 || (n < 0 && errno == EINTR)))
        len += n > 0 ? (size_t)n : 0;
    text[len] = '\0';
    close(p->fd);
    while (waitpid(p->pid, &status, 0) < 0)
        if (errno != EINTR)
            return 0; /* nobody to ask */
    if (status == 0)
        return 0;
    if (!WIFEXITED(status) || !len)
        return err_set(e, ERR_TEMPORARY, "cannot try the configuration: who tries it has died (status %d)", status);
    return err_set(e, WEXITSTATUS(status) == EX_CONFIG ? ERR_CONFIG : ERR_TEMPORARY, "%s", text);
}

int rehearse(const struct supervisor *s, const struct config *cfg, struct err *e)
{
    static const enum worker_role roles[] = { ROLE_RELAY, ROLE_RECEIVE };
    struct player players[2];
    size_t n = 0;
    int rc = 0;

    while (n < 2 && rc == 0) /* side by side */
        if ((rc = start(&players[n], s, cfg, roles[n], e)) == 0)
            n++;
    for (size_t i = 0; i < n; i++) {
        struct err own;
        if (finish(&players[i], &own) < 0 && rc == 0) {
            *e = own;
            rc = -1;
        }
    }
    return rc;
}
