/* SPDX-License-Identifier: Apache-2.0
 *
 * The bytes of a segment, and the walk over them: by hand-made records in a simulated file. */
#include "base/mem.h"
#include "sim_fs.h"
#include "spool/record.h"
#include "spool/scan.h"
#include "spool/state.h"
#include "spool/sum.h"

#include "unit.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>

#define GEN UINT64_C(0x123456789a)

static void add_record(struct buf *to, uint64_t gen, uint64_t id, uint64_t batch, uint8_t type, uint8_t flags, size_t size)
{
    struct buf head;
    char content[2000];
    static const char zero[8];

    memset(content, 'c', sizeof content);
    record_head_init(&head);
    buf_adds(&head, "sa@example.com\n");
    struct record r = {
        .type = type,
        .flags = flags,
        .head_len = (uint32_t)head.len,
        .body_len = (uint32_t)head.len - RECORD_FIXED,
        .gen = gen,
        .id = id,
        .batch = batch,
        .size = size,
        .content_sum = sum_of(gen, content, size),
    };
    record_encode(&r, head.at);
    buf_add(to, head.at, head.len);
    buf_add(to, zero, pad8(to->len) - to->len);
    buf_add(to, content, size);
    buf_add(to, zero, pad8(to->len) - to->len);
    buf_fini(&head);
}

struct walk {
    uint64_t ids[16];
    size_t n;
    struct gap gaps[16];
    size_t n_gaps;
    bool is_newer;
};

static struct walk walk(const struct buf *bytes, uint64_t check_from)
{
    struct sim_fs *fs = sim_new();
    struct spool_io *io = sim_io(fs);
    struct walk w = { .n = 0 };
    struct scan sc;
    struct record r;
    const char *head;
    int fd = io->open(io, "/f", O_RDWR | O_CREAT, 0600);

    io_write(io, fd, bytes->at, bytes->len, 0);
    scan_init(&sc, io, fd, GEN, 0, bytes->len, NULL);
    sc.check_from = check_from;
    while (scan_next(&sc, &r, &head))
        w.ids[w.n++] = r.id;
    for (; w.n_gaps < sc.n_gaps; w.n_gaps++)
        w.gaps[w.n_gaps] = sc.gaps[w.n_gaps];
    w.is_newer = sc.is_newer;
    scan_fini(&sc);
    io->close(io, fd);
    sim_free(fs);
    return w;
}

static void a_walk_finds_what_is_of_its_generation_only(void **state)
{
    struct buf b;
    (void)state;

    buf_init(&b, BUF_NO_MAX);
    add_record(&b, GEN, 1, 1, RECORD_MESSAGE, 0, 100);
    add_record(&b, GEN - 1, 2, 1, RECORD_MESSAGE, 0, 100);
    add_record(&b, GEN, 3, 2, RECORD_MESSAGE, 0, 100);
    struct walk w = walk(&b, SCAN_CHECK_NONE);
    assert_int_equal(w.n, 2);
    assert_int_equal(w.ids[1], 3);
    assert_int_equal(w.n_gaps, 1);
    assert_int_equal(w.gaps[0].before, 1);
    assert_int_equal(w.gaps[0].after, 2);
    buf_fini(&b);
}

static ssize_t (*good_pread)(struct spool_io *io, int fd, void *to, size_t len, uint64_t offset);

static ssize_t pread_with_a_bad_sector(struct spool_io *io, int fd, void *to, size_t len, uint64_t offset)
{
    if (offset < 1024 && offset + len > 512) {
        errno = EIO;
        return -1;
    }
    return good_pread(io, fd, to, len, offset);
}

