/* SPDX-License-Identifier: Apache-2.0 */
#include "server/map_ldap_cache.h"

#include "base/clock.h"
#include "base/mem.h"

#include <stdlib.h>

enum { BYTES_A_PLACE = 256 }; /* what an answer takes, about */

struct place {
    char *key, *value; /* one piece of memory, at `key` */
    size_t key_len, value_len;
    int64_t until_us;
    bool is_found;
};

struct ldap_cache {
    struct place *places;
    size_t n;
    size_t one_max; /* a larger answer is not kept */
    int64_t lifetime_us;
};

struct ldap_cache *ldap_cache_new(uint64_t size_bytes, int64_t lifetime_us)
{
    struct ldap_cache *c = xcalloc(1, sizeof *c);

    c->n = size_bytes / BYTES_A_PLACE;
    c->places = xcalloc(c->n, sizeof *c->places);
    c->one_max = BYTES_A_PLACE - sizeof *c->places;
    c->lifetime_us = lifetime_us;
    return c;
}

void ldap_cache_free(struct ldap_cache *c)
{
    if (!c)
        return;
    for (size_t i = 0; i < c->n; i++)
        free(c->places[i].key);
    free(c->places);
    free(c);
}

static struct place *place_of(const struct ldap_cache *c, struct span key)
{
    uint64_t hash = 14695981039346656037u; /* FNV-1a */

    for (size_t i = 0; i < key.len; i++)
        hash = (hash ^ (unsigned char)key.at[i]) * 1099511628211u;
    return &c->places[hash % c->n];
}

enum map_result ldap_cache_find(const struct ldap_cache *c, struct span key, struct buf *value)
{
    const struct place *p = place_of(c, key);

    if (!p->key || clock_mono_us() >= p->until_us || !span_eq(key, span_of(p->key, p->key_len)))
        return MAP_CANNOT_TELL;
    if (!p->is_found)
        return MAP_NOT_FOUND;
    return buf_add(value, p->value, p->value_len) < 0 ? MAP_CANNOT_TELL : MAP_FOUND;
}

void ldap_cache_put(struct ldap_cache *c, struct span key, enum map_result result, struct span value)
{
    struct place *p = place_of(c, key);

    if (result == MAP_CANNOT_TELL || key.len + value.len > c->one_max)
        return;
    free(p->key);
    p->key = xmalloc(key.len + value.len + 1);
    p->value = p->key + key.len;
    memcpy(p->key, key.at, key.len);
    if (value.len)
        memcpy(p->value, value.at, value.len);
    p->key_len = key.len;
    p->value_len = value.len;
    p->is_found = result == MAP_FOUND;
    p->until_us = clock_mono_us() + c->lifetime_us;
}
