/* SPDX-License-Identifier: Apache-2.0
 *
 * scan.c - finds the statements of a configuration file, before libconfuse sees them.
 *
 * libconfuse reads values well, but its lexer drops or misreads what people really write, without a
 * word: a "*" or "+" outside of quotes vanishes, a comment inside a list ends the parse, an empty
 * value swallows the next line's name, a backslash before most letters disappears, ${...} is
 * replaced from the environment; and it stops at the first error. So this file cuts the text into
 * statements, says what is wrong with each, and hands on the good ones in a form that has no traps:
 * every word in quotes, every comment a blank, every "$" one that libconfuse leaves alone. In that
 * form
 * "$$" is a dollar sign that was protected (by single quotes, by a backslash, or by being written
 * so).
 *
 *   statement:  NAME = value | NAME += value | NAME TITLE {  ... statements, a comma between them
 * if one likes ...  } value:      word | "text" | 'text' | { value, value, ... }
 *
 * After a fault it goes on at the next line that looks like a statement, so that one run finds all
 * of them. */
#include "config/scan_int.h"

#include "base/mem.h"

#include <stdio.h>

static const struct scan_item *set_fault(struct scan *s, int line, const char *fmt, ...)
    __attribute__((format(printf, 3, 4)));

static const struct scan_item *set_fault(struct scan *s, int line, const char *fmt, ...)
{
    va_list ap;

    s->item.kind = SCAN_FAULT;
    s->item.line = line;
    va_start(ap, fmt);
    vsnprintf(s->item.fault, sizeof s->item.fault, fmt, ap);
    va_end(ap);
    return &s->item;
}

/* To the next line that is not the rest of this statement. */
static void recover(struct scan *s)
{
    for (;;) {
        scan_skip_line(s);
        if (s->at >= s->text.len)
            return;
        step(s);
        size_t at = s->at;
        while (at < s->text.len && is_blank((unsigned char)s->text.at[at]))
            at++;
        if (at == s->at || at >= s->text.len || strchr("\n#/", s->text.at[at]) ||
            scan_looks_like_statement(s, at))
            return;
    }
}

/* The value as it should have been written: with the lines that go on in the next one, as in a
 * main.cf, joined. False when quotes around it would not do. */
static bool suggest_quotes(struct span value, char *out, size_t size)
{
    struct span rest = value, word;
    size_t len = 0;

    while (span_word(&rest, "\n", &word)) {
        if (len + word.len + 2 > size || memchr(word.at, '"', word.len) ||
            memchr(word.at, '\\', word.len) || word.at[0] == '#')
            return false;
        len += (size_t)snprintf(out + len, size - len, "%s%.*s", len ? " " : "", (int)word.len,
                                word.at);
    }
    if (len && strchr(",;", out[len - 1]))
        out[len - 1] = '\0';
    return len > 0;
}

static const struct scan_item *fault_needs_quotes(struct scan *s, size_t from, const char *wrong)
{
    struct span name = s->item.name;
    int line = s->item.line;
    char quoted[400];

    recover(s);
    if (suggest_quotes(span_trim(span_of(s->text.at + from, s->at - from)), quoted, sizeof quoted))
        return set_fault(s, line, "%.*s: %s; write %.*s = \"%s\"", (int)name.len, name.at, wrong,
                         (int)name.len, name.at, quoted);
    return set_fault(s, line, "%.*s: %s", (int)name.len, name.at, wrong);
}

static const struct scan_item *fault_not_closed(struct scan *s, size_t from, int line)
{
    struct span name = s->item.name;
    const char *what = s->text.at[from] == '{' ? "list" : "quote";

    set_fault(s, line, "%.*s: the %s that begins here is never closed", (int)name.len, name.at,
              what);
    go_back(s, from, line);
    recover(s);
    return &s->item;
}

/* Behind a value nothing may follow in its line but a comment, the end of the section, or another
 * statement. */
static bool is_end_of_value(struct scan *s)
{
    scan_skip_space(s, true);
    if (peek(s, 0) == ',' && s->section_line) { /* login "x" { user = "a", password_file = "/b" } */
        s->at++;
        scan_skip_space(s, true);
    }
    return peek(s, 0) < 0 || peek(s, 0) == '\n' || scan_looks_like_statement(s, s->at);
}

