/* SPDX-License-Identifier: Apache-2.0
 *
 * A line is formatted in place and written whole: nothing is allocated, so that it works when memory or the disk is
 * gone, and lines of several processes do not mix. While lines are held, those of a turn of the loop share one write. */
#include "base/log.h"

#include "base/mem.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <string.h>
#include <syslog.h>
#include <time.h>
#include <unistd.h>

#define LINE_MAX_BYTES 4096 /* at most PIPE_BUF: then several processes may share a pipe, too */

static struct {
    enum log_kind kind;
    enum log_level level;
    int fd;
    bool has_priorities; /* stderr is the journal's: "<3>text" sets the priority */
    char program[64];
    char host[256];
    char *file;
    int pid;
    bool is_holding, is_silent;
    size_t n_held;
    char held[4 * LINE_MAX_BYTES];
    time_t second; /* whose date is in `date` */
    char date[32];
} the_log = { .level = LOG_LEVEL_INFO, .fd = STDERR_FILENO };

static const int priority_of[] = { LOG_ERR, LOG_WARNING, LOG_INFO, LOG_DEBUG };
static const char *const prefix_of[] = { "error: ", "warning: ", "", "debug: " };

/* systemd names the device and inode of the stream it gave us. */
static bool stderr_is_journal(void)
{
    const char *stream = getenv("JOURNAL_STREAM");
    unsigned long long dev, ino;
    struct stat st;

    return stream && sscanf(stream, "%llu:%llu", &dev, &ino) == 2 && fstat(STDERR_FILENO, &st) == 0 &&
           st.st_dev == dev && st.st_ino == ino;
}

int log_open(const char *program, enum log_kind kind, const char *file, enum log_level level)
{
    int fd = STDERR_FILENO;

    if (kind == LOG_TO_FILE) {
        fd = open(file, O_WRONLY | O_APPEND | O_CREAT | O_CLOEXEC, 0640);
        if (fd < 0)
            return -1;
    }
    if (the_log.fd > STDERR_FILENO)
        close(the_log.fd);
    the_log.kind = kind;
    the_log.level = level;
    the_log.fd = fd;
    the_log.has_priorities = kind == LOG_TO_STDERR && stderr_is_journal();
    free(the_log.file);
    the_log.file = kind == LOG_TO_FILE ? xstrdup(file) : NULL;
    if (gethostname(the_log.host, sizeof the_log.host - 1) < 0)
        snprintf(the_log.host, sizeof the_log.host, "localhost");
    log_rename(program);
    return 0;
}

/* Whole lines, as many as one write may have. */
static size_t first_write(const char *at, size_t len)
{
    if (len <= LINE_MAX_BYTES || the_log.kind == LOG_TO_FILE)
        return len;
    const char *end = memrchr(at, '\n', LINE_MAX_BYTES);
    return end ? (size_t)(end - at) + 1 : len;
}

static void write_out(const char *at, size_t len)
{
    while (len) {
        ssize_t n = write(the_log.fd, at, first_write(at, len));
        if (n < 0 && errno == EINTR)
            continue;
        if (n <= 0)
            return;
        at += n;
        len -= (size_t)n;
    }
}

void log_flush(void)
{
    int keep = errno;

    if (the_log.n_held)
        write_out(the_log.held, the_log.n_held);
    the_log.n_held = 0;
    errno = keep;
}

void log_hold(bool holds)
{
    log_flush();
    the_log.is_holding = holds;
}

void log_rename(const char *program)
{
    the_log.pid = (int)getpid();
    snprintf(the_log.program, sizeof the_log.program, "%s", program);
    if (the_log.kind == LOG_TO_SYSLOG) {
        closelog();
        openlog(the_log.program, LOG_PID | LOG_NDELAY, LOG_MAIL);
    }
}

int log_reopen(void)
{
    if (the_log.kind != LOG_TO_FILE)
        return 0;
    int fd = open(the_log.file, O_WRONLY | O_APPEND | O_CREAT | O_CLOEXEC, 0640);
    if (fd < 0)
        return -1;
    log_flush();
    close(the_log.fd);
    the_log.fd = fd;
    return 0;
}

void log_silence(void)
{
    the_log.is_silent = true;
}

enum log_level log_level(void)
{
    return the_log.level;
}

