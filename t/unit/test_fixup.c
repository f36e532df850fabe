/* SPDX-License-Identifier: Apache-2.0 */
#include "unit.h"

#include "base/clock.h"
#include "base/mem.h"
#include "mail/fixup.h"
#include "mail/header.h"

#include <stdio.h>
#include <stdlib.h>
#include <time.h>

#define DATE    "Date: Thu, 1 Jan 1970 00:00:00 +0000 (UTC)\r\n"
#define ID      "Message-ID: <19700101000000.4cQx@mx.example>\r\n"
#define FROM    "From: Joe User <joe@example.com>\r\n"
#define DAEMON  "From: Mail Delivery System <MAILER-DAEMON@example.com>\r\n"
#define UNDISC  "To: undisclosed-recipients:;\r\n"
#define ALL     "Date: x\r\nFrom: a@b\r\nMessage-ID: <x>\r\nTo: c@d\r\n"

static const struct fixup_facts local_facts = {
    .myhostname = "mx.example",
    .myorigin = "example.com",
    .sender = "joe@example.com",
    .full_name = "Joe User",
    .id = "4cQx",
    .flags = FIXUP_ADD | FIXUP_COMPLETE,
};

struct fixup_case {
    const char *in, *out;
};

static const struct fixup_case cases[] = {
    { "To: a@b\n\n", "To: a@b\r\n" DATE FROM ID "\r\n" },
    { "", DATE FROM ID UNDISC "\r\n" },
    { ALL "\r\n", ALL "\r\n" },
    { ALL, ALL "\r\n" },
    { "From joe Thu Jan 1\n" ALL, ALL "\r\n" },
    { "Bcc: x@y,\n z@w\n" ALL, ALL "\r\n" },
    { "bcc: x@y\nRETURN-PATH: <x>\nContent-length: 5\n" ALL, ALL "\r\n" },
    { "Bcc: x@y\nDate: x\nFrom: a@b\nMessage-Id: <x>\n", "Date: x\r\nFrom: a@b\r\nMessage-Id: <x>\r\n" UNDISC "\r\n" },
    { "Cc: root\nDate: x\nFrom: Joe <joe> (x)\nMessage-ID: <x>\n",
      "Cc: root@example.com\r\nDate: x\r\nFrom: Joe <joe@example.com> (x)\r\nMessage-ID: <x>\r\n\r\n" },
    { "Reply-To: a, b@c, \"x y\"\nSender: s\n" ALL,
      "Reply-To: a@example.com, b@c, \"x y\"@example.com\r\nSender: s@example.com\r\n" ALL "\r\n" },
    { "Reply-To: Team: a,\n b (c);, d@localhost\n" ALL,
      "Reply-To: Team: a@example.com,\r\n b@example.com (c);, d@localhost\r\n" ALL "\r\n" },
    { "X-To: a\n" ALL, "X-To: a\r\n" ALL "\r\n" },
    { "Subject: a\n b\r\n\tc\n" ALL, "Subject: a\r\n b\r\n\tc\r\n" ALL "\r\n" },
    { "Subject: a\rBcc: b\n" ALL, "Subject: a Bcc: b\r\n" ALL "\r\n" },
    { "Reply-To: John Doe, a\n" ALL, "Reply-To: John Doe, a\r\n" ALL "\r\n" },
    { "Reply-To: a, \"open\n" ALL, "Reply-To: a, \"open\r\n" ALL "\r\n" },
    { "Resent-To: r\nResent-Bcc: h@i\n" ALL,
      "Resent-Date: Thu, 1 Jan 1970 00:00:00 +0000 (UTC)\r\nResent-From: Joe User <joe@example.com>\r\n"
      "Resent-Message-ID: <19700101000000.4cQx@mx.example>\r\nResent-To: r@example.com\r\n" ALL "\r\n" },
    { "Resent-From: x@y\nResent-Date: z\nResent-Message-Id: <w>\nResent-Bcc: h@i\n" ALL,
      "Resent-From: x@y\r\nResent-Date: z\r\nResent-Message-Id: <w>\r\n" ALL "\r\n" },
};

static void utc(void)
{
    setenv("TZ", "UTC0", 1);
    tzset();
}

static void header_sections_are_put_right(void **state)
{
    (void)state;
    utc();
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        struct buf out;
        struct err e;
        buf_init(&out, BUF_NO_MAX);
        assert_int_equal(fixup_header(span_str(cases[i].in), &local_facts, &out, NULL, &e), 0);
        assert_string_equal(buf_cstr(&out), cases[i].out);
        buf_fini(&out);
    }
}

