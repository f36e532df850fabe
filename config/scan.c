/* SPDX-License-Identifier: Apache-2.0
 *
 * scan.c - finds the statements of a configuration file, before libconfuse sees them.
 *
 * libconfuse reads values well, but its lexer drops or misreads what people really write, without a word: a "*" or "+"
 * outside of quotes vanishes, a comment inside a list ends the parse, an empty value swallows the next line's name, a
 * backslash before most letters disappears, ${...} is replaced from the environment; and it stops at the first error.
 * So this file cuts the text into statements, says what is wrong with each, and hands on the good ones in a form that
 * has no traps: every word in quotes, every comment a blank, every "$" one that libconfuse leaves alone. In that form
 * "$$" is a dollar sign that was protected (by single quotes, by a backslash, or by being written so).
 *
 *   statement:  NAME = value | NAME += value | NAME TITLE {  ... statements, a comma between them if one likes ...  }
 *   value:      word | "text" | 'text' | { value, value, ... }
 *
 * After a fault it goes on at the next line that looks like a statement, so that one run finds all of them. */
#include "config/config_int.h"

#include "base/mem.h"

#include <stdio.h>
#include <stdlib.h>

static bool is_name(int c)
{
    return ascii_is_alnum(c) || c == '_';
}

static bool is_blank(int c)
{
    return c == ' ' || c == '\t' || c == '\r';
}

static int peek(const struct scan *s, size_t ahead)
{
    return s->at + ahead < s->text.len ? (unsigned char)s->text.at[s->at + ahead] : -1;
}

static void step(struct scan *s)
{
    if (s->text.at[s->at++] == '\n')
        s->line++;
}

static void emit(struct scan *s, int c)
{
    buf_addc(&s->value, (char)c);
}

static bool is_comment(const struct scan *s)
{
    int c = peek(s, 0);
    return c == '#' || (c == '/' && (peek(s, 1) == '/' || peek(s, 1) == '*'));
}

static void skip_line(struct scan *s)
{
    while (s->at < s->text.len && peek(s, 0) != '\n')
        s->at++;
}

/* A comment of either kind; its line ends are kept in the value, so that libconfuse counts lines as we do. */
static void skip_comment(struct scan *s)
{
    if (peek(s, 0) == '#' || peek(s, 1) == '/') {
        skip_line(s);
        return;
    }
    s->at += 2;
    while (s->at < s->text.len && !(peek(s, 0) == '*' && peek(s, 1) == '/')) {
        if (peek(s, 0) == '\n')
            emit(s, '\n');
        step(s);
    }
    s->at = s->at + 2 > s->text.len ? s->text.len : s->at + 2;
}

/* Blanks and comments; line ends too unless `in_line`. */
static void skip_space(struct scan *s, bool in_line)
{
    for (;;) {
        int c = peek(s, 0);
        if (c == '\n' && !in_line) {
            emit(s, '\n');
            step(s);
        } else if (c >= 0 && is_blank(c)) {
            s->at++;
        } else if (is_comment(s)) {
            skip_comment(s);
        } else {
            return;
        }
    }
}

static struct span take_name(struct scan *s)
{
    size_t from = s->at;

    while (is_name(peek(s, 0)))
        s->at++;
    return span_of(s->text.at + from, s->at - from);
}

static bool is_word_end(int c)
{
    return c < 0 || c == '\n' || is_blank(c) || strchr("\"'={}(),#", c) != NULL;
}

/* Does a statement (or the end of a section) begin here? Looks ahead in this line only. */
static bool looks_like_statement(const struct scan *s, size_t at)
{
    struct scan look = *s;

    look.at = at;
    if (peek(&look, 0) == '}')
        return true;
    if (take_name(&look).len == 0)
        return false;
    while (is_blank(peek(&look, 0)))
        look.at++;
    int c = peek(&look, 0);
    if (c == '=' || (c == '+' && peek(&look, 1) == '='))
        return true;
    size_t line_len = span_find(span_from(look.text, look.at), '\n');
    struct span rest = span_trim(span_of(look.text.at + look.at, line_len));
    return rest.len && rest.at[rest.len - 1] == '{' && span_find(rest, '=') == rest.len;
}

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
        skip_line(s);
        if (s->at >= s->text.len)
            return;
        step(s);
        size_t at = s->at;
        while (at < s->text.len && is_blank((unsigned char)s->text.at[at]))
            at++;
        if (at == s->at || at >= s->text.len || strchr("\n#/", s->text.at[at]) ||
            looks_like_statement(s, at))
            return;
    }
}

