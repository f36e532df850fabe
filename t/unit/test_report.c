/* SPDX-License-Identifier: Apache-2.0 */
#include "unit.h"

#include "base/buf.h"
#include "base/clock.h"
#include "base/mem.h"
#include "mail/report.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

static const char message[] = "Subject: x\r\nTo: a@b\r\n\r\nthe body\r\n";

struct source {
    const char *text;
    size_t len;
    long fail_at;
};

static long read_text(void *arg, uint64_t offset, char *to, size_t len, struct err *e)
{
    struct source *s = arg;

    if (s->fail_at >= 0 && offset >= (uint64_t)s->fail_at)
        return err_set(e, ERR_TEMPORARY, "no more");
    size_t left = s->len - (size_t)offset, n = left < len ? left : len;
    n = n < 7 ? n : 7; /* in small pieces: the end of the header section lies across them */
    memcpy(to, s->text + offset, n);
    return (long)n;
}

static int to_buf(void *arg, struct span data, struct err *e)
{
    (void)e;
    return buf_addspan(arg, data);
}

static struct report_rcpt failed = {
    .address = "nobody@example.org",
    .original = "root@mx.example",
    .orcpt = "rfc822;root@mx.example",
    .action = REPORT_FAILED,
    .status = "5.1.1",
    .reason = "host mail.example.org[192.0.2.1] said: 550 5.1.1 <nobody@example.org>: no such user here",
    .remote_mta = "mail.example.org",
    .diagnostic = "550 5.1.1 <nobody@example.org>: no such user here",
    .last_attempt_us = 60 * USEC_PER_SEC,
};

static struct report a_report(void)
{
    return (struct report){
        .myhostname = "mx.example",
        .from = "MAILER-DAEMON@mx.example",
        .to = "joe@mx.example",
        .report_id = "4cQy",
        .id = "4cQx",
        .envid = "env 1",
        .arrival_us = 0,
        .now_us = 60 * USEC_PER_SEC,
        .rcpts = &failed,
        .n_rcpts = 1,
        .size = sizeof message - 1,
    };
}

static const char *written(const struct report *r, struct buf *out)
{
    struct source s = { message, sizeof message - 1, -1 };
    struct err e;

    setenv("TZ", "UTC0", 1);
    tzset();
    buf_init(out, BUF_NO_MAX);
    assert_int_equal(report_write(r, read_text, &s, to_buf, out, &e), 0);
    return buf_cstr(out);
}

static void says(const char *text, const char *what)
{
    if (!strstr(text, what))
        fail_msg("not in the report: %s\n----\n%s", what, text);
}

static void every_line_is_short_clean_and_ends_in_crlf(struct span s, bool may_be_8bit)
{
    while (s.len) {
        size_t end = span_find(s, '\n');
        assert_true(end < s.len && end > 0 && s.at[end - 1] == '\r' && end <= 999);
        for (size_t i = 0; i + 1 < end; i++)
            assert_true((unsigned char)s.at[i] >= ' ' || s.at[i] == '\t');
        assert_true(may_be_8bit || span_is_ascii(span_of(s.at, end)));
        s = span_from(s, end + 1);
    }
}

static void a_failure_is_reported_to_people_and_machines(void **state)
{
    struct report r = a_report();
    struct buf out;
    const char *text = written(&r, &out);

    (void)state;
    says(text, "From: Mail Delivery System <MAILER-DAEMON@mx.example>\r\nTo: <joe@mx.example>\r\n");
    says(text, "Auto-Submitted: auto-replied\r\n");
    says(text, "Content-Type: multipart/report; report-type=delivery-status;\r\n\tboundary=\"=_4cQy.3938700\"\r\n");
    says(text, "Message-ID: <4cQy.report@mx.example>\r\n");
    says(text, "<nobody@example.org> (you wrote to <root@mx.example>): host\r\n    mail.example.org[192.0.2.1] said: 550");
    says(text, "\r\nReporting-MTA: dns; mx.example\r\nOriginal-Envelope-Id: env 1\r\n");
    says(text, "\r\n\r\nOriginal-Recipient: rfc822;root@mx.example\r\nFinal-Recipient: rfc822; nobody@example.org\r\n"
               "Action: failed\r\nStatus: 5.1.1\r\nRemote-MTA: dns; mail.example.org\r\n"
               "Diagnostic-Code: smtp; 550 5.1.1 <nobody@example.org>: no such user here\r\n"
               "Last-Attempt-Date: Thu, 1 Jan 1970 00:01:00 +0000 (UTC)\r\n");
    says(text, "Content-Type: message/rfc822\r\n\r\nSubject: x\r\nTo: a@b\r\n\r\nthe body\r\n\r\n--=_4cQy.3938700--\r\n");
    every_line_is_short_clean_and_ends_in_crlf(buf_span(&out), false);
    buf_fini(&out);
}

