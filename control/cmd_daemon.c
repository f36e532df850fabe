/* SPDX-License-Identifier: Apache-2.0
 *
 * baton start, stop, reload: for machines without a service manager. Whether it runs is told by the spool's lock, which
 * the kernel drops with the process; the number in it is only to know whom to send the signal. */
#include "control/checks.h"
#include "control/command.h"

#include "base/mem.h"
#include "spool/spool.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <poll.h>
#include <signal.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

enum { START_LIMIT_MS = 60000, STOP_LIMIT_MS = 45000 };

/* The process id of the running batond; 0: none runs; -1: cannot be told. */
static pid_t running(const struct config *cfg, struct err *e)
{
    char path[PATH_MAX], text[32] = "";
    struct stat st;

    snprintf(path, sizeof path, "%s/lock", cfg->queue_directory);
    if (stat(path, &st) < 0 && errno == ENOENT)
        return 0;
    int lock = spool_lock(cfg->queue_directory, 0, e);
    if (lock >= 0) {
        close(lock);
        return 0;
    }
    if (e->sys != EWOULDBLOCK)
        return -1;
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    if (fd < 0 || read(fd, text, sizeof text - 1) <= 0) {
        err_sys(e, "%s", path);
        text[0] = '\0';
    }
    if (fd >= 0)
        close(fd);
    long pid = strtol(text, NULL, 10);
    return pid > 1 ? (pid_t)pid : err_set(e, ERR_TEMPORARY, "%s is held, but does not say by whom", path);
}

static int failed(const char *what, const struct err *e)
{
    fprintf(stderr, "baton %s: %s\n", what, e->text);
    return e->kind == ERR_CONFIG ? EX_NOPERM : EX_TEMPFAIL;
}

/* ---- start ---- */

struct starting {
    int notify_fd; /* hears READY=1 */
    int output;    /* what batond says before that */
    char address[64];
};

static int listen_for_ready(struct starting *s, struct err *e)
{
    struct sockaddr_un at = { .sun_family = AF_UNIX };
    int n = snprintf(s->address, sizeof s->address, "@baton-start-%d", (int)getpid());

    memcpy(at.sun_path + 1, s->address + 1, (size_t)n - 1); /* abstract: a NUL for the '@' */
    s->notify_fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);
    if (s->notify_fd < 0 ||
        bind(s->notify_fd, (struct sockaddr *)&at, (socklen_t)(offsetof(struct sockaddr_un, sun_path) + (size_t)n)) < 0)
        return err_sys(e, "socket");
    s->output = memfd_create("batond's words", MFD_CLOEXEC);
    return s->output < 0 ? err_sys(e, "memfd_create") : 0;
}

/* Beside ourselves first: a build tree and an installation of its own find their own daemon. */
static void find_batond(char path[PATH_MAX])
{
    ssize_t n = readlink("/proc/self/exe", path, PATH_MAX - 16);

    if (n > 0) {
        path[n] = '\0';
        char *slash = strrchr(path, '/');
        memcpy(slash ? slash + 1 : path, "batond", sizeof "batond");
        if (access(path, X_OK) == 0)
            return;
    }
    snprintf(path, PATH_MAX, "%s/batond", SBINDIR);
}

static _Noreturn void become_batond(const struct starting *s, const struct command_options *o, const char *log)
{
    char path[PATH_MAX];
    int null = open("/dev/null", O_RDWR);

    find_batond(path);
    setsid();
    dup2(null, STDIN_FILENO);
    dup2(null, STDOUT_FILENO);
    dup2(s->output, STDERR_FILENO);
    setenv("NOTIFY_SOCKET", s->address, 1);
    if (log)
        setenv("BATON_LOG", log, 1);
    if (chdir("/") < 0)
        _exit(EX_OSERR);
    if (o->file)
        execl(path, "batond", "-c", o->file, (char *)NULL);
    else
        execl(path, "batond", (char *)NULL);
    dprintf(STDERR_FILENO, "cannot run %s: %s\n", path, strerror(errno));
    _exit(EX_OSFILE);
}

static void show_output(int fd)
{
    char text[4096];
    ssize_t n;

    lseek(fd, 0, SEEK_SET);
    while ((n = read(fd, text, sizeof text)) > 0)
        fwrite(text, 1, (size_t)n, stderr);
}

static int wait_till_ready(struct starting *s, pid_t pid)
{
    struct pollfd p = { .fd = s->notify_fd, .events = POLLIN };
    char text[256];
    int status;

    for (int waited = 0; waited < START_LIMIT_MS; waited += 100) {
        if (poll(&p, 1, 100) > 0) {
            ssize_t n = recv(s->notify_fd, text, sizeof text - 1, 0);
            text[n > 0 ? n : 0] = '\0';
            if (strstr(text, "READY=1"))
                return EX_OK;
        }
        if (waitpid(pid, &status, WNOHANG) == pid) {
            show_output(s->output);
            fprintf(stderr, "baton start: batond did not start\n");
            return WIFEXITED(status) && WEXITSTATUS(status) ? WEXITSTATUS(status) : EX_SOFTWARE;
        }
    }
    fprintf(stderr, "baton start: batond (pid %d) is not ready after %d s; its log may say why\n", (int)pid,
            START_LIMIT_MS / 1000);
    return EX_TEMPFAIL;
}