static void what_was_put_right_stays_as_it_is(void **state)
{
    (void)state;
    utc();
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        struct buf out;
        struct err e;
        buf_init(&out, BUF_NO_MAX);
        assert_int_equal(fixup_header(span_str(cases[i].out), &local_facts, &out, NULL, &e), 0);
        assert_string_equal(buf_cstr(&out), cases[i].out);
        buf_fini(&out);
    }
}

static void a_client_of_the_network_keeps_its_header_but_for_what_is_secret(void **state)
{
    struct fixup_facts facts = local_facts;
    struct fixup_result result;
    struct buf out;
    struct err e;

    (void)state;
    facts.flags = 0;
    facts.received = SPAN("Received: by us\r\n");
    buf_init(&out, BUF_NO_MAX);
    assert_int_equal(fixup_header(SPAN("Received: x\r\nreceived: y\r\nTo: root\r\nBcc: z\r\n\r\n"), &facts, &out, &result, &e),
                     0);
    assert_string_equal(buf_cstr(&out), "Received: by us\r\nReceived: x\r\nreceived: y\r\nTo: root\r\n\r\n");
    assert_int_equal(result.hops, 2);
    assert_false(result.needs_smtputf8);
    buf_fini(&out);
}

static void utf8_in_text_and_names_is_encoded(void **state)
{
    static const struct fixup_case encoded[] = {
        { "Subject: Gr\xc3\xbc\xc3\x9f" "e, all\n", "Subject: =?utf-8?B?R3LDvMOfZSw=?= all\r\n" },
        { "Subject: a \xc3\xa4 \xc3\xb6\n b\n", "Subject: a =?utf-8?B?w6Qgw7Y=?= b\r\n" },
        { "Subject: plain \n text\n", "Subject: plain \r\n text\r\n" },
        { "X-Note: \xc3\xa4\n", "X-Note: =?utf-8?B?w6Q=?=\r\n" },
        { "Reply-To: J\xc3\xb6rg <j>, \"D\xc3\xb6, J\" <d@e>, a@b\n",
          "Reply-To: =?utf-8?B?SsO2cmc=?= <j@example.com>, =?utf-8?B?RMO2LCBK?= <d@e>, a@b\r\n" },
        { "Subject: \xe4\n", "Subject: \xe4\r\n" },
        { "Reply-To: \xc3\xb6 (x) <a@b>\n", "Reply-To: \xc3\xb6 (x) <a@b>\r\n" },
        { "Reply-To: \xc3\xb6@b\n", "Reply-To: \xc3\xb6@b\r\n" },
        { "Content-Disposition: x; filename=\xc3\xb6\n", "Content-Disposition: x; filename=\xc3\xb6\r\n" },
    };
    struct fixup_facts facts = local_facts;

    (void)state;
    facts.flags = FIXUP_COMPLETE | FIXUP_ENCODE;
    for (size_t i = 0; i < ARRAY_LEN(encoded); i++) {
        struct fixup_result result;
        struct buf out;
        buf_init(&out, BUF_NO_MAX);
        assert_int_equal(fixup_header(span_str(encoded[i].in), &facts, &out, &result, NULL), 0);
        out.len -= 2;
        assert_string_equal(buf_cstr(&out), encoded[i].out);
        assert_int_equal(result.needs_smtputf8, i > 5);
        buf_fini(&out);
    }
}

static void long_text_is_encoded_in_short_lines(void **state)
{
    struct buf in, out;
    struct span rest, line;
    struct fixup_facts facts = local_facts;

    (void)state;
    facts.flags = FIXUP_ENCODE;
    buf_init(&in, BUF_NO_MAX);
    buf_init(&out, BUF_NO_MAX);
    buf_adds(&in, "Subject:");
    for (int i = 0; i < 200; i++)
        buf_adds(&in, i % 7 ? " word" : " \xe2\x82\xac\xe2\x82\xac");
    buf_adds(&in, "\n");
    assert_int_equal(fixup_header(buf_span(&in), &facts, &out, NULL, NULL), 0);
    for (rest = buf_span(&out); rest.len > 2; rest = span_from(rest, line.len + 1)) {
        line = span_of(rest.at, span_find(rest, '\n'));
        assert_true(line.len <= 77 && span_is_ascii(line)); /* 76 and the CR */
        assert_true(line.at == out.at || line.at[0] == ' ');
    }
    buf_fini(&in);
    buf_fini(&out);
}

static void the_null_sender_is_written_as_the_daemon(void **state)
{
    struct fixup_facts facts = local_facts;
    struct buf out;
    struct err e;

    (void)state;
    utc();
    facts.sender = "";
    buf_init(&out, BUF_NO_MAX);
    assert_int_equal(fixup_header(SPAN("To: a@b\n"), &facts, &out, NULL, &e), 0);
    assert_string_equal(buf_cstr(&out), "To: a@b\r\n" DATE DAEMON ID "\r\n");
    buf_clear(&out);
    facts.sender = "joe@example.com";
    facts.full_name = NULL;
    assert_int_equal(fixup_header(SPAN("To: a@b\n"), &facts, &out, NULL, &e), 0);
    assert_string_equal(buf_cstr(&out), "To: a@b\r\n" DATE "From: joe@example.com\r\n" ID "\r\n");
    buf_fini(&out);
}

