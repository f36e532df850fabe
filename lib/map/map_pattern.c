/* SPDX-License-Identifier: Apache-2.0
 *
 * map_pattern.c - "/pattern/flags", as regexp: and pcre: have it. */
#include "map/map_int.h"

#include <stdio.h>

int map_cut_pattern(struct span *rest, struct span *pattern, struct span *flags, struct err *e)
{
    if (!rest->len)
        return err_set(e, ERR_CONFIG, "there is no pattern");
    char delimiter = rest->at[0];
    if (ascii_is_alnum((unsigned char)delimiter) || delimiter == '\\')
        return err_set(e, ERR_CONFIG, "\"%.*s\": a pattern stands between two delimiters: /pattern/",
                       (int)(rest->len > 100 ? 100 : rest->len), rest->at);
    size_t i = 1;
    while (i < rest->len && rest->at[i] != delimiter)
        i += rest->at[i] == '\\' ? 2 : 1;
    if (i >= rest->len)
        return err_set(e, ERR_CONFIG, "the pattern is not closed by a second %c", delimiter);
    *pattern = span_of(rest->at + 1, i - 1);
    struct span behind = span_from(*rest, i + 1);
    size_t n = 0;
    while (n < behind.len && behind.at[n] != ' ' && behind.at[n] != '\t')
        n++;
    *flags = span_of(behind.at, n);
    *rest = span_from(behind, n);
    return 0;
}

static int no_such_flag(char letter, const struct map_flag *known, struct err *e)
{
    char list[64] = "";
    size_t len = 0;

    for (const struct map_flag *f = known; f->letter && len < sizeof list - 8; f++)
        len += (size_t)snprintf(list + len, sizeof list - len, "%s%c", f == known ? "" : f[1].letter ? ", " : " and ", f->letter);
    return err_set(e, ERR_CONFIG, "there is no flag \"%c\": there are %s", letter > 0x20 && letter < 0x7f ? letter : '?', list);
}

int map_turn_flags(struct span letters, const struct map_flag *known, uint32_t *flags, struct err *e)
{
    for (size_t i = 0; i < letters.len; i++) {
        const struct map_flag *f = known;
        while (f->letter && f->letter != letters.at[i])
            f++;
        if (!f->letter)
            return no_such_flag(letters.at[i], known, e);
        *flags ^= f->bits;
    }
    return 0;
}
