/* SPDX-License-Identifier: Apache-2.0
 *
 * secret.c - a login's password, or an ldap section's, for who needs it and just before it is needed.
 *
 * It comes into one piece of memory that has its full size from the start, is copied out once, and
 * is wiped: so that no old piece of it stays behind in freed memory. */
#include "config/config_int.h"

#include "base/clock.h"
#include "base/mem.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <spawn.h>
#include <stdlib.h>
#include <strings.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#define SECRET_MAX       ((size_t)4096)
#define COMMAND_LIMIT_US (30 * USEC_PER_SEC)

extern char **environ;

void config_secret_free(char *secret)
{
    if (secret)
        wipe(secret, strlen(secret));
    free(secret);
}

/* A password goes into one line of a protocol. */
static char *checked(struct span s, struct err *e)
{
    if (s.len == 0) {
        err_set(e, ERR_CONFIG, "it is empty");
        return NULL;
    }
    if (memchr(s.at, '\0', s.len) || memchr(s.at, '\n', s.len) || memchr(s.at, '\r', s.len)) {
        err_set(e, ERR_CONFIG, "it holds a line end or a NUL byte");
        return NULL;
    }
    return span_dup(s);
}

static struct span first_line(const char *text, size_t len)
{
    struct span line = span_of(text, span_find(span_of(text, len), '\n'));
    if (line.len && line.at[line.len - 1] == '\r')
        line.len--;
    return line;
}

static char *from_file(const char *file, struct err *e)
{
    char *secret = NULL;
    mode_t mode = 0;
    size_t len;
    char *text = read_whole(file, SECRET_MAX, &len, &mode, e);

    if (!text) {
        err_prefix(e, "password_file %s", file);
        return NULL;
    }
    if (mode & S_IROTH)
        err_set(e, ERR_CONFIG, "password_file %s: everybody may read it; chmod o-r %s", file, file);
    else if (!(secret = checked(first_line(text, len), e)))
        err_prefix(e, "the first line of password_file %s", file);
    wipe(text, len);
    free(text);
    return secret;
}

/* ---- the password in the configuration file ---- */

static bool title_is(const struct config *cfg, const char *value, const struct login *login)
{
    struct relayhost h = { 0 };
    struct buf raw, title;
    bool is_it = false;

    buf_init(&raw, SECRET_MAX);
    buf_init(&title, SECRET_MAX);
    if (value && prescan_unquote(value, &raw) &&
        expand_text((struct config *)(uintptr_t)cfg, buf_cstr(&raw), &title, NULL) == 0 &&
        relayhost_parse(&h, buf_span(&title), NULL) == 0)
        is_it = strcmp(h.text, login->host.text) == 0;
    relayhost_fini(&h);
    buf_fini(&raw);
    buf_fini(&title);
    return is_it;
}

static char *expanded(const struct config *cfg, const char *value, struct err *e)
{
    struct buf raw, out;
    char *secret = NULL;

    buf_init(&raw, SECRET_MAX);
    buf_init(&out, SECRET_MAX);
    buf_room(&raw, SECRET_MAX);
    buf_room(&out, SECRET_MAX);
    /* Parameters are expanded already; this changes nothing in cfg. */
    if (!prescan_unquote(value, &raw))
        err_set(e, ERR_CONFIG, "it takes one value, not a list");
    else if (expand_text((struct config *)(uintptr_t)cfg, buf_cstr(&raw), &out, e) == 0)
        secret = checked(buf_span(&out), e);
    wipe(raw.at, raw.cap);
    wipe(out.at, out.cap);
    buf_fini(&raw);
    buf_fini(&out);
    return secret;
}

/* Which secret of the file's: its parameter, and the section in which it stands. */
struct wanted {
    const char *section, *option;
    const struct login *login;     /* either the section's login, */
    const struct ldap_table *ldap; /* or its table */
};

static bool is_section(const struct config *cfg, const struct wanted *w, const struct scan_item *it)
{
    struct buf title;

    if (!span_eq(it->name, span_str(w->section)))
        return false;
    if (w->login)
        return title_is(cfg, it->value, w->login);
    buf_init(&title, SECRET_MAX);
    bool is_it = it->value && prescan_unquote(it->value, &title) && strcasecmp(buf_cstr(&title), w->ldap->name) == 0;
    buf_fini(&title);
    return is_it;
}

static char *from_statements(const struct config *cfg, const struct wanted *w, struct span text, struct err *e)
{
    struct scan scan;
    const struct scan_item *it;
    bool is_in_it = false;
    char *secret = NULL;

    err_set(e, ERR_CONFIG, "it is not there any more: %s was changed; reload", cfg->file);
    prescan_init(&scan, text);
    while (!secret && (it = prescan_next(&scan))->kind != SCAN_END) {
        if (it->kind == SCAN_OPEN)
            is_in_it = is_section(cfg, w, it);
        else if (it->kind == SCAN_CLOSE)
            is_in_it = false;
        else if (it->kind == SCAN_ASSIGN && is_in_it && span_eq(it->name, span_str(w->option))) {
            secret = expanded(cfg, it->value, e);
            break;
        }
    }
    prescan_fini(&scan);
    return secret;
}