static void what_cannot_be_read_is_a_warning(void **state)
{
    struct fixup_result result;
    struct buf out;
    struct err e;

    (void)state;
    buf_init(&out, BUF_NO_MAX);
    assert_int_equal(fixup_header(SPAN("To: a@b\nCc: c@d e@f\nReply-To: \"\n"), &local_facts, &out, &result, &e), 0);
    assert_int_equal(result.n_warnings, 2);
    assert_non_null(strstr(result.warning, "Cc: address \"c@d e@f\""));
    buf_fini(&out);
}

static void utf8_in_the_section_is_noted(void **state)
{
    struct fixup_result result;
    struct buf out;

    (void)state;
    buf_init(&out, BUF_NO_MAX);
    fixup_header(SPAN("Subject: \xc3\xa4\n\n"), &local_facts, &out, &result, NULL);
    assert_true(result.needs_smtputf8);
    fixup_header(SPAN("Subject: \xe4\n\n"), &local_facts, &out, &result, NULL);
    assert_false(result.needs_smtputf8);
    buf_fini(&out);
}

static void a_field_beyond_the_limit_is_refused_not_cut(void **state)
{
    struct fixup_facts facts = local_facts;
    struct buf out;
    struct err e;

    (void)state;
    facts.field_max = 20;
    buf_init(&out, BUF_NO_MAX);
    assert_int_equal(fixup_header(SPAN("Subject: 456789012\n"), &facts, &out, NULL, &e), 0);
    assert_int_equal(fixup_header(SPAN("Subject: 4567890\n 3456\n"), &facts, &out, NULL, &e), -1);
    assert_non_null(strstr(e.text, "Subject"));
    assert_non_null(strstr(e.text, "20"));
    buf_fini(&out);
}

/* ---- recipients ------------------------------------------------------------------------------------------------ */

static const struct fixup_case recipients[] = {
    { "To: a@b\nCc: c@d, e\nBcc: f@g\n", "a@b c@d e f@g" },
    { "To: a@b\nResent-To: r@s\nResent-Cc: t\nResent-Bcc: u@v\nCc: c@d\n", "r@s t u@v" },
    { "To: a@b\nResent-From: x@y\n", "a@b" },
    { "To: a@b, A@b, a@b\nCc: a@b\n", "a@b A@b" },
    { "TO: undisclosed-recipients:;\nbcc: x@y\n", "x@y" },
    { "To: Team: a@b,\n\tJoe <c@d>;\n", "a@b c@d" },
    { "To: =?utf-8?Q?J=C3=B6rg?= <j@b>, \"x, y\" <z@b> (k, l)\n", "j@b z@b" },
    { "To: a@b\nTo: c@d\n", "a@b c@d" },
    { "Cc: <>\nSubject: x\nX-To: y@z\nFrom: w@v\n", "" },
    { "To: \"-x\" <a@b>\n", "a@b" },
    { "To: a@b\n\nCc: body@b\n", "a@b" },
};

static void recipients_are_read_from_the_header_section(void **state)
{
    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(recipients); i++) {
        struct envelope env;
        struct buf got;
        struct err e;
        envelope_init(&env);
        buf_init(&got, BUF_NO_MAX);
        assert_int_equal(fixup_recipients(span_str(recipients[i].in), NOTIFY_NEVER, &env, &e), 0);
        for (size_t j = 0; j < env.n_rcpts; j++) {
            buf_addf(&got, "%s%s", j ? " " : "", env.rcpts[j].address);
            assert_int_equal(env.rcpts[j].notify, NOTIFY_NEVER);
        }
        assert_string_equal(buf_cstr(&got), recipients[i].out);
        buf_fini(&got);
        envelope_fini(&env);
    }
}

static void a_recipient_that_cannot_be_read_is_an_error_that_names_it(void **state)
{
    static const struct fixup_case bad[] = {
        { "To: a@b\nCc: x y\n", "Cc: address \"x y\"" },
        { "Bcc: a@b, -oQ/tmp@x\n", "Bcc: address \"-oQ/tmp@x\"" },
        { "Resent-To: <-a@x>\n", "Resent-To: address \"-a@x\"" },
        { "To: \"\n", "To: address" },
    };
    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(bad); i++) {
        struct envelope env;
        struct err e;
        envelope_init(&env);
        assert_int_equal(fixup_recipients(span_str(bad[i].in), 0, &env, &e), -1);
        if (!strstr(e.text, bad[i].out))
            fail_msg("\"%s\" does not say \"%s\"", e.text, bad[i].out);
        envelope_fini(&env);
    }
}

