/* SPDX-License-Identifier: Apache-2.0
 *
 * The milter protocol as transcripts. A packet is written as "C name|4|..." here: its letter, then its data, where | is a NUL and
 * \xHH a byte; the length is put in front. */
#include "base/buf.h"
#include "base/mem.h"
#include "smtp/milter.h"

#include "unit.h"

#include <stdio.h>
#include <stdlib.h>

/* ---- packets as text ---- */

static struct span packet(const char *letter_and_data, size_t len)
{
    static char bytes[70000];

    bytes[0] = (char)(len >> 24);
    bytes[1] = (char)(len >> 16);
    bytes[2] = (char)(len >> 8);
    bytes[3] = (char)len;
    memcpy(bytes + 4, letter_and_data, len);
    return span_of(bytes, 4 + len);
}
#define PACKET(literal) packet(literal, sizeof(literal) - 1)

/* What goes out: "O.......  Cname|4.." with | for NUL and . for other bytes that do not print. */
static const char *sent(struct milter *m)
{
    static char text[4096];
    size_t n = 0;
    struct span out = milter_output(m);

    for (struct span rest = out; rest.len;) {
        const unsigned char *b = (const unsigned char *)rest.at;
        size_t len = (size_t)b[0] << 24 | (size_t)b[1] << 16 | (size_t)b[2] << 8 | b[3];
        assert_true(len + 4 <= rest.len);
        if (n)
            text[n++] = ' ';
        for (size_t i = 4; i < 4 + len && n < sizeof text - 2; i++)
            text[n++] = (char)(b[i] == 0 ? '|' : b[i] < ' ' || b[i] > '~' ? '.' : b[i]);
        rest = span_from(rest, 4 + len);
    }
    text[n] = '\0';
    milter_sent(m, out.len);
    return text;
}

#define OFFER_ALL "O\0\0\0\6\0\0\1\xff\0\0\0\0"

static struct milter *negotiated(const char *answer, size_t len)
{
    struct milter *m = milter_new(6);
    struct milter_news n;

    milter_sent(m, milter_output(m).len);
    milter_input(m, packet(answer, len));
    assert_true(milter_next(m, &n));
    assert_int_equal(n.kind, MILTER_NEGOTIATED);
    assert_false(milter_next(m, &n));
    return m;
}
#define NEGOTIATED(literal) negotiated(literal, sizeof(literal) - 1)

static void answered(struct milter *m, const char *data, size_t len, struct milter_news *n)
{
    milter_input(m, packet(data, len));
    assert_true(milter_next(m, n));
}
#define ANSWER(m, literal, n) answered(m, literal, sizeof(literal) - 1, n)

/* ---- */

static void it_offers_what_the_version_has(void **state)
{
    static const struct { unsigned version; const char *bytes; } cases[] = {
        { 6, "O\0\0\0\6\0\0\1\xff\0\x1f\xff\xff" },
        { 4, "O\0\0\0\4\0\0\0\x3f\0\0\3\xff" },
        { 2, "O\0\0\0\2\0\0\0\x3f\0\0\0\x7f" },
    };
    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        struct milter *m = milter_new(cases[i].version);
        struct span want = packet(cases[i].bytes, 13);
        assert_true(span_eq(milter_output(m), want));
        milter_free(m);
    }
}

