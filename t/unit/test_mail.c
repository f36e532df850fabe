/* SPDX-License-Identifier: Apache-2.0 */
#include "unit.h"

#include "base/clock.h"
#include "base/mem.h"
#include "mail/date.h"
#include "mail/header.h"
#include "mail/lines.h"
#include "mail/received.h"
#include "mail/xtext.h"

#include <stdlib.h>
#include <time.h>

/* ---- lines ----------------------------------------------------------------------------------------------------- */

struct lines_case {
    struct span in, out;
    bool dot_ends;
};

#define LINES(in, out)     { SPAN(in), SPAN(out), false }
#define LINES_DOT(in, out) { SPAN(in), SPAN(out), true }

static const struct lines_case lines_cases[] = {
    LINES("", ""),
    LINES("a", "a\r\n"),
    LINES("a\n", "a\r\n"),
    LINES("a\r\n", "a\r\n"),
    LINES("a\r", "a\r\n"),
    LINES("a\n\nb", "a\r\n\r\nb\r\n"),
    LINES("a\r\n\r\nb\r\n", "a\r\n\r\nb\r\n"),
    LINES("a\r\r\n\r\r\r\nb\r\r\n", "a\r\n\r\nb\r\n"),
    LINES("S: a\rBcc: b\n\n", "S: a Bcc: b\r\n\r\n"),
    LINES("\n10%\r20%\r30%\n", "\r\n10%\r\n20%\r\n30%\r\n"),
    LINES("a\0b\r\0\nc\0\n", "ab\r\nc\r\n"),
    LINES(".\n..\n.x\n", ".\r\n..\r\n.x\r\n"),
    LINES_DOT("a\n.\nb\n", "a\r\n"),
    LINES_DOT("a\r\n.\r\nb\n", "a\r\n"),
    LINES_DOT("a\n.", "a\r\n"),
    LINES_DOT(".\n", ""),
    LINES_DOT("..\n.x\nx.\n.\n", "..\r\n.x\r\nx.\r\n"),
    LINES_DOT("\n.\rx\n", "\r\n.\r\nx\r\n"),
};

static void every_line_end_becomes_crlf_however_the_input_is_cut(void **state)
{
    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(lines_cases); i++) {
        const struct lines_case *c = &lines_cases[i];
        for (size_t step = 1; step <= c->in.len + 1; step++) {
            struct lines l;
            struct buf out;
            buf_init(&out, BUF_NO_MAX);
            lines_init(&l, c->dot_ends);
            for (size_t at = 0; at < c->in.len; at += step) {
                size_t n = c->in.len - at < step ? c->in.len - at : step;
                assert_int_equal(lines_feed(&l, span_of(c->in.at + at, n), &out), 0);
            }
            assert_int_equal(lines_end(&l, &out), 0);
            if (!span_eq(buf_span(&out), c->out))
                fail_msg("case %zu in pieces of %zu became \"%s\"", i, step, buf_cstr(&out));
            assert_int_equal(l.bytes, out.len);
            buf_fini(&out);
        }
    }
}

static void what_the_lines_are_like_is_noted(void **state)
{
    struct lines l;
    struct buf out;

    (void)state;
    buf_init(&out, BUF_NO_MAX);
    lines_init(&l, false);
    lines_feed(&l, SPAN("a.b\nabcdef\n"), &out);
    assert_false(l.has_dot_line);
    assert_false(l.has_8bit);
    assert_int_equal(l.longest, 6);
    lines_feed(&l, SPAN("\n.x\n"), &out);
    assert_true(l.has_dot_line);
    lines_feed(&l, SPAN("\xe4"), &out);
    lines_end(&l, &out);
    assert_true(l.has_8bit);
    buf_fini(&out);
}

static void a_line_of_any_length_passes_whole(void **state)
{
    struct lines l;
    struct buf in, out;

    (void)state;
    buf_init(&in, BUF_NO_MAX);
    buf_init(&out, BUF_NO_MAX);
    for (int i = 0; i < 5000; i++)
        buf_addc(&in, 'x');
    lines_init(&l, false);
    lines_feed(&l, buf_span(&in), &out);
    lines_end(&l, &out);
    assert_int_equal(l.longest, 5000);
    assert_int_equal(out.len, 5002);
    buf_fini(&in);
    buf_fini(&out);
}

/* ---- header ---------------------------------------------------------------------------------------------------- */

