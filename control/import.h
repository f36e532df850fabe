/* SPDX-License-Identifier: Apache-2.0
 *
 * import.h - a Postfix's configuration as a baton.conf.
 *
 * Each line of main.cf and each service of master.cf becomes an item: a statement, or the reason why there is none
 * (import_params.c, import_listen.c, import_login.c). Then the whole is read as batond would read it, and what is refused, or
 * needless because it is the default, is taken out again (import_settle.c): so what is printed always loads, and a parameter
 * that Baton learns is carried from that day on. */
#ifndef CONTROL_IMPORT_H
#define CONTROL_IMPORT_H

#include "config/config.h"
#include "config/postfix.h"

enum import_fate {
    IMPORT_KEPT,
    IMPORT_NEEDLESS, /* it says what is so anyway */
    IMPORT_LOST,     /* it becomes a comment */
};

struct import_line { /* a statement on a line of its own */
    char *name;      /* the parameter */
    char *value;     /* as it will stand in double quotes; NULL: lost from the beginning */
    char *plain;     /* the value with every $name replaced: what Postfix made of it; NULL for what stands for itself */
    char *source;    /* where it comes from, "main.cf:12: name = value"; NULL: from a default */
    char *why;       /* IMPORT_LOST: the reason, and what to do */
    enum import_fate fate;
    bool must_stay;  /* also when it is the default */
    bool is_secret;  /* the value in single quotes */
    int at;          /* line of the rendered text, 0 while it has none */
};

struct import_item { /* a parameter, or a section */
    unsigned subject;
    char *kind, *title; /* of a section: "listen", "submission"; NULL: lines[0] is a parameter */
    struct import_line *lines;
    size_t n_lines;
    struct strlist notes; /* comments above it */
    bool is_lost;         /* the whole section */
    char *why;
    int at;
};

struct import {
    struct postfix_main main;
    struct postfix_master master;
    const char *main_file;  /* as it was named; "-" is stdin */
    bool has_master;
    bool takes_passwords;   /* into the output */
    struct import_item *items;
    size_t n_items;
    struct strlist notes;      /* about the whole */
    struct strlist not_needed; /* settings that have no meaning for Baton */
    bool is_broken;            /* it does not load, and no line is to blame */
};

/* ---- items (import.c) ---- */

/* All text is copied; valid till the next item is added. */
struct import_item *import_section(struct import *im, const char *kind, const char *title);
struct import_item *import_param(struct import *im, const char *name, const char *value, const char *plain, const char *source);
/* The parameter as it will be written, by main.cf or by a default of Postfix's; NULL: it will not. */
struct import_item *import_find_param(const struct import *im, const char *name);
struct import_line *import_add(struct import_item *it, const char *name, const char *value, const char *source);
/* A line that becomes a comment. */
void import_lose(struct import *im, const char *name, const char *source, const char *fmt, ...)
    __attribute__((format(printf, 4, 5)));
void import_line_lose(struct import_line *l, const char *fmt, ...) __attribute__((format(printf, 2, 3)));
void import_note(struct strlist *notes, const char *fmt, ...) __attribute__((format(printf, 2, 3)));
/* "main.cf:12: name = value" */
char *import_source(const struct postfix_setting *s);
void import_fini(struct import *im);

/* What `text` is in a value: backslashes doubled and, with `dollars`, dollar signs too. */
char *import_quote(const char *text, bool dollars);

/* ---- subjects, and names that are Postfix's alone (import_names.c) ---- */

unsigned import_subject(const char *name);
const char *import_subject_title(unsigned subject); /* NULL: there is no such subject */

/* What is known of a parameter that is to be treated otherwise than by its name. */
struct import_name {
    const char *name;
    const char *harmless; /* values, parted by "|", that need nothing; "*": all */
    const char *rename;   /* the parameter that it is with us, or NULL */
    const char *advice;   /* why it is not carried, and what to do */
};
const struct import_name *import_find_name(const char *name);
bool import_is_harmless(const struct import_name *n, const char *value);

/* ---- the parts ---- */

void import_settings(struct import *im);   /* import_params.c: main.cf */
/* A value of the parameter with the sockets of Postfix's folder named in full, and "proxy:" left out; to be freed. */
char *import_as_seen_from_here(struct import *im, const char *name, const char *text, struct strlist *notes);
void import_defaults(struct import *im);   /* and what Postfix does where it says nothing */
/* import_networks.c: what mynetworks_style means on this machine */
void import_networks_style(struct import *im, const struct postfix_setting *s, const char *value);
void import_pipes(struct import *im);      /* import_pipe.c: master.cf's programs, before import_settings() */
void import_services(struct import *im);   /* import_listen.c: what else master.cf has */
bool import_is_used_transport(const struct import *im, const struct postfix_service *s); /* import_pipe.c */
void import_logins(struct import *im);     /* import_login.c: smtp_sasl_password_maps */
void import_directories(struct import *im); /* import_ldap.c: ldap:NAME, before import_settings() */
void import_look_at_tables(struct import *im, struct import_item *it, const char *value); /* import_tables.c */
/* The texts of the lists that a value names, "/file" and "type:table", in their place; to be freed. */
char *import_inline_files(struct import *im, const char *value, struct strlist *notes, struct err *e);

/* import_settle.c: afterwards every item has its fate. */
void import_settle(struct import *im);
/* import_print.c: the whole text; also in between, then only what is kept, and each line's place. */
void import_render(struct import *im, bool with_comments, struct buf *out);
/* How many lines, or whole sections, are not carried. */
size_t import_count_lost(const struct import *im);

#endif