static char *from_config(const struct config *cfg, const struct wanted *w, struct err *e)
{
    mode_t mode;
    size_t len;
    char *text = read_whole(cfg->file, CONFIG_FILE_MAX, &len, &mode, e);
    char *secret = NULL;

    if (text) {
        secret = from_statements(cfg, w, span_of(text, len), e);
        wipe(text, len);
        free(text);
    }
    if (!secret)
        err_prefix(e, "the password of %s \"%s\" in %s", w->section, w->login ? w->login->host.text : w->ldap->name, cfg->file);
    return secret;
}

/* ---- the program that prints it ---- */

static int spawn(const struct strlist *command, int out_fd, pid_t *pid)
{
    posix_spawn_file_actions_t actions;
    char **argv = xcalloc(command->n + 1, sizeof *argv);

    for (size_t i = 0; i < command->n; i++)
        argv[i] = command->at[i];
    posix_spawn_file_actions_init(&actions);
    posix_spawn_file_actions_addopen(&actions, STDIN_FILENO, "/dev/null", O_RDONLY, 0);
    posix_spawn_file_actions_adddup2(&actions, out_fd, STDOUT_FILENO);
    int rc = posix_spawn(pid, argv[0], &actions, NULL, argv, environ);
    posix_spawn_file_actions_destroy(&actions);
    free(argv);
    return rc;
}

static int too_late(struct err *e)
{
    return err_set(e, ERR_CONFIG, "it did not end within %d seconds",
                   (int)(COMMAND_LIMIT_US / USEC_PER_SEC));
}

/* Reads to the end of what the program prints. -1: it took too long, or printed too much. */
static int read_output(int fd, int64_t end, char *text, size_t *len, struct err *e)
{
    for (;;) {
        struct pollfd p = { .fd = fd, .events = POLLIN };
        int64_t left = end - clock_mono_us();
        int n = left > 0 ? poll(&p, 1, (int)(left / 1000) + 1) : 0;
        if (n == 0)
            return too_late(e);
        ssize_t got = n < 0 ? -1 : read(fd, text + *len, SECRET_MAX - *len);
        if (got < 0 && errno == EINTR)
            continue;
        if (got < 0)
            return err_sys(e, "cannot read what it prints");
        if (got == 0)
            return *len < SECRET_MAX
                       ? 0
                       : err_set(e, ERR_CONFIG, "it prints more than %zu bytes", SECRET_MAX);
        *len += (size_t)got;
    }
}

/* It has closed its output, so it is about to end; one that is not is ended. */
static int wait_for(pid_t pid, int64_t end, struct err *e)
{
    const struct timespec nap = { .tv_nsec = 5000000 };
    pid_t got;
    int status;

    while ((got = waitpid(pid, &status, WNOHANG)) == 0 && clock_mono_us() < end)
        nanosleep(&nap, NULL);
    if (got < 0)
        return 0; /* somebody else reaps the children of this process: what it printed has to do */
    if (got == 0) {
        kill(pid, SIGKILL);
        waitpid(pid, &status, 0);
        return too_late(e);
    }
    if (WIFEXITED(status) && WEXITSTATUS(status) == 0)
        return 0;
    if (WIFSIGNALED(status))
        return err_set(e, ERR_CONFIG, "it was ended by signal %d", WTERMSIG(status));
    return err_set(e, ERR_CONFIG, "it left with status %d", WEXITSTATUS(status));
}

static char *from_command(const struct strlist *command, struct err *e)
{
    char *text = xcalloc(1, SECRET_MAX), *secret = NULL;
    int64_t end = clock_mono_us() + COMMAND_LIMIT_US;
    size_t len = 0;
    int fds[2], rc;
    pid_t pid;

    if (pipe2(fds, O_CLOEXEC) < 0) {
        err_sys(e, "cannot make a pipe");
        goto done;
    }
    rc = spawn(command, fds[1], &pid);
    close(fds[1]);
    if (rc != 0) {
        errno = rc;
        err_sys(e, "cannot run it");
    } else if (read_output(fds[0], end, text, &len, e) < 0) {
        wait_for(pid, 0, NULL);
    } else if (wait_for(pid, end, e) == 0) {
        secret = checked(first_line(text, len), e);
    }
    close(fds[0]);
done:
    if (!secret)
        err_prefix(e, "password_command %s", command->at[0]);
    wipe(text, SECRET_MAX);
    free(text);
    return secret;
}

char *config_login_secret(const struct config *cfg, const struct login *login, struct err *e)
{
    if (login->password_command.n)
        return from_command(&login->password_command, e);
    if (login->password_file[0])
        return from_file(login->password_file, e);
    if (login->line)
        return from_config(cfg, &(struct wanted){ "login", "password", .login = login }, e);

    const char *text = getenv(ENV_LOGIN_PASSWORD);
    char *secret = checked(span_str(text), e);
    if (!secret)
        err_prefix(e, "the environment's " ENV_LOGIN_PASSWORD);
    return secret;
}

char *config_ldap_secret(const struct config *cfg, const struct ldap_table *t, struct err *e)
{
    return from_config(cfg, &(struct wanted){ "ldap", "bind_pw", .ldap = t }, e);
}
