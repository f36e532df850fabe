/* SPDX-License-Identifier: Apache-2.0 */
#include "base/base64.h"

static const char digits[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";

int base64_encode(struct span s, struct buf *out)
{
    char *to = buf_room(out, (s.len + 2) / 3 * 4);

    if (!to)
        return -1;
    for (size_t i = 0; i < s.len; i += 3) {
        size_t n = s.len - i;
        uint32_t bits = (uint32_t)(unsigned char)s.at[i] << 16;
        if (n > 1)
            bits |= (uint32_t)(unsigned char)s.at[i + 1] << 8;
        if (n > 2)
            bits |= (unsigned char)s.at[i + 2];
        *to++ = digits[bits >> 18];
        *to++ = digits[bits >> 12 & 63];
        *to++ = n > 1 ? digits[bits >> 6 & 63] : '=';
        *to++ = n > 2 ? digits[bits & 63] : '=';
    }
    out->len = (size_t)(to - out->at);
    return 0;
}

static int value_of(char c)
{
    const char *at = c ? strchr(digits, c) : NULL;
    return at ? (int)(at - digits) : -1;
}

int base64_decode(struct span s, struct buf *out)
{
    char *to = buf_room(out, s.len / 4 * 3);

    if (s.len % 4 || !to)
        return -1;
    for (size_t i = 0; i < s.len; i += 4) {
        bool is_last = i + 4 == s.len;
        int pad = is_last ? (s.at[i + 3] == '=') + (s.at[i + 3] == '=' && s.at[i + 2] == '=') : 0;
        uint32_t bits = 0;
        for (int k = 0; k < 4; k++) {
            int v = k < 4 - pad ? value_of(s.at[i + (size_t)k]) : 0;
            if (v < 0)
                return -1;
            bits = bits << 6 | (uint32_t)v;
        }
        *to++ = (char)(bits >> 16);
        if (pad < 2)
            *to++ = (char)(bits >> 8);
        if (pad < 1)
            *to++ = (char)bits;
    }
    out->len = s.len ? (size_t)(to - out->at) : out->len;
    return 0;
}
