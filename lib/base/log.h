/* SPDX-License-Identifier: Apache-2.0
 *
 * log.h - one line an event, in Postfix's shape: baton/relay[123]: ID: key=value, ... (a stranger's words last).
 *
 * To stderr (plain, or with "<N>" priorities when stderr is the journal's socket), to syslog, or to a file. A process
 * opens its log once; before that, lines go to stderr. A line is written whole, so that lines of several processes never
 * mix. Control characters never reach a log raw: text of strangers goes through log_escape().
 * info: mail moved. warn: someone should look, and at what. error: it stays broken till then. */
#ifndef BASE_LOG_H
#define BASE_LOG_H

#include "base/span.h"

#include <stdarg.h>

enum log_level { LOG_LEVEL_ERROR, LOG_LEVEL_WARN, LOG_LEVEL_INFO, LOG_LEVEL_DEBUG };

enum log_kind {
    LOG_TO_STDERR, /* "program[pid]: text", no date: who collects stderr adds it */
    LOG_TO_SYSLOG, /* facility mail */
    LOG_TO_FILE,   /* "Nov 22 18:00:00 host program[pid]: text", appended; log_reopen() after rotation */
};

/* `program` and `file` are copied. A file that cannot be opened: -1 with errno, and the log stays where it was. */
int log_open(const char *program, enum log_kind kind, const char *file, enum log_level level);
/* Another name for the lines of this process, after a fork: "baton/relay". */
void log_rename(const char *program);
int log_reopen(void);

/* From now on info and debug lines gather till log_flush(), which the loop calls before what was written to
 * sockets leaves, and before it sleeps: one write for all
 * lines of a busy moment. Warnings and errors are written at once, with what gathered before them. What gathered is lost
 * when the process is killed; a fork copies it, so that only processes that do not fork should hold. Ends with false. */
void log_hold(bool holds);
void log_flush(void);
enum log_level log_level(void);
/* Nothing is written any more by this process: for a fork that only tries something. */
void log_silence(void);

void log_error(const char *fmt, ...) __attribute__((format(printf, 1, 2)));
void log_warn(const char *fmt, ...) __attribute__((format(printf, 1, 2)));
void log_info(const char *fmt, ...) __attribute__((format(printf, 1, 2)));
void log_debug(const char *fmt, ...) __attribute__((format(printf, 1, 2)));

/* Writes `s` to `out`, NUL-terminated, control characters and broken UTF-8 as \xHH, cut with "..." when it does not
 * fit. Returns `out`. */
char *log_escape(struct span s, char *out, size_t size);
/* For an argument of log_*(): one of eight static buffers of 512 bytes, used in turn. */
const char *log_safe(struct span s);
const char *log_safe_str(const char *s);

#endif
