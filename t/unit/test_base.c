/* SPDX-License-Identifier: Apache-2.0 */
#include "base/base64.h"
#include "base/buf.h"
#include "base/cidr.h"
#include "base/envelope.h"
#include "base/log.h"
#include "base/mem.h"

#include "unit.h"

#include <arpa/inet.h>
#include <stdlib.h>

static void a_full_buffer_refuses_more_and_keeps_what_it_has(void **state)
{
    struct buf b;
    (void)state;

    buf_init(&b, 8);
    assert_int_equal(buf_adds(&b, "12345678"), 0);
    assert_int_equal(buf_addc(&b, '9'), -1);
    assert_int_equal(buf_addf(&b, "%d", 1), -1);
    assert_string_equal(buf_cstr(&b), "12345678");
    buf_drop(&b, 3);
    assert_int_equal(buf_adds(&b, "abc"), 0);
    assert_string_equal(buf_cstr(&b), "45678abc");
    buf_fini(&b);
}

static void words_are_parted_by_blanks_and_commas(void **state)
{
    struct span rest = span_str(" a, b,,c\td "), word;
    const char *want[] = { "a", "b", "c", "d" };
    (void)state;

    for (size_t i = 0; i < ARRAY_LEN(want); i++) {
        assert_true(span_word(&rest, ",", &word));
        assert_true(span_eq(word, span_str(want[i])));
    }
    assert_false(span_word(&rest, ",", &word));
}

static void numbers_that_do_not_fit_are_refused(void **state)
{
    uint64_t v;
    (void)state;

    assert_true(span_u64(span_str("18446744073709551615"), &v));
    assert_true(v == UINT64_MAX);
    assert_false(span_u64(span_str("18446744073709551616"), &v));
    assert_false(span_u64(span_str(""), &v));
    assert_false(span_u64(span_str("-1"), &v));
}

static bool matches(const char *network, const char *address)
{
    struct cidr c;
    struct sockaddr_in in = { .sin_family = AF_INET };
    struct sockaddr_in6 in6 = { .sin6_family = AF_INET6 };
    struct err e;

    if (cidr_parse(&c, span_str(network), &e) < 0)
        return false;
    if (inet_pton(AF_INET, address, &in.sin_addr) == 1)
        return cidr_matches(&c, (struct sockaddr *)&in);
    inet_pton(AF_INET6, address, &in6.sin6_addr);
    return cidr_matches(&c, (struct sockaddr *)&in6);
}

static void networks_match_their_addresses_only(void **state)
{
    static const struct {
        const char *network, *address;
        bool want;
    } cases[] = {
        { "127.0.0.0/8", "127.255.0.1", true },    { "127.0.0.0/8", "128.0.0.1", false },
        { "192.0.2.1/24", "192.0.2.99", true },    { "192.0.2.128/25", "192.0.2.1", false },
        { "[::1]/128", "::1", true },              { "[::1]/128", "::2", false },
        { "[2001:db8:1::1]/64", "2001:db8:1::9", true }, { "2001:db8::/33", "2001:db8:8000::", false },
        { "127.0.0.1", "::ffff:127.0.0.1", true }, { "0.0.0.0/0", "203.0.113.7", true },
        { "0.0.0.0/0", "::1", false },
    };
    (void)state;

    for (size_t i = 0; i < ARRAY_LEN(cases); i++)
        if (matches(cases[i].network, cases[i].address) != cases[i].want)
            fail_msg("%s and %s", cases[i].network, cases[i].address);
}

static void bad_networks_are_named(void **state)
{
    struct cidr c;
    struct err e;
    (void)state;

    assert_int_equal(cidr_parse(&c, span_str("127.0.0.0/33"), &e), -1);
    assert_non_null(strstr(e.text, "0 to 32"));
    assert_int_equal(cidr_parse(&c, span_str("localhost"), &e), -1);
    assert_non_null(strstr(e.text, "\"localhost\""));
    assert_int_equal(cidr_parse(&c, span_str("192.0.2.1/24"), &e), 0);
    assert_true(c.had_host_bits);
}