static void ten_thousand_recipients_are_each_kept_once(void **state)
{
    struct envelope env;
    struct buf text;
    struct err e;

    (void)state;
    envelope_init(&env);
    envelope_add(&env, "u7@x");
    buf_init(&text, BUF_NO_MAX);
    buf_adds(&text, "To: ");
    for (int i = 0; i < 20000; i++)
        buf_addf(&text, "u%d@x,", i % 10000);
    buf_adds(&text, "\n");
    assert_int_equal(fixup_recipients(buf_span(&text), 0, &env, &e), 0);
    assert_int_equal(env.n_rcpts, 10000);
    assert_string_equal(env.rcpts[0].address, "u7@x");
    assert_string_equal(env.rcpts[9999].address, "u9999@x");
    buf_fini(&text);
    envelope_fini(&env);
}

static int rewrite(void *arg, const char *address, enum fixup_address what, struct buf *out)
{
    (void)arg;
    if (strcmp(address, "ann@old.example") != 0 && strcmp(address, "root@origin.example") != 0)
        return strcmp(address, "lost@old.example") == 0 ? -1 : 0;
    buf_adds(out, what == FIXUP_SENDER ? "sender@new.example" : what == FIXUP_RCPT ? "rcpt@new.example" : "envelope@new.example");
    return 1;
}

static void addresses_are_rewritten(void **state)
{
    static const char in[] = "From: Ann <ann@old.example>\r\nTo: ann@old.example (c),\r\n \"B\" <b@x.example>, root\r\nErrors-To: ann@old.example\r\n"
                              "Apparently-To: ann@old.example\r\nX-To: ann@old.example\r\n";
    struct fixup_facts facts = { .myorigin = "origin.example", .flags = FIXUP_COMPLETE, .rewrite = rewrite };
    struct buf out;
    struct err e;

    (void)state;
    buf_init(&out, BUF_NO_MAX);
    assert_int_equal(fixup_header(span_str(in), &facts, &out, NULL, &e), 0);
    assert_string_equal(buf_cstr(&out), "From: Ann <sender@new.example>\r\nTo: rcpt@new.example (c),\r\n \"B\" <b@x.example>, "
                                        "rcpt@new.example\r\nErrors-To: sender@new.example\r\nApparently-To: rcpt@new.example\r\n"
                                        "X-To: ann@old.example\r\n\r\n");
    buf_clear(&out);
    assert_int_equal(fixup_header(SPAN("To: lost@old.example\r\n"), &facts, &out, NULL, &e), -1);
    assert_int_equal(e.kind, ERR_TEMPORARY);
    buf_clear(&out);
    facts.flags |= FIXUP_ADD;
    facts.sender = "ann@old.example";
    facts.myhostname = "h";
    facts.id = "1";
    assert_int_equal(fixup_header(SPAN("Subject: no From\r\n"), &facts, &out, NULL, &e), 0);
    assert_non_null(strstr(buf_cstr(&out), "\r\nFrom: envelope@new.example\r\n"));
    buf_clear(&out);
    assert_int_equal(fixup_rewrite(SPAN("Bcc: x\r\nTo: ann@old.example\r\n\r\n"), rewrite, NULL, &out), 1);
    assert_string_equal(buf_cstr(&out), "Bcc: x\r\nTo: rcpt@new.example\r\n\r\n");
    assert_int_equal(fixup_rewrite(SPAN("To: x@old.example\r\n\r\n"), rewrite, NULL, &out), 0);
    buf_fini(&out);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(header_sections_are_put_right),
        cmocka_unit_test(what_was_put_right_stays_as_it_is),
        cmocka_unit_test(a_client_of_the_network_keeps_its_header_but_for_what_is_secret),
        cmocka_unit_test(addresses_are_rewritten),
        cmocka_unit_test(utf8_in_text_and_names_is_encoded),
        cmocka_unit_test(long_text_is_encoded_in_short_lines),
        cmocka_unit_test(the_null_sender_is_written_as_the_daemon),
        cmocka_unit_test(what_cannot_be_read_is_a_warning),
        cmocka_unit_test(utf8_in_the_section_is_noted),
        cmocka_unit_test(a_field_beyond_the_limit_is_refused_not_cut),
        cmocka_unit_test(recipients_are_read_from_the_header_section),
        cmocka_unit_test(a_recipient_that_cannot_be_read_is_an_error_that_names_it),
        cmocka_unit_test(ten_thousand_recipients_are_each_kept_once),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
