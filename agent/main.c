/* SPDX-License-Identifier: Apache-2.0
 *
 * sendmail, mailq, newaliases: one program, by the name it is called. Callers wait for it, often a thousand times
 * in a row: so it links little, and asks the system for nothing that this message does not need. */
#include "agent/agent.h"

#include "base/log.h"
#include "base/mem.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <sys/auxv.h>
#include <unistd.h>

static const char *my_name = "sendmail";

int complain(int status, const char *fmt, ...)
{
    char text[1600], safe[2000];
    va_list ap;

    va_start(ap, fmt);
    vsnprintf(text, sizeof text, fmt, ap);
    va_end(ap);
    fprintf(stderr, "%s: %s\n", my_name, log_escape(span_str(text), safe, sizeof safe));
    return status;
}

/* Started without stdin, stdout or stderr: what we open next must not become one of them. */
static void fill_standard_fds(void)
{
    int fd;

    do
        fd = open("/dev/null", O_RDWR);
    while (fd >= 0 && fd <= STDERR_FILENO);
    close(fd);
}

/* Installed setgid: nothing that the caller put into the environment may steer us, but for what only names things. */
static void clean_environment(void)
{
    static const char *const kept[] = { "TZ", "LOGNAME", "USER", "NAME" };
    char *values[sizeof kept / sizeof *kept];

    for (size_t i = 0; i < ARRAY_LEN(kept); i++) {
        char *value = getenv(kept[i]);
        values[i] = xstrdup_or_null(value);
    }
    clearenv();
    for (size_t i = 0; i < ARRAY_LEN(kept); i++) {
        if (values[i])
            setenv(kept[i], values[i], 1);
        free(values[i]);
    }
}

/* The caller's own file is read with the caller's own rights; the drop is then open only to who may write it
 * anyway. */
static int give_up_group(void)
{
    gid_t gid = getgid();
    return setresgid(gid, gid, gid);
}

static enum mode mode_of_name(const char *argv0, enum mode otherwise)
{
    const char *slash = strrchr(argv0, '/');
    const char *name = slash ? slash + 1 : argv0;

    if (strcmp(name, "mailq") == 0 || strcmp(name, "newaliases") == 0) {
        my_name = name[0] == 'm' ? "mailq" : "newaliases";
        if (otherwise == MODE_SEND)
            return name[0] == 'm' ? MODE_MAILQ : MODE_NEWALIASES;
    }
    return otherwise;
}

static int run(const struct options *o, const struct config *cfg)
{
    switch (o->mode) {
    case MODE_SMTP: return stdio_smtp_run(o, cfg);
    case MODE_VERIFY: return verify_run(o, cfg);
    case MODE_MAILQ: return mailq_run(cfg);
    case MODE_RETRY: return retry_run(cfg);
    case MODE_NEWALIASES: return newaliases_run(o, cfg);
    default: return sendmail_run(o, cfg);
    }
}

static int run_without_config(const struct options *o)
{
    if (o->mode == MODE_DAEMON)
        return complain(EX_USAGE, "-bd: the daemon of Baton is batond(8): start it with your service manager");
    if (o->mode == MODE_HELP)
        flags_help(stdout);
    else
        printf("%s (Baton) %s\n", my_name, PACKAGE_VERSION);
    return fflush(stdout) == 0 ? EX_OK : EX_IOERR;
}

int main(int argc, char **argv)
{
    struct config_report report = { 0 };
    struct options o = { .mode = MODE_SEND };
    bool is_setgid = getauxval(AT_SECURE) != 0;
    struct config *cfg;
    char why[256];
    int status = EX_CONFIG;

    fill_standard_fds();
    signal(SIGPIPE, SIG_IGN);
    signal(SIGXFSZ, SIG_IGN); /* a limit on file sizes is an error of write(), and told */
    if (is_setgid)
        clean_environment();
    if (argc < 1)
        return EX_USAGE;
    o.mode = mode_of_name(argv[0], MODE_SEND);
    if (flags_parse(&o, argc, argv, why, sizeof why) < 0)
        return complain(EX_USAGE, "%s (sendmail --help shows the flags)", why);
    if (o.mode >= MODE_DAEMON)
        return run_without_config(&o);
    if (o.config_file && is_setgid && give_up_group() < 0)
        return complain(EX_OSERR, "cannot give up the group: %s", strerror(errno));
    cfg = config_load(o.config_file, is_setgid ? 0 : CONFIG_ENV, &report);
    if (cfg)
        status = run(&o, cfg);
    else
        config_report_print(&report, stderr, my_name, CONFIG_ERROR);
    config_report_fini(&report);
    config_free(cfg);
    return status;
}
