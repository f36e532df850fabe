/* SPDX-License-Identifier: Apache-2.0
 *
 * Tables that others serve, and asking without waiting. The server is a thread that plays a script: what it expects, what it
 * says, and where it hangs up or falls silent. */
#include "map_kit.h"

#include "base/clock.h"
#include "base/mem.h"
#include "net/loop.h"
#include "net/offload.h"

#include <arpa/inet.h>
#include <poll.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

/* "C:..." is expected, "S:..." said, "HANG UP" closes and takes the next connection, "SILENT" waits till the client goes. */
struct server {
    const char *const *script;
    int listen_fd;
    char *where; /* "inet:127.0.0.1:PORT" or "unix:PATH" */
    pthread_t thread;
    char wrong[1000];
};

static int take(struct server *s)
{
    struct pollfd p = { s->listen_fd, POLLIN, 0 };
    return poll(&p, 1, 10000) == 1 ? accept(s->listen_fd, NULL, NULL) : -1;
}

static bool expect(struct server *s, int fd, const char *want)
{
    char got[1000] = "";
    size_t n = 0, len = strlen(want);

    while (n < len) {
        ssize_t r = recv(fd, got + n, len - n, 0);
        if (r <= 0)
            break;
        n += (size_t)r;
    }
    if (n == len && memcmp(got, want, len) == 0)
        return true;
    snprintf(s->wrong, sizeof s->wrong, "got \"%.300s\", not \"%.300s\"", got, want);
    return false;
}

static void *serve(void *arg)
{
    struct server *s = arg;
    int fd = take(s);
    char c;

    for (const char *const *at = s->script; *at && fd >= 0; at++) {
        if (strncmp(*at, "C:", 2) == 0) {
            if (!expect(s, fd, *at + 2))
                break;
        } else if (strncmp(*at, "S:", 2) == 0) {
            send(fd, *at + 2, strlen(*at + 2), MSG_NOSIGNAL);
        } else if (strcmp(*at, "HANG UP") == 0) {
            close(fd);
            fd = take(s);
        } else {
            while (recv(fd, &c, 1, 0) > 0)
                ;
            close(fd);
            fd = at[1] ? take(s) : -1;
        }
    }
    if (fd >= 0)
        close(fd);
    return NULL;
}

