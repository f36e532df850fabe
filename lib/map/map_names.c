/* SPDX-License-Identifier: Apache-2.0
 *
 * map_names.c - the names of tables: which types there are in Baton, registered or not, and how a list of tables is parted. */
#include "map/map_int.h"

#include "base/mem.h"

#include <stdlib.h>

struct type_name {
    const char *type;
    bool is_file;
    const char *lacks; /* what a program or a build lacks where it is not registered; NULL: nothing can be said */
};

static const struct type_name types[] = {
    { "hash", true, NULL },      { "lmdb", true, NULL },      { "btree", true, NULL },     { "dbm", true, NULL },
    { "cdb", true, NULL },       { "texthash", true, NULL },  { "inline", false, NULL },   { "static", false, NULL },
    { "cidr", true, NULL },      { "regexp", true, NULL },    { "pcre", true, NULL },      { "unix", false, NULL },
    { "unionmap", false, NULL }, { "pipemap", false, NULL },  { "randmap", false, NULL },  { "tcp", false, NULL },
    { "socketmap", false, NULL }, { "environ", false, NULL }, { "fail", false, NULL },
    { "ldap", false, "the server module, which is not there" },
};

struct near {
    const char *type;
    size_t distance, place;
};

static int by_distance(const void *a, const void *b)
{
    const struct near *x = a, *y = b;
    if (x->distance != y->distance)
        return x->distance < y->distance ? -1 : 1;
    return x->place < y->place ? -1 : x->place > y->place;
}

static int tell_all(struct span type, struct err *e)
{
    struct near near[ARRAY_LEN(types)];
    struct buf b;

    for (size_t i = 0; i < ARRAY_LEN(types); i++)
        near[i] = (struct near){ types[i].type, span_distance(type, span_str(types[i].type)), i };
    qsort(near, ARRAY_LEN(near), sizeof *near, by_distance);
    buf_init(&b, BUF_NO_MAX);
    for (size_t i = 0; i < ARRAY_LEN(near); i++)
        buf_addf(&b, "%s%s", i ? ", " : "", near[i].type);
    err_set(e, ERR_CONFIG, "there is no type of table \"%.*s\"; there are: %s", (int)(type.len > 100 ? 100 : type.len), type.at,
            buf_cstr(&b));
    buf_fini(&b);
    return -1;
}

static const struct type_name *find_type(struct span type)
{
    for (size_t i = 0; i < ARRAY_LEN(types); i++)
        if (span_eq(type, span_str(types[i].type)))
            return &types[i];
    return NULL;
}

int map_check_type(struct span type, struct err *e)
{
    return find_type(type) ? 0 : tell_all(type, e);
}

bool map_is_file(struct span type)
{
    const struct type_name *t = find_type(type);
    return t && t->is_file;
}

int map_no_such_type(struct span type, struct err *e)
{
    const struct type_name *t = find_type(type);

    if (!t)
        return tell_all(type, e);
    return err_set(e, ERR_CONFIG, "tables of type %s need %s", t->type, t->lacks ? t->lacks : "another program");
}

/* Where the brace that opens at the front of `s` is closed; s.len when it is not. */
static size_t closing(struct span s)
{
    size_t depth = 0;

    for (size_t i = 0; i < s.len; i++) {
        if (s.at[i] == '{')
            depth++;
        else if (s.at[i] == '}' && --depth == 0)
            return i;
    }
    return s.len;
}

static bool is_gap(char c)
{
    return c == ' ' || c == '\t' || c == ',' || c == '\r' || c == '\n';
}

bool map_next_spec(struct span *rest, struct span *spec)
{
    size_t i = 0, start;

    while (i < rest->len && is_gap(rest->at[i]))
        i++;
    for (start = i; i < rest->len && !is_gap(rest->at[i]); i++)
        if (rest->at[i] == '{') {
            i += closing(span_from(*rest, i));
            if (i >= rest->len)
                break;
        }
    *spec = span_of(rest->at + start, (i > rest->len ? rest->len : i) - start);
    *rest = span_from(*rest, i);
    return spec->len > 0;
}

bool map_unbrace(struct span s, struct span *inner)
{
    s = span_trim(s);
    if (s.len < 2 || s.at[0] != '{' || closing(s) != s.len - 1)
        return false;
    *inner = span_trim(span_of(s.at + 1, s.len - 2));
    return true;
}