static void what_could_not_be_read_is_not_taken_for_zeroes_later(void **state)
{
    struct sim_fs *fs = sim_new();
    struct spool_io *io = sim_io(fs);
    struct window lent = { 0 };
    struct scan sc;
    struct record r;
    const char *head;
    struct buf b;
    size_t n;
    (void)state;

    buf_init(&b, BUF_NO_MAX);
    add_record(&b, GEN, 1, 1, RECORD_MESSAGE, 0, 2000);
    int fd = io->open(io, "/f", O_RDWR | O_CREAT, 0600);
    io_write(io, fd, b.at, b.len, 0);
    scan_init(&sc, io, fd, GEN, 0, b.len, &lent);
    assert_true(scan_next(&sc, &r, &head));
    scan_fini(&sc);
    assert_non_null(window_find(&lent, GEN, 600, &n));
    lent.len = 0;
    good_pread = io->pread;
    io->pread = pread_with_a_bad_sector;
    scan_init(&sc, io, fd, GEN, 0, b.len, &lent);
    assert_true(scan_next(&sc, &r, &head)); /* its head is good */
    scan_fini(&sc);
    assert_null(window_find(&lent, GEN, 600, &n));
    window_fini(&lent);
    io->close(io, fd);
    sim_free(fs);
    buf_fini(&b);
}

static void every_byte_of_a_head_is_covered(void **state)
{
    struct buf b;
    (void)state;

    buf_init(&b, BUF_NO_MAX);
    add_record(&b, GEN, 1, 1, RECORD_MESSAGE, 0, 8);
    add_record(&b, GEN, 2, 1, RECORD_MESSAGE, 0, 8);
    size_t head = RECORD_FIXED + strlen("sa@example.com\n");
    for (size_t i = 0; i < head; i++) {
        b.at[i] ^= 1;
        struct walk w = walk(&b, 0);
        b.at[i] ^= 1;
        assert_int_equal(w.n, 1);
        assert_int_equal(w.ids[0], 2);
    }
    assert_int_equal(walk(&b, 0).n, 2);
    buf_fini(&b);
}

static void contents_are_checked_from_the_batch_that_is_asked_for(void **state)
{
    struct buf b;
    (void)state;

    buf_init(&b, BUF_NO_MAX);
    for (uint64_t i = 1; i <= 4; i++)
        add_record(&b, GEN, i, i, RECORD_MESSAGE, 0, 80);
    size_t one = b.len / 4;
    b.at[2 * one - 5] ^= 1;
    b.at[4 * one - 5] ^= 1;
    assert_int_equal(walk(&b, SCAN_CHECK_NONE).n, 4);
    struct walk w = walk(&b, 4);
    assert_int_equal(w.n, 3);
    assert_int_equal(w.ids[2], 3);
    w = walk(&b, 0);
    assert_int_equal(w.n, 2);
    assert_int_equal(w.ids[1], 3);
    buf_fini(&b);
}

static void a_record_of_the_future_is_passed_over_only_if_it_says_so(void **state)
{
    struct buf b;
    (void)state;

    buf_init(&b, BUF_NO_MAX);
    add_record(&b, GEN, 1, 1, 77, RECORD_OPTIONAL, 8);
    add_record(&b, GEN, 2, 1, RECORD_END, 0, 0);
    struct walk w = walk(&b, 0);
    assert_int_equal(w.n, 1);
    assert_int_equal(w.ids[0], 2);
    assert_false(w.is_newer);
    add_record(&b, GEN, 3, 1, 77, 0, 8);
    assert_true(walk(&b, 0).is_newer);
    buf_fini(&b);
}

static void a_file_that_ends_in_a_record_ends_before_it(void **state)
{
    struct buf b;
    (void)state;

    buf_init(&b, BUF_NO_MAX);
    add_record(&b, GEN, 1, 1, RECORD_MESSAGE, 0, 8);
    size_t one = b.len;
    add_record(&b, GEN, 2, 1, RECORD_MESSAGE, 0, 8);
    for (b.len--; b.len > one; b.len--)
        assert_int_equal(walk(&b, 0).n, 1);
    buf_fini(&b);
}

