/* SPDX-License-Identifier: Apache-2.0 */
#include "unit.h"

#include "base/mem.h"
#include "mail/address.h"

#include <stdio.h>
#include <stdlib.h>

/* ---- RFC 5321 -------------------------------------------------------------------------------------------------- */

struct path_case {
    const char *in;
    unsigned flags;
    const char *out; /* NULL: refused */
    const char *why; /* in the text of the refusal */
};

static const struct path_case paths[] = {
    { "<a@b>", 0, "a@b", NULL },
    { "<a@b.example>", 0, "a@b.example", NULL },
    { "<A.B+c=d@Example.COM>", 0, "A.B+c=d@Example.COM", NULL },
    { "<!#$%&'*+-/=?^_`{|}~@b>", 0, "!#$%&'*+-/=?^_`{|}~@b", NULL },
    { "<\"john\"@b>", 0, "john@b", NULL },
    { "<\"j\\o\\hn\"@b>", 0, "john@b", NULL },
    { "<\"john doe\"@b>", 0, "\"john doe\"@b", NULL },
    { "<\"a>b\"@b>", 0, "\"a>b\"@b", NULL },
    { "<\"a@c\"@b>", 0, "\"a@c\"@b", NULL },
    { "<\"a\\\"b\\\\\"@b>", 0, "\"a\\\"b\\\\\"@b", NULL },
    { "<a..b@c>", 0, "\"a..b\"@c", NULL },
    { "<.a@c>", 0, "\".a\"@c", NULL },
    { "<a.@c>", 0, "\"a.\"@c", NULL },
    { "<@x,@y.z:a@b>", 0, "a@b", NULL },
    { "<a@[192.0.2.1]>", 0, "a@[192.0.2.1]", NULL },
    { "<a@[IPv6:2001:db8::1]>", 0, "a@[IPv6:2001:db8::1]", NULL },
    { "<a@[x400:/C=de/]>", 0, "a@[x400:/C=de/]", NULL },
    { "<a@b.>", 0, "a@b", NULL },
    { "<a@my_host>", 0, "a@my_host", NULL },
    { "<>", ADDRESS_NULL, "", NULL },
    { "<postmaster>", 0, "postmaster", NULL },
    { "<PostMaster>", 0, "PostMaster", NULL },
    { "<user>", ADDRESS_LOCAL, "user", NULL },
    { "a@b", ADDRESS_BARE, "a@b", NULL },
    { "<j\xc3\xb6rg@b\xc3\xbc"
      "cher.example>",
      ADDRESS_UTF8,
      "j\xc3\xb6rg@b\xc3\xbc"
      "cher.example",
      NULL },
    { "<>", 0, NULL, "empty" },
    { "<user>", 0, NULL, "no domain" },
    { "a@b", 0, NULL, "'<'" },
    { "<a@b", 0, NULL, "'>' is missing" },
    { "<a@b> x", 0, NULL, "something follows" },
    { "<@b>", 0, NULL, "no local part" },
    { "<\"\"@b>", 0, NULL, "no local part" },
    { "<a@>", 0, NULL, "no domain" },
    { "<a@.>", 0, NULL, "empty label" },
    { "<a@b..c>", 0, NULL, "empty label" },
    { "<a@.b>", 0, NULL, "empty label" },
    { "<a@-oProxyCommand=x>", 0, NULL, "begins with '-'" },
    { "<a@b/c>", 0, NULL, "no domain has" },
    { "<a@b@c>", 0, NULL, "no domain has" },
    { "<a b@c>", 0, NULL, "quotation marks" },
    { "<a:b@c>", 0, NULL, "quotation marks" },
    { "<\"a@b>", 0, NULL, "'>' is missing" },
    { "<a@[192.0.2.256]>", 0, NULL, "no IP address" },
    { "<a@[IPv6:192.0.2.1]>", 0, NULL, "no IP address" },
    { "<a@[::1]>", 0, NULL, "IPv6:" },
    { "<a@[192.0.2.1>", 0, NULL, "no end" },
    { "<a\x01@b>", 0, NULL, "quotation marks" },
    { "<\"a\tb\"@c>", 0, NULL, "control" },
    { "<\"a\r\nb\"@c>", 0, NULL, "control" },
    { "<j\xc3\xb6rg@b>", 0, NULL, "SMTPUTF8" },
    { "<j\xf6rg@b>", ADDRESS_UTF8, NULL, "not UTF-8" },
};

