/* SPDX-License-Identifier: Apache-2.0
 *
 * Reading replies, and judging them. */
#include "base/mem.h"
#include "smtp/reply.h"
#include "smtp/verdict.h"

#include "unit.h"

#include <stdio.h>
#include <stdlib.h>

/* ---- reading --------------------------------------------------------------------------------- */

static enum smtp_read read_all(struct smtp_reply_reader *rr, const char *text, size_t piece)
{
    struct span all = span_str(text), line;
    enum smtp_read r = SMTP_READ_MORE;

    smtp_reply_reader_init(rr);
    while (all.len && r != SMTP_READ_BAD && r != SMTP_READ_DONE) {
        struct span in = span_of(all.at, all.len < piece ? all.len : piece);
        size_t len = in.len;
        r = smtp_reply_read(rr, &in, &line);
        all = span_from(all, len - in.len);
    }
    return r;
}

static void replies_are_read_however_they_are_written(void **state)
{
    static const struct {
        const char *text, *want, *dsn;
    } cases[] = {
        { "250 ok\r\n", "250 ok", "2.0.0" },
        { "250 2.1.5 Ok\r\n", "250 2.1.5 Ok", "2.1.5" },
        { "250\r\n", "250", "2.0.0" },
        { "250 \r\n", "250", "2.0.0" },
        { "250-a\n250 b\n", "250 a b", "2.0.0" },
        { "250-\r\n250 b\r\n", "250 b", "2.0.0" },
        { "550-5.7.1 not\r\n550-5.7.1 here\r\n550 5.7.1\r\n", "550 5.7.1 not here", "5.7.1" },
        { "550 5.7.1234 x\r\n", "550 5.7.1234 x", "5.0.0" },
        { "550 4.7.1 x\r\n", "550 4.7.1 x", "5.0.0" }, /* RFC 2034: the class has to fit */
        { "250 2.0.0.1 host\r\n", "250 2.0.0.1 host", "2.0.0" },
        { "250 2.0.0\r\n", "250 2.0.0", "2.0.0" },
        { "450  4.2.1   later \r\n", "450 4.2.1 later", "4.2.1" },
        { "554 a\tb\x01\x7f\r\n", "554 a b??", "5.0.0" },
        { "250 ok\r\r\n", "250 ok", "2.0.0" },
        { "354-go\r\n354 on\r\n", "354 go on", "2.0.0" },
    };
    char out[1100], dsn[12];
    struct smtp_reply_reader rr;
    (void)state;

    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        for (size_t piece = 1; piece < 50; piece += 7) {
            assert_int_equal(read_all(&rr, cases[i].text, piece), SMTP_READ_DONE);
            assert_string_equal(smtp_reply_format(&rr.reply, out, sizeof out), cases[i].want);
            assert_string_equal(smtp_reply_dsn(&rr.reply, dsn), cases[i].dsn);
        }
    }
}

static void what_is_no_reply_is_refused(void **state)
{
    static const char *const bad[] = {
        "\r\n",       "HTTP/1.1 200\r\n", "25 ok\r\n",      "2500 ok\r\n", "150 ok\r\n",
        "650 ok\r\n", "2x0 ok\r\n",       "250-a\r\n251 b\r\n", "250-a\r\nb\r\n", " 250 ok\r\n",
    };
    struct smtp_reply_reader rr;
    (void)state;

    for (size_t i = 0; i < ARRAY_LEN(bad); i++)
        if (read_all(&rr, bad[i], 100) != SMTP_READ_BAD)
            fail_msg("taken: %s", bad[i]);
}

static void endless_replies_are_cut(void **state)
{
    struct smtp_reply_reader rr;
    struct buf b;
    (void)state;

    buf_init(&b, BUF_NO_MAX);
    buf_adds(&b, "250 ");
    for (int i = 0; i < 100000; i++)
        buf_addc(&b, 'x');
    buf_adds(&b, "\r\n");
    assert_int_equal(read_all(&rr, buf_cstr(&b), 1000), SMTP_READ_DONE);
    assert_int_equal(strlen(rr.reply.text), SMTP_REPLY_TEXT - 1);
    buf_clear(&b);
    for (int i = 0; i < 2000; i++)
        buf_adds(&b, "250-x\r\n");
    assert_int_equal(read_all(&rr, buf_cstr(&b), 1000), SMTP_READ_BAD);
    buf_clear(&b);
    for (int i = 0; i < 1024 * 1024; i++)
        buf_addc(&b, 'x');
    assert_int_equal(read_all(&rr, buf_cstr(&b), 1000), SMTP_READ_BAD);
    buf_fini(&b);
}

/* ---- verdicts -------------------------------------------------------------------------------- */

static struct smtp_result said(enum smtp_stage stage, const char *line)
{
    struct smtp_reply_reader rr;
    char text[600];

    snprintf(text, sizeof text, "%s\r\n", line);
    assert_int_equal(read_all(&rr, text, 1000), SMTP_READ_DONE);
    return (struct smtp_result){ .stage = stage, .reply = rr.reply };
}