static void start(struct server *s, bool is_unix, const char *const *script)
{
    struct sockaddr_in in = { .sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
    struct sockaddr_un un = { .sun_family = AF_UNIX };
    socklen_t len = sizeof in;

    *s = (struct server){ .script = script, .listen_fd = socket(is_unix ? AF_UNIX : AF_INET, SOCK_STREAM, 0) };
    if (is_unix) {
        snprintf(un.sun_path, sizeof un.sun_path, "%s", map_kit_path("socket"));
        unlink(un.sun_path);
        assert_int_equal(bind(s->listen_fd, (struct sockaddr *)&un, sizeof un), 0);
        s->where = xasprintf("unix:%s", un.sun_path);
    } else {
        assert_int_equal(bind(s->listen_fd, (struct sockaddr *)&in, sizeof in), 0);
        getsockname(s->listen_fd, (struct sockaddr *)&in, &len);
        s->where = xasprintf("inet:127.0.0.1:%d", ntohs(in.sin_port));
    }
    assert_int_equal(listen(s->listen_fd, 5), 0);
    pthread_create(&s->thread, NULL, serve, s);
}

static void stop(struct server *s)
{
    pthread_join(s->thread, NULL);
    close(s->listen_fd);
    free(s->where);
    if (s->wrong[0])
        fail_msg("%s", s->wrong);
}

static struct map *open_socketmap(const struct server *s, unsigned timeout_ms)
{
    char *spec = xasprintf("socketmap:%s:name", s->where);
    struct map *m = map_kit_open_spec(spec, (struct map_options){ .timeout_ms = timeout_ms });
    free(spec);
    return m;
}

static struct map *open_tcp(const struct server *s, unsigned timeout_ms)
{
    char *spec = xasprintf("tcp:%s", s->where + 5);
    struct map *m = map_kit_open_spec(spec, (struct map_options){ .timeout_ms = timeout_ms });
    free(spec);
    return m;
}

static void assert_asked(struct map *m, const char *key, const char *want)
{
    assert_string_equal(map_kit_ask(m, key), want);
}

static int setup(void **state)
{
    int rc = map_kit_setup(state);
    clock_freeze(0); /* deadlines are real here */
    return rc;
}

/* ---- the protocols ---- */

static void a_socketmap_gives_three_different_answers(void **state)
{
    (void)state;
    static const char *const script[] = {
        "C:8:name Key,", "S:12:OK the value,", "C:6:name b,", "S:9:NOTFOUND ,", "C:6:name c,", "S:9:TEMP busy,",
        "C:6:name d,", "S:7:PERM no,", "C:6:name e,", "S:13:TIMEOUT later,", "C:6:name f,", "S:3:OK ,", NULL,
    };
    struct server s;
    for (int is_unix = 0; is_unix < 2; is_unix++) {
        start(&s, is_unix, script);
        struct map *m = open_socketmap(&s, 5000);
        assert_true(map_may_block(m));
        assert_asked(m, "Key", "the value");
        assert_asked(m, "b", "(not found)");
        assert_asked(m, "c", "(failed)");
        assert_asked(m, "d", "(failed)");
        assert_asked(m, "e", "(failed)");
        assert_asked(m, "f", "");
        map_close(m);
        stop(&s);
    }
}

static void an_answer_that_is_none_is_a_failure(void **state)
{
    (void)state;
    static const char *const answers[] = {
        "S:OK x\n", "S:4:WHAT,", "S:4:OK x;", "S:9999999:x", "S::x,", "S:-1:x,", "S:5:OKxxx,",
    };
    for (size_t i = 0; i < ARRAY_LEN(answers); i++) {
        const char *script[] = { "C:6:name a,", answers[i], "HANG UP", "C:6:name b,", "S:4:OK y,", NULL };
        struct server s;
        start(&s, false, script);
        struct map *m = open_socketmap(&s, 5000);
        assert_asked(m, "a", "(failed)");
        assert_asked(m, "b", "y"); /* over a new connection */
        map_close(m);
        stop(&s);
    }
}

static void a_connection_closed_meanwhile_is_made_again(void **state)
{
    (void)state;
    static const char *const script[] = { "C:6:name a,", "S:4:OK x,", "HANG UP", "C:6:name b,", "S:4:OK y,", NULL };
    struct server s;
    start(&s, false, script);
    struct map *m = open_socketmap(&s, 5000);
    assert_asked(m, "a", "x");
    assert_asked(m, "b", "y");
    map_close(m);
    stop(&s);
}

static void a_tcp_table_is_asked_line_by_line(void **state)
{
    (void)state;
    static const char *const script[] = {
        "C:get a%20B%25%0A\n", "S:200 x%20y\n", "C:get b\n", "S:500 no\n", "C:get c\n", "S:400 later\n",
        "C:get d\n", "S:200 x y\r\n", NULL,
    };
    struct server s;
    start(&s, false, script);
    struct map *m = open_tcp(&s, 5000);
    assert_asked(m, "a B%\n", "x y");
    assert_asked(m, "b", "(not found)");
    assert_asked(m, "c", "(failed)");
    assert_asked(m, "d", "x y");
    map_close(m);
    stop(&s);
    static const char *const answers[] = { "S:200\n", "S:200 %4\n", "S:200 %zz\n", "S:what\n", "S:\n" };
    for (size_t i = 0; i < ARRAY_LEN(answers); i++) {
        const char *bad[] = { "C:get a\n", answers[i], NULL };
        start(&s, false, bad);
        m = open_tcp(&s, 5000);
        assert_asked(m, "a", "(failed)");
        map_close(m);
        stop(&s);
    }
}

static void a_silent_server_is_a_failure_in_time(void **state)
{
    (void)state;
    static const char *const script[] = { "C:6:name a,", "S:4:O", "SILENT", NULL };
    struct server s;
    start(&s, false, script);
    struct map *m = open_socketmap(&s, 200);
    int64_t before = clock_mono_us();
    assert_asked(m, "a", "(failed)");
    int64_t took = clock_mono_us() - before;
    assert_true(took >= 150000 && took < 3000000);
    map_close(m);
    stop(&s);
}

static void a_server_that_is_not_there_is_a_failure(void **state)
{
    (void)state;
    struct map *m = map_kit_open_spec("socketmap:unix:/nonexistent/socket:name", (struct map_options){ 0 });
    assert_asked(m, "a", "(failed)");
    map_close(m);
    struct err e;
    assert_null(map_open("socketmap:foo:bar", NULL, &e));
    assert_null(map_open("socketmap:unix:/x:", NULL, &e));
    assert_null(map_open("socketmap:inet:host:name", NULL, &e));
    assert_null(map_open("tcp:host", NULL, &e));
    assert_null(map_open("tcp:host:", NULL, &e));
}

/* ---- without waiting ---- */

struct answers {
    struct loop *loop;
    unsigned n, n_wanted;
    char text[1000];
    struct map *close_when_asked;
};

static void answered(void *arg, enum map_result result, struct span value, const struct err *e)
{
    struct answers *a = arg;
    size_t len = strlen(a->text);

    (void)e;
    snprintf(a->text + len, sizeof a->text - len, "%.*s;", result == MAP_FOUND ? (int)value.len : 2,
             result == MAP_FOUND ? value.at : result == MAP_CANNOT_TELL ? "!!" : "??");
    if (a->close_when_asked)
        map_close(a->close_when_asked);
    a->close_when_asked = NULL;
    if (++a->n == a->n_wanted && a->loop)
        loop_stop(a->loop);
}

static void a_table_that_does_not_block_answers_in_place(void **state)
{
    (void)state;
    struct answers a = { 0 };
    struct map *m = map_kit_open_spec("inline:{a=1}", (struct map_options){ 0 });
    assert_null(map_ask(m, NULL, SPAN("A"), answered, &a));
    assert_null(map_ask(m, NULL, SPAN("b"), answered, &a));
    assert_string_equal(a.text, "1;??;");
    map_close(m);
}

static void one_that_blocks_answers_from_the_loop(void **state)
{
    (void)state;
    static const char *const script[] = {
        "C:6:name a,", "S:4:OK x,", "C:6:name b,", "S:9:NOTFOUND ,", "C:6:name c,", "S:4:OK z,", NULL,
    };
    struct answers a = { .loop = loop_new(NULL), .n_wanted = 3 };
    struct server s;
    start(&s, false, script);
    struct map *m = open_socketmap(&s, 5000);
    struct runner *r = loop_runner(a.loop);
    assert_non_null(map_ask(m, r, SPAN("a"), answered, &a));
    assert_non_null(map_ask(m, r, SPAN("b"), answered, &a));
    struct map_ask *cancelled = map_ask(m, r, SPAN("c"), answered, &a);
    map_ask_cancel(cancelled);
    assert_string_equal(a.text, "");
    a.n_wanted = 2;
    loop_run(a.loop);
    map_close(m);
    loop_free(a.loop);
    assert_string_equal(a.text, "x;??;");
    stop(&s);
}

static void while_two_tables_hang_the_loop_goes_on_and_others_wait_their_turn(void **state)
{
    (void)state;
    static const char *const silent[] = { "SILENT", NULL };
    static const char *const talks[] = { "C:6:name a,", "S:4:OK x,", NULL };
    struct answers a = { .loop = loop_new(NULL), .n_wanted = 4 };
    struct runner *r = loop_runner(a.loop);
    struct server s[3];
    struct map *m[3];
    for (int i = 0; i < 3; i++) {
        start(&s[i], false, i < 2 ? silent : talks);
        m[i] = open_socketmap(&s[i], 300);
    }
    /* The third has its own time: it is counted while it waits, so it gets more than the hanging ones. */
    map_close(m[2]);
    m[2] = open_socketmap(&s[2], 5000);
    map_ask(m[0], r, SPAN("a"), answered, &a);
    map_ask(m[0], r, SPAN("b"), answered, &a);
    map_ask(m[1], r, SPAN("a"), answered, &a);
    map_ask(m[2], r, SPAN("a"), answered, &a);
    int64_t before = clock_mono_us();
    loop_run(a.loop);
    assert_true(clock_mono_us() - before < 3000000);
    assert_non_null(strstr(a.text, "x;"));
    assert_int_equal(strlen(a.text), 3 * 3 + 2);
    for (int i = 0; i < 3; i++) {
        map_close(m[i]);
        stop(&s[i]);
    }
    loop_free(a.loop);
}

static void a_table_may_be_closed_while_it_is_asked(void **state)
{
    (void)state;
    static const char *const script[] = { "SILENT", NULL };
    struct answers a = { .loop = loop_new(NULL), .n_wanted = 1 };
    struct server s;
    start(&s, false, script);
    struct map *m = open_socketmap(&s, 300);
    map_ask(m, loop_runner(a.loop), SPAN("a"), answered, &a);
    map_ask(m, loop_runner(a.loop), SPAN("b"), answered, &a);
    map_close(m);
    loop_run(a.loop); /* till nothing is left */
    assert_int_equal(a.n, 0);
    loop_free(a.loop);
    stop(&s);
}

static void a_table_may_be_closed_by_its_own_answer(void **state)
{
    (void)state;
    static const char *const script[] = { "C:6:name a,", "S:4:OK x,", "SILENT", NULL };
    struct answers a = { .loop = loop_new(NULL), .n_wanted = 1 };
    struct server s;
    start(&s, false, script);
    a.close_when_asked = open_socketmap(&s, 300);
    map_ask(a.close_when_asked, loop_runner(a.loop), SPAN("a"), answered, &a);
    loop_run(a.loop);
    assert_string_equal(a.text, "x;");
    loop_free(a.loop);
    stop(&s);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_socketmap_gives_three_different_answers),
        cmocka_unit_test(an_answer_that_is_none_is_a_failure),
        cmocka_unit_test(a_connection_closed_meanwhile_is_made_again),
        cmocka_unit_test(a_tcp_table_is_asked_line_by_line),
        cmocka_unit_test(a_silent_server_is_a_failure_in_time),
        cmocka_unit_test(a_server_that_is_not_there_is_a_failure),
        cmocka_unit_test(a_table_that_does_not_block_answers_in_place),
        cmocka_unit_test(one_that_blocks_answers_from_the_loop),
        cmocka_unit_test(while_two_tables_hang_the_loop_goes_on_and_others_wait_their_turn),
        cmocka_unit_test(a_table_may_be_closed_while_it_is_asked),
        cmocka_unit_test(a_table_may_be_closed_by_its_own_answer),
    };
    return cmocka_run_group_tests(tests, setup, map_kit_teardown);
}
