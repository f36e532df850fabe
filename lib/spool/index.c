/* SPDX-License-Identifier: Apache-2.0
 *
 * Entries live in pages that never move, so that growing costs a new page and not a copy of everything; a table of
 * numbers finds them. An entry that is not in use has id 0. */
#include "spool/index.h"

#include "base/mem.h"

#include <stdlib.h>

#define PAGES_KEEP 4 /* of an empty index; a crowd that has gone leaves no memory behind */

_Static_assert(sizeof(struct entry) == 48, "an entry has grown");

static struct entry *entry_at(const struct index *ix, uint32_t number)
{
    return &ix->pages[number / INDEX_PAGE][number % INDEX_PAGE];
}

/* The low bits of an id are the slot, those above them count microseconds: all of them must reach the bucket. */
static uint32_t *bucket_of(const struct index *ix, uint64_t id)
{
    return &ix->buckets[(id * UINT64_C(0x9e3779b97f4a7c15)) >> 32 & (ix->n_buckets - 1)];
}

void index_init(struct index *ix)
{
    *ix = (struct index){ .n_buckets = 64 };
    ix->buckets = xcalloc(ix->n_buckets, sizeof *ix->buckets);
}

void index_fini(struct index *ix)
{
    for (size_t i = 0; i < ix->n_pages; i++)
        free(ix->pages[i]);
    free(ix->pages);
    free(ix->buckets);
    *ix = (struct index){ 0 };
}

struct entry *index_find(const struct index *ix, uint64_t id)
{
    for (uint32_t at = *bucket_of(ix, id); at; at = entry_at(ix, at - 1)->next)
        if (entry_at(ix, at - 1)->id == id)
            return entry_at(ix, at - 1);
    return NULL;
}

static void grow_buckets(struct index *ix)
{
    uint32_t *old = ix->buckets;
    size_t n_old = ix->n_buckets;

    ix->n_buckets *= 2;
    ix->buckets = xcalloc(ix->n_buckets, sizeof *ix->buckets);
    for (size_t i = 0; i < n_old; i++) {
        for (uint32_t at = old[i], next; at; at = next) {
            struct entry *en = entry_at(ix, at - 1);
            uint32_t *bucket = bucket_of(ix, en->id);
            next = en->next;
            en->next = *bucket;
            *bucket = at;
        }
    }
    free(old);
}

static void add_page(struct index *ix)
{
    uint32_t first = (uint32_t)(ix->n_pages * INDEX_PAGE);

    ix->pages = xreallocarray(ix->pages, ix->n_pages + 1, sizeof *ix->pages);
    ix->pages[ix->n_pages++] = xcalloc(INDEX_PAGE, sizeof **ix->pages);
    for (uint32_t i = INDEX_PAGE; i-- > 0;) {
        entry_at(ix, first + i)->next = ix->free;
        ix->free = first + i + 1;
    }
}

struct entry *index_add(struct index *ix, uint64_t id)
{
    if (!ix->free)
        add_page(ix);
    if (ix->n >= ix->n_buckets)
        grow_buckets(ix);
    uint32_t number = ix->free - 1;
    struct entry *en = entry_at(ix, number);
    uint32_t *bucket = bucket_of(ix, id);
    ix->free = en->next;
    *en = (struct entry){ .id = id, .segment = PLACE_NONE, .state_segment = PLACE_NONE, .next = *bucket };
    *bucket = number + 1;
    ix->n++;
    return en;
}

void index_remove(struct index *ix, struct entry *en)
{
    uint32_t *link = bucket_of(ix, en->id);

    while (entry_at(ix, *link - 1) != en)
        link = &entry_at(ix, *link - 1)->next;
    uint32_t number = *link;
    *link = en->next;
    *en = (struct entry){ .next = ix->free };
    ix->free = number;
    if (--ix->n == 0 && ix->n_pages > PAGES_KEEP) {
        index_fini(ix);
        index_init(ix);
    }
}

void index_each(struct index *ix, void (*fn)(void *arg, struct entry *en), void *arg)
{
    for (size_t i = 0; i < ix->n_pages * INDEX_PAGE; i++) {
        struct entry *en = entry_at(ix, (uint32_t)i);
        if (en->id)
            fn(arg, en);
    }
}
