/* SPDX-License-Identifier: Apache-2.0
 *
 * Tables that are texts or have no file at all, how they are named, and how they follow their file. */
#include "map_kit.h"

#include "base/mem.h"
#include "map/map_kind.h"

#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

static void assert_asked(struct map *m, const char *key, const char *want)
{
    assert_string_equal(map_kit_ask(m, key), want);
}

static void assert_spec(const char *spec, const char *key, const char *want)
{
    struct map *m = map_kit_open_spec(spec, (struct map_options){ 0 });
    if (strcmp(map_kit_ask(m, key), want) != 0)
        fail_msg("%s: \"%s\" is \"%s\", not \"%s\"", spec, key, map_kit_ask(m, key), want);
    map_close(m);
}

static void assert_refused(const char *spec, const char *why)
{
    struct err e = { 0 };
    struct map *m = map_open(spec, NULL, &e);
    assert_null(m);
    assert_int_equal(e.kind, ERR_CONFIG);
    if (!strstr(e.text, why))
        fail_msg("%s: \"%s\" lacks \"%s\"", spec, e.text, why);
}

/* ---- the text ---- */

static void a_text_is_read_as_postmap_reads_it(void **state)
{
    (void)state;
    static const struct {
        const char *text, *rows;
    } cases[] = {
        { "a 1\nb\t2\n", "a=1;b=2;" },
        { "last 9", "last=9;" },
        { "a 1\r\nb 2\r\n", "a=1;b=2;" },
        { "  # c\n\n#d\na 1\n", "a=1;" },
        { "a 1\n  and more\n", "a=1  and more;" },
        { "a 1 \n# c\n\n\tmore\nb 2\n", "a=1 \tmore;b=2;" },
        { "a 1\r\n more\r\n", "a=1 more;" },
        { " lead 1\na 2\n", "a=2;" },
        { "KEY Val\n", "key=Val;" },
        { "\"x y\" 1\n\"a \\\" b\" 2\n", "\"x y\"=1;\"a \\\" b\"=2;" },
        { "back\\ slash 1\n", "back\\ slash=1;" },
        { "bare\na 1\n", "a=1;" },
        { "\"open 1\na 1\n", "a=1;" },
        { "a 1\nA 2\n", "a=1;" },
        { "<a@b.c> x\n<> y\n<c> z\n", "a@b.c=x;<>=y;<c>=z;" },
        { "\xff 1\na 2\n", "a=2;" },
        { "\xc3\xa4 1\n", "\xc3\xa4=1;" },
        { "\xef\xbb\xbf" "a 1\n", "a=1;" },
        { "a  1  2  \n", "a=1  2;" },
        { "", "" },
        { "\n", "" },
        { "   ", "" },
    };

    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        map_kit_write("text", cases[i].text);
        struct map *m = map_kit_open("texthash", "text");
        if (strcmp(map_kit_dump(m), cases[i].rows) != 0)
            fail_msg("case %zu: \"%s\", not \"%s\"", i, map_kit_dump(m), cases[i].rows);
        map_close(m);
    }
}

static void what_is_wrong_with_a_row_is_told_with_file_and_line(void **state)
{
    (void)state;
    map_kit_write("text", "a 1\nbare\nb: 2\n A 1\nA 3\n\xff x\n<u@d> v\n\"q\n");
    struct map *m = map_kit_open("texthash", "text");
    static const char *const want[] = {
        "text:2: expected \"key value\": \"bare\"",
        "text:3: \"b:\" ends in a colon",
        "text:5: duplicate entry: \"a\": line 1 counts",
        "text:6: this is not UTF-8: \"\\xFF x\"",
        "text:7: the key <u@d> is looked up without < >",
        "text:8: a quote is not closed",
    };
    for (size_t i = 0; i < ARRAY_LEN(want); i++)
        if (!strstr(map_kit_said, want[i]))
            fail_msg("\"%s\" lacks \"%s\"", map_kit_said, want[i]);
    map_close(m);
}

