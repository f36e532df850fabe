/* SPDX-License-Identifier: Apache-2.0
 *
 * RFC 5322 3.4 with the obsolete forms of 4.4, read leniently where only one meaning is possible.
 *
 * A member is gathered token by token until something decides what it is: '<' (all before it was a name), ':' (it
 * was the name of a group), or ',', ';' or the end (it is an addr-spec by itself). Comments and blanks lie between
 * tokens and are passed over by token_next(). */
#include "mail/address.h"

#include "mail/address_int.h"

enum token_kind { TOKEN_END, TOKEN_WORD, TOKEN_QUOTED, TOKEN_LITERAL, TOKEN_MARK, TOKEN_BAD };

struct token {
    enum token_kind kind;
    char mark;        /* TOKEN_MARK: one of < > @ , ; : . */
    struct span span; /* as it is written */
    const char *why;  /* TOKEN_BAD */
};

/* ---- tokens ---------------------------------------------------------------------------------------------------- */

static bool is_blank(char c)
{
    return c == ' ' || c == '\t' || c == '\r' || c == '\n';
}

/* Index behind the closing `close` of what opens at `at`; 0 when it is not closed. Comments nest. */
static size_t skip_enclosed(struct span s, size_t at, char open, char close)
{
    unsigned depth = 1;

    for (size_t i = at + 1; i < s.len; i++) {
        if (s.at[i] == '\\')
            i++;
        else if (s.at[i] == close) {
            if (--depth == 0)
                return i + 1;
        } else if (open && s.at[i] == open) {
            depth++;
        }
    }
    return 0;
}

static struct token bad(struct span s, const char *why)
{
    return (struct token){ .kind = TOKEN_BAD, .span = s, .why = why };
}

static struct token enclosed(struct span s, size_t *at, enum token_kind kind, char open, char close, const char *why)
{
    size_t end = skip_enclosed(s, *at, open, close);
    struct span span;

    if (end == 0)
        return bad(span_from(s, *at), why);
    span = span_of(s.at + *at, end - *at);
    *at = end;
    return (struct token){ .kind = kind, .span = span };
}

static struct token word(struct span s, size_t *at)
{
    size_t from = *at, i = from;

    while (i < s.len && address_is_atext((unsigned char)s.at[i]))
        i++;
    if (i == from)
        return bad(span_of(s.at + from, 1), "a character stands where it has no meaning");
    *at = i;
    return (struct token){ .kind = TOKEN_WORD, .span = span_of(s.at + from, i - from) };
}

static struct token token_next(struct span s, size_t *at)
{
    for (;;) {
        while (*at < s.len && is_blank(s.at[*at]))
            (*at)++;
        if (*at == s.len)
            return (struct token){ .kind = TOKEN_END, .span = span_from(s, *at) };
        if (s.at[*at] != '(')
            break;
        size_t end = skip_enclosed(s, *at, '(', ')');
        if (end == 0)
            return bad(span_from(s, *at), "a comment is not closed");
        *at = end;
    }
    char c = s.at[*at];
    if (c == '"')
        return enclosed(s, at, TOKEN_QUOTED, 0, '"', "a quotation mark is not closed");
    if (c == '[')
        return enclosed(s, at, TOKEN_LITERAL, 0, ']', "a '[' is not closed");
    if (c && strchr("<>@,;:.", c))
        return (struct token){ .kind = TOKEN_MARK, .mark = c, .span = span_of(s.at + (*at)++, 1) };
    return word(s, at);
}

static struct token token_peek(struct span s, size_t at)
{
    return token_next(s, &at);
}

static bool is_mark(struct token t, char mark)
{
    return t.kind == TOKEN_MARK && t.mark == mark;
}

/* ---- addr-spec ------------------------------------------------------------------------------------------------- */

static void add_word(struct local_part *l, struct token t)
{
    struct span s = t.span;

    if (t.kind == TOKEN_QUOTED)
        s = span_of(s.at + 1, s.len - 2);
    for (size_t i = 0; i < s.len; i++) {
        if (t.kind == TOKEN_QUOTED && s.at[i] == '\\' && i + 1 < s.len)
            i++;
        else if (s.at[i] == '\r' || s.at[i] == '\n')
            continue; /* a fold inside a quoted string (RFC 5322 3.2.4) is no part of it */
        local_add(l, s.at[i]);
    }
}

static const char *const COMMA_MISSING = "two words stand side by side: is a comma missing, or are '<' and '>'?";

/* Takes a dot, a word or `other`: they come in any order, but no two of the latter side by side. False: *at stands before what does
 * not belong, or *why says what is wrong. */
static bool take_part(struct span s, size_t *at, enum token_kind other, bool *after_word, struct token *t, const char **why)
{
    *t = token_peek(s, *at);
    *why = t->kind == TOKEN_BAD ? t->why : NULL;
    bool is_word = t->kind == TOKEN_WORD || t->kind == other;
    if (is_word && *after_word)
        *why = COMMA_MISSING;
    if (*why || (!is_word && !is_mark(*t, '.')))
        return false;
    *t = token_next(s, at);
    *after_word = is_word;
    return true;
}

static const char *read_local(struct span s, size_t *at, struct local_part *l, struct span *spec)
{
    bool after_word = false;
    const char *why;
    struct token t;

    while (take_part(s, at, TOKEN_QUOTED, &after_word, &t, &why)) {
        if (!spec->at)
            spec->at = t.span.at;
        spec->len = (size_t)(t.span.at + t.span.len - spec->at);
        if (after_word)
            add_word(l, t);
        else
            local_add(l, '.');
    }
    return why;
}

