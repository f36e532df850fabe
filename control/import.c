/* SPDX-License-Identifier: Apache-2.0
 *
 * import.c - the items of an import. */
#include "control/import.h"

#include "base/mem.h"

#include <stdlib.h>

void import_note(struct strlist *notes, const char *fmt, ...)
{
    va_list ap;

    va_start(ap, fmt);
    char *text = xvasprintf(fmt, ap);
    va_end(ap);
    if (!strlist_has(notes, text))
        strlist_add(notes, span_str(text));
    free(text);
}

static struct import_item *new_item(struct import *im, const char *name)
{
    im->items = xreallocarray(im->items, im->n_items + 1, sizeof *im->items);
    im->items[im->n_items] = (struct import_item){ .subject = import_subject(name) };
    return &im->items[im->n_items++];
}

struct import_line *import_add(struct import_item *it, const char *name, const char *value, const char *source)
{
    it->lines = xreallocarray(it->lines, it->n_lines + 1, sizeof *it->lines);
    it->lines[it->n_lines] = (struct import_line){ .name = xstrdup(name), .value = xstrdup_or_null(value),
                                                   .source = xstrdup_or_null(source) };
    return &it->lines[it->n_lines++];
}

struct import_item *import_section(struct import *im, const char *kind, const char *title)
{
    struct import_item *it = new_item(im, kind);

    it->kind = xstrdup(kind);
    it->title = xstrdup(title);
    return it;
}

struct import_item *import_param(struct import *im, const char *name, const char *value, const char *plain, const char *source)
{
    struct import_item *it = new_item(im, name);

    import_add(it, name, value, source)->plain = xstrdup_or_null(plain);
    return it;
}

struct import_item *import_find_param(const struct import *im, const char *name)
{
    for (size_t i = 0; i < im->n_items; i++)
        if (!im->items[i].kind && im->items[i].lines[0].value && strcmp(im->items[i].lines[0].name, name) == 0)
            return &im->items[i];
    return NULL;
}

void import_line_lose(struct import_line *l, const char *fmt, ...)
{
    va_list ap;

    free(l->why);
    va_start(ap, fmt);
    l->why = xvasprintf(fmt, ap);
    va_end(ap);
    l->fate = IMPORT_LOST;
}

void import_lose(struct import *im, const char *name, const char *source, const char *fmt, ...)
{
    struct import_line *l = &import_param(im, name, NULL, NULL, source)->lines[0];
    va_list ap;

    va_start(ap, fmt);
    l->why = xvasprintf(fmt, ap);
    va_end(ap);
    l->fate = IMPORT_LOST;
}

/* A password, or a table that holds some in its own name. */
static bool is_secret(const struct postfix_setting *s)
{
    size_t len = strlen(s->name);
    bool is_named_so = strstr(s->name, "passw") || strstr(s->name, "secret") || (len > 3 && strcmp(s->name + len - 3, "_pw") == 0);

    return is_named_so && (strstr(s->value, "static:") || strstr(s->value, "inline:") || !strstr(s->value, ":/"));
}

char *import_source(const struct postfix_setting *s)
{
    if (is_secret(s) && *s->value)
        return xasprintf("main.cf:%d: %s = (not printed)", s->line, s->name);
    return xasprintf("main.cf:%d: %s = %s", s->line, s->name, s->value);
}

char *import_quote(const char *text, bool dollars)
{
    struct buf out;

    buf_init(&out, BUF_NO_MAX);
    for (; *text; text++) {
        if (*text == '\\' || *text == '"')
            buf_addc(&out, '\\');
        if (*text == '$' && dollars)
            buf_addc(&out, '$');
        buf_addc(&out, *text);
    }
    return buf_take(&out);
}

size_t import_count_lost(const struct import *im)
{
    size_t n = 0;

    for (size_t i = 0; i < im->n_items; i++) {
        n += im->items[i].is_lost;
        for (size_t k = 0; k < im->items[i].n_lines && !im->items[i].is_lost; k++)
            n += im->items[i].lines[k].fate == IMPORT_LOST;
    }
    return n;
}

void import_fini(struct import *im)
{
    for (size_t i = 0; i < im->n_items; i++) {
        struct import_item *it = &im->items[i];
        for (size_t k = 0; k < it->n_lines; k++) {
            struct import_line *l = &it->lines[k];
            if (l->value)
                wipe(l->value, strlen(l->value));
            free(l->name);
            free(l->value);
            free(l->plain);
            free(l->source);
            free(l->why);
        }
        free(it->lines);
        free(it->kind);
        free(it->title);
        free(it->why);
        strlist_clear(&it->notes);
    }
    free(im->items);
    strlist_clear(&im->notes);
    strlist_clear(&im->not_needed);
    postfix_main_free(&im->main);
    postfix_master_free(&im->master);
}