static void go_back(struct scan *s, size_t at, int line)
{
    s->at = at;
    s->line = line;
}

/* ---- values ---- */

static void emit_word(struct scan *s, struct span word)
{
    emit(s, '"');
    for (size_t i = 0; i < word.len; i++) {
        if (word.at[i] == '\\' || word.at[i] == '$')
            emit(s, '\\');
        emit(s, word.at[i]);
    }
    emit(s, '"');
}

/* "$(name)" and "${name}" are part of a word though they hold brackets. */
static bool skip_reference(struct scan *s)
{
    int close = peek(s, 1) == '{' ? '}' : peek(s, 1) == '(' ? ')' : -1;

    if (peek(s, 0) != '$' || close < 0)
        return false;
    for (size_t at = s->at + 2; at < s->text.len && s->text.at[at] != '\n'; at++)
        if (s->text.at[at] == close) {
            s->at = at + 1;
            return true;
        }
    return false;
}

/* A word without quotes. Returns what is wrong with it, or NULL. */
static const char *take_word(struct scan *s)
{
    size_t from = s->at;
    const char *wrong = NULL;

    while (!is_word_end(peek(s, 0)) || peek(s, 0) == '#') {
        if (skip_reference(s))
            continue;
        if (strchr("*+", peek(s, 0)))
            wrong = "\"*\" and \"+\" have to stand in quotes";
        if (peek(s, 0) == '#' && s->at > from)
            wrong = "\"#\" begins a comment unless it stands in quotes";
        s->at++;
    }
    struct span word = span_of(s->text.at + from, s->at - from);
    if (strchr("\"'=(", peek(s, 0)) && peek(s, 0) > 0)
        wrong = "quotes, \"=\" and brackets have to stand in quotes";
    if (word.len && word.at[word.len - 1] == ';')
        wrong = "no semicolon ends a line here; one that is meant stands in quotes";
    emit_word(s, word);
    return wrong;
}

static bool is_digit_of(int c, const char *digits)
{
    return c > 0 && strchr(digits, c) != NULL;
}

/* \xHH and \ooo; a NUL would cut the value short. */
static bool is_hex_escape(const struct scan *s)
{
    static const char hex[] = "0123456789abcdefABCDEF";
    return peek(s, 1) == 'x' && is_digit_of(peek(s, 2), hex) && is_digit_of(peek(s, 3), hex) &&
           !(peek(s, 2) == '0' && peek(s, 3) == '0');
}

static bool is_octal_escape(const struct scan *s)
{
    return is_digit_of(peek(s, 1), "0123") && is_digit_of(peek(s, 2), "01234567") &&
           is_digit_of(peek(s, 3), "01234567") &&
           !(peek(s, 1) == '0' && peek(s, 2) == '0' && peek(s, 3) == '0');
}

/* In double quotes. What libconfuse knows: C's escapes; other letters would lose their backslash without a word. */
static const char *take_escape(struct scan *s)
{
    int c = peek(s, 1);

    if (c == '$') {
        buf_adds(&s->value, "\\$\\$");
    } else if (c > 0 && strchr("ntrbfaev\"'\\\n", c)) {
        emit(s, '\\');
        emit(s, c);
    } else if (is_hex_escape(s) || is_octal_escape(s)) {
        emit(s, '\\');
        emit(s, c);
    } else {
        s->at++;
        return "a backslash stands before a letter that it means nothing to: write \\\\ for a "
               "backslash, or single quotes around the text";
    }
    s->at++;
    step(s);
    return NULL;
}

/* A quoted text; s stands at its quote. A text that runs over the beginning of another statement, or to the end of the
 * file, was not closed: false, and s stands behind the opening quote. */