static void an_envelope_survives_packing(void **state)
{
    struct envelope a, b;
    struct buf packed;
    struct err e;
    (void)state;

    envelope_init(&a);
    envelope_set_sender(&a, "me@example.com");
    a.envid = xstrdup("id 1");
    a.submitter = xstrdup("");
    a.ret = RET_HDRS;
    a.body = BODY_8BITMIME;
    a.smtputf8 = true;
    a.is_unmapped = true;
    a.filter = xstrdup("smtp:[127.0.0.1]:10024");
    a.uid = 0;
    a.arrival_us = 1234567890123456;
    envelope_add(&a, "a@example.com")->notify = NOTIFY_SUCCESS | NOTIFY_DELAY;
    envelope_add(&a, "\"b c\"@example.com")->orcpt = xstrdup("rfc822;b@example.com");
    buf_init(&packed, BUF_NO_MAX);
    envelope_pack(&a, &packed);
    assert_int_equal(envelope_unpack(&b, buf_span(&packed), &e), 0);
    assert_string_equal(b.sender, "me@example.com");
    assert_string_equal(b.envid, "id 1");
    assert_string_equal(b.submitter, "");
    assert_true(b.ret == RET_HDRS && b.body == BODY_8BITMIME && b.smtputf8 && !b.is_bounce);
    assert_true(b.uid == 0 && b.arrival_us == a.arrival_us && b.n_rcpts == 2);
    assert_true(b.is_unmapped && !b.is_held);
    assert_string_equal(b.filter, "smtp:[127.0.0.1]:10024");
    assert_int_equal(b.rcpts[0].notify, NOTIFY_SUCCESS | NOTIFY_DELAY);
    assert_string_equal(b.rcpts[1].address, "\"b c\"@example.com");
    assert_string_equal(b.rcpts[1].orcpt, "rfc822;b@example.com");
    envelope_fini(&a);
    envelope_fini(&b);
    buf_fini(&packed);
}

static void a_newer_or_broken_envelope_is_refused(void **state)
{
    static const char *const bad[] = { "sa\nX1\n", "sa", "o1\n", "tx\n", "\n" };
    struct envelope e;
    struct err err;
    (void)state;

    for (size_t i = 0; i < ARRAY_LEN(bad); i++)
        if (envelope_unpack(&e, span_str(bad[i]), &err) == 0)
            fail_msg("taken: %s", bad[i]);
    assert_int_equal(envelope_unpack(&e, span_str("sa\nz1\n"), &err), 0);
    assert_null(e.filter); /* as in one that an older Baton wrote */
    envelope_fini(&e);
}

static void control_characters_never_reach_the_log(void **state)
{
    char out[64];
    (void)state;

    assert_string_equal(log_escape(span_of("a\nb\0c\x7f", 6), out, sizeof out), "a\\x0Ab\\x00c\\x7F");
    assert_string_equal(log_escape(span_str("gr\xc3\xbc\xc3\x9f \xff\xc2\x85"), out, sizeof out),
                        "gr\xc3\xbc\xc3\x9f \\xFF\\xC2\\x85");
    assert_string_equal(log_escape(span_str("0123456789"), out, 8), "0123...");
}

static void base64_goes_there_and_back_and_nothing_else_is_taken(void **state)
{
    static const char *const cases[][2] = { { "", "" },           { "f", "Zg==" },
                                            { "fo", "Zm8=" },     { "foo", "Zm9v" },
                                            { "\xff\xfe~", "//5+" } };
    static const char *const bad[] = { "Z", "Zg=", "Zg", "Zg===", "=Zg=", "Z===", "Zg==Zg==", "Z g=", "Zm9\n" };
    struct buf b;
    (void)state;

    buf_init(&b, 8);
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        assert_int_equal(base64_encode(span_str(cases[i][0]), &b), 0);
        assert_string_equal(buf_cstr(&b), cases[i][1]);
        buf_clear(&b);
        assert_int_equal(base64_decode(span_str(cases[i][1]), &b), 0);
        assert_string_equal(buf_cstr(&b), cases[i][0]);
        buf_clear(&b);
    }
    for (size_t i = 0; i < ARRAY_LEN(bad); i++)
        if (base64_decode(span_str(bad[i]), &b) == 0)
            fail_msg("taken: %s", bad[i]);
    assert_int_equal(base64_encode(SPAN("1234567"), &b), -1);
    assert_int_equal(b.len, 0);
    buf_fini(&b);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_full_buffer_refuses_more_and_keeps_what_it_has),
        cmocka_unit_test(words_are_parted_by_blanks_and_commas),
        cmocka_unit_test(numbers_that_do_not_fit_are_refused),
        cmocka_unit_test(networks_match_their_addresses_only),
        cmocka_unit_test(bad_networks_are_named),
        cmocka_unit_test(an_envelope_survives_packing),
        cmocka_unit_test(a_newer_or_broken_envelope_is_refused),
        cmocka_unit_test(control_characters_never_reach_the_log),
        cmocka_unit_test(base64_goes_there_and_back_and_nothing_else_is_taken),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
