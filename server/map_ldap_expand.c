/* SPDX-License-Identifier: Apache-2.0 */
#include "server/map_ldap_expand.h"

#include <string.h>

/* An address and its parts; or a word alone. */
struct parts {
    struct span all, user, domain;
    bool has_domain;
};

static struct parts part(struct span s)
{
    size_t at = span_rfind(s, '@');

    if (at >= s.len)
        return (struct parts){ .all = s, .user = s };
    return (struct parts){ .all = s, .user = span_of(s.at, at), .domain = span_from(s, at + 1), .has_domain = true };
}

int ldap_template_check(const char *text, struct err *e)
{
    for (const char *p = strchr(text, '%'); p; p = strchr(p + 2, '%')) {
        if (p[1] == '\0' || !strchr("%sudSUD123456789", p[1]))
            return err_set(e, ERR_CONFIG, "\"%s\" holds a %% that means nothing: there are %%s, %%u, %%d, %%S, %%U, %%D, %%1 to %%9 "
                           "and %%%%", text);
    }
    return 0;
}

bool ldap_template_is_fixed(const char *text)
{
    for (const char *p = strchr(text, '%'); p; p = strchr(p + 2, '%'))
        if (p[1] != '%')
            return false;
    return true;
}

static const char *special(enum ldap_quote quote)
{
    return quote == LDAP_QUOTE_FILTER ? "*()\\" : quote == LDAP_QUOTE_DN ? " \t\"#+,;<>=\\" : "";
}

static int add_quoted(struct buf *out, struct span s, enum ldap_quote quote)
{
    static const char hex[] = "0123456789ABCDEF";
    const char *set = special(quote);
    int rc = 0;

    for (size_t i = 0; i < s.len && rc == 0; i++) {
        unsigned char c = (unsigned char)s.at[i];
        if (quote != LDAP_QUOTE_NONE && (c == '\0' || strchr(set, c))) {
            const char escaped[] = { '\\', hex[c >> 4], hex[c & 15] };
            rc = buf_add(out, escaped, sizeof escaped);
        } else {
            rc = buf_addc(out, s.at[i]);
        }
    }
    return rc;
}

/* The label of a domain, counted from its end: 1 is "com". */
static bool label(struct span domain, int n, struct span *out)
{
    for (;;) {
        size_t dot = span_rfind(domain, '.');
        *out = dot < domain.len ? span_from(domain, dot + 1) : domain;
        if (out->len == 0)
            return false;
        if (--n == 0)
            return true;
        if (dot >= domain.len)
            return false;
        domain.len = dot;
    }
}

/* What a letter stands for. */
static bool find(char letter, const struct parts *key, const struct parts *value, struct span *out)
{
    switch (letter) {
    case '%': *out = SPAN("%"); return true;
    case 's': *out = value->all; return true;
    case 'S': *out = key->all; return true;
    case 'u': *out = value->user; return out->len > 0;
    case 'U': *out = key->user; return out->len > 0;
    case 'd': *out = value->domain; return value->has_domain && out->len > 0;
    case 'D': *out = key->domain; return key->has_domain && out->len > 0;
    default: return key->has_domain && label(key->domain, letter - '0', out);
    }
}

bool ldap_expand(const char *text, struct span key, struct span value, enum ldap_quote quote, struct buf *out)
{
    const struct parts k = part(key), v = value.at ? part(value) : k;
    struct span what;

    if (v.all.len == 0)
        return false;
    for (const char *p = text; *p;) {
        size_t plain = strcspn(p, "%");
        if (buf_add(out, p, plain) < 0)
            return false;
        p += plain;
        if (!*p)
            break;
        if (!find(p[1], &k, &v, &what) || add_quoted(out, what, p[1] == '%' ? LDAP_QUOTE_NONE : quote) < 0)
            return false;
        p += 2;
    }
    return true;
}

bool ldap_template_suits(const char *text, struct span key)
{
    const struct parts k = part(key);
    struct span what;

    for (const char *p = strchr(text, '%'); p; p = strchr(p + 2, '%'))
        if (!strchr("%sud", p[1]) && !find(p[1], &k, &k, &what))
            return false;
    return true;
}
