/* SPDX-License-Identifier: Apache-2.0
 *
 * scan_int.h - what scan.c (statements) and scan_value.c (words, quotes, lists) share. */
#ifndef CONFIG_SCAN_INT_H
#define CONFIG_SCAN_INT_H

#include "config/config_int.h"

static inline bool is_name(int c)
{
    return ascii_is_alnum(c) || c == '_';
}

static inline bool is_blank(int c)
{
    return c == ' ' || c == '\t' || c == '\r';
}

static inline int peek(const struct scan *s, size_t ahead)
{
    return s->at + ahead < s->text.len ? (unsigned char)s->text.at[s->at + ahead] : -1;
}

static inline void step(struct scan *s)
{
    if (s->text.at[s->at++] == '\n')
        s->line++;
}

static inline void emit(struct scan *s, int c)
{
    buf_addc(&s->value, (char)c);
}

static inline void go_back(struct scan *s, size_t at, int line)
{
    s->at = at;
    s->line = line;
}

static inline void scan_skip_line(struct scan *s)
{
    while (s->at < s->text.len && peek(s, 0) != '\n')
        s->at++;
}

/* Blanks and comments; line ends too unless `in_line`. Line ends are kept in the value, so that
 * libconfuse counts lines as we do. */
void scan_skip_space(struct scan *s, bool in_line);
struct span scan_take_name(struct scan *s);
bool scan_is_word_end(int c);
/* Does a statement (or the end of a section) begin at `at`? Looks ahead in this line only. */
bool scan_looks_like_statement(const struct scan *s, size_t at);

enum taken { TAKEN, TAKEN_WRONG, NOT_CLOSED };

/* Take a value off the text and add it to s->value. TAKEN_WRONG: *wrong says what is. NOT_CLOSED:
 * the end of the quote or list is not there. */
enum taken scan_take_one(struct scan *s, const char **wrong);
enum taken scan_take_list(struct scan *s, const char **wrong);

#endif