static void fields_are_found_with_their_folds(void **state)
{
    static const char text[] = "From joe Sun Nov 22\nSubject: a\n b\n\tc\nX :  y \r\nTo:\r\n\r\nbody: x\n";
    struct header_scan s;
    struct header_field f;
    struct buf value;

    (void)state;
    buf_init(&value, BUF_NO_MAX);
    header_scan_init(&s, SPAN(text));
    assert_true(header_next(&s, &f));
    assert_true(header_is(&f, "subject"));
    header_unfold(f.value, &value);
    assert_string_equal(buf_cstr(&value), "a b\tc");
    assert_true(span_eq(f.whole, SPAN("Subject: a\n b\n\tc\n")));
    assert_true(header_next(&s, &f));
    assert_true(header_is(&f, "X"));
    assert_true(span_eq(span_trim(f.value), SPAN("y")));
    assert_true(header_next(&s, &f));
    assert_true(header_is(&f, "To"));
    assert_int_equal(f.value.len, 0);
    assert_false(header_next(&s, &f));
    assert_string_equal(text + header_body_at(SPAN(text)), "body: x\n");
    assert_true(header_find(SPAN(text), "x", &f));
    assert_false(header_find(SPAN(text), "body", &f));
    buf_fini(&value);
}

struct body_case {
    const char *text, *body;
};

static const struct body_case bodies[] = {
    { "A: b\n\nbody\n", "body\n" },
    { "A: b\r\n\r\nbody\r\n", "body\r\n" },
    { "A: b\nno field here\nmore\n", "no field here\nmore\n" },
    { "\nbody\n", "body\n" },
    { "just text\n", "just text\n" },
    { " begins with a blank\n", " begins with a blank\n" },
    { "A: b\n", "" },
    { "A: b\n ", "" },
    { "", "" },
    { ": no name\n", ": no name\n" },
    { "From me\n>From you\nA: b\n\nx", "x" },
    { "From: me\n\nx", "x" },
    { "From : me\n\nx", "x" },
    { "A: b\nFrom joe\nx", "From joe\nx" },
    { "A\xc3\xa4: b\n", "A\xc3\xa4: b\n" },
};

static void the_body_begins_behind_the_empty_line_or_before_what_is_no_field(void **state)
{
    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(bodies); i++)
        assert_string_equal(bodies[i].text + header_body_at(span_str(bodies[i].text)), bodies[i].body);
}

/* The text through a reader in pieces of `step`: section and body apart. */
static int read_pieces(struct span text, size_t step, struct buf *section, struct buf *body)
{
    struct header_reader r;
    struct span lead;
    struct err e;
    int rc = 0;

    header_reader_init(&r, 0);
    for (size_t at = 0; at < text.len && rc >= 0; at += step) {
        struct span piece = span_of(text.at + at, text.len - at < step ? text.len - at : step);
        rc = header_reader_take(&r, &piece, &lead, &e);
        buf_addspan(body, lead);
        buf_addspan(body, piece);
    }
    if (rc >= 0) {
        rc = header_reader_end(&r, &lead, &e);
        buf_addspan(body, lead);
    }
    buf_addspan(section, buf_span(&r.section));
    header_reader_fini(&r);
    return rc;
}

static void a_section_that_comes_in_pieces_is_the_same_section(void **state)
{
    struct buf section, body;

    (void)state;
    buf_init(&section, BUF_NO_MAX);
    buf_init(&body, BUF_NO_MAX);
    for (size_t i = 0; i < ARRAY_LEN(bodies); i++) {
        for (size_t step = 1; step <= strlen(bodies[i].text) + 1; step++) {
            buf_clear(&section);
            buf_clear(&body);
            assert_int_equal(read_pieces(span_str(bodies[i].text), step, &section, &body), 1);
            if (strcmp(buf_cstr(&body), bodies[i].body) != 0)
                fail_msg("\"%s\" in pieces of %zu: body \"%s\"", bodies[i].text, step, buf_cstr(&body));
            assert_int_equal(header_body_at(buf_span(&section)), section.len);
        }
    }
    buf_fini(&section);
    buf_fini(&body);
}