static void aliases_are_names_and_values(void **state)
{
    (void)state;
    map_kit_write("aliases", "root: joe, jim\n  , ann\n\"Quoted: Name\": x\nPost.Master : root\nnothing\nlist: \"|/bin/x a:b\"\n:x\n");
    char *spec = xasprintf("texthash:%s", map_kit_path("aliases"));
    struct map *m = map_kit_open_spec(spec, (struct map_options){ .is_aliases = true });
    free(spec);
    assert_asked(m, "ROOT", "joe, jim  , ann");
    assert_asked(m, "quoted: name", "x");
    assert_asked(m, "post.master", "root");
    assert_asked(m, "list", "\"|/bin/x a:b\"");
    assert_non_null(strstr(map_kit_said, "aliases:5: expected \"name: address"));
    map_close(m);
}

static void keys_are_folded_unless_their_case_is_kept(void **state)
{
    (void)state;
    map_kit_write("text", "Key 1\nkey 2\n");
    struct map *m = map_kit_open("texthash", "text");
    assert_asked(m, "KEY", "1");
    map_close(m);
    char *spec = xasprintf("hash:%s", map_kit_path("text"));
    m = map_kit_open_spec(spec, (struct map_options){ .keeps_case = true });
    assert_asked(m, "KEY", "(not found)");
    assert_asked(m, "key", "2");
    map_close(m);
    free(spec);
}

static void a_nul_in_a_text_or_a_key_is_no_row(void **state)
{
    (void)state;
    const char *path = map_kit_path("text");
    FILE *f = fopen(path, "w");
    fwrite("a\0b 1\nc 2\n", 1, 10, f);
    fclose(f);
    struct map *m = map_kit_open("texthash", "text");
    assert_string_equal(map_kit_dump(m), "c=2;");
    struct buf v;
    buf_init(&v, 100);
    assert_int_equal(map_lookup(m, span_of("c\0", 2), &v, NULL), MAP_NOT_FOUND);
    buf_fini(&v);
    map_close(m);
}

static void a_value_too_long_for_the_caller_is_a_failure(void **state)
{
    (void)state;
    struct map *m = map_kit_open_spec("static:0123456789", (struct map_options){ 0 });
    struct buf v;
    struct err e;
    buf_init(&v, 5);
    assert_int_equal(map_lookup(m, SPAN("x"), &v, &e), MAP_CANNOT_TELL);
    buf_fini(&v);
    map_close(m);
}

static void a_key_too_long_for_any_table_is_not_found(void **state)
{
    (void)state;
    char *key = xmalloc(MAP_KEY_MAX + 2);
    memset(key, 'x', MAP_KEY_MAX + 1);
    key[MAP_KEY_MAX + 1] = '\0';
    struct map *m = map_kit_open_spec("static:x", (struct map_options){ 0 });
    assert_asked(m, key, "(not found)");
    key[MAP_KEY_MAX] = '\0';
    assert_asked(m, key, "x");
    map_close(m);
    free(key);
}

/* ---- without a file ---- */

static void rows_may_stand_in_the_name(void **state)
{
    (void)state;
    assert_spec("inline:{a=1, {B = x y}, c=3}", "a", "1");
    assert_spec("inline:{a=1, {B = x y}, c=3}", "b", "x y");
    assert_spec("inline:{a=1, {B = x y}, c=3}", "C", "3");
    assert_spec("inline:{ a = 1, b = 2 }", "b", "2");
    assert_spec("inline:{a =1 b= 2}", "b", "2");
    assert_spec("inline:{{a = x, y}}", "a", "x, y");
    assert_spec("inline:{ a = REJECT no way, b = 2 }", "a", "REJECT no way");
    assert_spec("inline:{ a = REJECT no way b = 2 }", "b", "2");
    assert_spec("inline:{a=x inline:{ c=d }, b=2}", "a", "x inline:{ c=d }");
    assert_spec("inline:{a=1,a=4}", "a", "4");
    assert_spec("inline:{a=b=c}", "a", "b=c");
    assert_refused("inline:a=1", "bad syntax");
    assert_refused("inline:{}", "bad syntax");
    assert_refused("inline:{a}", "without \"=\"");
    assert_refused("inline:{a=}", "without a value");
    assert_refused("inline:{=a}", "without \"=\"");
    assert_refused("inline:{{a=1}", "bad syntax");
}

