/* SPDX-License-Identifier: Apache-2.0
 *
 * postfix.h - what a Postfix was told: its main.cf and its master.cf, read as Postfix reads them.
 *
 * Reading only; what becomes of it is the business of `baton import` (control/import.h). A text may hold anything: what is not
 * understood is kept as a fault with its line, and the rest is read. */
#ifndef CONFIG_POSTFIX_H
#define CONFIG_POSTFIX_H

#include "base/buf.h"
#include "base/err.h"
#include "config/config.h"

/* ---- lines (postfix_lines.c) ---- */

/* Calls fn for each logical line: it begins in the first column, and goes on in all lines that begin with a blank, comments and
 * empty lines between them left out. `number` is that of its first. */
typedef void postfix_line_fn(void *arg, struct span line, int number);
void postfix_lines_each(struct span text, postfix_line_fn *fn, void *arg);

struct postfix_faults { /* lines that are not understood; zeroes: none */
    struct postfix_fault {
        int line;
        char *text; /* what is wrong with it */
    } *at;
    size_t n;
};
void postfix_fault_add(struct postfix_faults *f, int line, const char *what, struct span text);
void postfix_faults_fini(struct postfix_faults *f);

/* ---- main.cf (postfix_main.c) ---- */

struct postfix_setting {
    char *name, *value; /* value: as written, without blanks around it, folds become what they were */
    int line;
    int earlier_line; /* of a setting of the same name that this one overrides, or 0 */
    bool is_used;     /* another value refers to it: by postfix_expand() */
    bool is_taken;    /* for who goes through them: it needs nothing more */
};

struct postfix_main { /* zeroes: an empty one */
    struct postfix_setting *at; /* each name once, the last one, at the place of its line */
    size_t n;
    struct postfix_faults faults;
    char *folder; /* $config_directory, or NULL: /etc/postfix */
    unsigned depth, steps; /* of postfix_expand() */
};

void postfix_main_parse(struct postfix_main *m, struct span text);
void postfix_main_free(struct postfix_main *m); /* what it holds */
/* NULL: it is not set. */
struct postfix_setting *postfix_find(const struct postfix_main *m, const char *name);

/* ---- $name (postfix_expand.c, postfix_defaults.c) ---- */

/* Postfix's own default, unexpanded, "" included; NULL: not known here. Valid till the next call. */
const char *postfix_default(struct postfix_main *m, const char *name);
/* Adds `text` with all its references replaced. -1: syntax, or a name that refers to itself. A name that nobody knows is empty. */
int postfix_expand(struct postfix_main *m, struct span text, struct buf *out, struct err *e);
/* The expanded value of a parameter, set or default, to be freed; NULL when it cannot be had. */
char *postfix_value(struct postfix_main *m, const char *name, struct err *e);
/* Calls fn for each $name in `text`, with all that stands between the brackets: "name", "name?text". False when a reference
 * cannot be understood, or when fn said so. */
typedef bool postfix_reference_fn(void *arg, struct span inner);
bool postfix_references(struct span text, postfix_reference_fn *fn, void *arg);

/* ---- lists (postfix_list.c) ---- */

/* The words of a list, parted by blanks and commas; { } keep together what they hold. */
bool postfix_list_next(struct span *rest, struct span *word);

/* ---- master.cf (postfix_master.c) ---- */

struct postfix_override {
    char *name, *value; /* of "-o name=value" */
};

struct postfix_service {
    int line;
    char *name, *type;                          /* "127.0.0.1:submission", "inet" */
    char *is_private, *unprivileged, *chroot, *wakeup, *maxproc; /* the columns as written, "-" */
    char *command;                              /* "smtpd" */
    struct postfix_override *overrides;
    size_t n_overrides;
    struct strlist args; /* what else stands behind the command: "flags=DRhu", "user=vmail", "argv=/usr/bin/x" */
    char *text;          /* the whole line, blanks made one */
    bool is_taken;       /* for who goes through them: it needs nothing more */
};

struct postfix_master { /* zeroes: an empty one */
    struct postfix_service *at;
    size_t n;
    struct postfix_faults faults;
};

void postfix_master_parse(struct postfix_master *m, struct span text);
void postfix_master_free(struct postfix_master *m);

#endif
