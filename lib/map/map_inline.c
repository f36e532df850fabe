/* SPDX-License-Identifier: Apache-2.0
 *
 * map_inline.c - inline:{ key = value, { key = value with blanks, or commas }, ... }: the rows stand in the name. */
#include "map/map_int.h"

#include "base/mem.h"

static int bad(const struct map_source *src, const char *why, struct err *e)
{
    return err_set(e, ERR_CONFIG, "inline:%s: %s; it is inline:{ key = value, { key = value with blanks } }", src->name, why);
}

/* Words behind "key = value" that are no key themselves ("a = REJECT no") belong to the value. */
static void take_more(struct span *rest, struct span *entry)
{
    struct span look = *rest, word, next;

    while (span_find(*entry, '=') < entry->len && span_trim(look).len && span_trim(look).at[0] != ',' && map_next_spec(&look, &word)) {
        struct span behind = look;
        bool is_key = word.at[0] == '{' || span_find(word, '=') < span_find(word, '{') ||
                      (map_next_spec(&behind, &next) && next.at[0] == '=');
        if (is_key)
            return;
        *entry = span_of(entry->at, (size_t)(word.at + word.len - entry->at));
        *rest = look;
    }
}

/* "key=value" stands without blanks; with blanks around "=" it takes braces, or is put together here: "key", "=", "value", "goes", "on". */
static bool next_entry(struct span *rest, struct span *entry)
{
    struct span word, look;

    if (!map_next_spec(rest, entry))
        return false;
    if (entry->at[0] == '{')
        return true;
    look = *rest;
    bool goes_on = entry->at[entry->len - 1] == '=';
    if (!goes_on && map_next_spec(&look, &word) && word.at[0] == '=' && span_find(*entry, '=') == entry->len) {
        *entry = span_of(entry->at, (size_t)(word.at + word.len - entry->at));
        *rest = look;
        goes_on = word.len == 1;
    }
    look = *rest;
    if (goes_on && look.len && look.at[0] != ',' && map_next_spec(&look, &word)) {
        *entry = span_of(entry->at, (size_t)(word.at + word.len - entry->at));
        *rest = look;
    }
    take_more(rest, entry);
    return true;
}

static int add(struct map_table *t, const struct map_source *src, struct span entry, struct err *e)
{
    struct span inner;

    if (entry.at[0] == '{') {
        if (!map_unbrace(entry, &inner))
            return bad(src, "a { that is not closed", e);
        entry = inner;
    }
    size_t equals = span_find(entry, '=');
    struct map_row row = { .key = span_trim(span_of(entry.at, equals)), .value = span_trim(span_from(entry, equals + 1)) };
    if (equals == entry.len || !row.key.len)
        return bad(src, "there is a key without \"=\"", e);
    if (!row.value.len)
        return bad(src, "there is a key without a value", e);
    if (!src->o.keeps_case)
        for (size_t i = 0; i < row.key.len; i++) {
            char *c = (char *)(uintptr_t)row.key.at + i; /* of the table's own copy */
            *c = (char)ascii_lower((unsigned char)*c);
        }
    if (!map_table_add(t, &row, MAP_LAST_COUNTS))
        map_complain(src, "inline:%s: duplicate entry: \"%.*s\": the last one counts", src->name, (int)row.key.len, row.key.at);
    return 0;
}

static void *open_inline(const struct map_source *src, struct err *e)
{
    struct map_table *t = map_table_new();
    struct span rest, entry;
    struct buf b;
    int rc = 0;

    buf_init(&b, BUF_NO_MAX);
    buf_adds(&b, src->name);
    if (!map_unbrace(span_str(map_table_own(t, &b)), &rest) || !rest.len)
        rc = bad(src, "bad syntax", e);
    while (rc == 0 && next_entry(&rest, &entry))
        rc = add(t, src, entry, e);
    if (rc == 0)
        return t;
    map_table_free(t);
    return NULL;
}

static void close_inline(void *self)
{
    map_table_free(self);
}

static enum map_result look_up(void *self, struct span key, struct buf *value, struct err *e)
{
    const struct map_row *row = map_table_find(self, key);

    if (!row)
        return MAP_NOT_FOUND;
    return buf_addspan(value, row->value) < 0 ? map_value_too_long(key, e) : MAP_FOUND;
}

static int each(void *self, map_row_fn *fn, void *arg, struct err *e)
{
    int rc = 0;

    (void)e;
    for (size_t i = 0; i < map_table_count(self) && rc == 0; i++)
        rc = fn(arg, map_table_at(self, i));
    return rc;
}

const struct map_kind map_kind_inline = {
    .type = "inline", .flags = MAP_FOLDS, .open = open_inline, .close = close_inline, .lookup = look_up, .each = each,
};