static bool take_quoted(struct scan *s, const char **wrong)
{
    int quote = peek(s, 0), line = s->line;
    size_t from = s->at;

    emit(s, quote);
    s->at++;
    while (s->at < s->text.len && peek(s, 0) != quote) {
        int c = peek(s, 0);
        if (c == '\n' && looks_like_statement(s, s->at + 1))
            break;
        if (c == '\\' && quote == '"') {
            const char *w = take_escape(s);
            *wrong = w ? w : *wrong;
            continue;
        }
        if (c == '\\' && (peek(s, 1) == '\\' || peek(s, 1) == '\'')) {
            emit(s, c);
            s->at++;
        }
        if (c == '$')
            buf_adds(&s->value, quote == '"' ? "\\" : "$");
        emit(s, peek(s, 0));
        step(s);
    }
    if (peek(s, 0) != quote) {
        go_back(s, from + 1, line);
        return false;
    }
    s->at++;
    emit(s, quote);
    return true;
}

enum taken { TAKEN, TAKEN_WRONG, NOT_CLOSED };

static enum taken take_one(struct scan *s, const char **wrong)
{
    int c = peek(s, 0);

    if (c != '"' && c != '\'') {
        const char *w = take_word(s);
        *wrong = w ? w : *wrong;
    } else if (!take_quoted(s, wrong)) {
        return NOT_CLOSED;
    }
    return *wrong ? TAKEN_WRONG : TAKEN;
}

static enum taken take_list(struct scan *s, const char **wrong)
{
    bool wants_comma = false;

    emit(s, '{');
    s->at++;
    for (;;) {
        skip_space(s, false);
        int c = peek(s, 0);
        if (c < 0 || c == '=' || (wants_comma && c == '+'))
            return NOT_CLOSED;
        if (c == '}')
            break;
        if (c == ',') {
            if (!wants_comma)
                *wrong = "there is nothing between two commas of the list";
            wants_comma = false;
            emit(s, ',');
            s->at++;
            continue;
        }
        if (wants_comma || c == '{' || c == '(' || c == ')') {
            *wrong = "the values of a list are parted by commas: { \"a\", \"b\" }";
            s->at += c == '{' || c == '(' || c == ')';
        }
        if (!is_word_end(peek(s, 0)) || peek(s, 0) == '"' || peek(s, 0) == '\'')
            if (take_one(s, wrong) == NOT_CLOSED)
                return NOT_CLOSED;
        wants_comma = true;
    }
    s->at++;
    emit(s, '}');
    return *wrong ? TAKEN_WRONG : TAKEN;
}

/* The value as it should have been written: with the lines that go on in the next one, as in a main.cf, joined. False
 * when quotes around it would not do. */
