/* SPDX-License-Identifier: Apache-2.0
 *
 * template.h - texts with $name in them that get their values for each delivery: mailbox_command, forward_path, the argv of a
 * pipe section. And commands that are run without a shell. */
#ifndef CONFIG_TEMPLATE_H
#define CONFIG_TEMPLATE_H

#include "config/config.h"

enum template_value {
    TEMPLATE_UNKNOWN, /* there is no such name */
    TEMPLATE_UNDEFINED, /* it has no value here */
    TEMPLATE_DEFINED,
};
/* Appends the value of `name` to `out`. */
typedef enum template_value template_fn(void *arg, struct span name, struct buf *out);

/* Replaces $name, ${name} and $(name), ${name?text} (text, if it has a value that is not empty), ${name:text} (if not), the same as
 * ${name?{text}}, ${name:{text}} and ${name?{text}:{other text}}, "$$" by a dollar sign. 1: all have values; 0: one is undefined; -1: it is not understood, or names what does not exist. */
int template_expand(struct span text, template_fn *fn, void *arg, struct buf *out, struct err *e);

/* With what C's \n, \r, \t, \a, \b, \f, \v, \\ and \NNN stand for; to be freed. */
char *template_unescape(const char *text);

/* The words of a command: parted at blanks, but not within quotes or behind a backslash. What is between single quotes is taken as
 * it stands ("$" becomes "$$" in the result). -1: it is written for a shell, which Baton does not run; `e` says by what one sees. */
int command_split(struct span text, struct strlist *words, struct err *e);

#endif
