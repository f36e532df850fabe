/* SPDX-License-Identifier: Apache-2.0
 *
 * map_register.c - all types of this library. Who calls this links LMDB and PCRE2; map_texts.c is for those who do not want to. */
#include "map/map_int.h"

#include "base/mem.h"

void map_register_all(void)
{
    static const struct map_kind *const all[] = {
        &map_kind_cidr, &map_kind_regexp, &map_kind_pcre, &map_kind_unix, &map_kind_socketmap, &map_kind_tcp,
    };

    map_register_texts();
    for (size_t i = 0; i < ARRAY_LEN(all); i++)
        map_register(all[i]);
    for (const struct map_kind *k = map_kinds_lmdb; k->type; k++)
        map_register(k);
}