static const struct {
    enum smtp_stage stage;
    const char *line;
    enum verdict relayhost, mx;
} judged[] = {
    { SMTP_AT_EOD, "250 2.0.0 Ok: queued as 1", VERDICT_OK, VERDICT_OK },
    { SMTP_AT_RCPT, "250 ok", VERDICT_OK, VERDICT_OK },
    { SMTP_AT_RCPT, "450 4.2.0 greylisted", VERDICT_TEMPORARY, VERDICT_TEMPORARY },
    { SMTP_AT_EOD, "354 what", VERDICT_TEMPORARY, VERDICT_TEMPORARY },
    { SMTP_AT_MAIL, "421 4.7.0 too many connections", VERDICT_TEMPORARY, VERDICT_TEMPORARY },
    { SMTP_AT_RCPT, "550 5.1.1 <x@y>: User unknown", VERDICT_RCPT, VERDICT_RCPT },
    { SMTP_AT_RCPT, "550 5.7.1 we do not like you", VERDICT_RCPT, VERDICT_RCPT },
    { SMTP_AT_MAIL, "552 5.3.4 Message size exceeds fixed limit", VERDICT_MESSAGE, VERDICT_MESSAGE },
    { SMTP_AT_EOD, "554 5.7.1 Message contains spam", VERDICT_MESSAGE, VERDICT_MESSAGE },
    { SMTP_AT_EOD, "550 5.7.26 unauthenticated mail (DMARC)", VERDICT_MESSAGE, VERDICT_MESSAGE },
    { SMTP_AT_EOD, "552 5.2.2 Over quota", VERDICT_MESSAGE, VERDICT_MESSAGE },
    /* before any message */
    { SMTP_AT_GREETING, "554 5.7.1 you are on a list", VERDICT_CONFIG, VERDICT_TEMPORARY },
    { SMTP_AT_EHLO, "550 5.7.1 bad name", VERDICT_CONFIG, VERDICT_TEMPORARY },
    { SMTP_AT_STARTTLS, "554 5.7.3 no certificate", VERDICT_CONFIG, VERDICT_TEMPORARY },
    { SMTP_AT_GREETING, "421 4.3.2 busy", VERDICT_TEMPORARY, VERDICT_TEMPORARY },
    { SMTP_AT_AUTH, "535 5.7.8 Username and Password not accepted", VERDICT_CONFIG, VERDICT_TEMPORARY },
    { SMTP_AT_AUTH, "535 5.7.3 Authentication unsuccessful", VERDICT_CONFIG, VERDICT_TEMPORARY },
    { SMTP_AT_AUTH, "534 5.7.9 Application-specific password required", VERDICT_CONFIG, VERDICT_TEMPORARY },
    { SMTP_AT_AUTH,
      "535 5.7.139 Authentication unsuccessful, basic authentication is disabled.",
      VERDICT_CONFIG, VERDICT_TEMPORARY },
    { SMTP_AT_AUTH, "454 4.7.0 Temporary authentication failure", VERDICT_TEMPORARY, VERDICT_TEMPORARY },
    { SMTP_AT_AUTH, "432 4.7.12 A password transition is needed", VERDICT_CONFIG, VERDICT_CONFIG },
    { SMTP_AT_MAIL, "432 4.3.2 Concurrent connections limit exceeded", VERDICT_TEMPORARY, VERDICT_TEMPORARY },
    /* logins asked for later */
    { SMTP_AT_MAIL, "530 5.7.0 Authentication required", VERDICT_CONFIG, VERDICT_MESSAGE },
    { SMTP_AT_MAIL, "530 5.7.57 Client not authenticated to send mail.", VERDICT_CONFIG, VERDICT_MESSAGE },
    { SMTP_AT_MAIL, "550 5.7.57 Client not authenticated to send anonymous mail", VERDICT_CONFIG, VERDICT_MESSAGE },
    { SMTP_AT_MAIL, "530 5.7.0 Must issue a STARTTLS command first", VERDICT_CONFIG, VERDICT_MESSAGE },
    { SMTP_AT_RCPT, "530 Authentication required", VERDICT_CONFIG, VERDICT_RCPT },
    { SMTP_AT_MAIL, "503 AUTH first (#5.5.1)", VERDICT_CONFIG, VERDICT_MESSAGE },
    { SMTP_AT_MAIL, "553 5.7.1 <a@b>: Sender address rejected: not logged in", VERDICT_CONFIG, VERDICT_MESSAGE },
    { SMTP_AT_RCPT, "550 5.7.1 Authentication Required", VERDICT_CONFIG, VERDICT_RCPT },
    { SMTP_AT_EOD, "550 5.7.30 Basic authentication is not supported for Client Submission.", VERDICT_CONFIG, VERDICT_MESSAGE },
    { SMTP_AT_EOD, "550 5.7.30 REQUIRETLS support required", VERDICT_MESSAGE, VERDICT_MESSAGE },
    /* senders */
    { SMTP_AT_EOD, "554 5.2.252 SendAsDenied; joe@x not allowed to send as root@y", VERDICT_CONFIG, VERDICT_MESSAGE },
    { SMTP_AT_EOD, "550 5.7.60 SMTP; Client does not have permissions to send as this sender", VERDICT_CONFIG, VERDICT_MESSAGE },
    { SMTP_AT_RCPT, "553 5.7.1 <a@b>: Sender address rejected: not owned by user joe", VERDICT_CONFIG, VERDICT_RCPT },
    { SMTP_AT_RCPT, "550 5.1.8 <root@localhost.localdomain>: Sender address rejected: Domain not found", VERDICT_CONFIG, VERDICT_RCPT },
    { SMTP_AT_EOD, "554 Message rejected: Email address is not verified.", VERDICT_CONFIG, VERDICT_MESSAGE },
    /* relaying */
    { SMTP_AT_RCPT, "554 5.7.1 <x@y>: Relay access denied", VERDICT_RELAYING, VERDICT_RCPT },
    { SMTP_AT_RCPT, "550 5.7.54 SMTP; Unable to relay recipient in non-accepted domain", VERDICT_RELAYING, VERDICT_RCPT },
    { SMTP_AT_RCPT, "553 sorry, that domain isn't in my list of allowed rcpthosts (#5.7.1)", VERDICT_RELAYING, VERDICT_RCPT },
    { SMTP_AT_RCPT, "454 4.7.1 <x@y>: Relay access denied", VERDICT_TEMPORARY, VERDICT_TEMPORARY },
    { SMTP_AT_RCPT, "550 5.7.64 TenantAttribution; Relay Access Denied", VERDICT_CONFIG, VERDICT_RCPT },
    { SMTP_AT_MAIL, "550 5.7.1 Invalid credentials for relay [192.0.2.1].", VERDICT_CONFIG, VERDICT_MESSAGE },
    /* quotas, old habits */
    { SMTP_AT_EOD, "550 5.4.5 Daily user sending limit exceeded.", VERDICT_TEMPORARY, VERDICT_TEMPORARY },
    { SMTP_AT_RCPT, "552 too many recipients", VERDICT_TEMPORARY, VERDICT_TEMPORARY },
    { SMTP_AT_RCPT, "452 4.5.3 too many recipients", VERDICT_TEMPORARY, VERDICT_TEMPORARY },
    { SMTP_AT_RSET, "500 what", VERDICT_TEMPORARY, VERDICT_TEMPORARY },
};

