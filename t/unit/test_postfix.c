/* SPDX-License-Identifier: Apache-2.0 */
#include "config/postfix.h"

#include "base/mem.h"

#include "unit.h"

#include <stdlib.h>

/* "LINE name=value" of each setting, "!LINE fault". */
static char *parsed(const char *text)
{
    struct postfix_main m = { 0 };
    struct buf out;

    buf_init(&out, BUF_NO_MAX);
    postfix_main_parse(&m, span_str(text));
    for (size_t i = 0; i < m.n; i++)
        buf_addf(&out, "%d %s=%s\n", m.at[i].line, m.at[i].name, m.at[i].value);
    for (size_t i = 0; i < m.faults.n; i++)
        buf_addf(&out, "!%d %s\n", m.faults.at[i].line, m.faults.at[i].text);
    postfix_main_free(&m);
    return buf_take(&out);
}

struct text_case {
    const char *text, *want;
};

static void lines_go_on_whatever_stands_between(void **state)
{
    static const struct text_case cases[] = {
        { "", "" },
        { "\n# a = b\n   # c = d\n", "" },
        { "a = b", "1 a=b\n" },
        { "a=b\r\nc =\n", "1 a=b\n2 c=\n" },
        { "a = b,\n  c\n\td", "1 a=b, c d\n" },
        { "a = b\n# x\n\n  c\n#y\nd = e\n", "1 a=b c\n6 d=e\n" },
        { "a = b\n   # not c\n  d", "1 a=b d\n" },
        { "a =\n  b\n", "1 a=b\n" },
        { "a = b # c", "1 a=b # c\n" },
        { "a = b = c", "1 a=b = c\n" },
        { "a = 1\nb = 2\na = 3\n", "2 b=2\n3 a=3\n" },
        { "  a = 1\nb = 2\n", "2 b=2\n!1 it begins with a blank, and there is no line that it continues: a = 1\n" },
        { "nonsense\nb = 2\n", "2 b=2\n!1 it is not of the form \"name = value\": nonsense\n" },
        { "a b = c", "!1 it is not of the form \"name = value\": a b = c\n" },
        { "= c", "!1 it is not of the form \"name = value\": = c\n" },
        { "a = b\001c", "!1 it holds a control character: a\n" },
    };
    (void)state;

    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        char *got = parsed(cases[i].text);
        if (strcmp(got, cases[i].want) != 0)
            fail_msg("%s\n  gave: %s\n  want: %s", cases[i].text, got, cases[i].want);
        free(got);
    }
}

#define SET                                                                                                                   \
    "myhostname = mail.example.com\na = A\nempty =\nlist = $a, ${b}\nb = $(c)\nc = C\nnine = 9\nten = 10\nself = $self\n"      \
    "one = $two\ntwo = $one\n"

static void names_become_values(void **state)
{
    static const struct text_case cases[] = { /* want NULL: it is refused */
        { "plain", "plain" },
        { "$a", "A" },
        { "$a$a.$a", "AA.A" },
        { "${a}b $(a)b", "Ab Ab" },
        { "$list", "A, C" },
        { "$nothing.", "." },
        { "$$a 5$$", "$a 5$" },
        { "$mydomain", "example.com" },
        { "$config_directory/x", "/etc/postfix/x" },
        { "$mydestination", "mail.example.com, localhost.example.com, localhost" },
        { "${a?yes}", "yes" },
        { "${empty?yes}", "" },
        { "${nothing?yes}", "" },
        { "${a?$b}", "C" },
        { "${a?{yes}}", "yes" },
        { "${a?{yes}:{no}}", "yes" },
        { "${empty?{yes}:{no}}", "no" },
        { "${empty?{yes}:no}", "no" },
        { "${a ? { yes } : { no } }", "yes" },
        { "${a:no}", "" },
        { "${empty:no}", "no" },
        { "${empty:{no}}", "no" },
        { "${a?{${empty?{x}:{$c}}}:{no}}", "C" },
        { "${{$a} == {A} ? {same} : {other}}", "same" },
        { "${{$a} == {B} ? {same} : {other}}", "other" },
        { "${{$a} != {B} ? {other}}", "other" },
        { "${{$nine} < {$ten} ? {number} : {text}}", "number" },
        { "${{$a} < {$c} ? {before} : {behind}}", "before" },
        { "${{$ten} >= {10}?{yes}}", "yes" },
        { "${{$ten} <= {9}?{yes}:{no}}", "no" },
        { "${{a} > {b}?{yes}:{no}}", "no" },
        { "$self", NULL },
        { "$one", NULL },
        { "${a", NULL },
        { "$(a", NULL },
        { "${}", NULL },
        { "$-", NULL },
        { "$", NULL },
        { "${a+b}", NULL },
        { "${a?{yes}{no}}", NULL },
        { "${a?{yes", NULL },
        { "${{a} ~ {b}}", NULL },
        { "${{a} == b}", NULL },
    };
    struct postfix_main m = { 0 };
    (void)state;

    postfix_main_parse(&m, span_str(SET));
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        struct buf out;
        struct err e = { 0 };
        buf_init(&out, BUF_NO_MAX);
        int result = postfix_expand(&m, span_str(cases[i].text), &out, &e);
        if ((result == 0) != (cases[i].want != NULL) || (result == 0 && strcmp(buf_cstr(&out), cases[i].want) != 0))
            fail_msg("%s\n  gave: %s\n  want: %s", cases[i].text, result == 0 ? buf_cstr(&out) : e.text,
                     cases[i].want ? cases[i].want : "an error");
        assert_true(result == 0 || *e.text);
        assert_int_equal(m.depth, 0);
        buf_fini(&out);
    }
    postfix_main_free(&m);
}