/* A log on stderr would go nowhere once we have left. */
static const char *background_log(const struct config *cfg, char file[PATH_MAX])
{
    if (strcmp(cfg->log, "stderr") != 0)
        return NULL;
    if (access("/dev/log", W_OK) == 0)
        return "syslog";
    mkdir(cfg->queue_directory, 0755); /* at the first start; batond makes the rest, and its rights */
    snprintf(file, PATH_MAX, "%s/batond.log", cfg->queue_directory);
    return file;
}

static int start(const struct command_options *o, const struct config *cfg)
{
    struct starting s = { -1, -1, "" };
    char file[PATH_MAX];
    const char *log = background_log(cfg, file);
    struct command_options absolute = *o;
    struct err e = { 0 };

    pid_t pid = running(cfg, &e);
    if (pid > 0) {
        printf("batond runs already (pid %d)\n", (int)pid);
        return EX_OK;
    }
    absolute.file = o->file ? realpath(o->file, NULL) : NULL;
    if (listen_for_ready(&s, &e) < 0)
        return failed("start", &e);
    pid = fork();
    if (pid == 0)
        become_batond(&s, &absolute, log);
    int status = pid < 0 ? EX_OSERR : wait_till_ready(&s, pid);
    if (status == EX_OK)
        printf("batond runs (pid %d)%s%s\n", (int)pid, log ? ", its log goes to " : "", log ? log : "");
    close(s.notify_fd);
    close(s.output);
    free((char *)absolute.file);
    return status;
}

/* ---- stop, reload ---- */

static int stop(const struct command_options *o, const struct config *cfg)
{
    struct err e = { 0 };
    pid_t pid = running(cfg, &e);

    (void)o;
    if (pid < 0)
        return failed("stop", &e);
    if (pid == 0) {
        puts("batond does not run");
        return EX_OK;
    }
    if (kill(pid, SIGTERM) < 0) {
        err_sys(&e, "signal to batond (pid %d)", (int)pid);
        return failed("stop", &e);
    }
    int lock = spool_lock(cfg->queue_directory, STOP_LIMIT_MS, &e);
    if (lock < 0)
        return failed("stop", &e);
    close(lock);
    puts("batond has stopped");
    return EX_OK;
}

/* What batond would refuse too, but in its log only: tables and authorities that cannot be opened. */
static bool can_be_opened(const struct config *cfg)
{
    struct findings *f = findings_new_errors("baton reload");

    check_maps(cfg, f);
    check_authorities(cfg, f);
    unsigned errors = findings_errors(f);
    findings_free(f);
    return errors == 0;
}

static int reload(const struct command_options *o, const struct config *cfg)
{
    struct err e = { 0 };
    pid_t pid = running(cfg, &e);

    (void)o;
    if (pid < 0)
        return failed("reload", &e);
    if (pid == 0) {
        fprintf(stderr, "baton reload: batond does not run\n");
        return EX_UNAVAILABLE;
    }
    if (!can_be_opened(cfg)) {
        fprintf(stderr, "baton reload: the old configuration stays in force\n");
        return EX_CONFIG;
    }
    if (kill(pid, SIGHUP) < 0) {
        err_sys(&e, "signal to batond (pid %d)", (int)pid);
        return failed("reload", &e);
    }
    printf("batond (pid %d) takes up the new configuration\n", (int)pid);
    return EX_OK;
}

static int with_config(const struct command_options *o, int argc, const struct command *c,
                       int (*fn)(const struct command_options *, const struct config *))
{
    if (argc > 1)
        return command_usage(c);
    struct config *cfg = command_config(o);
    int status = cfg ? fn(o, cfg) : EX_CONFIG;
    config_free(cfg);
    return status;
}

static int run_start(const struct command_options *o, int argc, char **argv)
{
    (void)argv;
    return with_config(o, argc, &cmd_start, start);
}

static int run_stop(const struct command_options *o, int argc, char **argv)
{
    (void)argv;
    return with_config(o, argc, &cmd_stop, stop);
}

static int run_reload(const struct command_options *o, int argc, char **argv)
{
    (void)argv;
    return with_config(o, argc, &cmd_reload, reload);
}

const struct command cmd_start = {
    .name = "start",
    .help = "start batond in the background",
    .usage = "[-c FILE] start\n\n"
             "Returns when batond serves, or says why it does not. Without a service manager; else use that.\n",
    .run = run_start,
};

const struct command cmd_stop = {
    .name = "stop",
    .help = "stop batond, after what is in flight",
    .usage = "[-c FILE] stop\n\n"
             "Returns when it has left. Mail that waits is kept.\n",
    .run = run_stop,
};

const struct command cmd_reload = {
    .name = "reload",
    .help = "let batond take up a changed configuration",
    .usage = "[-c FILE] reload\n\n"
             "The configuration is checked first; a wrong one changes nothing.\n",
    .run = run_reload,
};