static void a_session_is_told_in_order(void **state)
{
    static const char *const args[] = { "SIZE=10", "BODY=8BITMIME", NULL };
    struct milter *m = NEGOTIATED(OFFER_ALL);
    struct milter_news n;

    (void)state;
    milter_macro(m, "j", "mx.test");
    milter_macro(m, "{daemon_name}", "d");
    assert_true(milter_connect(m, "client.test", "192.0.2.1", 0x4142));
    assert_string_equal(sent(m), "DCj|mx.test|{daemon_name}|d| Cclient.test|4AB192.0.2.1|");
    ANSWER(m, "c", &n);
    assert_int_equal(n.kind, MILTER_ANSWER);
    assert_int_equal(n.verdict, MILTER_CONTINUE);
    assert_true(milter_helo(m, "me.test"));
    ANSWER(m, "c", &n);
    milter_macro(m, "i", "1");
    assert_true(milter_unknown(m, "FROB x"));
    ANSWER(m, "c", &n);
    assert_true(milter_mail(m, "a@x", args));
    ANSWER(m, "c", &n);
    assert_true(milter_rcpt(m, "b@x", NULL));
    ANSWER(m, "c", &n);
    assert_true(milter_data(m));
    ANSWER(m, "c", &n);
    assert_string_equal(sent(m), "Hme.test| DUi|1| UFROB x| M<a@x>|SIZE=10|BODY=8BITMIME| R<b@x>| T");
    assert_true(milter_header(m, SPAN("Subject"), SPAN(" one\r\n\ttwo\r\n")));
    ANSWER(m, "c", &n);
    assert_true(milter_eoh(m));
    ANSWER(m, "c", &n);
    assert_true(milter_body(m, SPAN("x\r\n")));
    ANSWER(m, "s", &n);
    assert_int_equal(n.verdict, MILTER_SKIP);
    assert_true(milter_end(m));
    assert_string_equal(sent(m), "LSubject|one..two| N Bx.. E");
    ANSWER(m, "a", &n);
    assert_int_equal(n.verdict, MILTER_ACCEPT);
    milter_abort(m); /* nothing to be aborted any more */
    milter_quit(m);
    assert_string_equal(sent(m), "Q");
    milter_free(m);
}

static void addresses_have_their_family(void **state)
{
    struct milter *m = NEGOTIATED(OFFER_ALL);
    struct milter_news n;

    (void)state;
    milter_connect(m, "v6.test", "2001:db8::1", 0x4142);
    ANSWER(m, "c", &n);
    milter_connect(m, "unknown", NULL, 0);
    assert_string_equal(sent(m), "Cv6.test|6AB2001:db8::1| Cunknown|U");
    milter_free(m);
}

static void what_is_not_wanted_is_not_said(void **state)
{
    struct milter *m = NEGOTIATED("O\0\0\0\6\0\0\0\0\0\0\0\x03"); /* no connect, no helo */

    (void)state;
    milter_macro(m, "j", "mx.test");
    assert_false(milter_connect(m, "client.test", NULL, 0));
    assert_false(milter_helo(m, "x"));
    assert_string_equal(sent(m), "");
    assert_true(milter_mail(m, "", NULL));
    assert_string_equal(sent(m), "M<>|"); /* and its macros are not the next event's */
    milter_free(m);
}

static void who_does_not_answer_is_not_waited_for(void **state)
{
    struct milter *m = NEGOTIATED("O\0\0\0\6\0\0\0\0\0\x0f\xf0\x80");

    (void)state;
    assert_false(milter_connect(m, "client.test", NULL, 0));
    assert_false(milter_helo(m, "x"));
    assert_false(milter_mail(m, "a@x", NULL));
    assert_false(milter_header(m, SPAN("A"), SPAN(" b")));
    assert_false(milter_body(m, SPAN("x")));
    assert_true(milter_end(m));
    assert_string_equal(sent(m), "Cclient.test|U Hx| M<a@x>| LA|b| Bx E");
    milter_free(m);
}

static void version_2_has_no_data(void **state)
{
    struct milter *m = NEGOTIATED("O\0\0\0\2\0\0\0\x3f\0\0\0\0");

    (void)state;
    assert_false(milter_data(m));
    assert_false(milter_unknown(m, "FROB"));
    assert_true(milter_eoh(m));
    assert_string_equal(sent(m), "N");
    milter_free(m);
}

static void the_blank_behind_the_colon_is_kept_if_asked_for(void **state)
{
    struct milter *m = NEGOTIATED("O\0\0\0\6\0\0\0\1\0\x10\0\0");
    struct milter_news n;

    (void)state;
    milter_header(m, SPAN("A"), SPAN("  two"));
    assert_string_equal(sent(m), "LA|  two|");
    ANSWER(m, "c", &n);
    milter_end(m);
    ANSWER(m, "hX\0 y\0", &n);
    assert_int_equal(n.kind, MILTER_CHANGE);
    assert_true(n.has_space);
    milter_free(m);
}

