/* SPDX-License-Identifier: Apache-2.0
 *
 * reader_int.h - a configuration while it is read: what read.c (statements), env.c (the
 * environment) and fields.c (text to fields) share. */
#ifndef CONFIG_READER_INT_H
#define CONFIG_READER_INT_H

#include "config/config_int.h"

struct section { /* a login or listen section as written */
    const char *kind;
    const struct config_option *options;
    size_t n_options;
    char *title;
    int line;
    struct config_value *values;
    struct config_value *own; /* of a listen section: its parameters, N_PARAMS; NULL: it has none */
};

struct reader {
    struct config *cfg;
    struct config_report *report;
    struct section *sections;
    size_t n_sections;
    struct section *open; /* in which we are, or NULL */
    int base_line;        /* of the statement that libconfuse reads */
    mode_t mode;          /* of the file */
};

static inline struct place reader_at(const struct reader *rd, int line)
{
    return (struct place){ .file = rd->cfg->file, .line = line };
}

/* BATON_<PARAMETER>=value over what the file says. */
void reader_take_environment(struct reader *rd);
/* The login that it gives, when the relayhosts are known. */
void reader_take_login(struct reader *rd);
/* Expands and converts everything that was read. */
void reader_make_fields(struct reader *rd);
/* One parameter whose text is there. */
int reader_convert(struct config_report *r, struct config *cfg, enum config_param p);
/* view.c: the views of listen sections, when everything else is there. */
void reader_make_views(struct reader *rd);

#endif
