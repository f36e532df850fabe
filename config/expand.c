/* SPDX-License-Identifier: Apache-2.0
 *
 * expand.c - $name and ${NAME}.
 *
 * Lazy, as in a main.cf: a parameter is expanded when it is asked for, so the order in the file
 * does not matter, and one that is asked for while it is being expanded refers to itself. Names of
 * parameters come before names of the environment; the one are written small, the other in
 * capitals, so they hardly ever meet. */
#include "config/config_int.h"

#include "base/mem.h"
#include "config/reference_int.h"

#include <stdlib.h>
#include <unistd.h>

#define VALUE_MAX   ((size_t)64 << 10)
#define NESTING_MAX 20

struct expansion {
    struct config *cfg;
    struct config_report *report; /* NULL when all parameters are expanded */
    unsigned depth;
};

static bool expand_param(struct expansion *x, enum config_param p);
static int expand(struct expansion *x, struct span raw, struct buf *out, struct err *e);

/* The whole value of another parameter. */
static int add_param(struct expansion *x, enum config_param p, struct span fallback,
                     struct buf *out, struct err *e)
{
    const struct config_value *v = &x->cfg->values[p];

    if (v->state == VALUE_UNDER_WAY)
        return err_set(e, ERR_CONFIG, "it refers to itself, by way of $%s", config_params[p].name);
    if (!expand_param(x, p))
        return err_set(e, ERR_CONFIG, "%s", EXPAND_TOLD_ALREADY);
    if (!*v->shown && fallback.len)
        return expand(x, fallback, out, e);
    if (buf_adds(out, v->shown) < 0)
        return err_set(e, ERR_CONFIG, "its value is longer than %zu bytes", VALUE_MAX);
    return 0;
}

static int add_variable(struct expansion *x, struct span name, bool has_fallback,
                        struct span fallback, struct buf *out, struct err *e)
{
    char *variable = span_dup(name);
    const char *text = x->cfg->flags & CONFIG_ENV ? getenv(variable) : NULL;
    int result = 0;

    if (text && (*text || !has_fallback))
        result = buf_adds(out, text) < 0
                     ? err_set(e, ERR_CONFIG, "its value is longer than %zu bytes", VALUE_MAX)
                     : 0;
    else if (has_fallback)
        result = expand(x, fallback, out, e);
    else if (!(x->cfg->flags & CONFIG_ENV)) /* temporary: expand_param() then takes the default */
        result = err_set(e, ERR_TEMPORARY, "${%s} is not looked at here", variable);
    else
        result = err_set(
            e, ERR_CONFIG,
            "${%s} is no parameter, and not set in the environment; ${%s:-text} gives a default",
            variable, variable);
    free(variable);
    return result;
}

static int no_such_param(struct span name, struct err *e)
{
    const char *near = suggest_param(name);

    return err_set(
        e, ERR_CONFIG,
        "there is no parameter $%.*s%s%s%s; a dollar sign itself is written $$, the environment ${NAME}",
        (int)name.len, name.at, near ? "; did you mean $" : "", near ? near : "", near ? "?" : "");
}

/* What stands between the brackets of ${...} or $(...). */
static int add_bracketed(struct expansion *x, struct span inner, struct buf *out, struct err *e)
{
    struct span name = span_of(inner.at, reference_name_len(inner));
    struct span rest = span_from(inner, name.len);
    bool has_fallback = span_starts(rest, ":-");

    if (!name.len || (rest.len && !has_fallback))
        return err_set(e, ERR_CONFIG,
                       "${%.*s} is not understood: there are ${name} and ${NAME:-text}",
                       (int)inner.len, inner.at);
    if (has_fallback)
        rest = span_from(rest, 2);
    const struct config_option *o = config_option_find(config_params, N_PARAMS, name);
    if (o)
        return add_param(x, (enum config_param)(o - config_params), rest, out, e);
    return add_variable(x, name, has_fallback, rest, out, e);
}

static int add_reference(struct expansion *x, const struct reference *r, struct buf *out,
                         struct err *e)
{
    if (r->kind == REFERENCE_DOLLAR || r->kind == REFERENCE_BARE)
        return buf_addc(out, '$') < 0 ? err_set(e, ERR_CONFIG, "its value is too long") : 0;
    if (r->kind == REFERENCE_BRACKETS)
        return add_bracketed(x, r->inner, out, e);
    const struct config_option *o = config_option_find(config_params, N_PARAMS, r->inner);
    if (!o)
        return no_such_param(r->inner, e);
    return add_param(x, (enum config_param)(o - config_params), span_of(NULL, 0), out, e);
}

static int expand(struct expansion *x, struct span raw, struct buf *out, struct err *e)
{
    struct reference r;
    int result = 0;

    if (++x->depth > NESTING_MAX + N_PARAMS)
        result = err_set(e, ERR_CONFIG, "its references are nested too deeply");
    while (result == 0 && raw.len) {
        result = reference_next(&raw, &r, e);
        if (result == 0 && buf_addspan(out, r.before) < 0)
            result = err_set(e, ERR_CONFIG, "its value is longer than %zu bytes", VALUE_MAX);
        if (result == 0 && r.kind != REFERENCE_NONE)
            result = add_reference(x, &r, out, e);
    }
    x->depth--;
    return result;
}

static int expand_texts(struct expansion *x, const struct strlist *raw, struct strlist *text,
                        struct err *e)
{
    struct buf out;
    int result = 0;