static void the_parts_of_the_first_page_are_believed_by_their_checksums(void **state)
{
    char bytes[PAGE_BYTES] = { 0 };
    struct page_header h = { SPOOL_VERSION, SEGMENT_JOURNAL, GEN, PAGE_BYTES };
    struct page page;
    (void)state;

    page_decode(bytes, &page);
    assert_false(page.has_header);
    assert_int_equal(page.killed, 0);
    page_header_encode(&h, bytes + PAGE_HEADER);
    page_kill_encode(GEN - 1, bytes + PAGE_KILL);
    page_seal_encode(GEN, 5000, bytes + PAGE_SEAL);
    page_decode(bytes, &page);
    assert_true(page.has_header && page.header.gen == GEN && page.header.kind == SEGMENT_JOURNAL);
    assert_true(page.killed == GEN - 1 && page.seal_gen == GEN && page.seal_end == 5000);
    for (unsigned i = 0; i < PAGE_PART; i++) {
        bytes[PAGE_HEADER + i] ^= 1;
        bytes[PAGE_KILL + i] ^= 1;
        bytes[PAGE_SEAL + i] ^= 1;
        page_decode(bytes, &page);
        assert_false(page.has_header);
        assert_int_equal(page.killed, 0);
        assert_int_equal(page.seal_gen, 0);
        bytes[PAGE_HEADER + i] ^= 1;
        bytes[PAGE_KILL + i] ^= 1;
        bytes[PAGE_SEAL + i] ^= 1;
    }
}

static void settlements_are_read_back_in_order(void **state)
{
    struct buf head;
    (void)state;

    record_head_init(&head);
    buf_adds(&head, "sx\n");
    struct record r = { .body_len = 3 };
    settlement_add(&head, &(struct settlement){ .id = 7, .seq = 1, .state = SPAN("c1\n") });
    settlement_add(&head, &(struct settlement){ .id = 8, .seq = 2, .is_end = true });
    r.head_len = (uint32_t)head.len;
    struct span rest = record_settlements(&r, head.at);
    struct settlement st;
    assert_true(settlement_next(&rest, &st));
    assert_true(st.id == 7 && st.seq == 1 && !st.is_end && span_eq(st.state, SPAN("c1\n")));
    assert_true(settlement_next(&rest, &st));
    assert_true(st.id == 8 && st.seq == 2 && st.is_end);
    assert_false(settlement_next(&rest, &st));
    assert_true(span_eq(record_body(&r, head.at), SPAN("sx\n")));
    buf_fini(&head);
}

static void a_state_from_disk_is_refused_when_it_makes_no_sense(void **state)
{
    static const char *const bad[] = { "t\n", "tx\n", "c1", "\n", "wreason\n", "Z1\n", "t99999999999999999999\n" };
    static const char *const good[] = { "", "z1\n", "fHW\nq\nt5\n", "ra@b\nwx\nn3\nzz\n" };
    struct spool_state st;
    struct err e;
    (void)state;

    for (size_t i = 0; i < ARRAY_LEN(bad); i++)
        assert_int_equal(state_unpack(&st, span_str(bad[i]), &e), -1);
    for (size_t i = 0; i < ARRAY_LEN(good); i++) {
        assert_int_equal(state_unpack(&st, span_str(good[i]), &e), 0);
        spool_state_fini(&st);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_walk_finds_what_is_of_its_generation_only),
        cmocka_unit_test(what_could_not_be_read_is_not_taken_for_zeroes_later),
        cmocka_unit_test(every_byte_of_a_head_is_covered),
        cmocka_unit_test(contents_are_checked_from_the_batch_that_is_asked_for),
        cmocka_unit_test(a_record_of_the_future_is_passed_over_only_if_it_says_so),
        cmocka_unit_test(a_file_that_ends_in_a_record_ends_before_it),
        cmocka_unit_test(the_parts_of_the_first_page_are_believed_by_their_checksums),
        cmocka_unit_test(settlements_are_read_back_in_order),
        cmocka_unit_test(a_state_from_disk_is_refused_when_it_makes_no_sense),
    };
    return cmocka_run_group_tests_name("spool_record", tests, NULL, NULL);
}
