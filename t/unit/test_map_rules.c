/* SPDX-License-Identifier: Apache-2.0
 *
 * regexp, pcre and cidr. The answers that Postfix gives too were read off its own postmap -q; t/84-postmap.t asks it again, where it
 * is installed. */
#include "map_kit.h"

#include "base/mem.h"

#include <stdio.h>
#include <stdlib.h>

struct rule_case {
    const char *types; /* "regexp", "pcre", "cidr", or two of them */
    const char *text, *key, *want;
};

static const struct rule_case cases[] = {
    { "regexp pcre", "/^a(.)c$/ x${1}y\n", "abc", "xby" },
    { "regexp pcre", "/^a(.)c$/ x$1-y\n", "ABC", "xB-y" },
    { "regexp pcre", "/^a(.)c$/ x$(1)y$$\n", "abc", "xby$" },
    { "regexp pcre", "/^a/i low\n/^A/ up\n", "A", "up" },
    { "regexp pcre", "/^a/i low\n", "A", "(not found)" },
    { "regexp pcre", "!/^b/ not-b\n", "abc", "not-b" },
    { "regexp pcre", "!/^b/ not-b\n", "bc", "(not found)" },
    { "regexp pcre", "! /^b/ not-b\n", "abc", "not-b" },
    { "regexp pcre", "/x/ first\n/x/ second\n", "x", "first" },
    { "regexp pcre", "/(x)(y)?$/ ${1}-$(2)\n", "bx", "x-" },
    { "regexp pcre", "/(x)(y)?$/ ${1}-$(2)\n", "bxy", "x-y" },
    { "regexp pcre", "if /^b/\n/c$/ in\nendif\n/c$/ out\n", "bc", "in" },
    { "regexp pcre", "if /^b/\n/c$/ in\nendif\n/c$/ out\n", "ac", "out" },
    { "regexp pcre", "if !/^b/\n/c$/ in\nendif\n/c$/ out\n", "ac", "in" },
    { "regexp pcre", "IF /^b/\nif /c/\n/x/ both\nENDIF\n/x/ one\nendif\n/x/ none\n", "bcx", "both" },
    { "regexp pcre", "IF /^b/\nif /c/\n/x/ both\nENDIF\n/x/ one\nendif\n/x/ none\n", "bx", "one" },
    { "regexp pcre", "IF /^b/\nif /c/\n/x/ both\nENDIF\n/x/ one\nendif\n/x/ none\n", "ax", "none" },
    { "regexp pcre", "if /^b/\n/c$/ in\n", "bc", "in" },
    { "regexp pcre", "if /^b/\n/c$/ in\n", "ac", "(not found)" },
    { "regexp pcre", "/a\\/b/ slash\n", "a/b", "slash" },
    { "regexp pcre", "|a/b| slash\n", "a/b", "slash" },
    { "regexp pcre", "/a b/ a  blank  \n", "a b", "a  blank" },
    { "regexp pcre", "/a/ x\n y\n", "a", "x y" },
    { "regexp pcre", "# c\n\n/a/ x\n", "a", "x" },
    { "regexp pcre", "/a/\n", "a", "" },
    /* what is wrong is left out, and the others count */
    { "regexp pcre", "/[/ bad\n/a/ x\n", "a", "x" },
    { "regexp pcre", "/a/Z bad\n/a/ x\n", "a", "x" },
    { "regexp pcre", "/a bad\n/a/ x\n", "a", "x" },
    { "regexp pcre", "/(a)/ $2\n/a/ x\n", "a", "x" },
    { "regexp pcre", "/(a)/ $0\n/a/ x\n", "a", "x" },
    { "regexp pcre", "/(a)/ $1y\n/a/ x\n", "a", "x" },
    { "regexp pcre", "/(a)/ ${1\n/a/ x\n", "a", "x" },
    { "regexp pcre", "/(a)/ $\n/a/ x\n", "a", "x" },
    { "regexp pcre", "!/(b)/ $1\n/a/ x\n", "a", "x" },
    { "regexp pcre", "endif\n/a/ x\n", "a", "x" },
    { "regexp pcre", "abc x\n/a/ x\n", "a", "x" },
    /* an if that is wrong must not let everybody in */
    { "regexp pcre", "if /[/\n/a/ OK\nendif\n/a/ x\n", "a", "x" },
    { "regexp pcre", "if !/[/\n/a/ OK\nendif\n/a/ x\n", "a", "x" },
    { "regexp", "/a+/x x\n/a/ y\n", "aa", "y" },
    { "regexp", "/^b$/m x\n", "a\nb", "x" },
    { "regexp", "/^b$/ x\n", "a\nb", "(not found)" },
    { "pcre", "/a b/x x\n", "ab", "x" },
    { "pcre", "/a.b/ x\n", "a\nb", "x" },
    { "pcre", "/a.b/s x\n", "a\nb", "(not found)" },
    { "pcre", "/^b$/m x\n", "a\nb", "x" },
    { "pcre", "/b/A x\n", "ab", "(not found)" },
    { "pcre", "/b$/ x\n", "b\n", "x" },
    { "pcre", "/b$/E x\n", "b\n", "(not found)" },
    { "pcre", "/(a+)/U $1\n", "aaa", "a" },
    { "pcre", "/a(?=b)/ x\n", "ab", "x" },
    { "pcre", "/\xc3\xa4/ x\n", "\xc3\x84", "x" },
    { "pcre", "/(a|aa)+$/ x\n", "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaab", "(failed)" },
    { "cidr", "10.0.0.0/8 ten\n", "10.1.2.3", "ten" },
    { "cidr", "10.0.0.0/8 ten\n", "11.1.2.3", "(not found)" },
    { "cidr", "192.168.1.1 one\n", "192.168.1.1", "one" },
    { "cidr", "192.0.2.1/24 masked\n", "192.0.2.9", "masked" },
    { "cidr", "!172.16.0.0/12 other\n", "10.0.0.1", "other" },
    { "cidr", "!172.16.0.0/12 other\n", "2001:db8::1", "(not found)" },
    { "cidr", "if 172.16.0.0/16\n172.16.1.0/24 sub\n!172.16.2.0/24 nots\nendif\n0.0.0.0/0 all\n", "172.16.1.1", "sub" },
    { "cidr", "if 172.16.0.0/16\n172.16.1.0/24 sub\n!172.16.2.0/24 nots\nendif\n0.0.0.0/0 all\n", "172.16.2.2", "all" },
    { "cidr", "if 172.16.0.0/16\n172.16.1.0/24 sub\n!172.16.2.0/24 nots\nendif\n0.0.0.0/0 all\n", "172.16.3.3", "nots" },
    { "cidr", "if !172.16.0.0/16\n::/0 six\nendif\n::/0 out\n", "::1", "out" },
    { "cidr", "172.17.0.0/99 bad\n172.0.0.0/8 x\n", "172.17.0.1", "x" },
    { "cidr", "[2001:db8::]/32 six\n", "2001:db8::1", "six" },
    { "cidr", "2001:db8::/32 six\n", "2001:DB8:0::1", "six" },
    { "cidr", "::/0 all\n0.0.0.0/0 all\n", "[::1]", "(not found)" },
    { "cidr", "::/0 all\n0.0.0.0/0 all\n", "foo", "(not found)" },
    { "cidr", "::/0 all\n0.0.0.0/0 all\n", "10.0.0.0/8", "(not found)" },
    { "cidr", "10.0.0.0/8 $1\n", "10.0.0.1", "$1" },
};