static void macros_are_asked_for_by_name(void **state)
{
    struct milter *m = NEGOTIATED("O\0\0\0\6\0\0\1\0\0\0\0\0" "\0\0\0\2i {auth_authen}\0" "\0\0\0\5i\0");

    (void)state;
    assert_string_equal(milter_asked_macros(m, MILTER_MAIL), "i {auth_authen}");
    assert_string_equal(milter_asked_macros(m, MILTER_END), "i");
    assert_null(milter_asked_macros(m, MILTER_CONNECT));
    assert_null(milter_asked_macros(m, MILTER_HEADER));
    milter_free(m);
}

static void replies_are_taken_apart(void **state)
{
    static const struct { const char *bytes; int code; const char *status, *text; } cases[] = {
        { "550 5.7.1 no, thanks", 550, "5.7.1", "no, thanks" },
        { "451 later", 451, "", "later" },
        { "554", 554, "", "" },
        { "550-5.7.1 one\r\n550 5.7.1 two", 550, "5.7.1", "one\ntwo" },
        { "550 4.7.1 of another class", 550, "", "4.7.1 of another class" },
        { "550 5.7.x no status", 550, "", "5.7.x no status" },
    };
    struct milter *m = NEGOTIATED(OFFER_ALL);
    struct milter_news n;

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        char data[200];
        milter_rcpt(m, "b@x", NULL);
        int len = snprintf(data, sizeof data, "y%s", cases[i].bytes);
        answered(m, data, (size_t)len + 1, &n);
        assert_int_equal(n.kind, MILTER_ANSWER);
        assert_int_equal(n.verdict, MILTER_REPLY);
        assert_int_equal(n.code, cases[i].code);
        assert_string_equal(n.status, cases[i].status);
        assert_true(span_eq(n.text, span_str(cases[i].text)));
    }
    milter_free(m);
}

static void changes_come_before_the_last_answer(void **state)
{
    struct milter *m = NEGOTIATED(OFFER_ALL);
    struct milter_news n;

    (void)state;
    milter_mail(m, "a@x", NULL);
    ANSWER(m, "c", &n);
    milter_end(m);
    ANSWER(m, "hX-A\0v\0", &n);
    assert_int_equal(n.change, MILTER_ADD_HEADER);
    assert_true(span_eq(n.name, SPAN("X-A")) && span_eq(n.value, SPAN("v")));
    ANSWER(m, "i\0\0\0\1X-B\0v\0", &n);
    assert_int_equal(n.change, MILTER_INSERT_HEADER);
    assert_int_equal(n.index, 1);
    ANSWER(m, "m\0\0\0\2Subject\0\0", &n);
    assert_int_equal(n.change, MILTER_CHANGE_HEADER);
    assert_int_equal(n.index, 2);
    assert_int_equal(n.value.len, 0);
    ANSWER(m, "p", &n);
    assert_int_equal(n.kind, MILTER_PROGRESS);
    ANSWER(m, "bnew\0", &n);
    assert_int_equal(n.change, MILTER_REPLACE_BODY);
    assert_int_equal(n.value.len, 4);
    ANSWER(m, "+<c@x>\0", &n);
    assert_int_equal(n.change, MILTER_ADD_RCPT);
    ANSWER(m, "2<c@x>\0NOTIFY=NEVER\0", &n);
    assert_true(span_eq(n.value, SPAN("NOTIFY=NEVER")));
    ANSWER(m, "-<c@x>\0", &n);
    assert_int_equal(n.change, MILTER_DELETE_RCPT);
    ANSWER(m, "e<>\0", &n);
    assert_int_equal(n.change, MILTER_CHANGE_SENDER);
    ANSWER(m, "qlooks odd\0", &n);
    assert_int_equal(n.change, MILTER_QUARANTINE);
    ANSWER(m, "c", &n);
    assert_int_equal(n.kind, MILTER_ANSWER);
    milter_free(m);
}

static void a_message_that_has_not_ended_is_aborted(void **state)
{
    struct milter *m = NEGOTIATED(OFFER_ALL);
    struct milter_news n;

    (void)state;
    milter_mail(m, "a@x", NULL);
    ANSWER(m, "c", &n);
    sent(m);
    milter_abort(m);
    milter_abort(m);
    assert_string_equal(sent(m), "A");
    milter_free(m);
}

