/* SPDX-License-Identifier: Apache-2.0 */
#include "relay/flow.h"

#include "base/clock.h"

#include "unit.h"

#define SECOND USEC_PER_SEC

static void nobody_waits_in_normal_times(void **state)
{
    struct flow *f = flow_new(NULL);
    (void)state;

    for (int i = 0; i < 1000; i++)
        assert_int_equal(flow_wait_us(f, 1, SECOND, 0), 0);
    assert_int_equal(flow_clients(f, 0), 0);
    flow_free(f);
}

static void a_fast_client_is_spaced_and_a_slow_one_is_not(void **state)
{
    struct flow *f = flow_new(NULL);
    (void)state;

    flow_set(f, SECOND / 10, 0);
    assert_int_equal(flow_wait_us(f, 1, SECOND, 100), 0);
    assert_int_equal(flow_wait_us(f, 1, SECOND, 100), SECOND / 10);
    assert_int_equal(flow_wait_us(f, 1, SECOND, 100), SECOND / 5);
    assert_int_equal(flow_wait_us(f, 2, SECOND, 100), 0);
    assert_int_equal(flow_wait_us(f, 2, SECOND, SECOND / 5), 0);
    assert_int_equal(flow_clients(f, 0), 2);
    flow_free(f);
}

static void no_wait_is_longer_than_in_flow_delay(void **state)
{
    struct flow *f = flow_new(NULL);
    (void)state;

    flow_set(f, 3600 * SECOND, 0);
    for (int i = 0; i < 100; i++)
        assert_true(flow_wait_us(f, 1, SECOND, 0) <= SECOND);
    assert_int_equal(flow_wait_us(f, 1, 0, 0), 0); /* in_flow_delay = 0 */
    flow_free(f);
}

static void what_a_dead_relay_said_does_not_hold(void **state)
{
    struct flow *f = flow_new(NULL);
    (void)state;

    flow_set(f, SECOND, 0);
    flow_wait_us(f, 1, SECOND, 0);
    assert_true(flow_wait_us(f, 1, SECOND, 1) > 0);
    assert_int_equal(flow_wait_us(f, 1, SECOND, 4 * SECOND), 0);
    flow_free(f);
}

static int64_t judge_for(struct flow_meter *m, int seconds, unsigned came, unsigned tried)
{
    int64_t interval = 0;
    for (int i = 0; i < seconds; i++)
        interval = flow_judge(m, came, tried, 4, 10000);
    return interval;
}

static void a_burst_or_a_backlog_that_shrinks_is_no_concern(void **state)
{
    struct flow_meter m = { 0 };
    (void)state;

    assert_int_equal(judge_for(&m, 9, 100000, 5000), 0); /* a burst */
    assert_int_equal(judge_for(&m, 60, 4000, 5000), 0);
    m = (struct flow_meter){ 0 };
    assert_int_equal(judge_for(&m, 3600, 5001, 5000), 0); /* it grows, and is small */
}

static void a_backlog_that_grows_for_long_slows_clients_to_their_share(void **state)
{
    struct flow_meter m = { 0 };
    (void)state;

    assert_int_equal(judge_for(&m, FLOW_SECONDS - 1, 7000, 5000), 0);
    int64_t interval = judge_for(&m, 1, 7000, 5000);
    /* Four clients share some 5,000 a second. */
    assert_true(interval > 700 && interval < 1000);
    assert_true(judge_for(&m, 5, 7000, 5000) > interval); /* still too much */
    assert_true(judge_for(&m, 7, 0, 5000) == 0);          /* it has come down */
    assert_false(m.is_on);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(nobody_waits_in_normal_times),
        cmocka_unit_test(a_fast_client_is_spaced_and_a_slow_one_is_not),
        cmocka_unit_test(no_wait_is_longer_than_in_flow_delay),
        cmocka_unit_test(what_a_dead_relay_said_does_not_hold),
        cmocka_unit_test(a_burst_or_a_backlog_that_shrinks_is_no_concern),
        cmocka_unit_test(a_backlog_that_grows_for_long_slows_clients_to_their_share),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
