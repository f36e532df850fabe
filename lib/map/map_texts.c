/* SPDX-License-Identifier: Apache-2.0
 *
 * map_texts.c - the types that need no library. */
#include "map/map_int.h"

#include "base/mem.h"

#include <unistd.h>

char *map_text_of(const char *spec)
{
    struct span s = span_str(spec);
    size_t colon = span_find(s, ':');

    for (const struct map_kind *k = map_kinds_text; k->type; k++)
        if (colon < s.len && span_eq(span_of(s.at, colon), span_str(k->type)) && access(spec + colon + 1, F_OK) == 0)
            return xasprintf("texthash:%s", spec + colon + 1);
    return NULL;
}

void map_register_texts(void)
{
    static const struct map_kind *const texts[] = {
        &map_kind_texthash, &map_kind_inline,   &map_kind_static,  &map_kind_fail,
        &map_kind_environ,  &map_kind_unionmap, &map_kind_pipemap, &map_kind_randmap,
    };

    static bool are_there;

    if (are_there) /* and better ones may have taken their place */
        return;
    are_there = true;
    for (size_t i = 0; i < ARRAY_LEN(texts); i++)
        map_register(texts[i]);
    for (const struct map_kind *k = map_kinds_text; k->type; k++)
        map_register(k);
}