static void paths_of_rfc_5321_are_read_into_one_form(void **state)
{
    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(paths); i++) {
        const struct path_case *c = &paths[i];
        struct address a;
        struct err e = { .kind = ERR_NONE };
        int rc = address_parse_path(&a, span_str(c->in), c->flags, NULL, &e);
        if (c->out) {
            if (rc < 0)
                fail_msg("%s: %s", c->in, e.text);
            assert_string_equal(a.text, c->out);
            assert_int_equal(a.len, strlen(c->out));
        } else {
            if (rc == 0)
                fail_msg("%s: was taken as %s", c->in, a.text);
            assert_int_equal(e.kind, ERR_PERMANENT);
            if (!strstr(e.text, c->why))
                fail_msg("%s: \"%s\" does not say \"%s\"", c->in, e.text, c->why);
        }
    }
}

static void what_is_read_reads_back_as_itself(void **state)
{
    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(paths); i++) {
        struct address a, b;
        char again[ADDRESS_MAX + 3];
        if (!paths[i].out)
            continue;
        assert_int_equal(address_parse_path(&a, span_str(paths[i].in), paths[i].flags, NULL, NULL), 0);
        snprintf(again, sizeof again, "<%s>", a.text);
        assert_int_equal(address_parse_path(&b, span_str(again), paths[i].flags, NULL, NULL), 0);
        assert_string_equal(a.text, b.text);
    }
}

static void a_path_leaves_what_follows_it(void **state)
{
    struct address a;
    struct span rest;

    (void)state;
    assert_int_equal(address_parse_path(&a, SPAN("<\"x> y\"@b> SIZE=1"), 0, &rest, NULL), 0);
    assert_true(span_eq(rest, SPAN(" SIZE=1")));
    assert_int_equal(address_parse_path(&a, SPAN("a@b SIZE=1"), ADDRESS_BARE, &rest, NULL), 0);
    assert_true(span_eq(rest, SPAN(" SIZE=1")));
}

static void parts_of_an_address_are_told_apart(void **state)
{
    struct address a;
    struct buf local;

    (void)state;
    assert_int_equal(address_parse(&a, SPAN("\"a@\\\"c\"@b.example"), 0, NULL), 0);
    assert_true(span_eq(address_local(&a), SPAN("\"a@\\\"c\"")));
    assert_true(span_eq(address_domain(&a), SPAN("b.example")));
    assert_true(span_eq(address_text_domain(a.text), SPAN("b.example")));
    assert_true(span_eq(address_text_local(a.text), SPAN("\"a@\\\"c\"")));
    buf_init(&local, BUF_NO_MAX);
    address_local_unquoted(address_local(&a), &local);
    assert_string_equal(buf_cstr(&local), "a@\"c");
    buf_fini(&local);
    assert_int_equal(address_text_domain("user").len, 0);
    assert_true(span_eq(address_text_local("user"), SPAN("user")));
}

static void an_address_without_domain_is_completed(void **state)
{
    struct address a;

    (void)state;
    assert_int_equal(address_parse(&a, SPAN("user"), ADDRESS_LOCAL, NULL), 0);
    assert_false(a.has_domain);
    assert_int_equal(address_complete(&a, "example.com", NULL), 0);
    assert_string_equal(a.text, "user@example.com");
    assert_int_equal(address_complete(&a, "other.example", NULL), 0);
    assert_string_equal(a.text, "user@example.com");
    assert_int_equal(address_parse(&a, SPAN("user@host"), 0, NULL), 0);
    assert_int_equal(address_complete(&a, "example.com", NULL), 0);
    assert_string_equal(a.text, "user@host");
}

static int parse_sized(size_t local, size_t label, size_t labels, struct err *e)
{
    struct address a;
    struct buf text;
    int rc;

    buf_init(&text, BUF_NO_MAX);
    while (local--)
        buf_addc(&text, 'a');
    buf_addc(&text, '@');
    for (size_t i = 0; i < labels; i++) {
        for (size_t j = 0; j < label; j++)
            buf_addc(&text, 'b');
        if (i + 1 < labels)
            buf_addc(&text, '.');
    }
    rc = address_parse(&a, buf_span(&text), 0, e);
    buf_fini(&text);
    return rc;
}

static void parts_that_are_too_long_are_refused(void **state)
{
    struct err e;

    (void)state;
    assert_int_equal(parse_sized(64, 63, 4, &e), 0); /* what RFC 5321 4.5.3.1 demands */
    assert_int_equal(parse_sized(256, 63, 4, &e), 0);
    assert_int_equal(parse_sized(257, 63, 4, &e), -1);
    assert_non_null(strstr(e.text, "256"));
    assert_int_equal(parse_sized(1000, 63, 4, &e), -1);
    assert_int_equal(parse_sized(10, 64, 1, &e), -1);
    assert_non_null(strstr(e.text, "63"));
    assert_int_equal(parse_sized(10, 63, 5, &e), -1);
    assert_non_null(strstr(e.text, "255"));
}

