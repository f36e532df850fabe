/* SPDX-License-Identifier: Apache-2.0 */
#include "mail/xtext.h"

#include "base/log.h"

static int hex_digit(char c)
{
    return ascii_is_digit((unsigned char)c) ? c - '0' : c >= 'A' && c <= 'F' ? c - 'A' + 10 : -1;
}

static int refuse(struct span s, const char *why, struct err *e)
{
    char text[120];
    return err_set(e, ERR_PERMANENT, "\"%s\" %s", log_escape(s, text, sizeof text), why);
}

int xtext_encode(struct span s, struct buf *out)
{
    for (size_t i = 0; i < s.len; i++) {
        unsigned char c = (unsigned char)s.at[i];
        bool is_plain = c > ' ' && c < 0x7f && c != '+' && c != '=';
        if ((is_plain ? buf_addc(out, (char)c) : buf_addf(out, "+%02X", c)) < 0)
            return -1;
    }
    return 0;
}

int xtext_decode(struct span s, struct buf *out, struct err *e)
{
    for (size_t i = 0; i < s.len; i++) {
        int c = (unsigned char)s.at[i];
        if (c == '+') {
            int high = i + 2 < s.len ? hex_digit(s.at[i + 1]) : -1, low = i + 2 < s.len ? hex_digit(s.at[i + 2]) : -1;
            if (high < 0 || low < 0)
                return refuse(s, "is not xtext: '+' is followed by two hexadecimal digits in capitals", e);
            c = high << 4 | low;
            i += 2;
        } else if (c <= ' ' || c >= 0x7f || c == '=') {
            return refuse(s, "is not xtext: a character in it must be written as +XX", e);
        }
        if (c < ' ' || c == 0x7f)
            return refuse(s, "holds a control character", e);
        if (buf_addc(out, (char)c) < 0)
            return refuse(s, "is too long", e);
    }
    return 0;
}

/* ---- ORCPT: addr-type ";" text --------------------------------------------------------------------------------- */

static bool is_type(struct span s)
{
    for (size_t i = 0; i < s.len; i++)
        if (!ascii_is_alnum((unsigned char)s.at[i]) && s.at[i] != '-')
            return false;
    return s.len > 0;
}

static int add_utf8(struct buf *out, unsigned long c)
{
    if (c < 0x80)
        return buf_addc(out, (char)c);
    if (c < 0x800)
        return buf_addf(out, "%c%c", (int)(0xc0 | c >> 6), (int)(0x80 | (c & 63)));
    if (c < 0x10000)
        return buf_addf(out, "%c%c%c", (int)(0xe0 | c >> 12), (int)(0x80 | (c >> 6 & 63)), (int)(0x80 | (c & 63)));
    return buf_addf(out, "%c%c%c%c", (int)(0xf0 | c >> 18), (int)(0x80 | (c >> 12 & 63)), (int)(0x80 | (c >> 6 & 63)),
                    (int)(0x80 | (c & 63)));
}

/* "\x{20AC}" at the front of s: its value, and how long it was; 0 when it is none. */
static size_t embedded(struct span s, unsigned long *value)
{
    size_t i;

    if (!span_starts(s, "\\x{"))
        return 0;
    *value = 0;
    for (i = 3; i < s.len && hex_digit(s.at[i]) >= 0 && i < 9; i++)
        *value = *value << 4 | (unsigned long)hex_digit(s.at[i]);
    bool is_scalar = *value >= ' ' && *value != 0x7f && *value <= 0x10ffff && (*value & ~0x7ffUL) != 0xd800;
    return i < s.len && s.at[i] == '}' && i > 3 && is_scalar ? i + 1 : 0;
}

static int decode_utf8_text(struct span s, struct buf *out, struct err *e)
{
    while (s.len) {
        unsigned long c;
        size_t n = embedded(s, &c);
        if (n == 0) {
            n = span_utf8_len(s);
            c = (unsigned char)s.at[0];
            if (n == 0 || c <= ' ' || c == 0x7f || (n == 1 && strchr("+=\\", (int)c)))
                return refuse(s, "is not in the form of RFC 6533", e);
            if (buf_add(out, s.at, n) < 0)
                return refuse(s, "is too long", e);
        } else if (add_utf8(out, c) < 0) {
            return refuse(s, "is too long", e);
        }
        s = span_from(s, n);
    }
    return 0;
}

int orcpt_decode(struct span s, struct buf *out, struct err *e)
{
    size_t semicolon = span_find(s, ';');
    struct span type = span_of(s.at, semicolon), text = span_from(s, semicolon + 1);

    if (semicolon == s.len || !is_type(type) || text.len == 0)
        return refuse(s, "is no original recipient: it has the form rfc822;address", e);
    if (buf_addspan(out, type) < 0 || buf_addc(out, ';') < 0)
        return refuse(s, "is too long", e);
    return span_ieq_str(type, "utf-8") ? decode_utf8_text(text, out, e) : xtext_decode(text, out, e);
}

static unsigned long code_point(struct span s, size_t n)
{
    const unsigned char *at = (const unsigned char *)s.at;
    unsigned long c = n == 1 ? at[0] : at[0] & (0xffu >> (n + 1));

    for (size_t i = 1; i < n; i++)
        c = c << 6 | (at[i] & 63);
    return c;
}

int orcpt_encode(struct span s, bool utf8, struct buf *out)
{
    size_t semicolon = span_find(s, ';');
    struct span type = span_of(s.at, semicolon), text = span_from(s, semicolon + 1);

    if (buf_addspan(out, type) < 0 || buf_addc(out, ';') < 0)
        return -1;
    if (!span_ieq_str(type, "utf-8"))
        return xtext_encode(text, out);
    while (text.len) {
        size_t n = span_utf8_len(text);
        unsigned long c = n ? code_point(text, n) : 0xfffd;
        bool is_plain = n > 1 ? utf8 : n == 1 && c > ' ' && c < 0x7f && !strchr("+=\\", (int)c);
        if ((is_plain ? buf_add(out, text.at, n) : buf_addf(out, "\\x{%lX}", c)) < 0)
            return -1;
        text = span_from(text, n ? n : 1);
    }
    return 0;
}
