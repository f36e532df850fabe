/* SPDX-License-Identifier: Apache-2.0
 *
 * postfix_expand.c - $name as postconf(5) has it:
 *
 *     $name ${name} $(name)
 *     ${name?text} ${name?{text}} ${name?{text}:{other}}    when name is not empty, else other
 *     ${name:text} ${name:{text}}                           when name is empty
 *     ${{a} == {b}?{text}:{other}}                          == != < <= > >=; as numbers when both are
 *
 * and "$$" is a dollar sign. The order of the file does not matter; a name that is not set is empty. */
#include "config/postfix.h"

#include "base/mem.h"

#include <stdlib.h>

enum { DEPTH_MAX = 100, STEPS_MAX = 10000 };

static struct span skip_blanks(struct span s)
{
    while (s.len && (s.at[0] == ' ' || s.at[0] == '\t'))
        s = span_from(s, 1);
    return s;
}

static size_t name_len(struct span s, bool is_bracketed)
{
    size_t n = 0;

    while (n < s.len && (ascii_is_alnum((unsigned char)s.at[n]) || s.at[n] == '_' || (is_bracketed && s.at[n] == '.')))
        n++;
    return n;
}

/* The length up to the bracket that closes the one before s, or s.len. */
static size_t find_close(struct span s, char open, char close)
{
    unsigned depth = 1;

    for (size_t i = 0; i < s.len; i++) {
        depth += s.at[i] == open;
        depth -= s.at[i] == close;
        if (depth == 0)
            return i;
    }
    return s.len;
}

/* What the next reference of *text holds; *text is cut behind it, *before is what stands before it. 1: there is one; 0: none;
 * -1: it is not understood. "$$" is a reference with an inner of length 0. */
static int next_reference(struct span *text, struct span *before, struct span *inner, struct err *e)
{
    size_t dollar = span_find(*text, '$');
    struct span rest = span_from(*text, dollar + 1);

    *before = span_of(text->at, dollar);
    *inner = span_of(NULL, 0);
    if (dollar == text->len) {
        *text = span_from(*text, dollar);
        return 0;
    }
    char c = rest.len ? rest.at[0] : '\0';
    if (c == '{' || c == '(') {
        rest = span_from(rest, 1);
        size_t len = find_close(rest, c, c == '{' ? '}' : ')');
        *inner = span_trim(span_of(rest.at, len));
        *text = span_from(rest, len + 1);
        if (len == rest.len || !inner->len)
            return err_set(e, ERR_CONFIG, len ? "$%c without the bracket that closes it" : "$%c without a name", c);
        return 1;
    }
    size_t len = name_len(rest, false);
    *inner = span_of(rest.at, len);
    *text = span_from(rest, len ? len : c == '$');
    return len || c == '$' ? 1 : err_set(e, ERR_CONFIG, "a \"$\" that no name follows (a dollar sign itself is written $$)");
}

bool postfix_references(struct span text, postfix_reference_fn *fn, void *arg)
{
    struct span before, inner;
    int found;

    while ((found = next_reference(&text, &before, &inner, NULL)) > 0)
        if (inner.len && !fn(arg, inner))
            return false;
    return found == 0;
}

/* A part in braces, blanks around what it holds left out; or, where `may_be_bare`, all the rest. */
static int take_part(struct span *s, bool may_be_bare, struct span *part, struct err *e)
{
    struct span rest = skip_blanks(*s);

    if (!rest.len || rest.at[0] != '{') {
        *part = rest;
        *s = span_from(*s, s->len);
        return may_be_bare ? 0 : err_set(e, ERR_CONFIG, "\"{\" was expected at \"%.*s\"", (int)rest.len, rest.at);
    }
    rest = span_from(rest, 1);
    size_t len = find_close(rest, '{', '}');
    if (len == rest.len)
        return err_set(e, ERR_CONFIG, "\"{\" without the bracket that closes it");
    *part = span_trim(span_of(rest.at, len));
    *s = skip_blanks(span_from(rest, len + 1));
    return 0;
}

/* ?{text}:{other}, ?text, :text; all behind the condition. */
static int choose(struct postfix_main *m, bool is_true, struct span s, struct buf *out, struct err *e)
{
    struct span yes = { NULL, 0 }, no = { NULL, 0 };
    char op = s.at[0];

    s = span_from(s, 1);
    if (op == '?') {
        if (take_part(&s, true, &yes, e) < 0)
            return -1;
        op = s.len ? s.at[0] : '\0';
        s = span_from(s, 1);
    }
    if (op == ':' && take_part(&s, true, &no, e) < 0)
        return -1;
    if ((op != ':' && op != '\0') || s.len)
        return err_set(e, ERR_CONFIG, "\"%.*s\" was not expected behind a condition", (int)s.len, s.at);
    struct span chosen = is_true ? yes : no;
    return chosen.len ? postfix_expand(m, chosen, out, e) : 0;
}

