/* SPDX-License-Identifier: Apache-2.0
 *
 * RFC 5321 4.1.2. What is read here comes from the network or from an argument, in one piece and without blanks or
 * comments; RFC 5322's richer grammar (address_list.c) gathers its pieces and ends in address_make() too. */
#include "mail/address.h"

#include "base/log.h"
#include "mail/address_int.h"

#include <arpa/inet.h>
#include <netinet/in.h>

bool address_is_atext(unsigned char c)
{
    return c >= 0x80 || ascii_is_alnum(c) || (c && strchr("!#$%&'*+-/=?^_`{|}~", c));
}

void local_add(struct local_part *l, char c)
{
    if (l->len < sizeof l->at)
        l->at[l->len++] = c;
}

int address_refuse(struct span written, const char *why, struct err *e)
{
    char text[200];
    return err_set(e, ERR_PERMANENT, "address \"%s\": %s", log_escape(written, text, sizeof text), why);
}

/* ---- the one form ---------------------------------------------------------------------------------------------- */

static bool is_dot_atom(struct span s)
{
    bool after_dot = true;

    for (size_t i = 0; i < s.len; i++) {
        if (s.at[i] == '.' ? after_dot : !address_is_atext((unsigned char)s.at[i]))
            return false;
        after_dot = s.at[i] == '.';
    }
    return !after_dot;
}

static bool has_control(struct span s)
{
    for (size_t i = 0; i < s.len; i++)
        if ((unsigned char)s.at[i] < ' ' || s.at[i] == 0x7f)
            return true;
    return false;
}

static const char *put_local(struct address *a, struct span local)
{
    char *out = a->text;
    size_t n = 0, max = ADDRESS_LOCAL_MAX;

    if (local.len == 0)
        return "there is no local part before the '@'";
    if (is_dot_atom(local)) {
        if (local.len > max)
            return "the local part is longer than 256 bytes";
        memcpy(out, local.at, local.len);
        a->len = a->local_len = local.len;
        return NULL;
    }
    out[n++] = '"';
    for (size_t i = 0; i < local.len && n < max; i++) {
        if (local.at[i] == '"' || local.at[i] == '\\')
            out[n++] = '\\';
        out[n++] = local.at[i];
    }
    if (n >= max)
        return "the local part is longer than 256 bytes";
    out[n++] = '"';
    a->len = a->local_len = n;
    return NULL;
}

static const char *check_label(struct span label)
{
    if (label.len == 0)
        return "the domain has an empty label";
    if (label.len > 63)
        return "a label of the domain is longer than 63 bytes";
    if (label.at[0] == '-')
        return "a label of the domain begins with '-'";
    for (size_t i = 0; i < label.len; i++) {
        unsigned char c = (unsigned char)label.at[i];
        if (!ascii_is_alnum(c) && c < 0x80 && c != '-' && c != '_')
            return "the domain has a character that no domain has";
    }
    return NULL;
}

static const char *check_labels(struct span domain)
{
    for (;;) {
        size_t dot = span_find(domain, '.');
        const char *why = check_label(span_of(domain.at, dot));
        if (why || dot == domain.len)
            return why;
        domain = span_from(domain, dot + 1);
    }
}

/* RFC 5321 4.1.3: IPv4, "IPv6:...", or "tag:" and anything printable. */
static const char *check_literal(struct span s)
{
    char text[INET6_ADDRSTRLEN + 1];
    unsigned char addr[16];
    int family = AF_INET;

    if (s.len < 3 || s.at[s.len - 1] != ']')
        return "the address literal has no end";
    s = span_of(s.at + 1, s.len - 2);
    if (span_istarts(s, "IPv6:")) {
        family = AF_INET6;
        s = span_from(s, 5);
    } else if (span_find(s, ':') < s.len) {
        for (size_t i = 0; i < s.len; i++)
            if (s.at[i] <= ' ' || strchr("[]\\\"<>()@,;", s.at[i]))
                return "the address literal has a character that none has";
        return ascii_is_alpha((unsigned char)s.at[0]) ? NULL : "an IPv6 address is written [IPv6:...]";
    }
    if (s.len == 0 || s.len >= sizeof text)
        return "the address literal is no IP address";
    memcpy(text, s.at, s.len);
    text[s.len] = '\0';
    return inet_pton(family, text, addr) == 1 ? NULL : "the address literal is no IP address";
}

static const char *put_domain(struct address *a, struct span domain)
{
    const char *why;

    a->is_literal = domain.len && domain.at[0] == '[';
    if (domain.len > 1 && domain.at[domain.len - 1] == '.')
        domain.len--;
    if (domain.len == 0)
        return "there is no domain after the '@'";
    if (domain.len > ADDRESS_DOMAIN_MAX)
        return "the domain is longer than 255 bytes";
    why = a->is_literal ? check_literal(domain) : check_labels(domain);
    if (why)
        return why;
    a->text[a->len++] = '@';
    memcpy(a->text + a->len, domain.at, domain.len);
    a->len += domain.len;
    a->has_domain = true;
    return NULL;
}

const char *address_make(struct address *a, const struct local_part *local, const struct span *domain, unsigned flags)
{
    struct span l = { local->at, local->len };
    const char *why;

    *a = (struct address){ .len = 0 };
    if (has_control(l) || (domain && has_control(*domain)))
        return "it has a control character";
    why = put_local(a, l);
    if (!why && domain)
        why = put_domain(a, *domain);
    if (why)
        return why;
    a->text[a->len] = '\0';
    if (!domain && !(flags & ADDRESS_LOCAL) && !span_ieq_str(l, "postmaster"))
        return "it has no domain";
    a->is_utf8 = !span_is_ascii(span_of(a->text, a->len));
    if (a->is_utf8 && !(flags & ADDRESS_UTF8))
        return "it has characters beyond ASCII, which need SMTPUTF8";
    if (a->is_utf8 && !span_is_utf8(span_of(a->text, a->len)))
        return "its characters beyond ASCII are not UTF-8";
    return NULL;
}

