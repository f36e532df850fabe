/* SPDX-License-Identifier: Apache-2.0
 *
 * postfix_lines.c - the logical lines of main.cf, master.cf and tables, and the words of a list.
 *
 * A line that begins with a blank continues the one before, whatever comments and empty lines stand between the two. A line
 * whose first byte that is no blank is "#" is a comment, wherever it stands; a "#" further behind is text. */
#include "config/postfix.h"

#include "base/mem.h"

static bool is_blank(char c)
{
    return c == ' ' || c == '\t' || c == '\r' || c == '\f' || c == '\v';
}

static struct span take_line(struct postfix_lines *l)
{
    size_t end = span_find(l->rest, '\n');
    struct span line = span_of(l->rest.at, end);

    l->rest = span_from(l->rest, end + 1);
    l->line++;
    return line;
}

/* Comment, or nothing but blanks. */
static bool is_nothing(struct span line)
{
    struct span s = span_trim(line);

    return s.len == 0 || s.at[0] == '#';
}

bool postfix_line_next(struct postfix_lines *l, struct buf *text, int *line)
{
    bool has_begun = false;

    buf_clear(text);
    while (l->rest.len) {
        struct postfix_lines before = *l;
        struct span s = take_line(l);
        if (is_nothing(s))
            continue;
        if (has_begun && !is_blank(s.at[0])) {
            *l = before;
            break;
        }
        if (!has_begun)
            *line = before.line;
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
