/* SPDX-License-Identifier: Apache-2.0
 *
 * Processes that deliver, and such as do not die: kill() is wrapped (-Wl,--wrap), so that one can survive SIGKILL as if it hung in a file
 * system that does not answer; and so is the clock, for it takes its time till one is given up. */
#include "t/unit/unit.h"

#include "base/mem.h"
#include "server/errands.h"

#include <errno.h>
#include <signal.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

static struct loop *loop;
static struct errands errands;
static int hang[2]; /* whoever hangs does so till its other end is closed */
static bool survives;
static int64_t ahead_ms;

int __real_kill(pid_t pid, int signum);
int64_t __real_loop_now_ms(const struct loop *l);
int __wrap_kill(pid_t pid, int signum);
int64_t __wrap_loop_now_ms(const struct loop *l);

int __wrap_kill(pid_t pid, int signum)
{
    assert_true(pid != 0); /* that would be we, and all of our group */
    return survives ? 0 : __real_kill(pid, signum);
}

int64_t __wrap_loop_now_ms(const struct loop *l)
{
    return __real_loop_now_ms(l) + ahead_ms;
}

static void say(void *arg, struct outcome *out)
{
    outcome_set(out, "2.0.0", "%s", (const char *)arg);
}

static void hang_there(void *arg, struct outcome *out)
{
    char c;

    (void)arg;
    (void)out;
    close(hang[1]);
    while (read(hang[0], &c, 1) < 0 && errno == EINTR)
        ;
    _exit(0);
}

static struct outcome last;
static unsigned n_done;

static void done(void *arg, const struct outcome *o)
{
    (void)arg;
    last = *o;
    n_done++;
}

static void start(errand_work_fn *work, const char *group, int64_t limit_ms)
{
    static char text[] = "well done";
    const struct errand_terms t = { .keep_fd = hang[0], .time_limit_ms = limit_ms, .group = group, .group_limit = 2 };

    errand_start(&errands, &t, work, done, text);
}

static void wait_done(unsigned n)
{
    while (n_done < n && loop_turn(loop, true))
        ;
    assert_int_equal(n_done, n);
}

static int begin(void **state)
{
    struct err e;

    (void)state;
    n_done = 0;
    ahead_ms = 0;
    loop = loop_new(&e);
    errands_init(&errands, loop, 10);
    return loop && pipe(hang) == 0 ? 0 : -1;
}

static int finish(void **state)
{
    (void)state;
    survives = false;
    errands_fini(&errands);
    loop_free(loop);
    close(hang[0]);
    close(hang[1]);
    while (wait(NULL) > 0 || errno == EINTR)
        ;
    return 0;
}

static void hang_twice(void)
{
    survives = true;
    start(hang_there, "joe", 1);
    start(hang_there, "joe", 1);
    wait_done(2);
    assert_string_equal(last.dsn, "4.3.0");
}

static void become_stuck(void)
{
    ahead_ms = 60000;
    while (errands.n_stuck < 2 && loop_turn(loop, true))
        ;
}

static void what_it_says_is_told_and_nothing_is_left_of_it(void **state)
{
    (void)state;
    start(say, "joe", 600000);
    wait_done(1);
    assert_int_equal(last.kind, OUTCOME_SENT);
    assert_string_equal(last.text, "well done");
    while (loop_turn(loop, true)) /* till it has been reaped */
        ;
    assert_true(list_is_empty(&errands.dying));
    assert_int_equal(wait(NULL), -1);
}

static void one_that_does_not_die_stops_nobody_else(void **state)
{
    (void)state;
    hang_twice();
    assert_int_equal(errands.n_running, 0);
    start(say, "ann", 600000);
    wait_done(3);
    assert_int_equal(last.kind, OUTCOME_SENT);
}

static void those_of_its_group_are_deferred_while_it_hangs(void **state)
{
    (void)state;
    hang_twice();
    become_stuck();
    start(say, "joe", 600000);
    wait_done(3);
    assert_string_equal(last.dsn, "4.3.0");
    assert_non_null(strstr(last.text, "hang"));
    start(say, "ann", 600000);
    wait_done(4);
    assert_int_equal(last.kind, OUTCOME_SENT);
}

static void when_it_has_died_after_all_they_go_on(void **state)
{
    (void)state;
    hang_twice();
    become_stuck();
    close(hang[1]);
    hang[1] = -1;
    while (!list_is_empty(&errands.dying) && loop_turn(loop, true))
        ;
    assert_int_equal(errands.n_stuck, 0);
    start(say, "joe", 600000);
    wait_done(3);
    assert_int_equal(last.kind, OUTCOME_SENT);
}

static void the_end_does_not_wait_for_it(void **state)
{
    (void)state;
    survives = true;
    start(hang_there, "joe", 600000);
    start(hang_there, NULL, 600000);
    errands_fini(&errands);
    assert_int_equal(n_done, 0);
    errands_init(&errands, loop, 10);
}

int main(void)
{
#define T(t) cmocka_unit_test_setup_teardown(t, begin, finish)
    const struct CMUnitTest tests[] = {
        T(what_it_says_is_told_and_nothing_is_left_of_it),
        T(one_that_does_not_die_stops_nobody_else),
        T(those_of_its_group_are_deferred_while_it_hangs),
        T(when_it_has_died_after_all_they_go_on),
        T(the_end_does_not_wait_for_it),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
