/* SPDX-License-Identifier: Apache-2.0
 *
 * All numbers are little-endian; the offsets below are those of FORMAT. */
#include "spool/record.h"

#include "spool/sum.h"

#include <endian.h>
#include <string.h>

static const char header_magic[8] = "BatonSeg", kill_magic[8] = "BatonDed", seal_magic[8] = "BatonEnd";
#define RECORD_MAGIC 0x726e7442u /* "Btnr" */

static void put64(char *at, uint64_t v)
{
    v = htole64(v);
    memcpy(at, &v, sizeof v);
}

static void put32(char *at, uint32_t v)
{
    v = htole32(v);
    memcpy(at, &v, sizeof v);
}

static uint64_t get64(const char *at)
{
    uint64_t v;
    memcpy(&v, at, sizeof v);
    return le64toh(v);
}

static uint32_t get32(const char *at)
{
    uint32_t v;
    memcpy(&v, at, sizeof v);
    return le32toh(v);
}

/* ---- the first page: three parts of 64 bytes, magic first, checksum last ------------------------------------------ */

static void part_begin(char *out, const char magic[8])
{
    memset(out, 0, PAGE_PART);
    memcpy(out, magic, 8);
}

static void part_end(char *out)
{
    put64(out + PAGE_PART - 8, sum_of(0, out, PAGE_PART - 8));
}

static bool part_is_good(const char *at, const char magic[8])
{
    return memcmp(at, magic, 8) == 0 && get64(at + PAGE_PART - 8) == sum_of(0, at, PAGE_PART - 8);
}

void page_header_encode(const struct page_header *h, char out[PAGE_PART])
{
    part_begin(out, header_magic);
    put32(out + 8, h->version);
    put32(out + 12, h->kind);
    put64(out + 16, h->gen);
    put64(out + 24, h->first);
    part_end(out);
}

void page_kill_encode(uint64_t gen, char out[PAGE_PART])
{
    part_begin(out, kill_magic);
    put64(out + 8, gen);
    part_end(out);
}

void page_seal_encode(uint64_t gen, uint64_t end, char out[PAGE_PART])
{
    part_begin(out, seal_magic);
    put64(out + 8, gen);
    put64(out + 16, end);
    part_end(out);
}

void page_decode(const char page[PAGE_BYTES], struct page *out)
{
    const char *header = page + PAGE_HEADER, *kill = page + PAGE_KILL, *seal = page + PAGE_SEAL;

    *out = (struct page){ 0 };
    if (part_is_good(header, header_magic)) {
        out->has_header = true;
        out->header.version = get32(header + 8);
        out->header.kind = get32(header + 12);
        out->header.gen = get64(header + 16);
        out->header.first = get64(header + 24);
    }
    if (part_is_good(kill, kill_magic))
        out->killed = get64(kill + 8);
    if (part_is_good(seal, seal_magic)) {
        out->seal_gen = get64(seal + 8);
        out->seal_end = get64(seal + 16);
    }
}

/* ---- records ------------------------------------------------------------------------------------------------------ */

void record_head_init(struct buf *head)
{
    static const char zero[RECORD_FIXED];

    buf_init(head, BUF_NO_MAX);
    buf_add(head, zero, sizeof zero);
}

/* Over all but its own place at 72: what follows the fixed part seeds the sum of that. */
static uint64_t head_sum(const struct record *r, const char *head)
{
    uint64_t behind = sum_of(r->gen, head + RECORD_FIXED, r->head_len - RECORD_FIXED);
    return sum_of(behind, head, 72);
}

void record_encode(const struct record *r, char *head)
{
    memset(head, 0, RECORD_FIXED);
    put32(head, RECORD_MAGIC);
    head[4] = (char)r->type;
    head[5] = (char)r->flags;
    put32(head + 8, r->head_len);
    put32(head + 12, r->body_len);
    put64(head + 16, r->gen);
    put64(head + 24, r->id);
    put64(head + 32, r->batch);
    put64(head + 40, r->size);
    put64(head + 48, r->seq);
    put64(head + 56, r->content_sum);
    put64(head + 72, head_sum(r, head));
}

bool record_peek(struct record *r, const char *at, uint64_t gen)
{
    if (get32(at) != RECORD_MAGIC || get64(at + 16) != gen)
        return false;
    *r = (struct record){
        .type = (uint8_t)at[4],
        .flags = (uint8_t)at[5],
        .head_len = get32(at + 8),
        .body_len = get32(at + 12),
        .gen = gen,
        .id = get64(at + 24),
        .batch = get64(at + 32),
        .size = get64(at + 40),
        .seq = get64(at + 48),
        .content_sum = get64(at + 56),
    };
    return r->head_len >= RECORD_FIXED && r->head_len <= RECORD_MAX_HEAD && r->body_len <= r->head_len - RECORD_FIXED &&
           r->size <= INT64_MAX / 2;
}

bool record_is_whole(const struct record *r, const char *head)
{
    return get64(head + 72) == head_sum(r, head);
}

struct span record_body(const struct record *r, const char *head)
{
    return span_of(head + RECORD_FIXED, r->body_len);
}

/* ---- settlements: id 8, seq 8, length 4 (all ones: an end), 4 zero, packed state, padding -------------------------- */

#define SETTLEMENT_FIXED 24u
#define SETTLEMENT_END   UINT32_MAX

static void pad(struct buf *b)
{
    static const char zero[8];
    buf_add(b, zero, pad8(b->len) - b->len);
}

void settlement_add(struct buf *head, const struct settlement *st)
{
    char fixed[SETTLEMENT_FIXED] = { 0 };

    put64(fixed, st->id);
    put64(fixed + 8, st->seq);
    put32(fixed + 16, st->is_end ? SETTLEMENT_END : (uint32_t)st->state.len);
    pad(head);
    buf_add(head, fixed, sizeof fixed);
    if (!st->is_end)
        buf_addspan(head, st->state);
}

struct span record_settlements(const struct record *r, const char *head)
{
    uint64_t at = pad8(RECORD_FIXED + (uint64_t)r->body_len);

    return at >= r->head_len ? span_of(head, 0) : span_of(head + at, r->head_len - at);
}

bool settlement_next(struct span *rest, struct settlement *st)
{
    if (rest->len < SETTLEMENT_FIXED)
        return false;
    uint32_t len = get32(rest->at + 16);
    *st = (struct settlement){ .id = get64(rest->at), .seq = get64(rest->at + 8), .is_end = len == SETTLEMENT_END };
    len = st->is_end ? 0 : len;
    if (len > rest->len - SETTLEMENT_FIXED)
        return false;
    st->state = span_of(rest->at + SETTLEMENT_FIXED, len);
    *rest = span_from(*rest, pad8(SETTLEMENT_FIXED + (uint64_t)len));
    return true;
}