/* localtime() costs as much as the rest of a line: once a second is enough. */
static const char *date_now(void)
{
    time_t now = time(NULL);

    if (now != the_log.second) {
        struct tm tm;
        localtime_r(&now, &tm);
        strftime(the_log.date, sizeof the_log.date, "%b %e %H:%M:%S", &tm);
        the_log.second = now;
    }
    return the_log.date;
}

static size_t put_head(char *line, size_t size, enum log_level level)
{
    int n = 0;

    if (!the_log.pid)
        the_log.pid = (int)getpid();
    if (the_log.kind == LOG_TO_FILE)
        return (size_t)snprintf(line, size, "%s %s %s[%d]: ", date_now(), the_log.host, the_log.program, the_log.pid);
    if (the_log.has_priorities)
        n = snprintf(line, size, "<%d>", priority_of[level]);
    if (the_log.program[0])
        n += snprintf(line + n, size - (size_t)n, "%s[%d]: ", the_log.program, the_log.pid);
    return (size_t)n;
}

static size_t put_line(char *line, enum log_level level, const char *fmt, va_list ap)
{
    size_t size = LINE_MAX_BYTES, n = put_head(line, size, level);

    n += (size_t)snprintf(line + n, size - n, "%s", prefix_of[level]);
    int more = vsnprintf(line + n, size - n - 1, fmt, ap);
    if (more > 0)
        n += (size_t)more < size - n - 1 ? (size_t)more : size - n - 2;
    line[n++] = '\n';
    return n;
}

static void log_line(enum log_level level, const char *fmt, va_list ap)
{
    int keep = errno;

    if (level > the_log.level || the_log.is_silent)
        return;
    if (the_log.kind == LOG_TO_SYSLOG) {
        char line[LINE_MAX_BYTES];
        vsnprintf(line, sizeof line, fmt, ap);
        syslog(priority_of[level], "%s%s", prefix_of[level], line);
    } else {
        if (the_log.n_held + LINE_MAX_BYTES > sizeof the_log.held)
            log_flush();
        errno = keep; /* for %m */
        the_log.n_held += put_line(the_log.held + the_log.n_held, level, fmt, ap);
        if (!the_log.is_holding || level <= LOG_LEVEL_WARN)
            log_flush();
    }
    errno = keep;
}

#define LOG_AT(name, level)                                                                                            \
    void name(const char *fmt, ...)                                                                                    \
    {                                                                                                                  \
        va_list ap;                                                                                                    \
        va_start(ap, fmt);                                                                                             \
        log_line(level, fmt, ap);                                                                                      \
        va_end(ap);                                                                                                    \
    }

LOG_AT(log_error, LOG_LEVEL_ERROR)
LOG_AT(log_warn, LOG_LEVEL_WARN)
LOG_AT(log_info, LOG_LEVEL_INFO)
LOG_AT(log_debug, LOG_LEVEL_DEBUG)

/* Length of the well-formed UTF-8 sequence at `at`, or 0. */
static size_t utf8_len(const unsigned char *at, size_t len)
{
    size_t n = at[0] >= 0xf0 && at[0] <= 0xf4 ? 4 : at[0] >= 0xe0 ? 3 : at[0] >= 0xc2 ? 2 : 0;

    if (n == 0 || n > len || at[0] > 0xf4)
        return 0;
    for (size_t i = 1; i < n; i++)
        if ((at[i] & 0xc0) != 0x80)
            return 0;
    /* C1 controls are controls too. */
    return at[0] == 0xc2 && at[1] < 0xa0 ? 0 : n;
}

char *log_escape(struct span s, char *out, size_t size)
{
    size_t n = 0;

    for (size_t i = 0; i < s.len;) {
        const unsigned char *at = (const unsigned char *)s.at + i;
        size_t take = *at >= 0x20 && *at < 0x7f ? 1 : *at >= 0x80 ? utf8_len(at, s.len - i) : 0;
        if (n + (take ? take : 4) + 4 > size) {
            memcpy(out + n, "...", size - n > 3 ? 4 : size - n);
            out[size - 1] = '\0';
            return out;
        }
        if (take) {
            memcpy(out + n, at, take);
            n += take;
            i += take;
        } else {
            n += (size_t)snprintf(out + n, size - n, "\\x%02X", *at);
            i++;
        }
    }
    out[n] = '\0';
    return out;
}

const char *log_safe(struct span s)
{
    static char ring[8][512];
    static unsigned next;
    return log_escape(s, ring[next++ % 8], sizeof ring[0]);
}

const char *log_safe_str(const char *s)
{
    return log_safe(span_str(s));
}
