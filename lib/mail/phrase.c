/* SPDX-License-Identifier: Apache-2.0
 *
 * A display name: as it is where that is possible, else quoted (RFC 5322 3.2.4), else encoded (RFC 2047). */
#include "mail/address.h"

#include "mail/address_int.h"
#include "mail/encode.h"

static void clean(struct span name, struct buf *out)
{
    bool is_utf8 = span_is_utf8(name);

    for (size_t i = 0; i < name.len; i++) {
        unsigned char c = (unsigned char)name.at[i];
        if (c < ' ' || c == 0x7f)
            buf_addc(out, ' ');
        else if (c < 0x80 || is_utf8)
            buf_addc(out, (char)c);
        else
            buf_addf(out, "%c%c", 0xc0 | c >> 6, 0x80 | (c & 0x3f));
    }
}

static bool is_plain(struct span s)
{
    for (size_t i = 0; i < s.len; i++)
        if (s.at[i] != ' ' && !address_is_atext((unsigned char)s.at[i]))
            return false;
    /* What looks like an encoded word would be read as one. */
    return memmem(s.at, s.len, "=?", 2) == NULL;
}

void address_add_phrase(struct buf *out, struct span name)
{
    struct buf text;

    buf_init(&text, BUF_NO_MAX);
    clean(name, &text);
    struct span s = span_trim(buf_span(&text));
    if (!span_is_ascii(s)) {
        encode_words(s, out);
    } else if (is_plain(s)) {
        buf_addspan(out, s);
    } else {
        buf_addc(out, '"');
        for (size_t i = 0; i < s.len; i++)
            buf_addf(out, s.at[i] == '"' || s.at[i] == '\\' ? "\\%c" : "%c", s.at[i]);
        buf_addc(out, '"');
    }
    buf_fini(&text);
}
