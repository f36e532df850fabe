/* SPDX-License-Identifier: Apache-2.0
 *
 * The spool over a real file system, in a temporary folder. */
#include "base/clock.h"
#include "spool_kit.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

struct world {
    char *dir;
    struct kit_runner runner;
    struct kit_relay relay;
    struct kit_done done;
};

static int setup(void **state)
{
    struct world *w = xcalloc(1, sizeof *w);
    w->dir = kit_folder();
    kit_runner_init(&w->runner);
    *state = w;
    return 0;
}

static int teardown(void **state)
{
    struct world *w = *state;
    kit_relay_fini(&w->relay);
    kit_folder_remove(w->dir);
    free(w);
    return 0;
}

static struct spool *open_as(struct world *w, enum spool_role role, const struct spool_limits *limits)
{
    if (role != SPOOL_RECEIVE)
        kit_relay_fini(&w->relay);
    return kit_open(w->dir, role, &w->runner, &w->relay, limits, NULL);
}

static void a_message_is_kept_only_after_the_runner_has_synced_it(void **state)
{
    struct world *w = *state;
    struct spool *s = open_as(w, SPOOL_RECEIVE, NULL);

    uint64_t id = kit_put(s, 1, 5000, &w->done);
    assert_int_equal(w->done.kept, 0);
    assert_false(spool_is_idle(s));
    kit_runner_all(&w->runner);
    assert_int_equal(w->done.kept, 1);
    assert_true(spool_is_idle(s));
    spool_close(s);

    s = open_as(w, SPOOL_RELAY, NULL);
    assert_int_equal(w->relay.n_told, 1);
    assert_int_equal(w->relay.told[0].id, id);
    assert_string_equal(w->relay.told[0].sender, "1@example.org");
    assert_false(w->relay.told[0].has_state);
    assert_true(kit_is_whole(s, id, 1, 5000));
    assert_int_equal(w->relay.n_damaged, 0);
    spool_close(s);
}

static void what_gathers_during_a_sync_shares_the_next(void **state)
{
    struct world *w = *state;
    struct spool *s = open_as(w, SPOOL_RECEIVE, NULL);
    struct spool_stats before, after;

    kit_put(s, 1, 100, &w->done);
    kit_runner_all(&w->runner);
    spool_stats(s, &before);
    for (unsigned i = 0; i < 500; i++)
        kit_put(s, i, 2000, &w->done);
    kit_runner_all(&w->runner);
    spool_stats(s, &after);
    assert_int_equal(w->done.kept, 501);
    assert_int_equal(after.commits - before.commits, 500);
    assert_int_equal(after.syncs - before.syncs, 2);
    spool_close(s);
}

static void an_ended_message_does_not_come_back(void **state)
{
    struct world *w = *state;
    struct spool *r = open_as(w, SPOOL_RECEIVE, NULL);
    uint64_t a = kit_put(r, 1, 300, &w->done), b = kit_put(r, 2, 300, &w->done);

    kit_runner_all(&w->runner);
    spool_close(r);
    struct spool *s = open_as(w, SPOOL_RELAY, NULL);
    spool_end(s, a);
    kit_runner_all(&w->runner);
    spool_close(s);

    s = open_as(w, SPOOL_RELAY, NULL);
    assert_null(kit_told(&w->relay, a));
    assert_non_null(kit_told(&w->relay, b));
    spool_close(s);
}

static void the_newest_state_is_found_again(void **state)
{
    struct world *w = *state;
    struct spool *r = open_as(w, SPOOL_RECEIVE, NULL);
    uint64_t id = kit_put(r, 1, 300, &w->done);
    struct spool_rcpt rcpt = { .rcpt = { .address = (char *)"b@example.com", .orcpt = (char *)"rfc822;x", .notify = 4 },
                               .reason = (char *)"host said: 450\r\nlater" };
    struct spool_state st = { .next_us = 77, .attempts = 1, .is_held = true, .rcpts = &rcpt, .n_rcpts = 1 }, got;
    struct envelope env;
    struct err e;

    kit_runner_all(&w->runner);
    spool_close(r);
    struct spool *s = open_as(w, SPOOL_RELAY, NULL);
    spool_put_state(s, id, &st, NULL, NULL);
    st.attempts = 2;
    spool_put_state(s, id, &st, kit_count, &w->done);
    /* Before it is written, too. */
    assert_int_equal(spool_load(s, id, &env, &got, &e), 0);
    assert_int_equal(got.attempts, 2);
    envelope_fini(&env);
    spool_state_fini(&got);
    kit_runner_all(&w->runner);
    assert_int_equal(w->done.kept, 2);
    spool_close(s);

    s = open_as(w, SPOOL_RELAY, NULL);
    assert_true(kit_told(&w->relay, id)->has_state);
    assert_int_equal(kit_told(&w->relay, id)->attempts, 2);
    assert_int_equal(spool_load(s, id, &env, &got, &e), 0);
    assert_int_equal(got.next_us, 77);
    assert_true(got.is_held);
    assert_false(got.was_warned);
    assert_int_equal(got.n_rcpts, 1);
    assert_string_equal(got.rcpts[0].rcpt.address, "b@example.com");
    assert_string_equal(got.rcpts[0].rcpt.orcpt, "rfc822;x");
    assert_int_equal(got.rcpts[0].rcpt.notify, 4);
    assert_string_equal(got.rcpts[0].reason, "host said: 450??later");
    assert_string_equal(env.sender, "1@example.org");
    envelope_fini(&env);
    spool_state_fini(&got);
    spool_close(s);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(a_message_is_kept_only_after_the_runner_has_synced_it, setup, teardown),
        cmocka_unit_test_setup_teardown(what_gathers_during_a_sync_shares_the_next, setup, teardown),
        cmocka_unit_test_setup_teardown(an_ended_message_does_not_come_back, setup, teardown),
        cmocka_unit_test_setup_teardown(the_newest_state_is_found_again, setup, teardown),
    };
    return cmocka_run_group_tests_name("spool", tests, NULL, NULL);
}