/* ---- Mailbox and Path ------------------------------------------------------------------------------------------ */

/* Reads the local part at the front of `in` and says how long it was; *why when it is none. */
static size_t read_local(struct span in, struct local_part *l, const char **why)
{
    size_t i = 0;

    if (in.len == 0 || in.at[0] != '"') {
        for (; i < in.len && (in.at[i] == '.' || address_is_atext((unsigned char)in.at[i])); i++)
            local_add(l, in.at[i]);
        return i;
    }
    for (i = 1; i < in.len && in.at[i] != '"'; i++) {
        if (in.at[i] == '\\' && ++i == in.len)
            break;
        local_add(l, in.at[i]);
    }
    if (i >= in.len)
        *why = "its quotation mark is not closed";
    return i + 1;
}

static const char *make_mailbox(struct address *a, struct span in, unsigned flags)
{
    struct local_part local = { .len = 0 };
    const char *why = NULL;
    struct span domain;
    size_t n = read_local(in, &local, &why);

    if (why)
        return why;
    if (n == in.len)
        return address_make(a, &local, NULL, flags);
    if (in.at[n] != '@')
        return "it has a character that must stand in quotation marks";
    domain = span_from(in, n + 1);
    return address_make(a, &local, &domain, flags);
}

int address_parse(struct address *a, struct span in, unsigned flags, struct err *e)
{
    const char *why = make_mailbox(a, in, flags);
    return why ? address_refuse(in, why, e) : 0;
}

/* Index of the first of `ends` outside quotation marks, or in.len. */
static size_t find_end(struct span in, const char *ends)
{
    bool is_quoted = false;

    for (size_t i = 0; i < in.len; i++) {
        if (in.at[i] == '\\' && is_quoted)
            i++;
        else if (in.at[i] == '"')
            is_quoted = !is_quoted;
        else if (!is_quoted && in.at[i] && strchr(ends, in.at[i]))
            return i;
    }
    return in.len;
}

/* "@x,@y:" in front of the mailbox: to be accepted, and ignored (RFC 5321 4.1.1.3 and appendix C). */
static struct span without_route(struct span in)
{
    if (in.len && in.at[0] == '@') {
        size_t colon = span_find(in, ':');
        if (colon < in.len)
            return span_from(in, colon + 1);
    }
    return in;
}

int address_parse_path(struct address *a, struct span in, unsigned flags, struct span *rest, struct err *e)
{
    bool has_brackets = in.len && in.at[0] == '<';
    struct span inner;
    size_t end;

    if (has_brackets) {
        end = find_end(in, ">");
        if (end == in.len)
            return address_refuse(in, "its '>' is missing", e);
        inner = span_of(in.at + 1, end - 1);
        end++;
    } else {
        if (!(flags & ADDRESS_BARE))
            return address_refuse(in, "it does not stand in '<' and '>'", e);
        end = find_end(in, " \t\r\n");
        inner = span_of(in.at, end);
    }
    if (rest)
        *rest = span_from(in, end);
    else if (end < in.len)
        return address_refuse(in, "something follows it", e);
    if (has_brackets && inner.len == 0) {
        *a = (struct address){ .len = 0 };
        return flags & ADDRESS_NULL ? 0 : address_refuse(SPAN("<>"), "it is empty", e);
    }
    const char *why = make_mailbox(a, without_route(inner), flags);
    return why ? address_refuse(span_of(in.at, end), why, e) : 0;
}

/* ---- afterwards ------------------------------------------------------------------------------------------------ */

int address_complete(struct address *a, const char *domain, struct err *e)
{
    size_t n = strlen(domain);

    if (a->has_domain || a->len == 0)
        return 0;
    if (n > ADDRESS_DOMAIN_MAX)
        return err_set(e, ERR_CONFIG, "the domain to complete addresses with is longer than 255 bytes");
    a->text[a->len++] = '@';
    memcpy(a->text + a->len, domain, n + 1);
    a->len += n;
    a->has_domain = true;
    a->is_utf8 |= !span_is_ascii(span_of(domain, n));
    return 0;
}

struct span address_local(const struct address *a)
{
    return span_of(a->text, a->local_len);
}

struct span address_domain(const struct address *a)
{
    return a->has_domain ? span_of(a->text + a->local_len + 1, a->len - a->local_len - 1) : SPAN("");
}

/* In the one form the last '@' outside quotation marks is the only one there. */
static size_t at_sign(struct span s)
{
    return find_end(s, "@");
}

struct span address_text_local(const char *address)
{
    struct span s = span_str(address);
    return span_of(s.at, at_sign(s));
}

struct span address_text_domain(const char *address)
{
    struct span s = span_str(address);
    return span_from(s, at_sign(s) + 1);
}

int address_local_unquoted(struct span local, struct buf *out)
{
    if (local.len < 2 || local.at[0] != '"')
        return buf_addspan(out, local);
    for (size_t i = 1; i < local.len - 1; i++) {
        if (local.at[i] == '\\' && i + 1 < local.len - 1)
            i++;
        if (buf_addc(out, local.at[i]) < 0)
            return -1;
    }
    return 0;
}