/* Blanks and comments within it vanish. */
static const char *read_domain(struct span s, size_t *at, struct buf *domain, struct span *spec)
{
    bool after_word = false;
    const char *why;
    struct token t;

    while (take_part(s, at, TOKEN_LITERAL, &after_word, &t, &why)) {
        spec->len = (size_t)(t.span.at + t.span.len - spec->at);
        for (size_t i = 0; i < t.span.len; i++)
            if (!is_blank(t.span.at[i]) && buf_addc(domain, t.span.at[i]) < 0)
                return "the domain is longer than 255 bytes";
    }
    return why;
}

static const char *read_spec(struct span s, size_t *at, struct address_item *item, unsigned flags)
{
    struct local_part local = { .len = 0 };
    struct buf domain;
    const char *why;

    item->spec = (struct span){ NULL, 0 };
    why = read_local(s, at, &local, &item->spec);
    if (why)
        return why;
    if (!is_mark(token_peek(s, *at), '@'))
        return item->spec.at ? address_make(&item->address, &local, NULL, flags) : "there is no address";
    if (!item->spec.at)
        return "there is no local part before the '@'";
    token_next(s, at);
    buf_init(&domain, ADDRESS_DOMAIN_MAX + 1);
    why = read_domain(s, at, &domain, &item->spec);
    if (!why) {
        struct span d = buf_span(&domain);
        why = address_make(&item->address, &local, &d, flags);
    }
    buf_fini(&domain);
    return why;
}

/* ---- members --------------------------------------------------------------------------------------------------- */

static bool ends_member(struct token t)
{
    return t.kind == TOKEN_END || is_mark(t, ',') || is_mark(t, ';');
}

/* Behind '<'. */
static const char *read_bracketed(struct span s, size_t *at, struct address_item *item, unsigned flags)
{
    struct token t = token_peek(s, *at);
    const char *why;

    item->is_bracketed = true;
    if (is_mark(t, '>')) {
        item->address = (struct address){ .len = 0 };
        item->spec = span_of(t.span.at, 0);
        token_next(s, at);
        return flags & ADDRESS_NULL ? NULL : "it is empty";
    }
    if (is_mark(t, '@')) { /* obs-route: "@x,@y:" */
        while (t.kind != TOKEN_END && t.kind != TOKEN_BAD && !is_mark(t, ':') && !is_mark(t, '>'))
            t = token_next(s, at);
        if (!is_mark(t, ':'))
            return t.kind == TOKEN_BAD ? t.why : "the route before the address has no ':'";
    }
    why = read_spec(s, at, item, flags);
    if (why)
        return why;
    t = token_next(s, at);
    if (!is_mark(t, '>'))
        return t.kind == TOKEN_BAD ? t.why : "its '>' is missing";
    return NULL;
}

enum member { MEMBER_PLAIN, MEMBER_BRACKETED, MEMBER_GROUP, MEMBER_BAD };

/* What the member at *at is. Leaves *at where it was, or behind the '<' or ':' that decided. */
static enum member classify(struct span s, size_t *at, const char **why)
{
    size_t look = *at;

    for (;;) {
        struct token t = token_next(s, &look);
        if (t.kind == TOKEN_BAD) {
            *why = t.why;
            return MEMBER_BAD;
        }
        if (ends_member(t))
            return MEMBER_PLAIN;
        if (is_mark(t, '<') || is_mark(t, ':')) {
            *at = look;
            return t.mark == '<' ? MEMBER_BRACKETED : MEMBER_GROUP;
        }
    }
}

/* From `from` to the ',' that ends the member, for a message. */
static struct span member_text(struct span s, size_t from)
{
    size_t at = from;

    for (;;) {
        struct token t = token_next(s, &at);
        if (t.kind == TOKEN_BAD)
            return span_trim(span_from(s, from));
        if (ends_member(t))
            return span_trim(span_of(s.at + from, (size_t)(t.span.at - s.at) - from));
    }
}

void address_list_init(struct address_list *l, struct span text, unsigned flags)
{
    *l = (struct address_list){ .text = text, .flags = flags | ADDRESS_LOCAL };
}

/* 1: a member begins at l->at. 0: the end. */
static int to_member(struct address_list *l)
{
    for (;;) {
        struct token t = token_peek(l->text, l->at);
        if (t.kind == TOKEN_END)
            return 0;
        if (!is_mark(t, ',') && !is_mark(t, ';'))
            return 1;
        l->in_group &= t.mark == ',';
        token_next(l->text, &l->at);
    }
}

int address_list_next(struct address_list *l, struct address_item *item, struct err *e)
{
    const char *why = NULL;
    enum member member;
    size_t from;

    *item = (struct address_item){ .is_bracketed = false };
    do {
        if (to_member(l) == 0)
            return 0;
        from = l->at;
        member = classify(l->text, &l->at, &why);
        if (member == MEMBER_GROUP && l->in_group)
            why = "a group begins inside a group";
        l->in_group |= member == MEMBER_GROUP;
    } while (member == MEMBER_GROUP && !why);
    if (member == MEMBER_BRACKETED)
        item->phrase = span_trim(span_of(l->text.at + from, l->at - 1 - from));
    if (!why)
        why = (member == MEMBER_PLAIN ? read_spec : read_bracketed)(l->text, &l->at, item, l->flags);
    if (!why) {
        struct token t = token_peek(l->text, l->at);
        if (t.kind == TOKEN_BAD)
            why = t.why;
        else if (!ends_member(t))
            why = "something stands behind it: is a comma missing?";
    }
    item->whole = member_text(l->text, from);
    return why ? address_refuse(item->whole, why, e) : 1;
}