static void a_refusal_is_judged_by_whose_fault_it_is(void **state)
{
    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(judged); i++) {
        struct smtp_result r = said(judged[i].stage, judged[i].line);
        enum verdict relayhost = smtp_verdict(&r, true), mx = smtp_verdict(&r, false);
        if (relayhost != judged[i].relayhost || mx != judged[i].mx)
            fail_msg("%s: %s, %s", judged[i].line, smtp_verdict_name(relayhost),
                     smtp_verdict_name(mx));
    }
}

static void our_own_words_are_judged_too(void **state)
{
    static const struct {
        enum smtp_stage stage;
        const char *dsn;
        enum verdict want;
    } cases[] = {
        { SMTP_AT_MAIL, "5.3.4", VERDICT_MESSAGE },   { SMTP_AT_MAIL, "5.6.7", VERDICT_MESSAGE },
        { SMTP_AT_RCPT, "4.4.2", VERDICT_TEMPORARY }, { SMTP_AT_STARTTLS, "4.7.4", VERDICT_CONFIG },
        { SMTP_AT_AUTH, "4.7.0", VERDICT_CONFIG },    { SMTP_AT_EOD, "4.5.0", VERDICT_TEMPORARY },
    };
    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        struct smtp_result r = { .stage = cases[i].stage, .is_ours = true };
        smtp_reply_set(&r.reply, 0, cases[i].dsn, "x");
        assert_int_equal(smtp_verdict(&r, true), cases[i].want);
    }
}

static void an_alarm_says_what_to_change(void **state)
{
    struct smtp_result r = said(SMTP_AT_MAIL, "530 5.7.0 Authentication required");
    (void)state;

    assert_non_null(strstr(smtp_verdict_advice(&r), "login"));
    r = said(SMTP_AT_AUTH, "535 5.7.139 Authentication unsuccessful");
    assert_non_null(strstr(smtp_verdict_advice(&r), "OAuth2"));
    r = said(SMTP_AT_RCPT, "550 5.1.1 no such user");
    assert_null(smtp_verdict_advice(&r));
    r = said(SMTP_AT_RCPT, "250 ok");
    assert_null(smtp_verdict_advice(&r));
    r = (struct smtp_result){ .stage = SMTP_AT_STARTTLS, .is_ours = true };
    smtp_reply_set(&r.reply, 0, "4.7.4", "TLS is required, but was not offered");
    assert_non_null(strstr(smtp_verdict_advice(&r), "TLS"));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(replies_are_read_however_they_are_written),
        cmocka_unit_test(what_is_no_reply_is_refused),
        cmocka_unit_test(endless_replies_are_cut),
        cmocka_unit_test(a_refusal_is_judged_by_whose_fault_it_is),
        cmocka_unit_test(our_own_words_are_judged_too),
        cmocka_unit_test(an_alarm_says_what_to_change),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
