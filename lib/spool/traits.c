/* SPDX-License-Identifier: Apache-2.0 */
#include "spool/traits.h"

#include "spool/record.h"
#include "spool/spool.h"

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

/* A line ends with CR LF, and `len` has the CR. */
static bool is_long(size_t len)
{
    return len > SPOOL_LINE_MAX + 1;
}

static void look_at_lines(struct traits *s, struct span data)
{
    const char *line = data.at, *end = data.at + data.len, *lf;

    s->has_dot_line |= s->line_len == 0 && data.at[0] == '.';
    while (line < end && (lf = memchr(line, '\n', (size_t)(end - line))) != NULL) {
        s->has_long_line |= is_long(s->line_len + (size_t)(lf - line));
        s->line_len = 0;
        line = lf + 1;
        s->has_dot_line |= line < end && *line == '.';
        if (s->has_dot_line && s->has_long_line)
            return;
    }
    s->line_len += (size_t)(end - line);
    s->has_long_line |= is_long(s->line_len);
}

void traits_add(struct traits *s, struct span data)
{
    if (data.len == 0)
        return;
    if (!s->is_8bit)
        s->is_8bit = has_high_bit(data);
    if (!s->has_dot_line || !s->has_long_line)
        look_at_lines(s, data);
}

unsigned char traits_flags(const struct traits *s)
{
    return (unsigned char)((s->has_dot_line ? RECORD_DOT_LINE : 0) | (s->has_long_line ? RECORD_LONG_LINE : 0) |
                           (s->is_8bit ? RECORD_8BIT : 0));
}
