/* SPDX-License-Identifier: Apache-2.0 */
#include "config/config_int.h"

#include "base/mem.h"

#include "unit.h"

#include <stdlib.h>

/* All items as text: "name=value", "name[title]{", "}", "!LINE fault"; one a line. */
static char *scanned(const char *text)
{
    struct scan s;
    struct buf out;
    const struct scan_item *it;

    buf_init(&out, BUF_NO_MAX);
    prescan_init(&s, span_str(text));
    while ((it = prescan_next(&s))->kind != SCAN_END) {
        if (it->kind == SCAN_ASSIGN)
            buf_addf(&out, "%.*s%s%s\n", (int)it->name.len, it->name.at, it->is_append ? "+=" : "=",
                     it->value);
        else if (it->kind == SCAN_OPEN)
            buf_addf(&out, "%.*s[%s]{\n", (int)it->name.len, it->name.at,
                     it->value ? it->value : "none");
        else if (it->kind == SCAN_CLOSE)
            buf_adds(&out, "}\n");
        else
            buf_addf(&out, "!%d %s\n", it->line, it->fault);
    }
    prescan_fini(&s);
    return buf_take(&out);
}

struct scan_case {
    const char *text, *want;
};

static void check(const struct scan_case *cases, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        char *got = scanned(cases[i].text);
        if (strcmp(got, cases[i].want) != 0)
            fail_msg("%s\n  gave: %s\n  want: %s", cases[i].text, got, cases[i].want);
        free(got);
    }
}

static void values_come_out_in_quotes(void **state)
{
    static const struct scan_case cases[] = {
        { "a = b", "a=\"b\"\n" },
        { "a=b\nc=d", "a=\"b\"\nc=\"d\"\n" },
        { "a = \"b c\"", "a=\"b c\"\n" },
        { "a = 'b c'", "a='b c'\n" },
        { "a += b", "a+=\"b\"\n" },
        { "a = b c = d", "a=\"b\"\nc=\"d\"\n" },
        { "a = { b, \"c\", 'd' }", "a={\"b\",\"c\",'d'}\n" },
        { "a = {}", "a={}\n" },
        { "a = { b, }", "a={\"b\",}\n" },
        { "a =\n\"b\"", "a=\n\"b\"\n" },
        { "\xef\xbb\xbf"
          "a = b\r\nc = d\r\n",
          "a=\"b\"\nc=\"d\"\n" },
        { "a = [smtp.example.com]:587", "a=\"[smtp.example.com]:587\"\n" },
        { "a = http://h:25/x", "a=\"http://h:25/x\"\n" },
        { "a = /etc/aliases", "a=\"/etc/aliases\"\n" },
        { "", "" },
        { "  \n# nothing\n", "" },
    };
    (void)state;
    check(cases, ARRAY_LEN(cases));
}

static void comments_become_blanks_wherever_they_stand(void **state)
{
    static const struct scan_case cases[] = {
        { "a = b # x = y\n// c = d\n/* e = f\n */ g = h", "a=\"b\"\ng=\"h\"\n" },
        { "a = { b, # one\n c, // two\n /* three */ d }", "a={\"b\",\n\"c\",\n\"d\"}\n" },
        { "a = \"# no // comment /* here */\"", "a=\"# no // comment /* here */\"\n" },
        { "a = b /* never closed", "a=\"b\"\n!1 the comment that begins here is never closed: its */ is missing\n" },
        { "a = b\n/* c {\nd = e }", "a=\"b\"\n!2 the comment that begins here is never closed: its */ is missing\n" },
    };
    (void)state;
    check(cases, ARRAY_LEN(cases));
}

static void dollars_are_kept_from_libconfuse(void **state)
{
    static const struct scan_case cases[] = {
        { "a = $b", "a=\"\\$b\"\n" },
        { "a = ${B}", "a=\"\\${B}\"\n" },
        { "a = $(b).c", "a=\"\\$(b).c\"\n" },
        { "a = ${B:-x y}", "a=\"\\${B:-x y}\"\n" },
        { "a = \"${B}\"", "a=\"\\${B}\"\n" },
        { "a = \"\\$b\"", "a=\"\\$\\$b\"\n" }, /* protected: a dollar sign */
        { "a = '$b'", "a='$$b'\n" },           /* protected: a dollar sign */
    };
    (void)state;
    check(cases, ARRAY_LEN(cases));
}

static void sections_open_and_close(void **state)
{
    static const struct scan_case cases[] = {
        { "login \"[h]:25\" {\n user = a\n}\nb = c",
          "login[\"[h]:25\"]{\nuser=\"a\"\n}\nb=\"c\"\n" },
        { "login h { user = \"a\", password_file = \"/b\" }",
          "login[\"h\"]{\nuser=\"a\"\npassword_file=\"/b\"\n}\n" },
        { "listen x { port=1}", "listen[\"x\"]{\nport=\"1\"\n}\n" },
        { "login {\n}", "login[none]{\n}\n" },
        { "login h\n{\n}", "login[\"h\"]{\n}\n" },
        { "}", "!1 this } closes nothing\n" },
        { "login h {\na = b\n",
          "login[\"h\"]{\na=\"b\"\n!1 the section that begins here is never closed: its } is missing\n" },
        { "login h {\nlogin i {\n}",
          "login[\"h\"]{\n!2 the section that begins in line 1 has no } before this one\nlogin[\"i\"]{\n}\n" },
    };
    (void)state;
    check(cases, ARRAY_LEN(cases));
}

