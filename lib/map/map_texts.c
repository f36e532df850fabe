/* SPDX-License-Identifier: Apache-2.0
 *
 * map_texts.c - the types that need no library. */
#include "map/map_int.h"

#include "base/mem.h"

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
