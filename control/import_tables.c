/* SPDX-License-Identifier: Apache-2.0
 *
 * import_tables.c - the tables and files that values name: are they there, and does Baton take them as Postfix did? */
#include "control/import.h"

#include "base/mem.h"
#include "map/map.h"

#include <errno.h>
#include <stdlib.h>
#include <unistd.h>

struct look {
    struct strlist *notes;
    unsigned angles;
};

/* <a@b> as a key: Postfix looked for a@b and never found it. */
static int look_at_row(void *arg, const struct map_row *row)
{
    struct look *k = arg;

    if (row->key.len > 2 && row->key.at[0] == '<' && row->key.at[row->key.len - 1] == '>')
        k->angles++;
    return 0;
}

static void on_complaint(void *arg, const char *text)
{
    import_note(arg, "Warning: %s", text);
}

static void look_at_table(struct import_item *it, struct span spec)
{
    char *text = span_dup(spec);
    struct map_options o = { .is_aliases = strcmp(it->lines[0].name, "alias_maps") == 0, .is_read_only = true,
                             .complain = on_complaint, .arg = &it->notes };
    struct look k = { &it->notes, 0 };
    struct err e = { 0 };

    if (!map_can_open(text)) {
        free(text);
        return; /* the reader of the configuration says what it thinks of it */
    }
    struct map *m = map_open(text, &o, &e);
    if (!m)
        import_note(&it->notes, "Warning: %s cannot be opened: %s", text, e.text);
    else
        map_each(m, look_at_row, &k, NULL);
    if (k.angles)
        import_note(&it->notes, "Note: %s has %u key%s in angle brackets, which Postfix never found: write addresses without them.",
                    text, k.angles, k.angles == 1 ? "" : "s");
    map_close(m);
    free(text);
}

static void look_at_file(struct import_item *it, struct span name)
{
    char *file = span_dup(name);

    if (access(file, R_OK) < 0)
        import_note(&it->notes, "Warning: %s cannot be read: %s", file, strerror(errno));
    free(file);
}

void import_look_at_tables(struct import *im, struct import_item *it, const char *value)
{
    struct span rest = span_str(value), word;

    (void)im;
    while (postfix_list_next(&rest, &word)) {
        if (word.at[0] == '!')
            word = span_from(word, 1);
        if (span_starts(word, "ldap:/"))
            look_at_file(it, span_from(word, strlen("ldap:")));
        else if (map_is_file(span_of(word.at, span_find(word, ':'))) && span_find(word, ':') < word.len)
            look_at_table(it, word);
    }
}

/* ---- lists in files ---- */

static int add_key(void *arg, const struct map_row *row)
{
    struct buf *out = arg;

    buf_addf(out, "%s%.*s", out->len ? ", " : "", (int)row->key.len, row->key.at);
    return 0;
}

static int add_table(struct buf *out, const char *spec, struct err *e)
{
    struct map_options o = { .is_read_only = true };
    struct map *m = map_open(spec, &o, e);
    int result = m ? map_each(m, add_key, out, e) : -1;

    map_close(m);
    return result;
}

static void add_words(void *arg, struct span line, int number)
{
    struct buf *out = arg;
    struct span word;

    (void)number;
    while (postfix_list_next(&line, &word))
        buf_addf(out, "%s%.*s", out->len ? ", " : "", (int)word.len, word.at);
}

/* A file of Postfix's: words, comments between them. */
static int add_file(struct buf *out, const char *file, struct err *e)
{
    FILE *f = fopen(file, "re");
    struct buf text;
    char block[4096];
    size_t n;

    if (!f)
        return err_sys(e, "%s", file);
    buf_init(&text, (size_t)1 << 20);
    while ((n = fread(block, 1, sizeof block, f)) > 0 && buf_add(&text, block, n) == 0)
        ;
    fclose(f);
    postfix_lines_each(buf_span(&text), add_words, out);
    buf_fini(&text);
    return 0;
}

static bool is_table(struct span word)
{
    size_t colon = span_find(word, ':');

    return colon < word.len && colon > 1 && word.at[0] != '[' && map_check_type(span_of(word.at, colon), NULL) == 0;
}

char *import_inline_files(struct import *im, const char *value, struct strlist *notes, struct err *e)
{
    struct span rest = span_str(value), word;
    struct buf out;
    bool is_changed = false;
    int result = 0;

    (void)im;
    buf_init(&out, BUF_NO_MAX);
    while (result == 0 && postfix_list_next(&rest, &word)) {
        bool is_file = word.at[0] == '/', is_map = is_table(word);
        char *name = span_dup(word);
        if (is_file || is_map) {
            result = is_file ? add_file(&out, name, e) : add_table(&out, name, e);
            import_note(notes, "Note: the list was in %s; changes there do not count any more.", name);
            is_changed = true;
        } else {
            buf_addf(&out, "%s%s", out.len ? ", " : "", name);
        }
        free(name);
    }
    if (!is_changed && result == 0) { /* then as it was */
        buf_fini(&out);
        return xstrdup(value);
    }
    if (result == 0)
        return buf_take(&out);
    buf_fini(&out);
    return NULL;
}