#define FAULT(literal) { literal, sizeof(literal) - 1 }

static void nonsense_is_a_fault(void **state)
{
    static const struct { const char *bytes; size_t len; } early[] = {
        FAULT("c"), FAULT("O"), FAULT("O\0\0\0\7\0\0\0\0\0\0\0\0"), FAULT("O\0\0\0\1\0\0\0\0\0\0\0\0"),
        FAULT("O\0\0\0\6\0\0\2\0\0\0\0\0"), FAULT("O\0\0\0\6\0\0\0\0\x80\0\0\0"), FAULT("O\0\0\0\6\0\0\0\0\0\0\0\0\0\0\0\x09i\0"),
        FAULT("O\0\0\0\6\0\0\0\0\0\0\0\0\0\0\0\1no NUL"),
    };
    static const struct { const char *bytes; size_t len; } late[] = {
        FAULT("!"), FAULT("yno code\0"), FAULT("y250 2.0.0 yes\0"), FAULT("hX\0v\0"), FAULT(OFFER_ALL),
    };
    static const struct { const char *bytes; size_t len; } at_end[] = {
        FAULT("hX y\0v\0"), FAULT("hX:\0v\0"), FAULT("h\0v\0"), FAULT("hX\0no NUL"), FAULT("m\0\0X\0v\0"), FAULT("+no NUL"),
    };
    struct milter_news n;

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(early); i++) {
        struct milter *m = milter_new(6);
        answered(m, early[i].bytes, early[i].len, &n);
        assert_int_equal(n.kind, MILTER_FAULT);
        milter_free(m);
    }
    for (size_t i = 0; i < ARRAY_LEN(late); i++) {
        struct milter *m = NEGOTIATED(OFFER_ALL);
        milter_rcpt(m, "b@x", NULL);
        answered(m, late[i].bytes, late[i].len, &n);
        assert_int_equal(n.kind, MILTER_FAULT);
        assert_false(milter_next(m, &n));
        milter_free(m);
    }
    for (size_t i = 0; i < ARRAY_LEN(at_end); i++) {
        struct milter *m = NEGOTIATED(OFFER_ALL);
        milter_end(m);
        answered(m, at_end[i].bytes, at_end[i].len, &n);
        assert_int_equal(n.kind, MILTER_FAULT);
        milter_free(m);
    }
}

static void a_change_that_was_not_agreed_upon_is_a_fault(void **state)
{
    struct milter *m = NEGOTIATED("O\0\0\0\6\0\0\0\1\0\0\0\0");
    struct milter_news n;

    (void)state;
    milter_end(m);
    ANSWER(m, "bnew", &n);
    assert_int_equal(n.kind, MILTER_FAULT);
    milter_free(m);
}

static void an_answer_in_pieces_is_one(void **state)
{
    struct milter *m = NEGOTIATED(OFFER_ALL);
    struct milter_news n;

    (void)state;
    milter_helo(m, "x");
    struct span p = PACKET("y550 5.7.1 go\0");
    for (size_t i = 0; i < p.len; i++) {
        assert_false(milter_next(m, &n));
        milter_input(m, span_of(p.at + i, 1));
    }
    assert_true(milter_next(m, &n));
    assert_int_equal(n.code, 550);
    milter_free(m);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(it_offers_what_the_version_has),
        cmocka_unit_test(a_session_is_told_in_order),
        cmocka_unit_test(addresses_have_their_family),
        cmocka_unit_test(what_is_not_wanted_is_not_said),
        cmocka_unit_test(who_does_not_answer_is_not_waited_for),
        cmocka_unit_test(version_2_has_no_data),
        cmocka_unit_test(the_blank_behind_the_colon_is_kept_if_asked_for),
        cmocka_unit_test(macros_are_asked_for_by_name),
        cmocka_unit_test(replies_are_taken_apart),
        cmocka_unit_test(changes_come_before_the_last_answer),
        cmocka_unit_test(a_message_that_has_not_ended_is_aborted),
        cmocka_unit_test(nonsense_is_a_fault),
        cmocka_unit_test(a_change_that_was_not_agreed_upon_is_a_fault),
        cmocka_unit_test(an_answer_in_pieces_is_one),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
