/* SPDX-License-Identifier: Apache-2.0
 *
 * Indexes: made, found right or wrong, made again, changed row by row. */
#include "map_kit.h"

#include "base/mem.h"
#include "map/map_build.h"

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

static void make(const char *name)
{
    struct err e;
    if (map_index_make(map_kit_path(name), NULL, 0, &e) < 0)
        fail_msg("%s", e.text);
}

static bool exists(const char *name)
{
    return access(map_kit_path(name), F_OK) == 0;
}

static void assert_asked(struct map *m, const char *key, const char *want)
{
    assert_string_equal(map_kit_ask(m, key), want);
}

/* What an index says, whatever has become of its text. */
static void assert_indexed(const char *name, const char *rows)
{
    char *text = xstrdup(map_kit_path(name));
    rename(text, map_kit_path("aside"));
    struct map *m = map_kit_open("hash", name);
    assert_string_equal(map_kit_dump(m), rows);
    map_close(m);
    rename(map_kit_path("aside"), text);
    free(text);
}

static void an_index_has_the_rows_of_its_text(void **state)
{
    (void)state;
    map_kit_write("t1", "b 2\nA 1\n\nb 3\n<u@d> x\nlong value with  blanks \n");
    make("t1");
    assert_indexed("t1", "a=1;b=2;long=value with  blanks;u@d=x;");
    struct map *m = map_kit_open("lmdb", "t1");
    assert_asked(m, "B", "2");
    assert_asked(m, "c", "(not found)");
    assert_asked(m, "", "(not found)");
    map_close(m);
    assert_false(exists("t1.lmdb.new"));
}

static void an_empty_text_has_an_index_too(void **state)
{
    (void)state;
    map_kit_write("t2", "# nothing\n");
    make("t2");
    assert_indexed("t2", "");
    unlink(map_kit_path("t2"));
}

static void an_index_that_is_there_is_made_again_when_the_text_has_changed(void **state)
{
    (void)state;
    map_kit_write("t3", "a 1\n");
    make("t3");
    map_kit_write("t3", "a 2\n");
    struct map *m = map_kit_open("hash", "t3");
    assert_asked(m, "a", "2");
    assert_indexed("t3", "a=2;");
    map_kit_replace("t3", "a 3\n");
    map_kit_wait(1100);
    assert_asked(m, "a", "3");
    assert_indexed("t3", "a=3;");
    assert_int_equal(map_generation(m), 1);
    map_close(m);
}

static void a_small_text_needs_no_index(void **state)
{
    (void)state;
    map_kit_write("t4", "a 1\n");
    struct map *m = map_kit_open("hash", "t4");
    assert_asked(m, "a", "1");
    assert_false(exists("t4.lmdb"));
    assert_string_equal(map_kit_said, "");
    map_close(m);
}

static void write_large(const char *name)
{
    struct buf b;
    buf_init(&b, BUF_NO_MAX);
    for (int i = 0; i < 5000; i++)
        buf_addf(&b, "user%d@example.com  box%d@mail.example.com\n", i, i);
    map_kit_write(name, buf_cstr(&b));
    buf_fini(&b);
}

static void a_large_text_gets_an_index_by_itself(void **state)
{
    (void)state;
    write_large("t5");
    struct map *m = map_kit_open("hash", "t5");
    assert_true(exists("t5.lmdb"));
    assert_asked(m, "USER4999@example.com", "box4999@mail.example.com");
    map_close(m);
}

static void without_the_right_to_write_the_text_is_read_and_that_is_said_once(void **state)
{
    (void)state;
    write_large("t6");
    char *spec = xasprintf("hash:%s", map_kit_path("t6"));
    struct map *m = map_kit_open_spec(spec, (struct map_options){ .is_read_only = true });
    free(spec);
    assert_false(exists("t6.lmdb"));
    assert_asked(m, "user1@example.com", "box1@mail.example.com");
    char *said = strstr(map_kit_said, "read as text, ");
    assert_non_null(said);
    assert_null(strstr(said + 1, "read as text"));
    write_large("t6");
    map_kit_wait(1100);
    assert_asked(m, "user2@example.com", "box2@mail.example.com");
    assert_int_equal(map_generation(m), 1);
    assert_null(strstr(said + 1, "read as text"));
    map_close(m);
}

static void a_damaged_index_is_not_used(void **state)
{
    (void)state;
    map_kit_write("t7", "a 1\n");
    make("t7");
    struct stat st;
    assert_int_equal(stat(map_kit_path("t7.lmdb"), &st), 0);
    for (off_t size = st.st_size - 1; size >= 0; size = size > 2000 ? size - 997 : size - 100) {
        make("t7");
        assert_int_equal(truncate(map_kit_path("t7.lmdb"), size), 0);
        struct map *m = map_kit_open("hash", "t7");
        assert_asked(m, "a", "1");
        map_close(m);
    }
    map_kit_write("t7.lmdb", "this is no index, but long enough to be looked at, perhaps, by somebody who does not look\n");
    struct map *m = map_kit_open("hash", "t7");
    assert_asked(m, "a", "1");
    map_close(m);
}

static void an_index_of_keys_is_none_of_aliases(void **state)
{
    (void)state;
    map_kit_write("t8", "root: x@y\n");
    make("t8");
    char *spec = xasprintf("hash:%s", map_kit_path("t8"));
    struct map *m = map_kit_open_spec(spec, (struct map_options){ .is_aliases = true });
    assert_asked(m, "root", "x@y");
    map_close(m);
    m = map_kit_open_spec(spec, (struct map_options){ 0 }); /* and the other way round it is an index like any */
    assert_asked(m, "root", "x@y");
    map_close(m);
    free(spec);
}

