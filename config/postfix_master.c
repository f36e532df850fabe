/* SPDX-License-Identifier: Apache-2.0
 *
 * postfix_master.c - the services of a master.cf: eight columns, and arguments behind the last.
 *
 *     submission inet n - y - - smtpd -o syslog_name=postfix/submission -o { smtpd_relay_restrictions = permit, reject } */
#include "config/postfix.h"

#include "base/mem.h"

#include <stdlib.h>

/* The next argument: a word, or what stands in { }. */
static bool next_argument(struct span *rest, struct span *arg)
{
    *rest = span_trim(*rest);
    if (rest->len && rest->at[0] == '{') {
        unsigned depth = 0;
        for (size_t i = 0; i < rest->len; i++) {
            depth += rest->at[i] == '{';
            if (rest->at[i] == '}' && --depth == 0) {
                *arg = span_trim(span_of(rest->at + 1, i - 1));
                *rest = span_from(*rest, i + 1);
                return true;
            }
        }
    }
    return span_word(rest, "", arg);
}

static void add_override(struct postfix_service *s, struct span text)
{
    size_t equals = span_find(text, '=');
    struct span name = span_trim(span_of(text.at, equals)), value = span_trim(span_from(text, equals + 1));

    s->overrides = xreallocarray(s->overrides, s->n_overrides + 1, sizeof *s->overrides);
    s->overrides[s->n_overrides++] = (struct postfix_override){ span_dup(name), span_dup(value) };
}

static void take_arguments(struct postfix_service *s, struct span rest)
{
    struct span arg;
    bool is_override = false, has_command = false;

    while (next_argument(&rest, &arg)) {
        if (is_override) {
            add_override(s, arg);
            is_override = false;
        } else if (!has_command && span_eq(arg, SPAN("-o"))) {
            is_override = true;
        } else if (!has_command && span_starts(arg, "-o") && span_find(arg, '=') < arg.len) {
            add_override(s, span_from(arg, 2));
        } else {
            has_command |= span_starts(arg, "argv=");
            strlist_add(&s->args, arg);
        }
    }
}

static void service_fini(struct postfix_service *s)
{
    char *const columns[] = { s->name,   s->type,    s->is_private, s->unprivileged, s->chroot,
                              s->wakeup, s->maxproc, s->command,    s->text };

    for (size_t i = 0; i < ARRAY_LEN(columns); i++)
        free(columns[i]);
    for (size_t i = 0; i < s->n_overrides; i++) {
        free(s->overrides[i].name);
        free(s->overrides[i].value);
    }
    free(s->overrides);
    strlist_clear(&s->args);
}

static void add_line(void *arg, struct span text, int line)
{
    struct postfix_master *m = arg;
    struct postfix_service s = { .line = line };
    char **const columns[] = { &s.name,   &s.type,   &s.is_private, &s.unprivileged,
                               &s.chroot, &s.wakeup, &s.maxproc,    &s.command };
    struct span rest = text, word;
    size_t n = 0;

    while (n < ARRAY_LEN(columns) && span_word(&rest, "", &word))
        *columns[n++] = span_dup(word);
    if (n < ARRAY_LEN(columns) || text.at[0] == ' ' || text.at[0] == '\t' || span_find(text, '\0') < text.len) {
        postfix_fault_add(&m->faults, line, "it is no line of master.cf, which has eight columns", span_trim(text));
        service_fini(&s);
        return;
    }
    s.text = span_dup(text);
    take_arguments(&s, rest);
    m->at = xreallocarray(m->at, m->n + 1, sizeof *m->at);
    m->at[m->n++] = s;
}

void postfix_master_parse(struct postfix_master *m, struct span text)
{
    postfix_lines_each(text, add_line, m);
}

void postfix_master_free(struct postfix_master *m)
{
    for (size_t i = 0; i < m->n; i++)
        service_fini(&m->at[i]);
    postfix_faults_fini(&m->faults);
    free(m->at);
    *m = (struct postfix_master){ 0 };
}
