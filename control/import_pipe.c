/* SPDX-License-Identifier: Apache-2.0
 *
 * import_pipe.c - services of master.cf that give mail to a program, as pipe sections.
 *
 *     vacation unix - n n - - pipe flags=Rq user=vacation argv=/usr/bin/vacation -f ${sender} -- ${recipient} */
#include "control/import.h"

#include "base/mem.h"

#include <stdlib.h>

/* "user=vmail:vmail" of the arguments in front of argv=; false when it is none that a section has. */
static bool add_attribute(struct import_item *it, const char *arg, const char *source)
{
    size_t len = strcspn(arg, "=");
    char *name = span_dup(span_of(arg, len));
    bool is_known = arg[len] && config_section_shape_of("pipe", span_str(name)) != CONFIG_SHAPE_NONE;

    if (is_known) {
        char *quoted = import_quote(arg + len + 1, true);
        import_add(it, name, quoted, source);
        free(quoted);
    }
    free(name);
    return is_known;
}

/* All behind argv=; its ${recipient} and the like are written the same with us. */
static void add_argv(struct import_item *it, const struct postfix_service *s, size_t first, const char *source)
{
    struct buf text;

    buf_init(&text, BUF_NO_MAX);
    for (size_t i = first; i < s->args.n; i++)
        buf_addf(&text, "%s%s", i > first ? " " : "", i > first ? s->args.at[i] : s->args.at[i] + strlen("argv="));
    char *quoted = import_quote(buf_cstr(&text), false);
    import_add(it, "argv", quoted, source);
    free(quoted);
    buf_fini(&text);
}

/* NAME_time_limit and NAME_destination_recipient_limit of main.cf */
static void add_limit(struct import *im, struct import_item *it, const char *service, const char *suffix, const char *option)
{
    char *name = xasprintf("%s_%s", service, suffix);
    struct postfix_setting *s = postfix_find(&im->main, name);
    char *value = s ? postfix_value(&im->main, name, NULL) : NULL;

    if (value) {
        char *source = import_source(s), *quoted = import_quote(value, true);
        import_add(it, option, quoted, source);
        s->is_taken = true;
        free(source);
        free(quoted);
    }
    free(value);
    free(name);
}

static void add_pipe(struct import *im, const struct postfix_service *s)
{
    char *source = xasprintf("master.cf:%d: %s", s->line, s->text), *title = import_quote(s->name, true);
    struct import_item *it = import_section(im, "pipe", title);

    for (size_t i = 0; i < s->args.n; i++) {
        const char *arg = s->args.at[i];
        if (strncmp(arg, "argv=", 5) == 0) {
            add_argv(it, s, i, source);
            break;
        }
        if (!add_attribute(it, arg, source)) {
            char *what = xasprintf("master.cf:%d: %s: %s", s->line, s->name, arg);
            import_line_lose(import_add(it, arg, NULL, what), "a pipe section has nothing like it");
            free(what);
        }
    }
    if (strcmp(s->maxproc, "-") != 0 && strcmp(s->maxproc, "0") != 0)
        import_add(it, "process_limit", s->maxproc, source);
    add_limit(im, it, s->name, "destination_recipient_limit", "recipient_limit");
    add_limit(im, it, s->name, "time_limit", "time_limit");
    free(source);
    free(title);
}

static bool names(const char *value, const struct postfix_service *s)
{
    size_t len = strlen(s->name);

    return strncmp(value, s->name, len) == 0 && (value[len] == ':' || !value[len]);
}

/* As the filter of all services, or of one. */
static bool is_filter(const struct import *im, const struct postfix_service *s)
{
    struct postfix_setting *m = postfix_find(&im->main, "content_filter");

    if (m && names(m->value, s))
        return true;
    for (size_t i = 0; i < im->master.n; i++)
        for (size_t k = 0; k < im->master.at[i].n_overrides; k++)
            if (strcmp(im->master.at[i].overrides[k].name, "content_filter") == 0 && names(im->master.at[i].overrides[k].value, s))
                return true;
    return false;
}

/* Some value of main.cf names it as a transport, or a table may. */
bool import_is_used_transport(const struct import *im, const struct postfix_service *s)
{
    if (strcmp(s->command, "pipe") == 0 && is_filter(im, s)) /* smtp and lmtp: import_filter() calls it by that name */
        return true;
    for (size_t i = 0; i < im->main.n; i++) {
        const struct postfix_setting *m = &im->main.at[i];
        if (strstr(m->name, "transport_maps") && *m->value)
            return true;
        if (strstr(m->name, "transport") && names(m->value, s))
            return true;
    }
    return false;
}

void import_pipes(struct import *im)
{
    for (size_t i = 0; i < im->master.n; i++) {
        struct postfix_service *s = &im->master.at[i];
        if (strcmp(s->command, "pipe") != 0 || strcmp(s->type, "unix") != 0)
            continue;
        s->is_taken = true;
        if (import_is_used_transport(im, s))
            add_pipe(im, s);
        else
            import_note(&im->not_needed, "the service %s", s->name);
    }
}