/* ---- RFC 5322 -------------------------------------------------------------------------------------------------- */

struct list_case {
    const char *in;
    const char *out; /* addresses with blanks between; NULL: refused */
    const char *why;
};

static const struct list_case lists[] = {
    { "", "", NULL },
    { " \r\n ", "", NULL },
    { "a@b", "a@b", NULL },
    { "a@b, c@d", "a@b c@d", NULL },
    { "a@b,,\r\n\t,c@d,", "a@b c@d", NULL },
    { "root", "root", NULL },
    { "root, a@b", "root a@b", NULL },
    { "John Doe <a@b>", "a@b", NULL },
    { "\"Doe, John\" <a@b>, c@d", "a@b c@d", NULL },
    { "John Q. Public <a@b>", "a@b", NULL },
    { "\"a \\\" b\" <a@b>", "a@b", NULL },
    { "=?utf-8?Q?J=C3=B6rg_(x)?= <a@b>", "a@b", NULL },
    { "=?iso-8859-1?B?SvZyZw==?=\r\n =?utf-8?Q?a,b?= <a@b>", NULL, "two words" }, /* a ',' outside quotes parts */
    { "J\xf6rg <a@b>", "a@b", NULL },
    { "J\xc3\xb6rg <a@b>", "a@b", NULL },
    { "a@b (John Doe)", "a@b", NULL },
    { "a@b (John (the (one)) \\) Doe, x)", "a@b", NULL },
    { "(x) a (y) @ (z) b (w) . (v) c (u)", "a@b.c", NULL },
    { "a . b @ c . d", "a.b@c.d", NULL },
    { "<a@b>", "a@b", NULL },
    { "<a@b> (John)", "a@b", NULL },
    { "joe@x <a@b>", "a@b", NULL },
    { "Name [Group] <a@b>", "a@b", NULL },
    { "<@x,@y:a@b>", "a@b", NULL },
    { "<@x:user>", "user", NULL },
    { "\"john doe\"@b", "\"john doe\"@b", NULL },
    { "\"john\r\n doe\"@b", "\"john doe\"@b", NULL },
    { "\"john\".doe@b", "john.doe@b", NULL },
    { "a..b@c", "\"a..b\"@c", NULL },
    { "undisclosed-recipients:;", "", NULL },
    { "undisclosed-recipients: ;, a@b", "a@b", NULL },
    { "undisclosed-recipients:", "", NULL },
    { "Team: a@b, John <c@d>;, e@f", "a@b c@d e@f", NULL },
    { "\"My team\": a@b; c@d", "a@b c@d", NULL },
    { "a@b; c@d;", "a@b c@d", NULL },
    { "a@[192.0.2.1]", "a@[192.0.2.1]", NULL },
    { "<>", "<>", NULL },
    { "MAILER-DAEMON <>, a@b", "<> a@b", NULL },
    { "j\xc3\xb6rg@b", "j\xc3\xb6rg@b", NULL },
    { "a@b c@d", NULL, "comma" },
    { "a@b\r\n\tc@d", NULL, "comma" },
    { "<a@b> <c@d>", NULL, "comma" },
    { "John Doe", NULL, "comma" },
    { "a@b, John Doe, c@d", NULL, "John Doe" },
    { "a@b John", NULL, "comma" },
    { "<a@b", NULL, "'>' is missing" },
    { "<a@b, c@d>", NULL, "'>' is missing" },
    { "\"a@b", NULL, "quotation mark" },
    { "a@b (x", NULL, "comment" },
    { "a@b)", NULL, "no meaning" },
    { "a@[192.0.2.1", NULL, "'['" },
    { "@b", NULL, "no local part" },
    { "a@", NULL, "no domain" },
    { "a@b@c", NULL, "comma" },
    { "a: b: c@d", NULL, "group" },
    { "<<a@b>>", NULL, "no address" },
    { "Name <@x>", NULL, "':'" },
    { "a@b\\", NULL, "no meaning" },
    { "j\xf6rg@b", NULL, "UTF-8" },
};

