/* SPDX-License-Identifier: Apache-2.0
 *
 * A text of a table: what is read has keys and values, and is found again. The first byte: aliases or not, keys folded or not. */
#include "base/mem.h"
#include "map/map_int.h"

#include <stdlib.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void complain(void *arg, const char *text)
{
    (void)arg;
    BUG_IF(!span_is_utf8(span_str(text)));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct map_state state = { 0 };
    struct map_source src = { .type = "hash", .name = "x", .state = &state, .o = { .complain = complain } };
    struct map_text text;
    struct map_row row;
    unsigned line = 0;
    struct buf b;

    if (size == 0)
        return 0;
    src.o.is_aliases = data[0] & 1;
    src.o.keeps_case = data[0] & 2;
    struct map_table *t = map_table_new();
    buf_init(&b, BUF_NO_MAX);
    buf_add(&b, data + 1, size - 1);
    size_t len = b.len;
    map_text_init(&text, &src, "x", map_table_own(t, &b), len);
    while (map_text_row(&text, &row)) {
        BUG_IF(!row.key.len || !row.value.len || row.line <= line);
        BUG_IF(memchr(row.key.at, 0, row.key.len) || memchr(row.value.at, 0, row.value.len));
        BUG_IF(memchr(row.key.at, '\n', row.key.len) || memchr(row.value.at, '\n', row.value.len));
        line = row.line;
        bool is_new = map_table_add(t, &row, MAP_FIRST_COUNTS);
        const struct map_row *found = map_table_find(t, row.key);
        BUG_IF(!found || (is_new && !span_eq(found->value, row.value)));
    }
    /* What was overwritten later was none of a row's bytes. */
    for (size_t i = 0; i < map_table_count(t); i++)
        BUG_IF(map_table_find(t, map_table_at(t, i)->key) != map_table_at(t, i));
    map_table_free(t);
    return 0;
}