static bool suggest_quotes(struct span value, char *out, size_t size)
{
    struct span rest = value, word;
    size_t len = 0;

    while (span_word(&rest, "\n", &word)) {
        if (len + word.len + 2 > size || memchr(word.at, '"', word.len) || memchr(word.at, '\\', word.len) ||
            word.at[0] == '#')
            return false;
        len += (size_t)snprintf(out + len, size - len, "%s%.*s", len ? " " : "", (int)word.len, word.at);
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
        return set_fault(s, line, "%.*s: %s; write %.*s = \"%s\"", (int)name.len, name.at, wrong, (int)name.len, name.at,
                         quoted);
    return set_fault(s, line, "%.*s: %s", (int)name.len, name.at, wrong);
}

static const struct scan_item *fault_not_closed(struct scan *s, size_t from, int line)
{
    struct span name = s->item.name;
    const char *what = s->text.at[from] == '{' ? "list" : "quote";

    set_fault(s, line, "%.*s: the %s that begins here is never closed", (int)name.len, name.at, what);
    go_back(s, from, line);
    recover(s);
    return &s->item;
}

/* Behind a value nothing may follow in its line but a comment, the end of the section, or another statement. */
static bool is_end_of_value(struct scan *s)
{
    skip_space(s, true);
    if (peek(s, 0) == ',' && s->section_line) { /* login "x" { user = "a", password_file = "/b" } */
        s->at++;
        skip_space(s, true);
    }
    return peek(s, 0) < 0 || peek(s, 0) == '\n' || looks_like_statement(s, s->at);
}

/* s stands behind "=". */
static const struct scan_item *take_assignment(struct scan *s)
{
    const char *wrong = NULL;
    enum taken taken;

    skip_space(s, true);
    size_t from = s->at;
    if (peek(s, 0) == '\n') {
        struct scan before = *s;
        skip_space(s, false);
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
        taken = take_list(s, &wrong);
    else if (is_word_end(c) && c != '"' && c != '\'')
        return fault_needs_quotes(s, from, "this cannot begin a value");
    else
        taken = take_one(s, &wrong);

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
            set_fault(s, s->line, "%.*s: there is something behind its value (a value ends with its "
                      "quote or bracket; no semicolon is needed)", (int)name.len, name.at);
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

    if (has_title && take_one(s, &wrong) == NOT_CLOSED)
        return fault_not_closed(s, s->at - 1, s->item.line);
    size_t title_len = s->value.len;
    skip_space(s, false);
    s->value.len = title_len;
    if (peek(s, 0) != '{' || wrong) {
        set_fault(s, s->item.line, "%.*s: \"=\" is missing; write %.*s = \"value\", or %.*s \"title\" { for a section",
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
        return set_fault(s, s->item.line, "the section that begins in line %d has no } before this one", line);
    }
    s->at++;
    s->section_line = s->item.line;
    s->item.kind = SCAN_OPEN;
    s->item.value = has_title ? buf_cstr(&s->value) : NULL;
    return &s->item;
}

static const struct scan_item *take_end(struct scan *s)
{
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

const struct scan_item *scan_next(struct scan *s)
{
    skip_space(s, false);
    buf_clear(&s->value);
    s->item = (struct scan_item){ .line = s->line };
    if (peek(s, 0) < 0)
        return take_end(s);
    if (peek(s, 0) == '}')
        return take_close(s);

    s->item.name = take_name(s);
    if (s->item.name.len == 0) {
        struct span rest = span_from(s->text, s->at);
        size_t len = span_find(rest, '\n');
        set_fault(s, s->line, "\"%.*s\" does not begin with the name of a parameter",
                  (int)(len > 60 ? 60 : len), rest.at);
        recover(s);
        return &s->item;
    }
    skip_space(s, true);
    buf_clear(&s->value);
    s->item.is_append = peek(s, 0) == '+' && peek(s, 1) == '=';
    if (s->item.is_append || peek(s, 0) == '=') {
        s->at += s->item.is_append ? 2 : 1;
        return take_assignment(s);
    }
    return take_section(s);
}

void scan_init(struct scan *s, struct span text)
{
    *s = (struct scan){ .text = text, .line = 1 };
    /* Room for the worst case at once: a value that is never moved leaves no copy to wipe behind. */
    buf_init(&s->value, 4 * text.len + 64);
    buf_room(&s->value, 4 * text.len + 64);
    if (span_starts(text, "\xef\xbb\xbf"))
        s->at = 3;
}

void scan_fini(struct scan *s)
{
    if (s->value.at)
        wipe(s->value.at, s->value.cap);
    buf_fini(&s->value);
}

static int escaped(char c)
{
    static const char letters[] = "ntrbfaev", means[] = "\n\t\r\b\f\a\033\v";
    const char *at = c ? strchr(letters, c) : NULL;
    return at ? means[at - letters] : c;
}

bool scan_unquote(const char *value, struct buf *out)
{
    char quote = *value;

    if (quote != '"' && quote != '\'')
        return false;
    for (const char *c = value + 1; *c && *c != quote; c++) {
        char *end;
        if (*c != '\\' || (quote == '\'' && c[1] != '\\' && c[1] != '\'')) {
            buf_addc(out, *c);
        } else if (*++c == '\n') {
            continue;
        } else if (quote == '"' && (*c == 'x' || (*c >= '0' && *c <= '3'))) {
            char digits[4] = { 0 };
            size_t n = *c == 'x' ? 2 : 3;
            const char *from = *c == 'x' ? c + 1 : c;
            for (size_t i = 0; i < n && from[i]; i++)
                digits[i] = from[i];
            buf_addc(out, (char)strtol(digits, &end, *c == 'x' ? 16 : 8));
            c = from + (end - digits) - 1;
        } else {
            buf_addc(out, quote == '"' ? (char)escaped(*c) : *c);
        }
    }
    return true;
}
