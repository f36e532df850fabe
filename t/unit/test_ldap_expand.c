/* SPDX-License-Identifier: Apache-2.0 */
#include "server/map_ldap_expand.h"

#include "unit.h"

static char *expand(const char *text, const char *key, const char *value, enum ldap_quote quote)
{
    static struct buf out;

    buf_fini(&out);
    buf_init(&out, 4096);
    return ldap_expand(text, span_str(key), value ? span_str(value) : (struct span){ 0 }, quote, &out)
               ? (char *)(uintptr_t)buf_cstr(&out)
               : NULL;
}

#define assert_expands(text, key, quote, want)                                                                                 \
    do {                                                                                                                       \
        const char *got_ = expand(text, key, NULL, quote);                                                                     \
        assert_non_null(got_);                                                                                                 \
        assert_string_equal(got_, want);                                                                                       \
    } while (0)
#define assert_suppressed(text, key) assert_null(expand(text, key, NULL, LDAP_QUOTE_FILTER))

static void parts_of_the_key(void **state)
{
    (void)state;
    assert_expands("(mail=%s)", "joe@mail.example.com", LDAP_QUOTE_FILTER, "(mail=joe@mail.example.com)");
    assert_expands("%u|%d|%U|%D|%S", "joe@mail.example.com", LDAP_QUOTE_FILTER,
                   "joe|mail.example.com|joe|mail.example.com|joe@mail.example.com");
    assert_expands("%3.%2.%1", "joe@mail.example.com", LDAP_QUOTE_DN, "mail.example.com");
    assert_expands("%u", "joe", LDAP_QUOTE_FILTER, "joe");
    assert_expands("%u|%d", "\"a@b\"@c.d", LDAP_QUOTE_FILTER, "\"a@b\"|c.d");
    assert_expands("100%%", "joe", LDAP_QUOTE_FILTER, "100%");
    assert_expands("plain", "joe", LDAP_QUOTE_FILTER, "plain");
}

static void what_is_missing_suppresses_the_query(void **state)
{
    (void)state;
    assert_suppressed("%s", "");
    assert_suppressed("%d", "joe");
    assert_suppressed("%d", "joe@");
    assert_suppressed("%u", "@example.com");
    assert_suppressed("%3", "joe@example.com");
    assert_suppressed("%1", "joe");
    assert_suppressed("%1", "joe@example.");
    assert_suppressed("%2", "joe@.com");
    assert_expands("%s", "@example.com", LDAP_QUOTE_FILTER, "@example.com");
    assert_true(ldap_template_suits("%s%u%d", span_str("joe")));
    assert_false(ldap_template_suits("%s%D", span_str("joe")));
    assert_false(ldap_template_suits("%U", span_str("@x.y")));
    assert_true(ldap_template_suits("%2%S", span_str("@x.y")));
}

static void filters_and_names_are_quoted(void **state)
{
    (void)state;
    assert_expands("(a=%s)", "*)(b=\\", LDAP_QUOTE_FILTER, "(a=\\2A\\29\\28b=\\5C)");
    assert_expands("(a=%u)", "x*y@z", LDAP_QUOTE_FILTER, "(a=x\\2Ay)");
    assert_expands("cn=%s,dc=x", "a, \"b\"+c;<d>#=\\\t", LDAP_QUOTE_DN,
                   "cn=a\\2C\\20\\22b\\22\\2Bc\\3B\\3Cd\\3E\\23\\3D\\5C\\09,dc=x");
    assert_expands("%s", "a*b,c", LDAP_QUOTE_NONE, "a*b,c");
}

static void a_result_has_parts_of_its_own(void **state)
{
    (void)state;
    assert_string_equal(expand("%u@%D", "joe@here.test", "ann@there.test", LDAP_QUOTE_NONE), "ann@here.test");
    assert_string_equal(expand("%s:%S:%1", "joe@here.test", "ann", LDAP_QUOTE_NONE), "ann:joe@here.test:test");
    assert_null(expand("%d", "joe@here.test", "ann", LDAP_QUOTE_NONE));
    assert_null(expand("%s", "joe@here.test", "", LDAP_QUOTE_NONE));
}

static void templates_are_looked_at(void **state)
{
    struct err e;

    (void)state;
    assert_int_equal(ldap_template_check("(&(a=%s)(b=%9%%))", &e), 0);
    assert_int_equal(ldap_template_check("%x", &e), -1);
    assert_int_equal(ldap_template_check("%0", &e), -1);
    assert_int_equal(ldap_template_check("a%", &e), -1);
    assert_true(ldap_template_is_fixed("a=b%%"));
    assert_false(ldap_template_is_fixed("a=%%%s"));
}

static void a_ceiling_is_kept(void **state)
{
    struct buf small;

    (void)state;
    buf_init(&small, 8);
    assert_false(ldap_expand("(a=%s)", SPAN("joe@example.com"), (struct span){ 0 }, LDAP_QUOTE_FILTER, &small));
    buf_fini(&small);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(parts_of_the_key),
        cmocka_unit_test(what_is_missing_suppresses_the_query),
        cmocka_unit_test(filters_and_names_are_quoted),
        cmocka_unit_test(a_result_has_parts_of_its_own),
        cmocka_unit_test(templates_are_looked_at),
        cmocka_unit_test(a_ceiling_is_kept),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
