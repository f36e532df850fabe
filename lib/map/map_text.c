/* SPDX-License-Identifier: Apache-2.0
 *
 * map_text.c - the text form of tables, as postmap(1) and postalias(1) read it.
 *
 * A line that begins with a blank goes on with the one before it, comments and blank lines between them notwithstanding. A key
 * ends at the first blank outside of quotes and keeps its quotes, for a quoted local part is looked up in quotes; the name of
 * an alias loses them. Joining lines only ever leaves bytes out, so it is done where the text lies. */
#include "map/map_int.h"

#include <string.h>

void map_text_init(struct map_text *t, const struct map_source *src, const char *what, char *at, size_t len)
{
    *t = (struct map_text){ .source = src, .what = what, .at = at, .len = len, .line = 1 };
    if (len >= 3 && memcmp(at, "\xef\xbb\xbf", 3) == 0)
        t->next = 3; /* what some editors put before UTF-8 */
}

static void refuse(struct map_text *t, unsigned line, const char *why, struct span about)
{
    t->n_refused++;
    map_complain(t->source, "%s:%u: %s: \"%.*s\"", t->what, line, why, (int)(about.len > 100 ? 100 : about.len), about.at);
}

/* ---- lines ---- */

static bool is_blank(char c)
{
    return c == ' ' || c == '\t' || c == '\r' || c == '\v' || c == '\f';
}

/* The physical line at `next`, without its end. */
static bool peek(const struct map_text *t, struct span *s, size_t *behind)
{
    if (t->next >= t->len)
        return false;
    const char *start = t->at + t->next, *end = memchr(start, '\n', t->len - t->next);
    size_t n = end ? (size_t)(end - start) : t->len - t->next;
    *behind = t->next + n + (end != NULL);
    if (n && start[n - 1] == '\r')
        n--;
    *s = span_of(start, n);
    return true;
}

static bool is_empty(struct span s)
{
    for (size_t i = 0; i < s.len; i++)
        if (!is_blank(s.at[i]))
            return s.at[i] == '#';
    return true;
}

bool map_text_line(struct map_text *t, struct span *line, unsigned *number)
{
    struct span s;
    size_t behind;
    char *to = NULL;

    *line = span_of(t->at, 0);
    for (; peek(t, &s, &behind); t->next = behind, t->line++) {
        if (is_empty(s))
            continue;
        if (!is_blank(s.at[0])) {
            if (to)
                return true;
            to = t->at + (s.at - t->at) + s.len;
            *line = s;
            *number = t->line;
        } else if (to) {
            memmove(to, s.at, s.len);
            to += s.len;
            line->len += s.len;
        } else {
            refuse(t, t->line, "a line that begins with a blank goes on with the one before, and there is none", span_trim(s));
        }
    }
    return to != NULL;
}

/* ---- rows ---- */

/* Where the key ends; `s.len` + 1 when a quote is not closed. */
static size_t end_of_key(struct span s)
{
    bool in_quotes = false;

    for (size_t i = 0; i < s.len; i++) {
        if (s.at[i] == '\\' && i + 1 < s.len)
            i++;
        else if (s.at[i] == '"')
            in_quotes = !in_quotes;
        else if (!in_quotes && is_blank(s.at[i]))
            return i;
    }
    return in_quotes ? s.len + 1 : s.len;
}

/* "<info@example.com>" is how people write addresses; as a key with its brackets it would never be found. */
static struct span without_brackets(struct map_text *t, struct span key, unsigned line)
{
    if (key.len < 4 || key.at[0] != '<' || key.at[key.len - 1] != '>')
        return key;
    struct span inner = span_of(key.at + 1, key.len - 2);
    if (span_find(inner, '@') == inner.len || span_find(inner, '<') != inner.len || span_find(inner, '>') != inner.len)
        return key;
    if (!t->has_told_brackets)
        map_complain(t->source, "%s:%u: the key <%.*s> is looked up without < >; so are others like it", t->what, line,
                     (int)(inner.len > 100 ? 100 : inner.len), inner.at);
    t->has_told_brackets = true;
    return inner;
}

static struct span unquote(struct span s)
{
    return s.len >= 2 && s.at[0] == '"' && s.at[s.len - 1] == '"' ? span_of(s.at + 1, s.len - 2) : s;
}

static bool cut_row(struct map_text *t, struct span s, struct map_row *row)
{
    bool is_aliases = t->source->o.is_aliases;
    size_t end = is_aliases ? span_find_bare(s, ':') : end_of_key(s);

    if (end > s.len) {
        refuse(t, row->line, "a quote is not closed", s);
        return false;
    }
    row->key = span_trim(span_of(s.at, end));
    row->value = span_trim(span_from(s, end + 1));
    if (is_aliases)
        row->key = unquote(row->key);
    if (!row->key.len || !row->value.len) {
        refuse(t, row->line, is_aliases ? "expected \"name: address, ...\"" : "expected \"key value\"", s);
        return false;
    }
    if (is_aliases)
        return true;
    if (row->key.len > 1 && row->key.at[row->key.len - 1] == ':')
        map_complain(t->source, "%s:%u: \"%.*s\" ends in a colon; is this a file of aliases?", t->what, row->line,
                     (int)(row->key.len > 100 ? 100 : row->key.len), row->key.at);
    row->key = without_brackets(t, row->key, row->line);
    return true;
}

bool map_text_row(struct map_text *t, struct map_row *row)
{
    struct span s;

    while (map_text_line(t, &s, &row->line)) {
        if (memchr(s.at, '\0', s.len)) {
            refuse(t, row->line, "a NUL byte", span_of(s.at, strlen(s.at)));
        } else if (!t->source->o.takes_any_bytes && !span_is_utf8(s)) {
            refuse(t, row->line, "this is not UTF-8", s);
        } else if (cut_row(t, s, row)) {
            if (!t->source->o.keeps_case)
                for (size_t i = 0; i < row->key.len; i++) {
                    char *c = t->at + (row->key.at - t->at) + i;
                    *c = (char)ascii_lower((unsigned char)*c);
                }
            return true;
        }
    }
    return false;
}
