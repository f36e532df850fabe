/* SPDX-License-Identifier: Apache-2.0
 *
 * index.h - where each waiting message lies: 48 bytes a message and 4 to 8 for finding it. */
#ifndef SPOOL_INDEX_H
#define SPOOL_INDEX_H

#include <stddef.h>
#include <stdint.h>

#define PLACE_NONE UINT32_MAX

struct entry {
    uint64_t id;
    uint32_t segment;       /* number of it (ledger.h), or PLACE_NONE: only its state or its end was seen so far */
    uint32_t offset8;       /* of the record, in units of 8 bytes */
    uint32_t head_len;
    uint32_t next;          /* in its bucket */
    uint64_t size : 56;     /* of the content */
    uint64_t is_ended : 1;  /* during recovery: its end was seen, in `state_segment` */
    uint64_t is_pending : 1;/* its newest state is not on disk yet */
    uint64_t is_told : 1;   /* by found(), to a looker */
    uint32_t state_segment; /* PLACE_NONE: no state on disk */
    uint32_t state_offset8; /* of the state record, or of the message record that it is attached to */
    uint64_t state_seq;     /* of its newest state, on disk or not; 0: none */
};

#define INDEX_PAGE 1024u

struct index {
    struct entry **pages;
    size_t n_pages;
    uint32_t *buckets; /* number of the first entry + 1, or 0 */
    size_t n_buckets;
    uint32_t free; /* number + 1 of an unused entry, chained through `next` */
    size_t n;
};

void index_init(struct index *ix);
void index_fini(struct index *ix);
struct entry *index_find(const struct index *ix, uint64_t id); /* or NULL */
/* A new entry without places; there must be none of that id. It stays where it is until it is removed. */
struct entry *index_add(struct index *ix, uint64_t id);
void index_remove(struct index *ix, struct entry *en);
/* `fn` may remove the entry it is called with. */
void index_each(struct index *ix, void (*fn)(void *arg, struct entry *en), void *arg);

#endif