/* s stands behind "=". */
static const struct scan_item *take_assignment(struct scan *s)
{
    const char *wrong = NULL;
    enum taken taken;

    scan_skip_space(s, true);
    size_t from = s->at;
    if (peek(s, 0) == '\n') {
        struct scan before = *s;
        scan_skip_space(s, false);
        if (peek(s, 0) != '{' && peek(s, 0) != '"' && peek(s, 0) != '\'')
            go_back(s, before.at, before.line);
        from = s->at;
    }
    int c = peek(s, 0), value_line = s->line;
    struct span name = s->item.name;
    if (c < 0 || c == '\n' || c == '}')
        return set_fault(s, s->item.line, "%.*s has no value; for an empty one write %.*s = \"\"",
                         (int)name.len, name.at, (int)name.len, name.at);
    if (c == '{')
        taken = scan_take_list(s, &wrong);
    else if (scan_is_word_end(c) && c != '"' && c != '\'')
        return fault_needs_quotes(s, from, "this cannot begin a value");
    else
        taken = scan_take_one(s, &wrong);

    if (taken == NOT_CLOSED)
        return fault_not_closed(s, from, value_line);
    if (taken == TAKEN_WRONG && (c == '{' || c == '"' || c == '\'')) {
        set_fault(s, value_line, "%.*s: %s", (int)name.len, name.at, wrong);
        recover(s);
        return &s->item;
    }
    if (taken == TAKEN_WRONG)
        return fault_needs_quotes(s, from, wrong);
    if (!is_end_of_value(s)) {
        if (c == '"' || c == '\'' || c == '{') {
            set_fault(s, s->line,
                      "%.*s: there is something behind its value (a value ends with its "
                      "quote or bracket; no semicolon is needed)",
                      (int)name.len, name.at);
            recover(s);
            return &s->item;
        }
        return fault_needs_quotes(s, from, "a value with blanks or commas has to stand in quotes");
    }
    s->item.kind = SCAN_ASSIGN;
    s->item.value = buf_cstr(&s->value);
    return &s->item;
}

/* s stands behind the name of a section. */
static const struct scan_item *take_section(struct scan *s)
{
    struct span name = s->item.name;
    const char *wrong = NULL;
    bool has_title = peek(s, 0) != '{';

    if (has_title && scan_take_one(s, &wrong) == NOT_CLOSED)
        return fault_not_closed(s, s->at - 1, s->item.line);
    size_t title_len = s->value.len;
    scan_skip_space(s, false);
    s->value.len = title_len;
    if (peek(s, 0) != '{' || wrong) {
        set_fault(
            s, s->item.line,
            "%.*s: \"=\" is missing; write %.*s = \"value\", or %.*s \"title\" { for a section",
            (int)name.len, name.at, (int)name.len, name.at, (int)name.len, name.at);
        go_back(s, (size_t)(name.at - s->text.at), s->item.line);
        recover(s);
        return &s->item;
    }
    if (s->section_line) {
        /* Close it here, and come back to this one as the beginning of another. */
        int line = s->section_line;
        s->section_line = 0;
        go_back(s, (size_t)(name.at - s->text.at), s->item.line);
        return set_fault(s, s->item.line,
                         "the section that begins in line %d has no } before this one", line);
    }
    s->at++;
    s->section_line = s->item.line;
    s->item.kind = SCAN_OPEN;
    s->item.value = has_title ? buf_cstr(&s->value) : NULL;
    return &s->item;
}

static const struct scan_item *take_end(struct scan *s)
{
    if (s->comment_line) {
        int line = s->comment_line;
        s->comment_line = 0;
        s->section_line = 0; /* its end may be in the comment */
        return set_fault(s, line, "the comment that begins here is never closed: its */ is missing");
    }
    if (s->section_line) {
        int line = s->section_line;
        s->section_line = 0;
        return set_fault(s, line, "the section that begins here is never closed: its } is missing");
    }
    s->item.kind = SCAN_END;
    return &s->item;
}

static const struct scan_item *take_close(struct scan *s)
{
    s->at++;
    if (!s->section_line)
        return set_fault(s, s->line, "this } closes nothing");
    s->section_line = 0;
    s->item.kind = SCAN_CLOSE;
    return &s->item;
}

const struct scan_item *prescan_next(struct scan *s)
{
    scan_skip_space(s, false);
    buf_clear(&s->value);
    s->item = (struct scan_item){ .line = s->line };
    if (peek(s, 0) < 0)
        return take_end(s);
    if (peek(s, 0) == '}')
        return take_close(s);

    s->item.name = scan_take_name(s);
    if (s->item.name.len == 0) {
        struct span rest = span_from(s->text, s->at);
        size_t len = span_find(rest, '\n');
        set_fault(s, s->line, "\"%.*s\" does not begin with the name of a parameter",
                  (int)(len > 60 ? 60 : len), rest.at);
        recover(s);
        return &s->item;
    }
    scan_skip_space(s, true);
    buf_clear(&s->value);
    s->item.is_append = peek(s, 0) == '+' && peek(s, 1) == '=';
    if (s->item.is_append || peek(s, 0) == '=') {
        s->at += s->item.is_append ? 2 : 1;
        return take_assignment(s);
    }
    return take_section(s);
}

void prescan_init(struct scan *s, struct span text)
{
    *s = (struct scan){ .text = text, .line = 1 };
    /* Room for the worst case at once: a value that is never moved leaves no copy to wipe behind.
     */
    buf_init(&s->value, 4 * text.len + 64);
    buf_room(&s->value, 4 * text.len + 64);
    if (span_starts(text, "\xef\xbb\xbf"))
        s->at = 3;
}

void prescan_fini(struct scan *s)
{
    if (s->value.at)
        wipe(s->value.at, s->value.cap);
    buf_fini(&s->value);
}
