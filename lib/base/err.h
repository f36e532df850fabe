/* SPDX-License-Identifier: Apache-2.0
 *
 * err.h - the world failed: what happened, told to a person.
 *
 * A function that can fail takes a `struct err *` last and returns -1 or NULL after filling it in. Who notices
 * describes; who can act decides and logs: so a failure is one line in the log, not five. `e` may be NULL. */
#ifndef BASE_ERR_H
#define BASE_ERR_H

#include <stdarg.h>

enum err_kind {
    ERR_NONE,
    ERR_TEMPORARY, /* trying again later may help: disk full, network away */
    ERR_PERMANENT, /* it will not get better by itself: bad address, damaged file */
    ERR_CONFIG,    /* somebody has to change the configuration, or a right, or a certificate */
};

struct err {
    enum err_kind kind;
    int sys; /* errno, when err_sys() filled it in, else 0 */
    char text[1000];
};

/* All three return -1, so that `return err_set(...)` reads well. */
int err_set(struct err *e, enum err_kind kind, const char *fmt, ...) __attribute__((format(printf, 3, 4)));
/* Adds ": " and strerror(errno). ENOENT, EACCES, EPERM, ENOTDIR, EROFS count as ERR_CONFIG, all others as temporary. */
int err_sys(struct err *e, const char *fmt, ...) __attribute__((format(printf, 2, 3)));
/* Puts "what: " before the text that is there. */
int err_prefix(struct err *e, const char *fmt, ...) __attribute__((format(printf, 2, 3)));

#endif