static void only_the_header_section_goes_back_when_that_is_asked_or_it_is_large(void **state)
{
    struct report r = a_report();
    struct buf out;
    const char *text;

    (void)state;
    for (int i = 0; i < 3; i++) {
        struct report_rcpt delayed = failed;
        r = a_report();
        delayed.action = REPORT_DELAYED;
        if (i == 0)
            r.ret = RET_HDRS;
        if (i == 1)
            r.size_limit = 10;
        if (i == 2)
            r.rcpts = &delayed;
        text = written(&r, &out);
        says(text, "Content-Type: text/rfc822-headers\r\n\r\nSubject: x\r\nTo: a@b\r\n\r\n\r\n--");
        assert_null(strstr(text, "the body"));
        buf_fini(&out);
    }
}

static void a_delay_says_until_when_it_is_tried(void **state)
{
    struct report_rcpt delayed = failed;
    struct report r = a_report();
    struct buf out;
    const char *text;

    (void)state;
    delayed.action = REPORT_DELAYED;
    delayed.status = "4.4.1";
    delayed.diagnostic = delayed.remote_mta = NULL;
    delayed.reason = "connect to mail.example.org: timed out";
    delayed.will_retry_us = 3600 * USEC_PER_SEC;
    r.rcpts = &delayed;
    text = written(&r, &out);
    says(text, "Subject: Delayed mail");
    says(text, "Action: delayed\r\nStatus: 4.4.1\r\nDiagnostic-Code: x-baton; connect to");
    says(text, "Will-Retry-Until: Thu, 1 Jan 1970 01:00:00 +0000 (UTC)\r\n");
    says(text, "You\r\nneed not send it again");
    buf_fini(&out);
}

static void words_of_strangers_are_made_harmless_and_folded(void **state)
{
    struct report_rcpt rcpt = failed;
    struct report r = a_report();
    struct buf out, words;

    (void)state;
    buf_init(&words, BUF_NO_MAX);
    buf_adds(&words, "550 a\r\nBcc: x\x1b[0m \xe4 ");
    for (int i = 0; i < 5000; i++)
        buf_adds(&words, i % 100 ? "x" : " word ");
    for (int i = 0; i < 5000; i++)
        buf_adds(&words, "y");
    rcpt.reason = rcpt.diagnostic = buf_cstr(&words);
    r.rcpts = &rcpt;
    written(&r, &out);
    every_line_is_short_clean_and_ends_in_crlf(buf_span(&out), false);
    assert_null(strstr(buf_cstr(&out), "\r\nBcc"));
    buf_fini(&out);
    buf_fini(&words);
}

static void utf8_takes_the_types_of_rfc_6533(void **state)
{
    struct report_rcpt rcpt = failed;
    struct report r = a_report();
    struct envelope env;
    struct buf out;
    const char *text;

    (void)state;
    rcpt.address = "j\xc3\xb6rg@example.org";
    rcpt.orcpt = NULL;
    r.rcpts = &rcpt;
    r.smtputf8 = true;
    text = written(&r, &out);
    says(text, "Content-Type: message/global-delivery-status\r\nContent-Transfer-Encoding: 8bit\r\n");
    says(text, "Final-Recipient: utf-8; j\xc3\xb6rg@example.org\r\n");
    says(text, "Content-Type: message/global\r\nContent-Transfer-Encoding: 8bit\r\n");
    every_line_is_short_clean_and_ends_in_crlf(buf_span(&out), true);
    envelope_init(&env);
    report_needs(&r, &env);
    assert_int_equal(env.body, BODY_8BITMIME);
    assert_false(env.smtputf8); /* it goes to an ASCII address, from one */
    r = a_report();
    report_needs(&r, &env);
    assert_int_equal(env.body, BODY_7BIT);
    r.is_8bit = true;
    report_needs(&r, &env);
    assert_int_equal(env.body, BODY_8BITMIME);
    envelope_fini(&env);
    buf_fini(&out);
}

static void a_message_that_cannot_be_read_cuts_the_report_short(void **state)
{
    struct report r = a_report();
    struct source first = { message, sizeof message - 1, 0 }, later = { message, sizeof message - 1, 14 };
    struct buf out;
    struct err e;

    (void)state;
    buf_init(&out, BUF_NO_MAX);
    assert_int_equal(report_write(&r, read_text, &first, to_buf, &out, &e), -1);
    assert_string_equal(e.text, "no more");
    buf_clear(&out);
    assert_int_equal(report_write(&r, read_text, &later, to_buf, &out, &e), 0);
    says(buf_cstr(&out), "could not be read");
    says(buf_cstr(&out), "--=_4cQy.3938700--\r\n");
    buf_clear(&out);
    assert_int_equal(report_write(&r, NULL, NULL, to_buf, &out, &e), 0);
    assert_null(strstr(buf_cstr(&out), "rfc822-headers"));
    buf_fini(&out);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_failure_is_reported_to_people_and_machines),
        cmocka_unit_test(only_the_header_section_goes_back_when_that_is_asked_or_it_is_large),
        cmocka_unit_test(a_delay_says_until_when_it_is_tried),
        cmocka_unit_test(words_of_strangers_are_made_harmless_and_folded),
        cmocka_unit_test(utf8_takes_the_types_of_rfc_6533),
        cmocka_unit_test(a_message_that_cannot_be_read_cuts_the_report_short),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