static int read_field_of(size_t len, size_t line, const char *name, struct err *e)
{
    struct header_reader r;
    struct span lead, data;
    struct buf text;
    int rc = 0;

    buf_init(&text, BUF_NO_MAX);
    buf_adds(&text, name);
    while (text.len < len) {
        buf_addc(&text, 'x');
        if (line && text.len % line == 0)
            buf_adds(&text, "\r\n ");
    }
    buf_adds(&text, "\r\n\r\n");
    header_reader_init(&r, 1000);
    data = buf_span(&text);
    while (rc == 0 && data.len) {
        struct span piece = span_of(data.at, data.len < 300 ? data.len : 300);
        data = span_from(data, piece.len);
        rc = header_reader_take(&r, &piece, &lead, e);
    }
    header_reader_fini(&r);
    buf_fini(&text);
    return rc;
}

static void a_field_longer_than_its_limit_is_refused_by_name(void **state)
{
    struct err e;

    (void)state;
    assert_int_equal(read_field_of(900, 0, "X-Long: ", &e), 1);
    assert_int_equal(read_field_of(900, 70, "X-Long: ", &e), 1);
    assert_int_equal(read_field_of(5000, 0, "X-Long: ", &e), -1);
    assert_non_null(strstr(e.text, "\"X-Long\""));
    assert_non_null(strstr(e.text, "1000"));
    assert_int_equal(e.kind, ERR_PERMANENT);
    assert_int_equal(read_field_of(5000, 70, "X-Long: ", &e), -1);
    assert_non_null(strstr(e.text, "\"X-Long\""));
    assert_int_equal(read_field_of(5000, 0, "no field ", &e), 1); /* it is the body's, where lines have no limit */
}

static void a_section_without_end_is_refused(void **state)
{
    struct header_reader r;
    struct span lead;
    struct err e;
    int rc = 0, n = 0;

    (void)state;
    header_reader_init(&r, 1000);
    for (; rc == 0 && n < 10000; n++) {
        struct span line = SPAN("A: b\r\n");
        rc = header_reader_take(&r, &line, &lead, &e);
    }
    assert_int_equal(rc, -1);
    assert_true(n * 6 <= 1000 * HEADER_SECTION_TIMES + 6);
    header_reader_fini(&r);
}

/* ---- date, received, xtext ------------------------------------------------------------------------------------- */

static void in_zone(const char *zone)
{
    setenv("TZ", zone, 1);
    tzset();
}

static void dates_are_those_of_rfc_5322(void **state)
{
    char out[DATE_SIZE];

    (void)state;
    in_zone("CET-1");
    assert_string_equal(date_format(1795366140 * USEC_PER_SEC, out), "Sun, 22 Nov 2026 17:49:00 +0100 (CET)");
    in_zone("NST3:30");
    assert_string_equal(date_format(1795366140 * USEC_PER_SEC, out), "Sun, 22 Nov 2026 13:19:00 -0330 (NST)");
    in_zone("UTC0");
    assert_string_equal(date_format(0, out), "Thu, 1 Jan 1970 00:00:00 +0000 (UTC)");
}

static void received_fields_have_the_usual_shape(void **state)
{
    struct received local = { .myhostname = "mx.example", .id = "4cQx", .now_us = 0, .uid = 1000, .rcpt = "a@b" };
    struct received net = { .myhostname = "mx.example",
                            .id = "4cQx",
                            .uid = (uid_t)-1,
                            .helo = "evil) by (\r\nX: y",
                            .client_name = "unknown",
                            .client_address = "2001:db8::1",
                            .login = "joe",
                            .is_esmtp = true,
                            .is_tls = true,
                            .is_authenticated = true };
    struct buf out;

    (void)state;
    in_zone("UTC0");
    buf_init(&out, BUF_NO_MAX);
    received_format(&local, &out);
    assert_string_equal(buf_cstr(&out), "Received: by mx.example (Baton, from userid 1000)\r\n\tid 4cQx\r\n"
                                        "\tfor <a@b>; Thu, 1 Jan 1970 00:00:00 +0000 (UTC)\r\n");
    buf_clear(&out);
    received_format(&net, &out);
    assert_string_equal(buf_cstr(&out), "Received: from evil??by????X:?y (unknown [IPv6:2001:db8::1])\r\n"
                                        "\t(Authenticated sender: joe)\r\n"
                                        "\tby mx.example (Baton) with ESMTPSA id 4cQx; "
                                        "Thu, 1 Jan 1970 00:00:00 +0000 (UTC)\r\n");
    buf_clear(&out);
    net.tls = "TLSv1.3 with cipher TLS_AES_256_GCM_SHA384 (256/256 bits)";
    net.login = NULL;
    net.helo = "me.example";
    received_format(&net, &out);
    assert_string_equal(buf_cstr(&out), "Received: from me.example (unknown [IPv6:2001:db8::1])\r\n"
                                        "\t(using TLSv1.3 with cipher TLS_AES_256_GCM_SHA384 (256/256 bits))\r\n"
                                        "\t(No client certificate requested)\r\n"
                                        "\tby mx.example (Baton) with ESMTPSA id 4cQx; "
                                        "Thu, 1 Jan 1970 00:00:00 +0000 (UTC)\r\n");
    net.is_esmtp = false;
    assert_string_equal(received_protocol(&net), "SMTP");
    net.is_lmtp = net.is_utf8 = true;
    net.is_authenticated = false;
    assert_string_equal(received_protocol(&net), "UTF8LMTPS");
    buf_fini(&out);
}