static void what_libconfuse_would_drop_is_said(void **state)
{
    static const struct scan_case cases[] = {
        { "a = *@example.com",
          "!1 a: \"*\" and \"+\" have to stand in quotes; write a = \"*@example.com\"\n" },
        { "a = u+tag@x\nb = c",
          "!1 a: \"*\" and \"+\" have to stand in quotes; write a = \"u+tag@x\"\nb=\"c\"\n" },
        { "a =\nb = c", "!1 a has no value; for an empty one write a = \"\"\nb=\"c\"\n" },
        { "a = b;\nc = d",
          "!1 a: no semicolon ends a line here; one that is meant stands in quotes; write a = \"b\"\n"
          "c=\"d\"\n" },
        { "a = b#c",
          "!1 a: \"#\" begins a comment unless it stands in quotes; write a = \"b#c\"\n" },
        { "a = dc=x,dc=y",
          "!1 a: quotes, \"=\" and brackets have to stand in quotes; write a = \"dc=x,dc=y\"\n" },
        { "a = \"x\\qy\"",
          "!1 a: a backslash stands before a letter that it means nothing to: write \\\\ for a "
          "backslash, or single quotes around the text\n" },
        { "a = \"x\\x00y\"",
          "!1 a: a backslash stands before a letter that it means nothing to: write \\\\ for a "
          "backslash, or single quotes around the text\n" },
    };
    (void)state;
    check(cases, ARRAY_LEN(cases));
}

static void lines_of_a_main_cf_are_shown_in_quotes(void **state)
{
    static const struct scan_case cases[] = {
        { "a = error: no mail here\nb = c",
          "!1 a: a value with blanks or commas has to stand in quotes; write a = \"error: no mail here\"\nb=\"c\"\n" },
        { "a = 127.0.0.0/8,\n   [::1]/128\nb = c",
          "!1 a: a value with blanks or commas has to stand in quotes; write a = \"127.0.0.0/8, [::1]/128\"\nb=\"c\"\n" },
        { "relayhost [h]\nb = c",
          "!1 relayhost: \"=\" is missing; write relayhost = \"value\", or relayhost \"title\" { for a section\nb=\"c\"\n" },
    };
    (void)state;
    check(cases, ARRAY_LEN(cases));
}

static void what_is_never_closed_costs_one_statement(void **state)
{
    static const struct scan_case cases[] = {
        { "a = \"b\nc = d\n", "!1 a: the quote that begins here is never closed\nc=\"d\"\n" },
        { "a = \"b\nc = \"d\"\n", "!1 a: the quote that begins here is never closed\nc=\"d\"\n" },
        { "a = 'b", "!1 a: the quote that begins here is never closed\n" },
        { "a = { b,\n c\nd = e\n", "!1 a: the list that begins here is never closed\nd=\"e\"\n" },
        { "a = { \"b }\nd = e\n", "!1 a: the list that begins here is never closed\nd=\"e\"\n" },
        { "a = { b c }\nd = e",
          "!1 a: the values of a list are parted by commas: { \"a\", \"b\" }\nd=\"e\"\n" },
        { "a = { b,,c }\nd = e",
          "!1 a: there is nothing between two commas of the list\nd=\"e\"\n" },
        { "a = \"b\" c\nd = e",
          "!1 a: there is something behind its value (a value ends with its quote or bracket; no "
          "semicolon is needed)\nd=\"e\"\n" },
        { "= b\nd = e", "!1 \"= b\" does not begin with the name of a parameter\nd=\"e\"\n" },
    };
    (void)state;
    check(cases, ARRAY_LEN(cases));
}

static void lines_are_counted_through_everything(void **state)
{
    (void)state;
    char *got = scanned("\n/*\n\n*/\na = {\n\n b }\n\"\n=\nx = *\n");
    assert_non_null(strstr(got, "!10 x:"));
    free(got);
}

static void unquoting_is_the_reverse(void **state)
{
    static const struct scan_case cases[] = {
        { "\"a\\\"b\\\\c\\$d\"", "a\"b\\c$d" },
        { "\"\\x41\\102\\t.\"", "AB\t." },
        { "'a\\'b\\\\c\\d'", "a'b\\c\\d" },
        { "\"a\\\nb\"", "ab" },
    };
    struct buf out;
    (void)state;

    buf_init(&out, BUF_NO_MAX);
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        buf_clear(&out);
        assert_true(prescan_unquote(cases[i].text, &out));
        assert_string_equal(buf_cstr(&out), cases[i].want);
    }
    assert_false(prescan_unquote("{\"a\"}", &out));
    buf_fini(&out);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(values_come_out_in_quotes),
        cmocka_unit_test(comments_become_blanks_wherever_they_stand),
        cmocka_unit_test(dollars_are_kept_from_libconfuse),
        cmocka_unit_test(sections_open_and_close),
        cmocka_unit_test(what_libconfuse_would_drop_is_said),
        cmocka_unit_test(lines_of_a_main_cf_are_shown_in_quotes),
        cmocka_unit_test(what_is_never_closed_costs_one_statement),
        cmocka_unit_test(lines_are_counted_through_everything),
        cmocka_unit_test(unquoting_is_the_reverse),
    };
    return cmocka_run_group_tests_name("scan", tests, NULL, NULL);
}
