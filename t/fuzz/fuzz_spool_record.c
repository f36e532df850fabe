/* SPDX-License-Identifier: Apache-2.0
 *
 * The bytes of a segment, from a file that anybody may have written: its first page, the walk through its records, and
 * what is in the head of each. The first record's checksum is put right first, so that what lies behind it is reached. */
#include "base/envelope.h"
#include "base/mem.h"
#include "spool/record.h"
#include "spool/scan.h"
#include "spool/state.h"

#include <stdlib.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

struct memory {
    struct spool_io io; /* first */
    const char *at;
    size_t len;
};

static ssize_t memory_pread(struct spool_io *io, int fd, void *to, size_t len, uint64_t offset)
{
    const struct memory *m = (const struct memory *)io;
    (void)fd;

    if (offset >= m->len)
        return 0;
    len = len < m->len - offset ? len : m->len - offset;
    memcpy(to, m->at + offset, len);
    return (ssize_t)len;
}

static void look_at(const struct record *r, const char *head)
{
    struct span rest = record_settlements(r, head);
    struct spool_state state;
    struct envelope env;
    struct err e;

    BUG_IF(r->head_len < RECORD_FIXED || r->body_len > r->head_len - RECORD_FIXED);
    if (envelope_unpack(&env, record_body(r, head), &e) == 0)
        envelope_fini(&env);
    if (state_unpack(&state, record_body(r, head), &e) == 0)
        spool_state_fini(&state);
    for (struct settlement st; settlement_next(&rest, &st);)
        if (state_unpack(&state, st.state, &e) == 0)
            spool_state_fini(&state);
}

static void walk(const char *bytes, size_t size, uint64_t gen, uint64_t check_from)
{
    struct memory m = { .io = { .pread = memory_pread }, .at = bytes, .len = size };
    struct scan sc;
    struct record r;
    const char *head;
    uint64_t before = 0;

    scan_init(&sc, &m.io, 0, gen, 0, size, NULL);
    sc.check_from = check_from;
    while (scan_next(&sc, &r, &head)) {
        BUG_IF(scan_at(&sc, &r) < before || sc.end > size);
        before = sc.end;
        look_at(&r, head);
    }
    scan_fini(&sc);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    char *bytes = xmalloc(size);
    struct record r;
    uint64_t gen;

    memcpy(bytes, data, size);
    if (size >= PAGE_BYTES) {
        struct page page;
        page_decode(bytes, &page);
    }
    if (size >= RECORD_FIXED) {
        memcpy(&gen, bytes + 16, sizeof gen);
        if (record_peek(&r, bytes, gen) && r.head_len <= size) {
            record_encode(&r, bytes);
            BUG_IF(!record_is_whole(&r, bytes));
        }
        walk(bytes, size, gen, SCAN_CHECK_NONE);
        walk(bytes, size, gen, 0);
    }
    free(bytes);
    return 0;
}
