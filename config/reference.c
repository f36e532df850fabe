/* SPDX-License-Identifier: Apache-2.0 */
#include "config/reference_int.h"

size_t reference_name_len(struct span s)
{
    size_t n = 0;

    while (n < s.len && (ascii_is_alnum((unsigned char)s.at[n]) || s.at[n] == '_'))
        n++;
    return n;
}

size_t reference_close(struct span s, char open, char close)
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

int reference_next(struct span *text, struct reference *r, struct err *e)
{
    size_t dollar = span_find(*text, '$');
    struct span rest = span_from(*text, dollar + 1);
    char c = rest.len ? rest.at[0] : '\0';

    *r = (struct reference){ .kind = REFERENCE_NONE, .before = span_of(text->at, dollar) };
    if (dollar == text->len) {
        *text = span_from(*text, dollar);
        return 0;
    }
    if (c == '{' || c == '(') {
        rest = span_from(rest, 1);
        size_t len = reference_close(rest, c, c == '{' ? '}' : ')');
        if (len == rest.len)
            return err_set(e, ERR_CONFIG, "$%c without the bracket that closes it", c);
        r->kind = REFERENCE_BRACKETS;
        r->inner = span_of(rest.at, len);
        *text = span_from(rest, len + 1);
        return 0;
    }
    r->inner = span_of(rest.at, reference_name_len(rest));
    r->kind = r->inner.len ? REFERENCE_NAME : c == '$' ? REFERENCE_DOLLAR : REFERENCE_BARE;
    *text = span_from(rest, r->kind == REFERENCE_DOLLAR ? 1 : r->inner.len);
    return 0;
}
