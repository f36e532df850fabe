/* SPDX-License-Identifier: Apache-2.0 */
#include "relay/mta_sts_policy.h"

#include "unit.h"

static void records(void **state)
{
    static const struct {
        const char *text, *id; /* NULL: none */
    } cases[] = {
        { "v=STSv1; id=20160831085700Z;", "20160831085700Z" },
        { "v=STSv1;id=1", "1" },
        { "v=STSv1 ; a=b; id = x ", "x" },
        { "v=STSv1; id=a; id=b", "a" },
        { "v=STSv1", NULL },
        { "v=STSv1; id=", NULL },
        { "v=STSv1; id=a-b", NULL },
        { "v=STSv1; id=012345678901234567890123456789012", NULL },
        { "v=STSv2; id=1", NULL },
        { "id=1; v=STSv1", NULL },
        { "", NULL },
    };

    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        char id[MTA_STS_ID_MAX + 1];
        bool is_good = mta_sts_record(cases[i].text, id);
        assert_int_equal(is_good, cases[i].id != NULL);
        if (is_good)
            assert_string_equal(id, cases[i].id);
    }
}

static void a_policy(void **state)
{
    struct mta_sts_policy p;
    struct err e;

    (void)state;
    assert_int_equal(mta_sts_policy_parse(SPAN("version: STSv1\r\nmode: enforce\r\nmx: MX1.example.com\r\nmx:*.example.net\r\n"
                                               "future: x\r\nmode: none\r\nmax_age: 604800\r\n\r\n"), &p, &e), 0);
    assert_int_equal(p.mode, MTA_STS_ENFORCE);
    assert_int_equal(p.max_age_s, 604800);
    assert_true(mta_sts_policy_names(&p, "mx1.example.com"));
    assert_true(mta_sts_policy_names(&p, "MX1.Example.com."));
    assert_true(mta_sts_policy_names(&p, "a.example.net"));
    assert_false(mta_sts_policy_names(&p, "example.net"));
    assert_false(mta_sts_policy_names(&p, "a.b.example.net"));
    assert_false(mta_sts_policy_names(&p, ".example.net"));
    assert_false(mta_sts_policy_names(&p, "mx2.example.com"));
    assert_false(mta_sts_policy_names(&p, ""));
    mta_sts_policy_fini(&p);
    assert_int_equal(mta_sts_policy_parse(SPAN("version: STSv1\nmode: none\nmax_age: 99999999999"), &p, &e), 0);
    assert_int_equal(p.mode, MTA_STS_NONE);
    assert_int_equal(p.max_age_s, 31557600);
    mta_sts_policy_fini(&p);
}

static void what_is_no_policy(void **state)
{
    static const struct {
        const char *text, *why;
    } cases[] = {
        { "", "no version" },
        { "version: STSv2\nmode: none\nmax_age: 1", "version" },
        { "version: STSv1\nmax_age: 1\nmx: a.b", "no mode" },
        { "version: STSv1\nmode: Enforce\nmax_age: 1\nmx: a.b", "mode is" },
        { "version: STSv1\nmode: enforce\nmx: a.b", "no max_age" },
        { "version: STSv1\nmode: enforce\nmax_age: -1\nmx: a.b", "no number" },
        { "version: STSv1\nmode: enforce\nmax_age: 1", "no mx" },
        { "version: STSv1\nmode: enforce\nmax_age: 1\nmx: *", "no mx" },
        { "version: STSv1\nmode: enforce\nmax_age: 1\nmx: a.*.b", "no mx" },
        { "version: STSv1\nmode: enforce\nmax_age: 1\nmx: a..b", "no mx" },
        { "<html>", "no \"name: value\"" },
    };
    struct mta_sts_policy p;
    struct err e;

    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        assert_int_equal(mta_sts_policy_parse(span_str(cases[i].text), &p, &e), -1);
        assert_non_null(strstr(e.text, cases[i].why));
        assert_int_equal(p.n_mx, 0);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(records),
        cmocka_unit_test(a_policy),
        cmocka_unit_test(what_is_no_policy),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