static void rules_answer_as_in_postfix(void **state)
{
    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        const struct rule_case *c = &cases[i];
        struct span types = span_str(c->types), type;
        map_kit_write("rules", c->text);
        while (span_word(&types, "", &type)) {
            char *name = span_dup(type);
            struct map *m = map_kit_open(name, "rules");
            if (strcmp(map_kit_ask(m, c->key), c->want) != 0)
                fail_msg("%s, case %zu: \"%s\", not \"%s\"; %s", name, i, map_kit_ask(m, c->key), c->want, map_kit_said);
            map_close(m);
            free(name);
        }
    }
}

static void what_is_wrong_with_a_rule_is_told_with_file_and_line(void **state)
{
    (void)state;
    map_kit_write("rules", "/[/ x\n/a/Q x\n/a\n/a/ $1\n!/(a)/ $1\n/a/\nif /a/ extra\nendif\nendif\nif /(/\n");
    for (int pcre = 0; pcre < 2; pcre++) {
        struct map *m = map_kit_open(pcre ? "pcre" : "regexp", "rules");
        static const char *const want[] = {
            "rules:1: ", "rules:2: there is no flag \"Q\"", "rules:3: the pattern is not closed", "rules:4: $1 in the result",
            "rules:5: $1 in the result: a pattern that does not match", "rules:6: a pattern without a result",
            "rules:7: what stands behind", "rules:9: an endif without", "all up to its endif is left out",
            "rules:10: an if without an endif",
        };
        for (size_t i = 0; i < ARRAY_LEN(want); i++)
            if (!strstr(map_kit_said, want[i]))
                fail_msg("\"%s\" lacks \"%s\"", map_kit_said, want[i]);
        map_close(m);
    }
    map_kit_write("rules", "192.0.2.1/24 x\nfoo x\n");
    struct map *m = map_kit_open("cidr", "rules");
    assert_non_null(strstr(map_kit_said, "rules:1: \"192.0.2.1/24\" has bits behind its prefix; it is taken as 192.0.2.0/24"));
    assert_non_null(strstr(map_kit_said, "rules:2: \"foo\" is not a network"));
    map_close(m);
}