static void an_index_replaced_by_others_is_opened_again(void **state)
{
    (void)state;
    map_kit_write("t9", "a 1\n");
    make("t9");
    unlink(map_kit_path("t9"));
    struct map *m = map_kit_open("hash", "t9");
    assert_asked(m, "a", "1");
    struct err e;
    struct map_edit *x = map_edit_begin(map_kit_path("t9"), NULL, MAP_BUILD_REPLACES, &e);
    assert_non_null(x);
    assert_int_equal(map_edit_put(x, SPAN("A"), SPAN("2"), &e), MAP_FOUND);
    assert_int_equal(map_edit_put(x, SPAN("b"), SPAN("3"), &e), MAP_NOT_FOUND);
    assert_int_equal(map_edit_commit(x, &e), 0);
    assert_asked(m, "a", "1");
    map_kit_wait(1100);
    assert_asked(m, "a", "2");
    assert_asked(m, "b", "3");
    map_close(m);
}

static void rows_are_added_and_deleted(void **state)
{
    (void)state;
    struct err e;
    map_kit_write("t10", "a 1\nb 2\n");
    struct map_edit *x = map_edit_begin(map_kit_path("t10"), NULL, 0, &e); /* makes the index first */
    assert_non_null(x);
    assert_int_equal(map_edit_put(x, SPAN("a"), SPAN("9"), &e), MAP_FOUND);
    assert_int_equal(map_edit_put(x, SPAN("c"), SPAN("3"), &e), MAP_NOT_FOUND);
    assert_int_equal(map_edit_delete(x, SPAN("B"), &e), MAP_FOUND);
    assert_int_equal(map_edit_delete(x, SPAN("zz"), &e), MAP_NOT_FOUND);
    assert_int_equal(map_edit_commit(x, &e), 0);
    struct map *m = map_kit_open("hash", "t10");
    assert_string_equal(map_kit_dump(m), "a=1;c=3;"); /* it still fits its text */
    map_close(m);
    x = map_edit_begin(map_kit_path("t10"), NULL, 0, &e);
    map_edit_delete(x, SPAN("a"), &e);
    map_edit_abort(x);
    assert_indexed("t10", "a=1;c=3;");
    assert_false(exists("t10.lmdb.new"));
}

static void of_two_rows_the_first_counts_or_the_last_where_asked(void **state)
{
    (void)state;
    struct err e;
    map_kit_write("t11", "a 1\nb 1\nA 2\na 3\n");
    make("t11");
    assert_indexed("t11", "a=1;b=1;");
    assert_int_equal(map_index_make(map_kit_path("t11"), NULL, MAP_BUILD_REPLACES, &e), 0);
    assert_indexed("t11", "a=3;b=1;");
}

static void an_index_has_the_permissions_of_its_text(void **state)
{
    (void)state;
    struct stat st;
    struct err e;
    map_kit_write("t12", "a 1\n");
    chmod(map_kit_path("t12"), 0640);
    make("t12");
    assert_int_equal(stat(map_kit_path("t12.lmdb"), &st), 0);
    assert_int_equal(st.st_mode & 0777, 0640);
    assert_int_equal(map_index_make(map_kit_path("t12"), NULL, MAP_BUILD_MODE_0644, &e), 0);
    assert_int_equal(stat(map_kit_path("t12.lmdb"), &st), 0);
    assert_int_equal(st.st_mode & 0777, 0644);
}

static void keys_and_values_may_be_long(void **state)
{
    (void)state;
    char *text = xmalloc(40000);
    memset(text, 'k', 510);
    text[510] = ' ';
    memset(text + 511, 'v', 3000);
    memcpy(text + 3511, "\n", 2);
    memset(text + 3512, 'l', 511);
    memcpy(text + 4023, " too long\na 1\n", 15);
    map_kit_write("t13", text);
    make("t13");
    unlink(map_kit_path("t13"));
    struct map *m = map_kit_open("hash", "t13");
    text[510] = '\0';
    assert_int_equal(strlen(map_kit_ask(m, text)), 3000);
    assert_asked(m, "a", "1");
    text[4023] = '\0';
    assert_asked(m, text + 3512, "(not found)");
    map_close(m);
    free(text);
}

static void only_texts_with_an_index_have_one(void **state)
{
    (void)state;
    struct err e;
    char *path = map_index_path("hash:/x/y", &e);
    assert_string_equal(path, "/x/y");
    free(path);
    path = map_index_path("some/file", &e);
    assert_string_equal(path, "some/file");
    free(path);
    assert_null(map_index_path("regexp:/x", &e));
    assert_non_null(strstr(e.text, "no index"));
    assert_null(map_index_path("nosuch:/x", &e));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(an_index_has_the_rows_of_its_text),
        cmocka_unit_test(an_empty_text_has_an_index_too),
        cmocka_unit_test(an_index_that_is_there_is_made_again_when_the_text_has_changed),
        cmocka_unit_test(a_small_text_needs_no_index),
        cmocka_unit_test(a_large_text_gets_an_index_by_itself),
        cmocka_unit_test(without_the_right_to_write_the_text_is_read_and_that_is_said_once),
        cmocka_unit_test(a_damaged_index_is_not_used),
        cmocka_unit_test(an_index_of_keys_is_none_of_aliases),
        cmocka_unit_test(an_index_replaced_by_others_is_opened_again),
        cmocka_unit_test(rows_are_added_and_deleted),
        cmocka_unit_test(of_two_rows_the_first_counts_or_the_last_where_asked),
        cmocka_unit_test(an_index_has_the_permissions_of_its_text),
        cmocka_unit_test(keys_and_values_may_be_long),
        cmocka_unit_test(only_texts_with_an_index_have_one),
    };
    return cmocka_run_group_tests(tests, map_kit_setup, map_kit_teardown);
}