static void values_that_multiply_end(void **state)
{
    struct postfix_main m = { 0 };
    struct buf text, out;
    struct err e = { 0 };
    (void)state;

    buf_init(&text, BUF_NO_MAX);
    buf_init(&out, BUF_NO_MAX);
    for (int i = 0; i < 60; i++)
        buf_addf(&text, "n%d = $n%d$n%d\n", i, i + 1, i + 1);
    postfix_main_parse(&m, buf_span(&text));
    assert_int_equal(postfix_expand(&m, SPAN("$n0"), &out, &e), -1);
    postfix_main_free(&m);
    buf_fini(&text);
    buf_fini(&out);
}

static void what_refers_to_whom_is_known(void **state)
{
    struct postfix_main m = { 0 };
    struct err e;
    (void)state;

    postfix_main_parse(&m, SPAN("mine = x\nother = y\nmyorigin = $mine\nother = z\n"));
    char *value = postfix_value(&m, "myorigin", &e);
    assert_string_equal(value, "x");
    assert_true(postfix_find(&m, "mine")->is_used);
    assert_false(postfix_find(&m, "other")->is_used);
    assert_int_equal(postfix_find(&m, "other")->earlier_line, 2);
    assert_null(postfix_find(&m, "nobody"));
    free(value);
    postfix_main_free(&m);
}

static void lists_keep_braces_together(void **state)
{
    static const char text[] = " a, b\tc,,{ d, e }x hash:{f g},{h";
    static const char *const want[] = { "a", "b", "c", "{ d, e }x", "hash:{f g}", "{h" };
    struct span rest = span_str(text), word;
    (void)state;

    for (size_t i = 0; i < ARRAY_LEN(want); i++) {
        assert_true(postfix_list_next(&rest, &word));
        assert_true(span_eq(word, span_str(want[i])));
    }
    assert_false(postfix_list_next(&rest, &word));
}

static char *services(const char *text)
{
    struct postfix_master m = { 0 };
    struct buf out;

    buf_init(&out, BUF_NO_MAX);
    postfix_master_parse(&m, span_str(text));
    for (size_t i = 0; i < m.n; i++) {
        const struct postfix_service *s = &m.at[i];
        buf_addf(&out, "%d %s/%s/%s/%s", s->line, s->name, s->type, s->maxproc, s->command);
        for (size_t k = 0; k < s->n_overrides; k++)
            buf_addf(&out, " [%s=%s]", s->overrides[k].name, s->overrides[k].value);
        for (size_t k = 0; k < s->args.n; k++)
            buf_addf(&out, " (%s)", s->args.at[k]);
        buf_addc(&out, '\n');
    }
    for (size_t i = 0; i < m.faults.n; i++)
        buf_addf(&out, "!%d\n", m.faults.at[i].line);
    postfix_master_free(&m);
    return buf_take(&out);
}

static void services_have_columns_and_options(void **state)
{
    static const struct text_case cases[] = {
        { "smtp inet n - y - - smtpd", "1 smtp/inet/-/smtpd\n" },
        { "# x\n[::1]:587 inet n - y - 5 smtpd\n  -o a=b\n#no\n  -o c = d\n", "2 [::1]:587/inet/5/smtpd [a=b] [c=] (=) (d)\n" },
        { "s inet n - y - - smtpd -o {a = b c} -oe=f -v", "1 s/inet/-/smtpd [a=b c] [e=f] (-v)\n" },
        { "v unix - n n - - pipe flags=R user=v argv=/bin/v -o x ${recipient}",
          "1 v/unix/-/pipe (flags=R) (user=v) (argv=/bin/v) (-o) (x) (${recipient})\n" },
        { "smtp inet n - y", "!1\n" },
        { "  smtp inet n - y - - smtpd\nsmtp inet n - y - - smtpd", "2 smtp/inet/-/smtpd\n!1\n" },
    };
    (void)state;

    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        char *got = services(cases[i].text);
        if (strcmp(got, cases[i].want) != 0)
            fail_msg("%s\n  gave: %s\n  want: %s", cases[i].text, got, cases[i].want);
        free(got);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(lines_go_on_whatever_stands_between),
        cmocka_unit_test(names_become_values),
        cmocka_unit_test(values_that_multiply_end),
        cmocka_unit_test(what_refers_to_whom_is_known),
        cmocka_unit_test(lists_keep_braces_together),
        cmocka_unit_test(services_have_columns_and_options),
    };
    return cmocka_run_group_tests_name("postfix", tests, NULL, NULL);
}