static void address_lists_of_rfc_5322_are_read(void **state)
{
    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(lists); i++) {
        struct address_list list;
        struct address_item item;
        struct err e = { .kind = ERR_NONE };
        struct buf got;
        int rc;

        buf_init(&got, BUF_NO_MAX);
        address_list_init(&list, span_str(lists[i].in), ADDRESS_UTF8 | ADDRESS_NULL);
        while ((rc = address_list_next(&list, &item, &e)) > 0)
            buf_addf(&got, "%s%s", got.len ? " " : "", item.address.len ? item.address.text : "<>");
        if (lists[i].out) {
            if (rc < 0)
                fail_msg("%s: %s", lists[i].in, e.text);
            assert_string_equal(buf_cstr(&got), lists[i].out);
        } else {
            if (rc == 0)
                fail_msg("\"%s\" was read as \"%s\"", lists[i].in, buf_cstr(&got));
            if (!strstr(e.text, lists[i].why))
                fail_msg("\"%s\": \"%s\" does not say \"%s\"", lists[i].in, e.text, lists[i].why);
        }
        buf_fini(&got);
    }
}

static void the_place_to_complete_an_address_is_known(void **state)
{
    static const char text[] = "Joe (x) <joe> , jim (y), <@r:jack> , a . b";
    static const char *const specs[] = { "joe", "jim", "jack", "a . b" };
    struct address_list list;
    struct address_item item;

    (void)state;
    address_list_init(&list, SPAN(text), 0);
    for (size_t i = 0; i < ARRAY_LEN(specs); i++) {
        assert_int_equal(address_list_next(&list, &item, NULL), 1);
        assert_true(span_eq(item.spec, span_str(specs[i])));
        assert_false(item.address.has_domain);
        assert_true(item.spec.at >= text && item.spec.at < text + sizeof text);
    }
    assert_int_equal(address_list_next(&list, &item, NULL), 0);
}

static void the_empty_address_is_refused_where_none_may_be(void **state)
{
    struct address_list list;
    struct address_item item;
    struct err e;

    (void)state;
    address_list_init(&list, SPAN("x <>"), 0);
    assert_int_equal(address_list_next(&list, &item, &e), -1);
    assert_non_null(strstr(e.text, "x <>"));
}

/* ---- phrases --------------------------------------------------------------------------------------------------- */

static void a_name_is_written_as_its_bytes_demand(void **state)
{
    static const char *const cases[][2] = {
        { "John Doe", "John Doe" },
        { "  John Doe ", "John Doe" },
        { "Cron Daemon", "Cron Daemon" },
        { "Doe, John", "\"Doe, John\"" },
        { "John Q. Public", "\"John Q. Public\"" },
        { "a \"b\" \\c", "\"a \\\"b\\\" \\\\c\"" },
        { "=?x?q?y?=", "\"=?x?q?y?=\"" },
        { "a\r\nBcc: x", "\"a  Bcc: x\"" },
        { "J\xc3\xb6rg", "=?utf-8?B?SsO2cmc=?=" },
        { "J\xf6rg", "=?utf-8?B?SsO2cmc=?=" },
    };
    struct buf out;

    (void)state;
    buf_init(&out, BUF_NO_MAX);
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        buf_clear(&out);
        address_add_phrase(&out, span_str(cases[i][0]));
        assert_string_equal(buf_cstr(&out), cases[i][1]);
    }
    buf_fini(&out);
}

static void a_long_name_becomes_several_encoded_words(void **state)
{
    struct buf in, out;

    (void)state;
    buf_init(&in, BUF_NO_MAX);
    buf_init(&out, BUF_NO_MAX);
    for (int i = 0; i < 100; i++)
        buf_adds(&in, "\xe2\x82\xac");
    address_add_phrase(&out, buf_span(&in));
    struct span rest = buf_span(&out), word;
    size_t n = 0;
    while (span_word(&rest, "", &word)) {
        n++;
        assert_true(word.len <= 75); /* RFC 2047 2 */
        assert_true(span_starts(word, "=?utf-8?B?") && span_iends(word, "?="));
    }
    assert_int_equal(n, 7); /* 15 characters of three bytes in each */
    buf_fini(&in);
    buf_fini(&out);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(paths_of_rfc_5321_are_read_into_one_form),
        cmocka_unit_test(what_is_read_reads_back_as_itself),
        cmocka_unit_test(a_path_leaves_what_follows_it),
        cmocka_unit_test(parts_of_an_address_are_told_apart),
        cmocka_unit_test(an_address_without_domain_is_completed),
        cmocka_unit_test(parts_that_are_too_long_are_refused),
        cmocka_unit_test(address_lists_of_rfc_5322_are_read),
        cmocka_unit_test(the_place_to_complete_an_address_is_known),
        cmocka_unit_test(the_empty_address_is_refused_where_none_may_be),
        cmocka_unit_test(a_name_is_written_as_its_bytes_demand),
        cmocka_unit_test(a_long_name_becomes_several_encoded_words),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
