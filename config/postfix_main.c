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

static void add_line(void *arg, struct span text, int line)
{
    struct postfix_main *m = arg;
    size_t equals = span_find(text, '=');
    struct span name = span_trim(span_of(text.at, equals)), value = span_trim(span_from(text, equals + 1));

    for (size_t i = 0; i < name.len; i++)
        if (!ascii_is_alnum((unsigned char)name.at[i]) && !memchr("_-.", name.at[i], 3))
            equals = text.len;
    if (!is_text(text))
        postfix_fault_add(&m->faults, line, "it holds a control character", name);
    else if (text.at[0] == ' ' || text.at[0] == '\t')
        postfix_fault_add(&m->faults, line, "it begins with a blank, and there is no line that it continues", span_trim(text));
    else if (equals == text.len || !name.len)
        postfix_fault_add(&m->faults, line, "it is not of the form \"name = value\"", text);
    else {
        struct postfix_setting s = { .name = span_dup(name), .value = span_dup(value), .line = line };
        s.earlier_line = take_out(m, s.name);
        m->at = xreallocarray(m->at, m->n + 1, sizeof *m->at);
        m->at[m->n++] = s;
    }
}

void postfix_main_parse(struct postfix_main *m, struct span text)
{
    postfix_lines_each(text, add_line, m);
}

void postfix_main_free(struct postfix_main *m)
{
    for (size_t i = 0; i < m->n; i++)
        setting_fini(&m->at[i]);
    postfix_faults_fini(&m->faults);
    free(m->at);
    free(m->folder);
    *m = (struct postfix_main){ 0 };
}
