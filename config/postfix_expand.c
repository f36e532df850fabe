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
#include "config/reference_int.h"

#include <stdlib.h>

enum { DEPTH_MAX = 100, STEPS_MAX = 10000 };

static struct span skip_blanks(struct span s)
{
    while (s.len && (s.at[0] == ' ' || s.at[0] == '\t'))
        s = span_from(s, 1);
    return s;
}

/* The next reference, as Postfix takes it: a dollar sign has to be part of one. */
static int next_reference(struct span *text, struct reference *r, struct err *e)
{
    if (reference_next(text, r, e) < 0)
        return -1;
    r->inner = span_trim(r->inner);
    if (r->kind == REFERENCE_BARE)
        return err_set(e, ERR_CONFIG, "a \"$\" that no name follows (a dollar sign itself is written $$)");
    if (r->kind == REFERENCE_BRACKETS && !r->inner.len)
        return err_set(e, ERR_CONFIG, "${} without a name");
    return 0;
}

bool postfix_references(struct span text, postfix_reference_fn *fn, void *arg)
{
    struct reference r;

    while (text.len) {
        if (next_reference(&text, &r, NULL) < 0 || (r.inner.len && !fn(arg, r.inner)))
            return false;
    }
    return true;
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
    size_t len = reference_close(rest, '{', '}');
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

/* "mail.name": within brackets a name may have dots. */
static size_t dotted_name_len(struct span s)
{
    size_t n = reference_name_len(s);

    while (n < s.len && s.at[n] == '.')
        n += 1 + reference_name_len(span_from(s, n + 1));
    return n;
}

static int add_inner(struct postfix_main *m, struct span inner, struct buf *out, struct err *e)
{
    if (inner.at[0] == '{')
        return add_comparison(m, inner, out, e);
    struct span name = span_of(inner.at, dotted_name_len(inner)), rest = skip_blanks(span_from(inner, name.len));
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
    struct reference r;
    int result = 0;

    if (m->depth >= DEPTH_MAX)
        return err_set(e, ERR_CONFIG, "a name in it refers to itself");
    if (m->depth == 0)
        m->steps = 0;
    if (++m->steps > STEPS_MAX) /* "a = $b$b", "b = $c$c", ... */
        return err_set(e, ERR_CONFIG, "it has too many references");
    m->depth++;
    while (result == 0 && text.len) {
        result = next_reference(&text, &r, e);
        if (result == 0 && (buf_addspan(out, r.before) < 0 || (r.kind == REFERENCE_DOLLAR && buf_addc(out, '$') < 0)))
            result = err_set(e, ERR_CONFIG, "the value is too long");
        if (result == 0 && r.inner.len)
            result = add_inner(m, r.inner, out, e);
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
