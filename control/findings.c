/* SPDX-License-Identifier: Apache-2.0 */
#include "control/findings.h"

#include "base/log.h"
#include "base/mem.h"

#include <jansson.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

struct findings {
    json_t *all; /* NULL: for people */
    const char *who; /* not NULL: errors only, on stderr; borrowed */
    unsigned errors, warnings;
    bool is_silent; /* nothing came of the last finding: no advice to it either */
    char **told; /* texts of errors: several checks may come upon one */
};

static const char *const words[] = {
    [FINDING_OK] = "ok",
    [FINDING_NOTE] = "note",
    [FINDING_WARNING] = "warning",
    [FINDING_ERROR] = "error",
};

struct findings *findings_new(bool json)
{
    struct findings *f = xcalloc(1, sizeof *f);

    if (json)
        f->all = json_array();
    return f;
}

struct findings *findings_new_errors(const char *who)
{
    struct findings *f = findings_new(false);

    f->who = who;
    return f;
}

void findings_free(struct findings *f)
{
    if (!f)
        return;
    json_decref(f->all);
    for (unsigned i = 0; i < f->errors; i++)
        free(f->told[i]);
    free(f->told);
    free(f);
}

/* Into a static buffer. */
static const char *safe(const char *fmt, va_list ap)
{
    static char text[2048], out[2048];

    vsnprintf(text, sizeof text, fmt, ap);
    return log_escape(span_str(text), out, sizeof out);
}

static json_t *string(const char *s)
{
    json_t *j = json_string(s);
    return j ? j : json_string("(not UTF-8)");
}

/* False: it has been told already. */
static bool is_new_error(struct findings *f, const char *text)
{
    for (unsigned i = 0; i < f->errors; i++)
        if (strcmp(f->told[i], text) == 0)
            return false;
    f->told = xreallocarray(f->told, f->errors + 1, sizeof *f->told);
    f->told[f->errors++] = xstrdup(text);
    return true;
}

void findings_add(struct findings *f, enum finding_kind kind, const char *subject, const char *fmt,
                  ...)
{
    va_list ap;

    va_start(ap, fmt);
    const char *text = safe(fmt, ap);
    va_end(ap);
    f->is_silent = kind == FINDING_ERROR && !is_new_error(f, text);
    if (f->is_silent)
        return;
    f->warnings += kind == FINDING_WARNING;
    if (f->who) {
        if (kind == FINDING_ERROR)
            fprintf(stderr, "%s: %s\n", f->who, text);
        return;
    }
    if (f->all) {
        json_array_append_new(f->all, json_pack("{s:s,s:s,s:o}", "kind", words[kind], "subject",
                                                subject, "text", string(text)));
        return;
    }
    printf("%-8s %-12s %s\n", words[kind], subject, text);
    fflush(stdout); /* whoever watches a slow step wants to see the one before */
}

void findings_advise(struct findings *f, const char *fmt, ...)
{
    va_list ap;

    va_start(ap, fmt);
    const char *text = safe(fmt, ap);
    va_end(ap);
    if (f->who || f->is_silent)
        return;
    if (f->all)
        json_object_set_new(json_array_get(f->all, json_array_size(f->all) - 1), "advice",
                            string(text));
    else
        printf("%-8s %-12s %s\n", "", "", text);
}

unsigned findings_errors(const struct findings *f)
{
    return f->errors;
}

unsigned findings_warnings(const struct findings *f)
{
    return f->warnings;
}

void findings_end(struct findings *f, const char *fmt, ...)
{
    va_list ap;

    va_start(ap, fmt);
    const char *text = safe(fmt, ap);
    va_end(ap);
    if (!f->all) {
        printf("%s\n", text);
        return;
    }
    json_t *whole = json_pack("{s:b,s:o,s:O}", "ok", f->errors == 0, "result", string(text),
                              "findings", f->all);
    json_dumpf(whole, stdout, JSON_INDENT(2));
    printf("\n");
    json_decref(whole);
}
