/* SPDX-License-Identifier: Apache-2.0
 *
 * findings.h - what a check found, told as it is found: a line each, or with --json one object at
 * the end. */
#ifndef CONTROL_FINDINGS_H
#define CONTROL_FINDINGS_H

#include <stdbool.h>
#include <stdio.h>

enum finding_kind { FINDING_OK, FINDING_NOTE, FINDING_WARNING, FINDING_ERROR };

struct findings;

struct findings *findings_new(bool json);
/* Errors only, on stderr: "baton reload: TEXT". */
struct findings *findings_new_errors(const char *who);
void findings_free(struct findings *f);
/* An error that was told before, word by word, is not told again.
 * "ok       relayhost    [smtp.example.com]:587". What strangers said is escaped here. Lines of
 * `text` are kept. */
void findings_add(struct findings *f, enum finding_kind kind, const char *subject, const char *fmt,
                  ...) __attribute__((format(printf, 4, 5)));
/* What to do about the one before. */
void findings_advise(struct findings *f, const char *fmt, ...)
    __attribute__((format(printf, 2, 3)));
unsigned findings_errors(const struct findings *f);
unsigned findings_warnings(const struct findings *f);
/* The last line, or with --json the whole: { "ok": ..., "result": ..., "findings": [...] }. */
void findings_end(struct findings *f, const char *fmt, ...) __attribute__((format(printf, 2, 3)));

#endif
