/* SPDX-License-Identifier: Apache-2.0
 *
 * postfix_lines.c - the logical lines of main.cf, master.cf and tables, and the words of a list.
 *
 * A line that begins with a blank continues the one before, whatever comments and empty lines stand between the two. A line
 * whose first byte that is no blank is "#" is a comment, wherever it stands; a "#" further behind is text. */
#include "config/postfix.h"

#include "base/mem.h"

#include <stdlib.h>

struct lines {
    struct span rest;
    int next;  /* the number of the line that it begins with */
    int begin; /* and of that with which the logical line began */
};

static bool is_blank(char c)
{
    return c == ' ' || c == '\t' || c == '\r' || c == '\f' || c == '\v';
}

static struct span take_line(struct lines *l)
{
    size_t end = span_find(l->rest, '\n');
    struct span line = span_of(l->rest.at, end);

    l->rest = span_from(l->rest, end + 1);
    l->next++;
    return line;
}

/* Comment, or nothing but blanks. */
static bool is_nothing(struct span line)
{
    struct span s = span_trim(line);

    return s.len == 0 || s.at[0] == '#';
}

/* False at the end. `text` is emptied first. */
static bool next_line(struct lines *l, struct buf *text)
{
    bool has_begun = false;

    buf_clear(text);
    while (l->rest.len) {
        struct lines before = *l;
        struct span s = take_line(l);
        if (is_nothing(s))
            continue;
        if (has_begun && !is_blank(s.at[0])) {
            *l = before;
            break;
        }
        if (!has_begun)
            l->begin = before.next;
        has_begun = true;
        while (s.len && is_blank(s.at[s.len - 1]))
            s.len--;
        if (text->len && s.len) { /* a fold is one blank, whatever it was */
            s = span_trim(s);
            buf_addc(text, ' ');
        }
        buf_addspan(text, s);
    }
    return has_begun;
}

void postfix_lines_each(struct span text, postfix_line_fn *fn, void *arg)
{
    struct lines lines = { .rest = text, .next = 1 };
    struct buf logical;

    buf_init(&logical, BUF_NO_MAX);
    while (next_line(&lines, &logical))
        fn(arg, buf_span(&logical), lines.begin);
    buf_fini(&logical);
}

void postfix_fault_add(struct postfix_faults *f, int line, const char *what, struct span text)
{
    char *said = xasprintf("%s: %.*s", what, (int)(text.len > 200 ? 200 : text.len), text.at);

    f->at = xreallocarray(f->at, f->n + 1, sizeof *f->at);
    f->at[f->n++] = (struct postfix_fault){ line, said };
}

void postfix_faults_fini(struct postfix_faults *f)
{
    for (size_t i = 0; i < f->n; i++)
        free(f->at[i].text);
    free(f->at);
    *f = (struct postfix_faults){ 0 };
}

/* The length up to the brace that closes the first one, both counted, or the whole. */
static size_t braced_len(struct span s)
{
    unsigned depth = 0;

    for (size_t i = 0; i < s.len; i++) {
        depth += s.at[i] == '{';
        if (s.at[i] == '}' && --depth == 0)
            return i + 1;
    }
    return s.len;
}

bool postfix_list_next(struct span *rest, struct span *word)
{
    size_t len = 0;

    while (rest->len && (is_blank(rest->at[0]) || rest->at[0] == '\n' || rest->at[0] == ','))
        *rest = span_from(*rest, 1);
    while (len < rest->len && !is_blank(rest->at[len]) && rest->at[len] != '\n' && rest->at[len] != ',')
        len += rest->at[len] == '{' ? braced_len(span_from(*rest, len)) : 1;
    *word = span_of(rest->at, len);
    *rest = span_from(*rest, len);
    return len > 0;
}