    buf_init(&out, VALUE_MAX);
    for (size_t i = 0; i < raw->n && result == 0; i++) {
        struct span s = span_str(raw->at[i]);
        if (span_find(s, '$') == s.len && s.len <= VALUE_MAX) { /* as most are */
            strlist_add(text, s);
            continue;
        }
        buf_clear(&out);
        result = expand(x, span_str(raw->at[i]), &out, e);
        if (result == 0)
            strlist_add(text, buf_span(&out));
    }
    buf_fini(&out);
    return result;
}

/* ---- defaults that are computed ---- */

static void own_name(char *name, size_t size)
{
    if (gethostname(name, size) < 0 || !*name)
        snprintf(name, size, "localhost");
    name[size - 1] = '\0';
    if (!hostname_is_sane(span_str(name)))
        snprintf(name, size, "localhost");
}

static const char *without_first_label(const char *name)
{
    const char *dot = strchr(name, '.');
    return dot && dot[1] ? dot + 1 : "localdomain";
}

/* myhostname asks mydomain only when gethostname() has no dot; mydomain asks myhostname only when
 * that is written down. So they never ask each other. */
static char *compute_myhostname(struct expansion *x)
{
    char name[256];

    own_name(name, sizeof name);
    if (strchr(name, '.'))
        return xstrdup(name);
    const struct config_value *domain = &x->cfg->values[PARAM_mydomain];
    if (domain->state == VALUE_UNDER_WAY || !expand_param(x, PARAM_mydomain))
        return xasprintf("%s.localdomain", name);
    return xasprintf("%s.%s", name, domain->shown);
}

static char *compute_mydomain(struct expansion *x)
{
    const struct config_value *host = &x->cfg->values[PARAM_myhostname];
    char name[256];

    if (host->origin != FROM_DEFAULT && host->state != VALUE_UNDER_WAY &&
        expand_param(x, PARAM_myhostname))
        return xstrdup(without_first_label(host->shown));
    own_name(name, sizeof name);
    return xstrdup(without_first_label(name));
}

static const struct {
    enum config_param param;
    char *(*compute)(struct expansion *x);
} computed[] = {
    { PARAM_myhostname, compute_myhostname },
    { PARAM_mydomain, compute_mydomain },
};

static void replace_if_empty(struct expansion *x, enum config_param p)
{
    struct config_value *v = &x->cfg->values[p];

    for (size_t i = 0; i < ARRAY_LEN(computed); i++)
        if (computed[i].param == p && v->text.n <= 1 && (v->text.n == 0 || !*v->text.at[0])) {
            char *text = computed[i].compute(x);
            strlist_clear(&v->text);
            strlist_add(&v->text, span_str(text));
            free(text);
        }
}

/* ---- parameters ---- */

static int expand_default(struct expansion *x, enum config_param p, struct err *e)
{
    char *def = (char *)(uintptr_t)config_params[p].def;
    struct strlist raw = { &def, 1 };

    return expand_texts(x, &raw, &x->cfg->values[p].text, e);
}

static int copy_template(struct expansion *x, enum config_param p)
{
    struct config_value *v = &x->cfg->values[p];

    if (v->origin == FROM_DEFAULT)
        strlist_add(&v->text, span_str(config_params[p].def));
    for (size_t i = 0; v->origin != FROM_DEFAULT && i < v->raw.n; i++)
        strlist_add(&v->text, span_str(v->raw.at[i]));
    return 0;
}

static bool expand_param(struct expansion *x, enum config_param p)
{
    struct config_value *v = &x->cfg->values[p];
    struct err e;
    struct buf shown;
    int result;

    if (v->state != VALUE_RAW)
        return v->state == VALUE_DONE;
    e.text[0] = '\0'; /* the rest is looked at after a failure only; to clear it 70 times is felt in
                         sendmail */
    v->state = VALUE_UNDER_WAY;
    if (config_is_template(&config_params[p]))
        result = copy_template(x, p);
    else if (v->origin == FROM_DEFAULT)
        result = expand_default(x, p, &e);
    else
        result = expand_texts(x, &v->raw, &v->text, &e);
    if (result < 0 && e.kind == ERR_TEMPORARY) {
        remark_param(x->report, x->cfg, p, CONFIG_NOTICE, "%s; its default counts", e.text);
        strlist_clear(&v->text);
        v->origin = FROM_DEFAULT;
        v->is_list = false;
        result = expand_default(x, p, &e);
    }
    if (result < 0) {
        v->state = VALUE_BROKEN;
        if (*e.text)
            remark_param(x->report, x->cfg, p, CONFIG_ERROR, "%s", e.text);
        return false;
    }
    replace_if_empty(x, p);
    buf_init(&shown, BUF_NO_MAX);
    strlist_join(&v->text, &shown);
    v->shown = buf_take(&shown);
    v->state = VALUE_DONE;
    return true;
}

void expand_all(struct config *cfg, struct config_report *r)
{
    struct expansion x = { .cfg = cfg, .report = r };

    for (int p = 0; p < N_PARAMS; p++)
        expand_param(&x, (enum config_param)p);
}

int expand_text(struct config *cfg, const char *raw, struct buf *out, struct err *e)
{
    struct expansion x = { .cfg = cfg };

    return expand(&x, span_str(raw), out, e);
}

int expand_list(struct config *cfg, const struct strlist *raw, struct strlist *out, struct err *e)
{
    struct expansion x = { .cfg = cfg };

    return expand_texts(&x, raw, out, e);
}