static void xtext_goes_there_and_back(void **state)
{
    struct buf out, back;
    struct err e;

    (void)state;
    buf_init(&out, BUF_NO_MAX);
    buf_init(&back, BUF_NO_MAX);
    xtext_encode(SPAN("a+b=c d@e"), &out);
    assert_string_equal(buf_cstr(&out), "a+2Bb+3Dc+20d@e");
    assert_int_equal(xtext_decode(buf_span(&out), &back, &e), 0);
    assert_string_equal(buf_cstr(&back), "a+b=c d@e");
    static const char *const bad[] = { "a+", "a+2", "a+2b", "a+GG", "a=b", "a b", "a+0A", "a+7F", "\xc3\xa4", "a+00" };
    for (size_t i = 0; i < ARRAY_LEN(bad); i++)
        assert_int_equal(xtext_decode(span_str(bad[i]), &back, &e), -1);
    buf_fini(&out);
    buf_fini(&back);
}

static void original_recipients_go_there_and_back(void **state)
{
    static const struct {
        const char *wire, *text;
        bool utf8;
    } cases[] = {
        { "rfc822;a+2Bb@c", "rfc822;a+b@c", false },
        { "utf-8;j\\x{F6}rg@b", "utf-8;j\xc3\xb6rg@b", false },
        { "utf-8;j\xc3\xb6rg@b", "utf-8;j\xc3\xb6rg@b", true },
        { "utf-8;a\\x{2B}b\\x{1F600}", "utf-8;a+b\xf0\x9f\x98\x80", false },
    };
    static const char *const bad[] = { "a@b",          "rfc822;",        ";a@b",         "rf c;a",
                                       "utf-8;\\x{}",  "utf-8;\\x{D800}", "utf-8;\\x{A}", "utf-8;\\x{110000}",
                                       "utf-8;\xc3",   "rfc822;a\xc3\xa4", "utf-8;\\y" };
    struct buf out;
    struct err e;

    (void)state;
    buf_init(&out, BUF_NO_MAX);
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        buf_clear(&out);
        assert_int_equal(orcpt_decode(span_str(cases[i].wire), &out, &e), 0);
        assert_string_equal(buf_cstr(&out), cases[i].text);
        buf_clear(&out);
        assert_int_equal(orcpt_encode(span_str(cases[i].text), cases[i].utf8, &out), 0);
        assert_string_equal(buf_cstr(&out), cases[i].wire);
    }
    for (size_t i = 0; i < ARRAY_LEN(bad); i++)
        if (orcpt_decode(span_str(bad[i]), &out, &e) == 0)
            fail_msg("%s was taken", bad[i]);
    buf_fini(&out);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_line_end_becomes_crlf_however_the_input_is_cut),
        cmocka_unit_test(what_the_lines_are_like_is_noted),
        cmocka_unit_test(a_line_of_any_length_passes_whole),
        cmocka_unit_test(fields_are_found_with_their_folds),
        cmocka_unit_test(the_body_begins_behind_the_empty_line_or_before_what_is_no_field),
        cmocka_unit_test(a_section_that_comes_in_pieces_is_the_same_section),
        cmocka_unit_test(a_field_longer_than_its_limit_is_refused_by_name),
        cmocka_unit_test(a_section_without_end_is_refused),
        cmocka_unit_test(dates_are_those_of_rfc_5322),
        cmocka_unit_test(received_fields_have_the_usual_shape),
        cmocka_unit_test(xtext_goes_there_and_back),
        cmocka_unit_test(original_recipients_go_there_and_back),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
