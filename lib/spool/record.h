/* SPDX-License-Identifier: Apache-2.0
 *
 * record.h - the bytes of a segment: its first page, and the records behind it (FORMAT has the picture).
 *
 * Nothing here does I/O. Decoding takes bytes of any origin and believes none of them before its checksum. */
#ifndef SPOOL_RECORD_H
#define SPOOL_RECORD_H

#include "base/buf.h"
#include "base/span.h"

#include <stdbool.h>
#include <stdint.h>

#define SPOOL_VERSION 1u

/* ---- the first page ------------------------------------------------------------------------------------------- */

#define PAGE_BYTES   4096u /* records begin here */
#define PAGE_HEADER  0u
#define PAGE_KILL    512u  /* a sector each, so that a torn write of one leaves the others alone */
#define PAGE_SEAL    1024u
#define PAGE_PART    64u   /* bytes used of each */

enum segment_kind {
    SEGMENT_JOURNAL = 1, /* records from PAGE_BYTES on */
    SEGMENT_SINGLE = 2,  /* one message: its content from PAGE_BYTES on, its record behind it */
};

struct page_header {
    uint32_t version;
    uint32_t kind;
    uint64_t gen;
    uint64_t first; /* offset of the first record */
};

struct page { /* what the first page says */
    bool has_header;
    struct page_header header;
    uint64_t killed;   /* all records of this generation and of those before it are dead; 0: none */
    uint64_t seal_gen; /* the segment of this generation is complete: 0 when none is */
    uint64_t seal_end; /* ... and ends here: everything before was synced, nothing behind counts */
};

void page_header_encode(const struct page_header *h, char out[PAGE_PART]);
void page_kill_encode(uint64_t gen, char out[PAGE_PART]);
void page_seal_encode(uint64_t gen, uint64_t end, char out[PAGE_PART]);
void page_decode(const char page[PAGE_BYTES], struct page *out);

/* ---- records ---------------------------------------------------------------------------------------------------- */

#define RECORD_FIXED 80u              /* bytes before what is variable in the head */
#define RECORD_MAX_HEAD (64u << 20)

enum record_type {
    RECORD_MESSAGE = 1, /* head: envelope, settlements of other messages; then content */
    RECORD_STATE = 2,   /* head: packed spool_state */
    RECORD_END = 3,
};

enum {
    RECORD_DOT_LINE = 1,
    RECORD_8BIT = 2,
    RECORD_LONG_LINE = 4,
    RECORD_OPTIONAL = 0x80, /* who does not know the type may pass over it */
};

struct record {
    uint8_t type;
    uint8_t flags;
    uint32_t head_len; /* fixed part, envelope or state, settlements */
    uint32_t body_len; /* of the envelope or state in the head */
    uint64_t gen;
    uint64_t id;
    uint64_t batch;    /* a batch is written only after the one before it was synced */
    uint64_t size;     /* of the content */
    uint64_t seq;      /* of a state: the highest wins */
    uint64_t content_sum;
};

static inline uint64_t pad8(uint64_t n)
{
    return (n + 7) & ~(uint64_t)7;
}

/* Bytes in a journal segment. */
static inline uint64_t record_bytes(const struct record *r)
{
    return pad8(r->head_len) + pad8(r->size);
}

/* Begins a head: RECORD_FIXED zeroes. It may grow without limit; nothing above RECORD_MAX_HEAD can be written. */
void record_head_init(struct buf *head);
/* Fills in the fixed part in front of what is already there in `head`, with the checksum of all of it. */
void record_encode(const struct record *r, char *head);
/* Looks at RECORD_FIXED bytes: false unless they can be the beginning of a record of generation `gen`. */
bool record_peek(struct record *r, const char *at, uint64_t gen);
/* The checksum over r->head_len bytes. */
bool record_is_whole(const struct record *r, const char *head);
/* The envelope of a message or the packed state of a state record. */
struct span record_body(const struct record *r, const char *head);

/* What a message record settles of other messages. */
struct settlement {
    uint64_t id;
    uint64_t seq;
    bool is_end;
    struct span state; /* packed; borrowed */
};

/* `head` is the whole head under construction: pads it first. */
void settlement_add(struct buf *head, const struct settlement *st);
/* The part of the head behind the envelope; settlement_next() cuts one off its front. */
struct span record_settlements(const struct record *r, const char *head);
bool settlement_next(struct span *rest, struct settlement *st);

#endif