static int compare(struct span a, struct span b)
{
    uint64_t x, y;

    if (span_u64(a, &x) && span_u64(b, &y))
        return x < y ? -1 : x > y;
    int order = memcmp(a.len ? a.at : "", b.len ? b.at : "", a.len < b.len ? a.len : b.len);
    return order ? order : a.len < b.len ? -1 : a.len > b.len;
}

static const struct {
    const char *op;
    bool less, same, more; /* whether it holds then */
} comparisons[] = { /* the longer ones first */
    { "==", false, true, false }, { "!=", true, false, true }, { "<=", true, true, false },
    { ">=", false, true, true },  { "<", true, false, false }, { ">", false, false, true },
};

/* {a} == {b}, and what is chosen by it */
static int add_comparison(struct postfix_main *m, struct span s, struct buf *out, struct err *e)
{
    struct span left, right;
    struct buf a, b;
    size_t i = 0;
    int result;

    if (take_part(&s, false, &left, e) < 0)
        return -1;
    while (i < ARRAY_LEN(comparisons) && !span_starts(s, comparisons[i].op))
        i++;
    if (i == ARRAY_LEN(comparisons))
        return err_set(e, ERR_CONFIG, "one of == != < <= > >= was expected at \"%.*s\"", (int)s.len, s.at);
    s = span_from(s, strlen(comparisons[i].op));
    if (take_part(&s, false, &right, e) < 0)
        return -1;
    buf_init(&a, BUF_NO_MAX);
    buf_init(&b, BUF_NO_MAX);
    result = postfix_expand(m, left, &a, e);
    if (result == 0)
        result = postfix_expand(m, right, &b, e);
    int order = compare(buf_span(&a), buf_span(&b));
    bool holds = order < 0 ? comparisons[i].less : order > 0 ? comparisons[i].more : comparisons[i].same;
    if (result == 0 && s.len)
        result = choose(m, holds, s, out, e);
    else if (result == 0 && holds)
        buf_adds(out, "true");
    buf_fini(&a);
    buf_fini(&b);
    return result;
}

static int add_inner(struct postfix_main *m, struct span inner, struct buf *out, struct err *e)
{
    if (inner.at[0] == '{')
        return add_comparison(m, inner, out, e);
    struct span name = span_of(inner.at, name_len(inner, true)), rest = skip_blanks(span_from(inner, name.len));
    if (!name.len || (rest.len && rest.at[0] != '?' && rest.at[0] != ':'))
        return err_set(e, ERR_CONFIG, "${%.*s} is not understood", (int)inner.len, inner.at);
    char *text = span_dup(name), *value = postfix_value(m, text, e);
    struct postfix_setting *setting = postfix_find(m, text);
    if (setting)
        setting->is_used = true;
    int result = value ? 0 : -1;
    if (value && rest.len)
        result = choose(m, *value != '\0', rest, out, e);
    else if (value && buf_adds(out, value) < 0)
        result = err_set(e, ERR_CONFIG, "with $%s in place the value is too long", text);
    free(text);
    free(value);
    return result;
}

int postfix_expand(struct postfix_main *m, struct span text, struct buf *out, struct err *e)
{
    struct span before, inner;
    int found = 1, result = 0;

    if (m->depth >= DEPTH_MAX)
        return err_set(e, ERR_CONFIG, "a name in it refers to itself");
    if (m->depth == 0)
        m->steps = 0;
    if (++m->steps > STEPS_MAX) /* "a = $b$b", "b = $c$c", ... */
        return err_set(e, ERR_CONFIG, "it has too many references");
    m->depth++;
    while (result == 0 && found > 0) {
        found = next_reference(&text, &before, &inner, e);
        if (found < 0 || buf_addspan(out, before) < 0)
            result = found < 0 ? -1 : err_set(e, ERR_CONFIG, "the value is too long");
        else if (found && inner.len)
            result = add_inner(m, inner, out, e);
        else if (found && buf_addc(out, '$') < 0)
            result = err_set(e, ERR_CONFIG, "the value is too long");
    }
    m->depth--;
    return result;
}

char *postfix_value(struct postfix_main *m, const char *name, struct err *e)
{
    struct postfix_setting *s = postfix_find(m, name);
    const char *def = s ? NULL : postfix_default(m, name);
    char *text = xstrdup(s ? s->value : def ? def : "");
    struct buf out;

    buf_init(&out, (size_t)1 << 20);
    int result = postfix_expand(m, span_str(text), &out, e);
    free(text);
    if (result == 0)
        return buf_take(&out);
    buf_fini(&out);
    return NULL;
}