static void rules_may_stand_in_the_name(void **state)
{
    (void)state;
    struct map *m = map_kit_open_spec("regexp:{{/a/ x}, {/b(.)/ y$1}}", (struct map_options){ 0 });
    assert_string_equal(map_kit_ask(m, "a"), "x");
    assert_string_equal(map_kit_ask(m, "bc"), "yc");
    map_kit_wait(1100);
    assert_string_equal(map_kit_ask(m, "bc"), "yc");
    map_close(m);
    m = map_kit_open_spec("cidr:{ {10.0.0.0/8 ok} }", (struct map_options){ 0 });
    assert_string_equal(map_kit_ask(m, "10.1.1.1"), "ok");
    map_close(m);
    struct err e;
    assert_null(map_open("pcre:{/a/ x}", NULL, &e));
    assert_non_null(strstr(e.text, "braces"));
    assert_null(map_open("pcre:{{/a/ x}", NULL, &e));
}

static void keys_keep_their_case_for_patterns(void **state)
{
    (void)state;
    struct map *m = map_kit_open_spec("regexp:{{/(.*)/ $1}}", (struct map_options){ 0 });
    assert_string_equal(map_kit_ask(m, "AbC"), "AbC");
    map_close(m);
}

static void changed_rules_are_read_again(void **state)
{
    (void)state;
    map_kit_write("rules", "/a/ 1\n");
    struct map *m = map_kit_open("pcre", "rules");
    assert_string_equal(map_kit_ask(m, "a"), "1");
    map_kit_replace("rules", "/a/ 2\n");
    map_kit_wait(1100);
    assert_string_equal(map_kit_ask(m, "a"), "2");
    map_close(m);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(rules_answer_as_in_postfix),
        cmocka_unit_test(what_is_wrong_with_a_rule_is_told_with_file_and_line),
        cmocka_unit_test(rules_may_stand_in_the_name),
        cmocka_unit_test(keys_keep_their_case_for_patterns),
        cmocka_unit_test(changed_rules_are_read_again),
    };
    return cmocka_run_group_tests(tests, map_kit_setup, map_kit_teardown);
}
