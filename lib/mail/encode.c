/* SPDX-License-Identifier: Apache-2.0 */
#include "mail/encode.h"

/* "=?utf-8?B?" + 60 + "?=" is 72 of the 75 that an encoded word may have: 45 bytes in one. */
enum { BYTES_A_WORD = 45, COLUMNS = 76 };

static void add_base64(struct buf *out, struct span s)
{
    static const char digits[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";

    for (; s.len; s = span_from(s, 3)) {
        unsigned v = 0;
        for (size_t i = 0; i < 3; i++)
            v = v << 8 | (i < s.len ? (unsigned char)s.at[i] : 0);
        for (size_t i = 0; i < 4; i++)
            buf_addc(out, i <= s.len ? digits[v >> (18 - 6 * i) & 63] : '=');
    }
}

/* RFC 2047 5: a character may not be split over two words. */
void encode_words(struct span text, struct buf *out)
{
    while (text.len) {
        size_t n = 0, next;
        while (n < text.len && (next = span_utf8_len(span_from(text, n))) && n + next <= BYTES_A_WORD)
            n += next;
        if (n == 0)
            n = 1;
        buf_adds(out, "=?utf-8?B?");
        add_base64(out, span_of(text.at, n));
        buf_adds(out, "?=");
        text = span_from(text, n);
        if (text.len)
            buf_adds(out, "\r\n ");
    }
}

/* The words from here on of the same kind: beyond ASCII with the blanks between them (which are lost between encoded
 * words, RFC 2047 6.2), or one word of ASCII. */
static struct span take_run(struct span *rest)
{
    struct span word, last, all = { NULL, 0 };

    while (span_word(rest, "", &word)) {
        if (!all.at && span_is_ascii(word))
            return word;
        if (span_is_ascii(word)) {
            *rest = span_of(word.at, (size_t)(rest->at + rest->len - word.at)); /* not ours: put it back */
            break;
        }
        last = word;
        if (!all.at)
            all.at = word.at;
        all.len = (size_t)(last.at + last.len - all.at);
    }
    return all;
}

static void add_unfolded(struct span s, struct buf *out)
{
    for (size_t i = 0; i < s.len; i++)
        if (s.at[i] != '\r' && s.at[i] != '\n' && s.at[i] != '\0')
            buf_addc(out, s.at[i]);
}

void encode_unstructured(struct span value, size_t column, struct buf *out)
{
    struct span rest = value, run;
    struct buf piece;

    buf_init(&piece, BUF_NO_MAX);
    while ((run = take_run(&rest)).len) {
        struct buf text;
        buf_clear(&piece);
        buf_init(&text, BUF_NO_MAX);
        add_unfolded(run, &text);
        if (span_is_ascii(run))
            buf_addspan(&piece, buf_span(&text));
        else
            encode_words(buf_span(&text), &piece);
        buf_fini(&text);
        struct span p = buf_span(&piece);
        size_t first = span_find(p, '\r'), last = span_rfind(p, '\n');
        if (column + 1 + first > COLUMNS) {
            buf_adds(out, "\r\n");
            column = 0;
        }
        buf_addc(out, ' ');
        buf_addspan(out, p);
        column = last < p.len ? p.len - last - 1 : column + 1 + p.len;
    }
    buf_fini(&piece);
}
