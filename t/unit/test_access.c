/* SPDX-License-Identifier: Apache-2.0 */
#include "server/access.h"

#include "base/mem.h"
#include "server/policy_service.h"

#include "unit.h"

#include <stdlib.h>

/* ---- answers ---- */

static void answers_are_read(void **state)
{
    static const struct {
        const char *value;
        enum access_verb verb;
        int code;
        const char *status, *text;
    } all[] = {
        { "OK", ACCESS_OK, 0, "", "" },
        { "ok", ACCESS_OK, 0, "", "" },
        { "20261126", ACCESS_OK, 0, "", "20261126" },
        { "DUNNO", ACCESS_DUNNO, 0, "", "" },
        { "REJECT", ACCESS_REJECT, 0, "", "" },
        { " REJECT   go away ", ACCESS_REJECT, 0, "", "go away" },
        { "REJECT 5.7.1 go away", ACCESS_REJECT, 0, "5.7.1", "go away" },
        { "REJECT 5.7.100", ACCESS_REJECT, 0, "5.7.100", "" },
        { "REJECT 5.7 go", ACCESS_REJECT, 0, "", "5.7 go" },
        { "REJECT 5.7.1.1 go", ACCESS_REJECT, 0, "", "5.7.1.1 go" },
        { "REJECT 3.7.1 go", ACCESS_REJECT, 0, "", "3.7.1 go" },
        { "REJECT 5.7.1go", ACCESS_REJECT, 0, "", "5.7.1go" },
        { "REJECT 5..1 go", ACCESS_REJECT, 0, "", "5..1 go" },
        { "DEFER 4.2.1", ACCESS_DEFER, 0, "4.2.1", "" },
        { "450 4.7.1 later", ACCESS_CODE, 450, "4.7.1", "later" },
        { "554", ACCESS_CODE, 554, "", "" },
        { "550\tgone", ACCESS_CODE, 550, "", "gone" },
        { "354 go on", ACCESS_RESTRICTIONS, 0, "", "354 go on" },
        { "4500", ACCESS_OK, 0, "", "4500" },
        { "DEFER_IF_PERMIT x", ACCESS_DEFER_IF_PERMIT, 0, "", "x" },
        { "DEFER_IF_REJECT x", ACCESS_DEFER_IF_REJECT, 0, "", "x" },
        { "HOLD", ACCESS_HOLD, 0, "", "" },
        { "DISCARD it", ACCESS_DISCARD, 0, "", "it" },
        { "REDIRECT a@b.example", ACCESS_REDIRECT, 0, "", "a@b.example" },
        { "BCC a@b.example", ACCESS_BCC, 0, "", "a@b.example" },
        { "PREPEND X: 5.7.1 y", ACCESS_PREPEND, 0, "", "X: 5.7.1 y" },
        { "FILTER smtp:x", ACCESS_FILTER, 0, "", "smtp:x" },
        { "INFO x", ACCESS_INFO, 0, "", "x" },
        { "WARN", ACCESS_WARN, 0, "", "" },
        { "permit_mynetworks, reject", ACCESS_RESTRICTIONS, 0, "", "permit_mynetworks, reject" },
        { "REJECTED", ACCESS_RESTRICTIONS, 0, "", "REJECTED" },
        { "", ACCESS_RESTRICTIONS, 0, "", "" },
    };

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(all); i++) {
        struct access_action a;
        access_parse(span_str(all[i].value), &a);
        if (a.verb != all[i].verb || a.code != all[i].code || strcmp(a.status, all[i].status) != 0 ||
            !span_eq(a.text, span_str(all[i].text)))
            fail_msg("\"%s\": verb %d, code %d, status \"%s\", text \"%.*s\"", all[i].value, (int)a.verb, a.code, a.status,
                     (int)a.text.len, a.text.at);
    }
}

/* ---- keys ---- */

static void assert_keys(struct access_keys *k, const char *want)
{
    struct buf got;

    buf_init(&got, BUF_NO_MAX);
    for (size_t i = 0; i < k->n; i++)
        buf_addf(&got, "%s%s%s", i ? " " : "", k->at[i].text, k->at[i].is_whole ? "!" : "");
    assert_string_equal(buf_cstr(&got), want);
    buf_fini(&got);
    access_keys_fini(k);
}

