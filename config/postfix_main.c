/* SPDX-License-Identifier: Apache-2.0
 *
 * postfix_main.c - the settings of a main.cf: "name = value", the last of several wins. */
#include "config/postfix.h"

#include "base/mem.h"

#include <stdlib.h>

struct postfix_setting *postfix_find(const struct postfix_main *m, const char *name)
{
    for (size_t i = 0; i < m->n; i++)
        if (strcmp(m->at[i].name, name) == 0)
            return &m->at[i];
    return NULL;
}

static void add_fault(struct postfix_main *m, int line, const char *what, struct span text)
{
    m->faults = xreallocarray(m->faults, m->n_faults + 1, sizeof *m->faults);
    m->faults[m->n_faults++] = (struct postfix_fault){ line, xasprintf("%s: %.*s", what, (int)(text.len > 200 ? 200 : text.len),
                                                                       text.at) };
}

static void setting_fini(struct postfix_setting *s)
{
    free(s->name);
    free(s->value);
}

/* Takes out the one that is overridden, so that what is left stands in the order of its lines. */
static int take_out(struct postfix_main *m, const char *name)
{
    struct postfix_setting *old = postfix_find(m, name);

    if (!old)
        return 0;
    int line = old->line;
    setting_fini(old);
    memmove(old, old + 1, (size_t)(m->at + m->n - (old + 1)) * sizeof *old);
    m->n--;
    return line;
}

/* A byte that is text in no configuration. */
static bool is_text(struct span s)
{
    for (size_t i = 0; i < s.len; i++)
        if ((unsigned char)s.at[i] < 0x20 && s.at[i] != '\t')
            return false;
    return true;
}

static void add_line(struct postfix_main *m, struct span text, int line)
{
    size_t equals = span_find(text, '=');
    struct span name = span_trim(span_of(text.at, equals)), value = span_trim(span_from(text, equals + 1));

    for (size_t i = 0; i < name.len; i++)
        if (!ascii_is_alnum((unsigned char)name.at[i]) && !memchr("_-.", name.at[i], 3))
            equals = text.len;
    if (!is_text(text))
        add_fault(m, line, "it holds a control character", name);
    else if (text.at[0] == ' ' || text.at[0] == '\t')
        add_fault(m, line, "it begins with a blank, and there is no line that it continues", span_trim(text));
    else if (equals == text.len || !name.len)
        add_fault(m, line, "it is not of the form \"name = value\"", text);
    else {
        struct postfix_setting s = { .name = span_dup(name), .value = span_dup(value), .line = line };
        s.earlier_line = take_out(m, s.name);
        m->at = xreallocarray(m->at, m->n + 1, sizeof *m->at);
        m->at[m->n++] = s;
    }
}

void postfix_main_parse(struct postfix_main *m, struct span text)
{
    struct postfix_lines lines = { text, 1 };
    struct buf logical;
    int line;

    buf_init(&logical, BUF_NO_MAX);
    while (postfix_line_next(&lines, &logical, &line))
        add_line(m, buf_span(&logical), line);
    buf_fini(&logical);
}

void postfix_main_free(struct postfix_main *m)
{
    for (size_t i = 0; i < m->n; i++)
        setting_fini(&m->at[i]);
    for (size_t i = 0; i < m->n_faults; i++)
        free(m->faults[i].text);
    free(m->at);
    free(m->faults);
    free(m->folder);
    *m = (struct postfix_main){ 0 };
}
