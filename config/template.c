/* SPDX-License-Identifier: Apache-2.0 */
#include "config/template.h"

#include "config/reference_int.h"

/* What stands behind "name?" or "name:" for the one that `is_wanted`: "text", "{text}", "{text}:{other text}". False: nothing does. */
static bool choose(struct span rest, bool is_wanted, struct span *text)
{
    struct span inner = span_from(rest, 1);
    size_t end = inner.len && inner.at[0] == '{' ? 1 + reference_close(span_from(inner, 1), '{', '}') : inner.len;

    if (end == inner.len || inner.at[0] != '{') {
        *text = inner;
        return is_wanted;
    }
    struct span other = span_from(inner, end + 1);
    bool has_other = rest.at[0] == '?' && other.len > 2 && span_starts(other, ":{") && other.at[other.len - 1] == '}';
    if (other.len && !has_other) { /* it only begins with a bracket */
        *text = inner;
        return is_wanted;
    }
    *text = is_wanted ? span_of(inner.at + 1, end - 1) : has_other ? span_of(other.at + 2, other.len - 3) : SPAN("");
    return is_wanted || has_other;
}

/* "name", "name?text", "name:text" */
static int add_inner(struct span inner, template_fn *fn, void *arg, struct buf *out, struct err *e)
{
    size_t n = reference_name_len(inner);
    struct span name = span_of(inner.at, n), rest = span_from(inner, n), text;
    struct buf value;

    if (!n || (rest.len && rest.at[0] != '?' && rest.at[0] != ':'))
        return err_set(e, ERR_CONFIG, "${%.*s} is not understood: there are ${name}, ${name?text} and ${name:text}", (int)inner.len,
                       inner.at);
    buf_init(&value, BUF_NO_MAX);
    enum template_value v = fn(arg, name, &value);
    int rc = v == TEMPLATE_DEFINED;
    if (v == TEMPLATE_UNKNOWN)
        rc = err_set(e, ERR_CONFIG, "there is no $%.*s here; a dollar sign itself is written $$", (int)n, name.at);
    else if (!rest.len)
        buf_addspan(out, buf_span(&value));
    else if (choose(rest, (rest.at[0] == '?') == (v == TEMPLATE_DEFINED && value.len > 0), &text))
        rc = template_expand(text, fn, arg, out, e);
    else
        rc = 1;
    buf_fini(&value);
    return rc;
}

int template_expand(struct span text, template_fn *fn, void *arg, struct buf *out, struct err *e)
{
    struct reference r;
    int result = 1;

    while (text.len) {
        if (reference_next(&text, &r, e) < 0)
            return -1;
        buf_addspan(out, r.before);
        if (r.kind == REFERENCE_DOLLAR || r.kind == REFERENCE_BARE)
            buf_addc(out, '$');
        if (r.kind != REFERENCE_NAME && r.kind != REFERENCE_BRACKETS)
            continue;
        int rc = add_inner(r.inner, fn, arg, out, e);
        if (rc < 0)
            return -1;
        result &= rc;
    }
    return result;
}

char *template_unescape(const char *text)
{
    static const char from[] = "abfnrtv\\", to[] = "\a\b\f\n\r\t\v\\";
    struct buf out;

    buf_init(&out, BUF_NO_MAX);
    for (; *text; text++) {
        const char *known = *text == '\\' && text[1] ? strchr(from, text[1]) : NULL;
        size_t digits = *text == '\\' ? strspn(text + 1, "01234567") : 0;
        if (known) {
            buf_addc(&out, to[known - from]);
            text++;
        } else if (digits) {
            unsigned n = 0;
            for (size_t i = 0; i < digits && i < 3; i++)
                n = n * 8 + (unsigned)(*++text - '0');
            buf_addc(&out, (char)n);
        } else {
            buf_addc(&out, *text);
        }
    }
    return buf_take(&out);
}

/* ---- commands ---- */

static int needs_shell(struct span what, struct err *e)
{
    return err_set(e, ERR_CONFIG, "\"%.*s\" is for a shell, and Baton runs none: write a script that does it, and name that", (int)what.len,
                   what.at);
}

/* Characters that mean something to a shell where they stand bare, some of them only at the beginning of a word. */
static bool is_bare_shell(char c, bool is_first)
{
    return c && strchr(is_first ? "|&;<>()`*?[\n~#" : "|&;<>()`*?[\n", c);
}

/* One word off the front of *s, appended to `out`. */
static int take_word(struct span *s, struct buf *out, struct err *e)
{
    const char *begin = s->at;
    char quote = '\0';

    for (; s->len; *s = span_from(*s, 1)) {
        char c = s->at[0];
        if (!quote && (c == ' ' || c == '\t'))
            return 0;
        if (c == '$' && quote != '\'' && s->len > 1 && s->at[1] == '(')
            return needs_shell(SPAN("$("), e);
        if (c == '$' && quote != '\'' && s->len > 1 && s->at[1] == '{') { /* a reference, brackets and all */
            size_t n = 2 + reference_close(span_from(*s, 2), '{', '}');
            buf_add(out, s->at, n < s->len ? n : s->len - 1);
            *s = span_from(*s, n < s->len ? n : s->len - 1);
            buf_addc(out, s->at[0]);
        } else if (c == quote) {
            quote = '\0';
        } else if (!quote && (c == '"' || c == '\'')) {
            quote = c;
        } else if ((!quote && is_bare_shell(c, s->at == begin)) || (quote == '"' && c == '`')) {
            return needs_shell(span_of(s->at, 1), e);
        } else if (c == '\\' && quote != '\'' && s->len > 1) {
            *s = span_from(*s, 1);
            buf_adds(out, s->at[0] == '$' ? "$" : "");
            buf_addc(out, s->at[0]);
        } else {
            buf_adds(out, c == '$' && quote == '\'' ? "$" : "");
            buf_addc(out, c);
        }
    }
    return quote ? err_set(e, ERR_CONFIG, "a quote is not closed") : 0;
}

int command_split(struct span text, struct strlist *words, struct err *e)
{
    struct buf word;
    int rc = 0;

    buf_init(&word, BUF_NO_MAX);
    text = span_trim(text);
    while (text.len && rc == 0) {
        buf_clear(&word);
        rc = take_word(&text, &word, e);
        if (rc == 0)
            strlist_add(words, buf_span(&word));
        while (text.len && (text.at[0] == ' ' || text.at[0] == '\t'))
            text = span_from(text, 1);
    }
    buf_fini(&word);
    if (rc == 0 && words->n == 0)
        rc = err_set(e, ERR_CONFIG, "it names no program");
    if (rc == 0 && words->at[0][0] != '/') {
        bool is_assignment = strchr(words->at[0], '=');
        rc = is_assignment ? needs_shell(span_str(words->at[0]), e)
                           : err_set(e, ERR_CONFIG, "\"%s\" is no full file name: a program's begins with /", words->at[0]);
    }
    return rc;
}