static void a_host_is_asked_for_by_its_parts(void **state)
{
    struct access_keys k = { 0 };

    (void)state;
    access_keys_host(&k, "mail.example.com", "192.0.2.1", false);
    assert_keys(&k, "mail.example.com! example.com com 192.0.2.1! 192.0.2 192.0 192");
    access_keys_host(&k, "mail.example.com", NULL, true);
    assert_keys(&k, "mail.example.com! .example.com .com");
    access_keys_host(&k, NULL, "2001:db8::7", false);
    assert_keys(&k, "2001:db8::7! 2001:db8: 2001:db8 2001");
    access_keys_host(&k, "", "", false);
    assert_keys(&k, "");
    access_keys_host(&k, "a..b.", NULL, false);
    access_keys_fini(&k);
}

static void an_address_is_asked_for_by_its_parts(void **state)
{
    struct access_keys k = { 0 };

    (void)state;
    access_keys_address(&k, "joe+x@sub.example.com", "+", "<>", false);
    assert_keys(&k, "joe+x@sub.example.com! joe@sub.example.com sub.example.com example.com com joe+x@ joe@");
    access_keys_address(&k, "joe+x@example.com", "", "<>", true);
    assert_keys(&k, "joe+x@example.com! example.com .com joe+x@");
    access_keys_address(&k, "+joe@example.com", "+-", "<>", false);
    assert_keys(&k, "+joe@example.com! example.com com +joe@");
    access_keys_address(&k, "", "+", "<>", false);
    assert_keys(&k, "<>!");
    access_keys_address(&k, "", "+", "", false);
    assert_keys(&k, "");
}

/* ---- lists in the DNS ---- */

static void filters_pick_answers(void **state)
{
    static const struct {
        const char *filter;
        unsigned char address[4];
        int result;
    } all[] = {
        { "127.0.0.2", { 127, 0, 0, 2 }, 1 },      { "127.0.0.2", { 127, 0, 0, 3 }, 0 },
        { "127.0.0.[2;4]", { 127, 0, 0, 4 }, 1 },  { "127.0.0.[2;4]", { 127, 0, 0, 3 }, 0 },
        { "127.0.0.[2..11]", { 127, 0, 0, 11 }, 1 }, { "127.0.[0..255].[2;4..9]", { 127, 0, 77, 5 }, 1 },
        { "127.0.0.1..3", { 127, 0, 0, 2 }, -1 },  { "127.0.0", { 127, 0, 0, 2 }, -1 },
        { "127.0.0.2.1", { 127, 0, 0, 2 }, -1 },   { "127.0.0.[2", { 127, 0, 0, 2 }, -1 },
        { "127.0.0.[]", { 127, 0, 0, 2 }, -1 },    { "127.0.0.[2;]", { 127, 0, 0, 2 }, -1 },
        { "127.0.0.256", { 127, 0, 0, 2 }, -1 },   { "127.0.0.[9..2]", { 127, 0, 0, 2 }, -1 },
        { "", { 127, 0, 0, 2 }, -1 },              { "[127].[0].[0].[2]", { 127, 0, 0, 2 }, 1 },
    };

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(all); i++)
        if (restriction_filter_match(span_str(all[i].filter), all[i].address) != all[i].result)
            fail_msg("%s: not %d", all[i].filter, all[i].result);
}

/* ---- policy servers ---- */

static void replies_of_policy_servers_are_read(void **state)
{
    static const struct {
        const char *text;
        enum policy_reply result;
        const char *action;
    } all[] = {
        { "action=DUNNO\n\n", POLICY_ACTION, "DUNNO" },
        { "action=REJECT no = no\n\n", POLICY_ACTION, "REJECT no = no" },
        { "other=1\naction=OK\nmore=2\n\n", POLICY_ACTION, "OK" },
        { "action=OK\r\n\r\n", POLICY_ACTION, "OK" },
        { "action=1\naction=2\n\n", POLICY_ACTION, "1" },
        { "", POLICY_MORE, "" },
        { "action=DUN", POLICY_MORE, "" },
        { "action=DUNNO\n", POLICY_MORE, "" },
        { "\n", POLICY_GARBAGE, "" },
        { "other=1\n\n", POLICY_GARBAGE, "" },
        { "220 hello\n", POLICY_GARBAGE, "" },
    };

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(all); i++) {
        struct span action = SPAN("");
        enum policy_reply got = policy_reply_parse(span_str(all[i].text), &action);
        if (got != all[i].result || (got == POLICY_ACTION && !span_eq(action, span_str(all[i].action))))
            fail_msg("\"%s\": %d, \"%.*s\"", all[i].text, (int)got, (int)action.len, action.at);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(answers_are_read),
        cmocka_unit_test(a_host_is_asked_for_by_its_parts),
        cmocka_unit_test(an_address_is_asked_for_by_its_parts),
        cmocka_unit_test(filters_pick_answers),
        cmocka_unit_test(replies_of_policy_servers_are_read),
    };
    return cmocka_run_group_tests_name("access", tests, NULL, NULL);
}
