/* SPDX-License-Identifier: Apache-2.0 */
#include "spool/traits.h"

#include "spool/record.h"

static bool has_high_bit(struct span data)
{
    uint64_t all = 0, word;
    size_t i = 0;

    for (; i + sizeof word <= data.len; i += sizeof word) {
        memcpy(&word, data.at + i, sizeof word);
        all |= word;
    }
    for (; i < data.len; i++)
        all |= (unsigned char)data.at[i];
    return all & UINT64_C(0x8080808080808080);
}

void traits_add(struct traits *s, struct span data)
{
    if (data.len == 0)
        return;
    if (!s->is_8bit)
        s->is_8bit = has_high_bit(data);
    if (!s->has_dot_line) {
        const char *end = data.at + data.len;
        if (!s->is_inside_line && data.at[0] == '.')
            s->has_dot_line = true;
        for (const char *lf = memchr(data.at, '\n', data.len); lf && !s->has_dot_line && lf + 1 < end;
             lf = memchr(lf + 1, '\n', (size_t)(end - lf - 1)))
            s->has_dot_line = lf[1] == '.';
    }
    s->is_inside_line = data.at[data.len - 1] != '\n';
}

unsigned char traits_flags(const struct traits *s)
{
    return (unsigned char)((s->has_dot_line ? RECORD_DOT_LINE : 0) | (s->is_8bit ? RECORD_8BIT : 0));
}