static void simple_types_answer_as_they_say(void **state)
{
    (void)state;
    assert_spec("static:OK", "any", "OK");
    assert_spec("static:{two words}", "", "two words");
    assert_refused("static:{two", "not closed");
    assert_refused("static:", "type:name");
    assert_spec("fail:why", "any", "(failed)");
    setenv("BatonTest", "yes", 1);
    assert_spec("environ:x", "BatonTest", "yes");
    assert_spec("environ:x", "batontest", "(not found)");
    assert_spec("randmap:{ one }", "any", "one");
    assert_spec("unix:passwd.byname", "no such user", "(not found)");
    assert_spec("unix:passwd.byname", "a:b", "(not found)");
    assert_refused("unix:shadow", "passwd.byname");
    struct map *m = map_kit_open_spec("unix:passwd.byname", (struct map_options){ 0 });
    assert_non_null(strstr(map_kit_ask(m, "ROOT"), "root:x:0:0:"));
    assert_true(map_may_block(m));
    map_close(m);
    assert_spec("unix:group.byname", "no-such-group", "(not found)");
}

static void tables_are_made_of_tables(void **state)
{
    (void)state;
    assert_spec("unionmap:{inline:{a=1}, inline:{a=2,b=3}}", "a", "1,2");
    assert_spec("unionmap:{inline:{a=1}, inline:{a=2,b=3}}", "B", "3");
    assert_spec("unionmap:{inline:{a=1}, inline:{a=2,b=3}}", "c", "(not found)");
    assert_spec("unionmap:{static:x, fail:y}", "a", "(failed)");
    assert_spec("pipemap:{inline:{a=b}, inline:{b=c}}", "a", "c");
    assert_spec("pipemap:{inline:{a=b}, inline:{b=c}}", "b", "(not found)");
    assert_spec("pipemap:{inline:{a=b}, fail:y}", "a", "(failed)");
    assert_spec("pipemap:{inline:{a=b}, unionmap:{static:x,{static:y}}}", "a", "x,y");
    assert_refused("unionmap:{}", "bad syntax");
    assert_refused("unionmap:static:x", "bad syntax");
    assert_refused("pipemap:{static:x, hsah:/x}", "hash");
}

static void a_type_that_does_not_exist_names_those_that_do(void **state)
{
    (void)state;
    struct err e;
    assert_refused("hsah:/etc/x", "\"hsah\"; there are: hash, ");
    assert_refused("regex:/etc/x", "there are: regexp, ");
    assert_refused("ldap:/etc/x", "server module");
    assert_refused("nothing", "type:name");
    assert_refused(":x", "type:name");
    assert_int_equal(map_check_type(SPAN("ldap"), &e), 0);
    assert_int_equal(map_check_type(SPAN("mysql"), &e), -1);
}

static void *open_ours(const struct map_source *src, struct err *e)
{
    (void)e;
    return xstrdup(src->name);
}

static enum map_result look_up_ours(void *self, struct span key, struct buf *value, struct err *e)
{
    (void)e;
    buf_addf(value, "%s says %.*s", (char *)self, (int)key.len, key.at);
    return MAP_FOUND;
}

static void another_module_may_add_a_type(void **state)
{
    (void)state;
    static const struct map_kind ours = { .type = "ldap", .flags = MAP_FOLDS, .open = open_ours, .close = free, .lookup = look_up_ours };
    map_register(&ours);
    assert_spec("ldap:it", "KEY", "it says key");
}

static void a_list_of_tables_is_parted_outside_of_braces(void **state)
{
    (void)state;
    struct span rest = SPAN(" hash:/a, inline:{ a = 1, b={x} } ,regexp:/b\tstatic:x unionmap:{"), spec;
    static const char *const want[] = { "hash:/a", "inline:{ a = 1, b={x} }", "regexp:/b", "static:x", "unionmap:{" };
    for (size_t i = 0; i < ARRAY_LEN(want); i++) {
        assert_true(map_next_spec(&rest, &spec));
        if (!span_eq(spec, span_str(want[i])))
            fail_msg("\"%.*s\", not \"%s\"", (int)spec.len, spec.at, want[i]);
    }
    assert_false(map_next_spec(&rest, &spec));
}

/* ---- files that change ---- */

