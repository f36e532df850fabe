/* SPDX-License-Identifier: Apache-2.0
 *
 * import_settle.c - reads what was made as batond would, and takes out what is refused, what is needless, and what would mean
 * something else. */
#include "control/import.h"

#include "base/mem.h"

#include <stdlib.h>

struct trial { /* the text as it stands now, read */
    struct buf text;
    struct config_report report;
    struct config *cfg; /* NULL: it is refused */
};

static void trial_fini(struct trial *t)
{
    config_free(t->cfg);
    config_report_fini(&t->report);
    if (t->text.len)
        wipe(t->text.at, t->text.len);
    buf_fini(&t->text);
}

static void trial_run(struct trial *t, struct import *im)
{
    *t = (struct trial){ 0 };
    buf_init(&t->text, BUF_NO_MAX);
    import_render(im, false, &t->text);
    t->cfg = config_load_text(buf_span(&t->text), "baton.conf", &t->report);
}

/* ---- what is refused ---- */

/* Without "listen NAME: ", which is where it stands. */
static const char *bare(const struct config_remark *r)
{
    const char *colon = strncmp(r->text, "listen ", 7) == 0 ? strstr(r->text, ": ") : NULL;

    return colon ? colon + 2 : r->text;
}

/* The reason without the parameter's name before it, which stands in the line already. */
static const char *reason(const struct config_remark *r, const char *name)
{
    const char *text = bare(r);
    size_t len = strlen(name);

    return strncmp(text, name, len) == 0 && strncmp(text + len, ": ", 2) == 0 ? text + len + 2 : text;
}

static void say_left_out(struct import *im, const struct import_line *l, struct span word, const char *why)
{
    const char *source = l->source ? l->source : l->name;
    struct span where = span_trim(span_of(source, strcspn(source, "=")));
    char *what = xasprintf("%.*s: %.*s", (int)where.len, where.at, (int)word.len, word.at), *name = xstrdup(l->name);

    import_lose(im, name, what, "%s; the rest of the list is carried", why);
    free(what);
    free(name);
}

/* Adds the list without each `gone`, and without the warn_if_reject in front of it, which would take the next one else. What parts
 * the others stays: a blank stands before an argument. */
static bool add_without(const char *list, struct span gone, struct buf *kept)
{
    struct span rest = span_str(list), word;
    const char *end = list;
    size_t before_warn = 0;
    bool has = false, warns = false, comma = false;

    for (; postfix_list_next(&rest, &word); end = word.at + word.len) {
        struct span gap = span_of(end, (size_t)(word.at - end));
        bool is_it = span_eq(word, gone), is_warn = span_ieq(word, SPAN("warn_if_reject"));
        comma |= span_find(gap, ',') < gap.len;
        if (is_warn && !warns)
            before_warn = kept->len;
        if (is_it && warns)
            kept->len = before_warn;
        if (!is_it) {
            buf_addf(kept, "%s%.*s", !kept->len ? "" : comma ? ", " : " ", (int)word.len, word.at);
            comma = false;
        }
        has |= is_it;
        warns = is_warn;
    }
    return has;
}

/* A restriction that Baton has left out is named in quotes: the others of its list stay. */
static bool leave_out(struct import *im, struct import_line *l, const struct config_remark *r)
{
    const char *why = reason(r, l->name);
    size_t len = strlen(l->name), quote = strcspn(why + 1, "\"");
    struct span gone = span_of(why + 1, quote);
    struct buf kept;

    if (len <= 13 || strcmp(l->name + len - 13, "_restrictions") != 0 || strncmp(why, "\"reject_", 8) != 0 || !why[1 + quote])
        return false;
    buf_init(&kept, BUF_NO_MAX);
    bool is_done = add_without(l->value, gone, &kept) && kept.len;
    if (is_done) {
        free(l->value);
        free(l->plain);
        buf_cstr(&kept);
        l->value = buf_take(&kept);
        l->plain = NULL;
        say_left_out(im, l, gone, why);
    }
    buf_fini(&kept);
    return is_done;
}

static bool blame_line(struct import *im, struct import_line *l, const struct config_remark *r)
{
    if (l->fate != IMPORT_KEPT)
        return false;
    if (leave_out(im, l, r))
        return true;
    if (l->plain && strcmp(l->plain, l->value) != 0) { /* perhaps a $name is what is wrong */
        free(l->value);
        l->value = xstrdup(l->plain);
        return true;
    }
    import_line_lose(l, "%s", reason(r, l->name));
    return true;
}

/* True when something has changed by it. */
static bool blame(struct import *im, const struct config_remark *r)
{
    for (size_t i = 0; i < im->n_items && r->line; i++) {
        struct import_item *it = &im->items[i];
        for (size_t k = 0; k < it->n_lines; k++)
            if (it->lines[k].at == r->line && !it->is_lost)
                return blame_line(im, &it->lines[k], r);
        if (it->at == r->line && it->kind && !it->is_lost) {
            it->is_lost = true;
            it->why = xstrdup(r->text);
            return true;
        }
    }
    return false;
}

/* No line was named: the one without which there are fewer errors. */
static bool blame_by_trial(struct import *im, const struct config_report *now)
{
    for (size_t i = 0; i < im->n_items; i++)
        for (size_t k = 0; k < im->items[i].n_lines; k++) {
            struct import_line *l = &im->items[i].lines[k];
            struct trial t;
            if (l->fate != IMPORT_KEPT || im->items[i].is_lost)
                continue;
            l->fate = IMPORT_LOST;
            trial_run(&t, im);
            bool is_better = t.report.n_errors < now->n_errors;
            trial_fini(&t);
            l->fate = IMPORT_KEPT;
            if (is_better)
                return blame_line(im, l, &now->at[0]);
        }
    return false;
}

