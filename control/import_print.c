/* SPDX-License-Identifier: Apache-2.0
 *
 * import_print.c - an import as text: subject by subject, each comment above what it is about. */
#include "control/import.h"

#include "base/mem.h"

#include <stdlib.h>

enum { COLUMNS = 110 };

/* Words of a comment, broken at the columns; control characters do not get out. */
static void add_comment(struct buf *out, const char *indent, const char *first, const char *text)
{
    struct span rest = span_str(text), word;
    size_t column = 0;

    while (span_word(&rest, "\n", &word)) {
        if (column && column + word.len + 1 > COLUMNS)
            column = 0;
        if (column == 0) {
            size_t before = out->len;
            if (before && out->at[before - 1] != '\n')
                buf_addc(out, '\n');
            before = out->len;
            buf_addf(out, "%s# %s", indent, first);
            first = "  ";
            column = out->len - before;
        } else {
            buf_addc(out, ' ');
        }
        for (size_t i = 0; i < word.len; i++)
            buf_addc(out, (unsigned char)word.at[i] < 0x20 || word.at[i] == 0x7f ? '?' : word.at[i]);
        column += word.len + 1;
    }
    if (column)
        buf_addc(out, '\n');
}

static int line_number(const struct buf *out)
{
    int n = 1;

    for (size_t i = 0; i < out->len; i++)
        n += out->at[i] == '\n';
    return n;
}

static void add_lost(struct buf *out, const char *indent, const struct import_line *l)
{
    char *what = l->source ? xasprintf("NOT CARRIED: %s", l->source) : xasprintf("NOT CARRIED: %s", l->name);

    add_comment(out, indent, "", what);
    add_comment(out, indent, "  ", l->why ? l->why : "");
    free(what);
}

static void add_statement(struct buf *out, const char *indent, struct import_line *l)
{
    const char *q = l->is_secret ? "'" : "\"";
    bool is_bare = l->value[0] && strlen(l->value) < 12 && strspn(l->value, "0123456789abcdefghijklmnopqrstuvwxyz-") == strlen(l->value);

    l->at = line_number(out);
    if (is_bare && !l->is_secret)
        q = "";
    buf_addf(out, "%s%s = %s%s%s\n", indent, l->name, q, l->value, q);
}

static void add_lines(struct buf *out, struct import_item *it, bool with_comments)
{
    const char *indent = it->kind ? "    " : "";

    for (size_t k = 0; k < it->n_lines; k++) {
        struct import_line *l = &it->lines[k];
        if (l->fate == IMPORT_KEPT && !it->is_lost)
            add_statement(out, indent, l);
        else if (l->fate == IMPORT_LOST && with_comments)
            add_lost(out, indent, l);
    }
}

static void add_item(struct buf *out, struct import_item *it, bool with_comments)
{
    for (size_t i = 0; with_comments && i < it->notes.n; i++)
        add_comment(out, "", "", it->notes.at[i]);
    if (!it->kind) {
        add_lines(out, it, with_comments);
        return;
    }
    if (it->is_lost) {
        if (!with_comments)
            return;
        char *what = xasprintf("NOT CARRIED: %s", it->n_lines && it->lines[0].source ? it->lines[0].source : it->title);
        add_comment(out, "", "", what);
        add_comment(out, "", "  ", it->why ? it->why : "");
        free(what);
        return;
    }
    it->at = line_number(out);
    buf_addf(out, "%s \"%s\" {\n", it->kind, it->title);
    add_lines(out, it, with_comments);
    buf_adds(out, "}\n");
}

static bool has_something(const struct import_item *it)
{
    bool has = it->kind != NULL || it->notes.n;

    for (size_t k = 0; k < it->n_lines; k++)
        has |= it->lines[k].fate != IMPORT_NEEDLESS;
    return has;
}

static void add_head(const struct import *im, struct buf *out)
{
    size_t lost = import_count_lost(im);

    if (strcmp(im->main_file, "-") == 0)
        buf_adds(out, "# Made by baton import from the output of postconf.\n");
    else
        buf_addf(out, "# Made by baton import from %s%s.\n", im->main_file, im->has_master ? " and the master.cf beside it" : "");
    if (lost)
        buf_addf(out, "# %zu setting%s not carried: look for NOT CARRIED.\n", lost, lost == 1 ? " was" : "s were");
    for (size_t i = 0; i < im->notes.n; i++)
        add_comment(out, "", "", im->notes.at[i]);
    if (im->not_needed.n) {
        struct buf names;
        buf_init(&names, BUF_NO_MAX);
        buf_adds(&names, "Not needed here:");
        for (size_t i = 0; i < im->not_needed.n; i++)
            buf_addf(&names, " %s%s", im->not_needed.at[i], i + 1 < im->not_needed.n ? "," : "");
        add_comment(out, "", "", buf_cstr(&names));
        buf_fini(&names);
    }
}

static void forget_places(struct import *im)
{
    for (size_t i = 0; i < im->n_items; i++) {
        im->items[i].at = 0;
        for (size_t k = 0; k < im->items[i].n_lines; k++)
            im->items[i].lines[k].at = 0;
    }
}

void import_render(struct import *im, bool with_comments, struct buf *out)
{
    buf_clear(out);
    forget_places(im);
    if (with_comments)
        add_head(im, out);
    for (unsigned subject = 0; import_subject_title(subject); subject++) {
        bool has_begun = false;
        for (size_t i = 0; i < im->n_items; i++) {
            if (im->items[i].subject != subject || !has_something(&im->items[i]))
                continue;
            if (!has_begun && with_comments)
                buf_addf(out, "\n# ---- %s ----\n", import_subject_title(subject));
            has_begun = true;
            add_item(out, &im->items[i], with_comments);
        }
    }
}
