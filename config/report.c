/* SPDX-License-Identifier: Apache-2.0
 *
 * report.c - what there is to say about a configuration, gathered, and the lists of text that its
 * parts share. */
#include "config/config_int.h"

#include "base/log.h"
#include "base/mem.h"

#include <stdlib.h>

static struct config_remark *remark_v(struct config_report *r, enum config_severity s, struct place at,
                                      const char *param, const char *fmt, va_list ap)
{
    struct buf text;
    char *where;

    if (at.variable)
        where = xasprintf("the environment's %s", at.variable);
    else if (at.file && at.line > 0)
        where = xasprintf("%s:%d", at.file, at.line);
    else
        where = xstrdup(at.file ? at.file : "");
    buf_init(&text, BUF_NO_MAX);
    if (param)
        buf_addf(&text, "%s: ", param);
    buf_vaddf(&text, fmt, ap);
    char safe[1600];
    log_escape(buf_span(&text), safe, sizeof safe);
    buf_fini(&text);

    r->at = xreallocarray(r->at, r->n + 1, sizeof *r->at);
    r->at[r->n++] = (struct config_remark){
        .severity = s, .line = at.variable ? 0 : at.line, .where = where, .text = xstrdup(safe)
    };
    r->n_errors += s == CONFIG_ERROR;
    r->n_warnings += s == CONFIG_WARNING;
    return &r->at[r->n - 1];
}

void remark(struct config_report *r, enum config_severity s, struct place at, const char *fmt, ...)
{
    va_list ap;

    va_start(ap, fmt);
    remark_v(r, s, at, NULL, fmt, ap);
    va_end(ap);
}

void remark_param(struct config_report *r, const struct config *cfg, enum config_param p,
                  enum config_severity s, const char *fmt, ...)
{
    const struct config_value *v = &cfg->values[p];
    char variable[100], name[400];
    struct place at = { .file = cfg->file, .line = v->origin == FROM_FILE ? v->line : 0 };
    va_list ap;

    if (v->origin == FROM_ENVIRONMENT) {
        snprintf(variable, sizeof variable, ENV_PREFIX "%s", config_params[p].name);
        for (char *c = variable; *c; c++)
            if (*c >= 'a' && *c <= 'z')
                *c = (char)(*c - 'a' + 'A');
        at.variable = variable;
    }
    snprintf(name, sizeof name, "%s%s%s%s", cfg->view_of ? "listen " : "", cfg->view_of ? cfg->view_of : "",
             cfg->view_of ? ": " : "", config_params[p].name);
    va_start(ap, fmt);
    remark_v(r, s, at, name, fmt, ap)->is_of_default = v->origin != FROM_FILE && v->origin != FROM_ENVIRONMENT;
    va_end(ap);
}

/* What is said behind the name of the parameter. */
static const char *said(const struct config_remark *m)
{
    const char *colon = strstr(m->text, ": ");
    return colon ? colon : m->text;
}

static bool is_said_elsewhere(const struct config_report *r, const struct config_remark *m)
{
    for (size_t i = 0; i < r->n; i++)
        if (!r->at[i].is_of_default && r->at[i].severity == m->severity && strcmp(said(&r->at[i]), said(m)) == 0)
            return true;
    return false;
}

/* "$mynetworks" is the default of others, and a fault in it theirs: it is told where it was written. */
void remark_once(struct config_report *r)
{
    size_t kept = 0;

    for (size_t i = 0; i < r->n; i++) {
        struct config_remark *m = &r->at[i];
        if (m->is_of_default && is_said_elsewhere(r, m)) {
            r->n_errors -= m->severity == CONFIG_ERROR;
            r->n_warnings -= m->severity == CONFIG_WARNING;
            free(m->where);
            free(m->text);
        } else {
            r->at[kept++] = *m;
        }
    }
    r->n = kept;
}

/* By line, and what has none behind; those of one line stay in their order. An insertion: there are
 * few. */
void remark_sort(struct config_report *r)
{
    for (size_t i = 1; i < r->n; i++) {
        struct config_remark moving = r->at[i];
        size_t to = i;
        while (to > 0 && (unsigned)(r->at[to - 1].line - 1) > (unsigned)(moving.line - 1)) {
            r->at[to] = r->at[to - 1];
            to--;
        }
        r->at[to] = moving;
    }
}

void config_report_fini(struct config_report *r)
{
    for (size_t i = 0; i < r->n; i++) {
        free(r->at[i].where);
        free(r->at[i].text);
    }
    free(r->at);
    *r = (struct config_report){ 0 };
}

static const char *const severities[] = {
    [CONFIG_NOTICE] = "note",
    [CONFIG_WARNING] = "warning",
    [CONFIG_ERROR] = "error",
};

void config_report_print(const struct config_report *r, FILE *to, const char *who,
                         enum config_severity from)
{
    for (size_t i = 0; i < r->n; i++) {
        const struct config_remark *m = &r->at[i];
        if (m->severity < from)
            continue;
        fprintf(to, "%s%s%s%s%s: %s\n", who ? who : "", who ? ": " : "", m->where,
                *m->where ? ": " : "", severities[m->severity], m->text);
    }
}

void config_report_log(const struct config_report *r)
{
    void (*const say[])(const char *fmt, ...) = {
        [CONFIG_NOTICE] = log_info,
        [CONFIG_WARNING] = log_warn,
        [CONFIG_ERROR] = log_error,
    };
    for (size_t i = 0; i < r->n; i++)
        say[r->at[i].severity]("%s%s%s", r->at[i].where, *r->at[i].where ? ": " : "",
                               r->at[i].text);
}

void strlist_add(struct strlist *l, struct span s)
{
    l->at = xreallocarray(l->at, l->n + 1, sizeof *l->at);
    l->at[l->n++] = span_dup(s);
}

bool strlist_has(const struct strlist *l, const char *s)
{
    for (size_t i = 0; i < l->n; i++)
        if (strcmp(l->at[i], s) == 0)
            return true;
    return false;
}

void strlist_clear(struct strlist *l)
{
    for (size_t i = 0; i < l->n; i++)
        free(l->at[i]);
    free(l->at);
    *l = (struct strlist){ 0 };
}

void strlist_join(const struct strlist *l, struct buf *out)
{
    for (size_t i = 0; i < l->n; i++) {
        buf_adds(out, i ? ", " : "");
        buf_adds(out, l->at[i]);
    }
}

void value_fini(struct config_value *v)
{
    strlist_clear(&v->raw);
    strlist_clear(&v->text);
    free(v->shown);
    *v = (struct config_value){ 0 };
}
