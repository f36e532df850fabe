/* SPDX-License-Identifier: Apache-2.0
 *
 * scan_value.c - words, quotes, lists and the space between them, put into a form that libconfuse
 * reads as it was meant: every word in double quotes, every comment a blank, every "$" one that it
 * leaves alone. */
#include "config/scan_int.h"

#include "base/mem.h"

#include <stdlib.h>

static bool is_comment(const struct scan *s)
{
    int c = peek(s, 0);
    return c == '#' || (c == '/' && (peek(s, 1) == '/' || peek(s, 1) == '*'));
}

/* A comment of either kind; its line ends are kept in the value, so that libconfuse counts lines as
 * we do. */
static void skip_comment(struct scan *s)
{
    if (peek(s, 0) == '#' || peek(s, 1) == '/') {
        scan_skip_line(s);
        return;
    }
    int line = s->line;
    s->at += 2;
    while (s->at < s->text.len && !(peek(s, 0) == '*' && peek(s, 1) == '/')) {
        if (peek(s, 0) == '\n')
            emit(s, '\n');
        step(s);
    }
    if (s->at + 2 > s->text.len)
        s->comment_line = line;
    s->at = s->at + 2 > s->text.len ? s->text.len : s->at + 2;
}

void scan_skip_space(struct scan *s, bool in_line)
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

struct span scan_take_name(struct scan *s)
{
    size_t from = s->at;

    while (is_name(peek(s, 0)))
        s->at++;
    return span_of(s->text.at + from, s->at - from);
}

bool scan_is_word_end(int c)
{
    return c < 0 || c == '\n' || is_blank(c) || strchr("\"'={}(),#", c) != NULL;
}

bool scan_looks_like_statement(const struct scan *s, size_t at)
{
    struct scan look = *s;

    look.at = at;
    if (peek(&look, 0) == '}')
        return true;
    if (scan_take_name(&look).len == 0)
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

    while (!scan_is_word_end(peek(s, 0)) || peek(s, 0) == '#') {
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

/* In double quotes. What libconfuse knows: C's escapes; other letters would lose their backslash
 * without a word. */
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

/* A quoted text; s stands at its quote. A text that runs over the beginning of another statement,
 * or to the end of the file, was not closed: false, and s stands behind the opening quote. */
static bool take_quoted(struct scan *s, const char **wrong)
{
    int quote = peek(s, 0), line = s->line;
    size_t from = s->at;

    emit(s, quote);
    s->at++;
    while (s->at < s->text.len && peek(s, 0) != quote) {
        int c = peek(s, 0);
        if (c == '\n' && scan_looks_like_statement(s, s->at + 1))
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

enum taken scan_take_one(struct scan *s, const char **wrong)
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

enum taken scan_take_list(struct scan *s, const char **wrong)
{
    bool wants_comma = false;

    emit(s, '{');
    s->at++;
    for (;;) {
        scan_skip_space(s, false);
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
        if (!scan_is_word_end(peek(s, 0)) || peek(s, 0) == '"' || peek(s, 0) == '\'')
            if (scan_take_one(s, wrong) == NOT_CLOSED)
                return NOT_CLOSED;
        wants_comma = true;
    }
    s->at++;
    emit(s, '}');
    return *wrong ? TAKEN_WRONG : TAKEN;
}

static int escaped(char c)
{
    static const char letters[] = "ntrbfaev", means[] = "\n\t\r\b\f\a\033\v";
    const char *at = c ? strchr(letters, c) : NULL;
    return at ? means[at - letters] : c;
}

bool prescan_unquote(const char *value, struct buf *out)
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