/* The same of the same line, twice in its list, or once more of a listener that has the list, too. */
static bool is_said_already(const struct config_report *r, size_t which)
{
    for (size_t i = 0; i < which; i++)
        if (r->at[i].line == r->at[which].line && r->at[i].severity == CONFIG_ERROR && strcmp(bare(&r->at[i]), bare(&r->at[which])) == 0)
            return true;
    return false;
}

/* True: take another look. */
static bool take_out_errors(struct import *im, const struct config_report *r)
{
    bool has_changed = false;

    for (size_t i = 0; i < r->n; i++)
        if (r->at[i].severity == CONFIG_ERROR && !is_said_already(r, i))
            has_changed |= blame(im, &r->at[i]);
    return has_changed || blame_by_trial(im, r);
}

static void make_it_load(struct import *im)
{
    for (;;) {
        struct trial t;
        trial_run(&t, im);
        bool again = !t.cfg && take_out_errors(im, &t.report);
        if (!t.cfg && !again) {
            im->is_broken = true;
            for (size_t i = 0; i < t.report.n; i++)
                import_note(&im->notes, "baton check will say: %s", t.report.at[i].text);
        }
        trial_fini(&t);
        if (!again)
            return;
    }
}

/* ---- what it means ---- */

/* Small letters, and one blank for blanks and commas. */
static char *folded(const char *s)
{
    struct span rest = span_str(s), word;
    struct buf out;

    buf_init(&out, BUF_NO_MAX);
    while (span_word(&rest, ",\n", &word)) {
        if (out.len)
            buf_addc(&out, ' ');
        buf_addspan(&out, word);
    }
    char *text = buf_take(&out);
    ascii_lower_str(text);
    return text;
}

static bool same_folded(const char *a, const char *b)
{
    char *x = folded(a), *y = folded(b);
    bool is_same = strcmp(x, y) == 0;

    free(x);
    free(y);
    return is_same;
}

/* The value that counts for a parameter. */
static char *shown(const struct config *cfg, char *name)
{
    char *const names[] = { name, NULL };
    struct buf out;
    struct err e;

    buf_init(&out, BUF_NO_MAX);
    if (config_show(cfg, names, CONFIG_SHOW_VALUE_ONLY, &out, &e) < 0)
        buf_clear(&out);
    if (out.len && out.at[out.len - 1] == '\n')
        out.len--;
    return buf_take(&out);
}

/* A dollar sign is written twice in `plain`. */
static char *undoubled(const char *plain)
{
    struct buf out;

    buf_init(&out, BUF_NO_MAX);
    for (; *plain; plain++) {
        if ((plain[0] == '$' && plain[1] == '$') || (plain[0] == '\\' && plain[1]))
            plain++;
        buf_addc(&out, *plain);
    }
    return buf_take(&out);
}

/* Values with a $name that is something else here get what it was for Postfix. */
static void replace_names(struct import *im)
{
    struct trial t;

    trial_run(&t, im);
    for (size_t i = 0; t.cfg && i < im->n_items; i++) {
        struct import_line *l = im->items[i].lines;
        if (im->items[i].kind || l->fate != IMPORT_KEPT || !l->plain || strcmp(l->plain, l->value) == 0)
            continue;
        char *now = shown(t.cfg, l->name), *then = undoubled(l->plain);
        if (!same_folded(now, then)) {
            free(l->value);
            l->value = xstrdup(l->plain);
        }
        free(now);
        free(then);
    }
    trial_fini(&t);
}

static void drop_needless(struct import *im)
{
    struct trial with;

    trial_run(&with, im);
    for (size_t i = 0; with.cfg && i < im->n_items; i++) {
        struct import_line *l = im->items[i].lines;
        struct trial without;
        if (im->items[i].kind || l->fate != IMPORT_KEPT || l->must_stay)
            continue;
        l->fate = IMPORT_NEEDLESS;
        trial_run(&without, im);
        char *now = shown(with.cfg, l->name), *then = without.cfg ? shown(without.cfg, l->name) : NULL;
        if (!then || !same_folded(now, then))
            l->fate = IMPORT_KEPT;
        free(now);
        free(then);
        trial_fini(&without);
    }
    trial_fini(&with);
}

/* What the programs would say of it at each start stands above the line. */
static void note_warnings(struct import *im)
{
    struct trial t;

    trial_run(&t, im);
    for (size_t i = 0; i < t.report.n; i++) {
        const struct config_remark *r = &t.report.at[i];
        struct strlist *notes = &im->notes;
        for (size_t k = 0; k < im->n_items && r->line; k++) {
            struct import_item *it = &im->items[k];
            for (size_t n = 0; n <= it->n_lines; n++)
                if ((n < it->n_lines ? it->lines[n].at : it->at) == r->line)
                    notes = &it->notes;
        }
        if (r->severity != CONFIG_ERROR)
            import_note(notes, "%s: %s", r->severity == CONFIG_WARNING ? "Warning" : "Note", r->text);
    }
    trial_fini(&t);
}

void import_settle(struct import *im)
{
    make_it_load(im);
    replace_names(im);
    make_it_load(im);
    drop_needless(im);
    make_it_load(im);
    note_warnings(im);
}