static void a_changed_file_is_read_again_within_a_second(void **state)
{
    (void)state;
    map_kit_write("text", "a 1\n");
    struct map *m = map_kit_open("texthash", "text");
    assert_asked(m, "a", "1");
    map_kit_write("text", "a 2\n");
    map_kit_wait(500);
    assert_asked(m, "a", "1");
    map_kit_wait(600);
    assert_asked(m, "a", "2");
    assert_int_equal(map_generation(m), 1);
    map_kit_replace("text", "a 3\n");
    map_kit_wait(1100);
    assert_asked(m, "a", "3");
    map_close(m);
}

static void a_file_that_is_gone_leaves_its_rows_and_one_complaint(void **state)
{
    (void)state;
    map_kit_write("text", "a 1\n");
    struct map *m = map_kit_open("texthash", "text");
    unlink(map_kit_path("text"));
    for (int i = 0; i < 3; i++) {
        map_kit_wait(1100);
        assert_asked(m, "a", "1");
    }
    const char *said = strstr(map_kit_said, "No such file");
    assert_non_null(said);
    assert_null(strstr(said + 1, "No such file"));
    map_kit_write("text", "a 2\n");
    map_kit_wait(1100);
    assert_asked(m, "a", "2");
    map_close(m);
}

static void a_file_that_may_not_be_read_any_more_makes_the_table_stale(void **state)
{
    (void)state;
    const char *dir = map_kit_path("");
    bool is_root = geteuid() == 0;
    if (is_root && (chown(dir, 65534, 65534) < 0 || unlink(map_kit_path("text")) < 0 || seteuid(65534) < 0))
        skip();
    map_kit_write("text", "a 1\n");
    struct map *m = map_kit_open("texthash", "text");
    map_kit_write("text", "a 2\n");
    chmod(map_kit_path("text"), 0);
    map_kit_wait(1100);
    assert_asked(m, "a", "1");
    assert_true(map_is_stale(m));
    map_close(m);
    unlink(map_kit_path("text"));
    for (int i = 0; i < 2; i++) { /* what cannot even be seen has not changed */
        map_kit_write("text", "a 1\n");
        chmod(map_kit_path("text"), 0600);
        m = map_kit_open(i ? "hash" : "texthash", "text");
        assert_int_equal(chmod(map_kit_path(""), 0), 0);
        map_kit_wait(1100);
        assert_asked(m, "a", "1");
        assert_false(map_is_stale(m));
        assert_int_equal(chmod(map_kit_path(""), 0700), 0);
        map_close(m);
        chmod(map_kit_path("text"), 0600);
    }
    if (is_root) {
        assert_int_equal(seteuid(0), 0);
        assert_int_equal(chown(map_kit_path(""), 0, 0), 0);
    }
    unlink(map_kit_path("text"));
}

static void a_missing_file_is_a_configuration_error(void **state)
{
    (void)state;
    assert_refused("texthash:/nonexistent/x", "/nonexistent/x");
    assert_refused("hash:/nonexistent/x", "/nonexistent/x");
    assert_refused("regexp:/nonexistent/x", "/nonexistent/x");
    assert_refused("texthash:/", "folder");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_text_is_read_as_postmap_reads_it),
        cmocka_unit_test(what_is_wrong_with_a_row_is_told_with_file_and_line),
        cmocka_unit_test(aliases_are_names_and_values),
        cmocka_unit_test(keys_are_folded_unless_their_case_is_kept),
        cmocka_unit_test(a_nul_in_a_text_or_a_key_is_no_row),
        cmocka_unit_test(a_value_too_long_for_the_caller_is_a_failure),
        cmocka_unit_test(a_key_too_long_for_any_table_is_not_found),
        cmocka_unit_test(rows_may_stand_in_the_name),
        cmocka_unit_test(simple_types_answer_as_they_say),
        cmocka_unit_test(tables_are_made_of_tables),
        cmocka_unit_test(a_type_that_does_not_exist_names_those_that_do),
        cmocka_unit_test(a_list_of_tables_is_parted_outside_of_braces),
        cmocka_unit_test(a_changed_file_is_read_again_within_a_second),
        cmocka_unit_test(a_file_that_is_gone_leaves_its_rows_and_one_complaint),
        cmocka_unit_test(a_file_that_may_not_be_read_any_more_makes_the_table_stale),
        cmocka_unit_test(a_missing_file_is_a_configuration_error),
        cmocka_unit_test(another_module_may_add_a_type),
    };
    return cmocka_run_group_tests(tests, map_kit_setup, map_kit_teardown);
}
