/* SPDX-License-Identifier: Apache-2.0 */
#include "relay/window.h"

#include "base/clock.h"

#include "unit.h"

static const struct config defaults = {
    .initial_destination_concurrency = 5,
    .smtp_destination_concurrency_limit = 20,
    .default_destination_concurrency_positive_feedback = { 1, FEEDBACK_FLAT },
    .default_destination_concurrency_negative_feedback = { 1, FEEDBACK_FLAT },
    .default_destination_concurrency_failed_cohort_limit = 1,
};

static void it_begins_at_the_initial_size_but_never_above_the_limit(void **state)
{
    struct window w = { 0 };
    struct config cfg = defaults;
    (void)state;

    assert_int_equal(window_size(&w, &cfg), 5);
    cfg.smtp_destination_concurrency_limit = 2;
    window_reset(&w, &cfg);
    assert_int_equal(window_size(&w, &cfg), 2);
}

static void it_grows_with_successes_up_to_the_limit(void **state)
{
    struct window w = { 0 };
    (void)state;

    for (int i = 0; i < 3; i++)
        window_success(&w, &defaults, 20, 0);
    assert_int_equal(window_size(&w, &defaults), 8);
    for (int i = 0; i < 100; i++)
        window_success(&w, &defaults, 20, 0);
    assert_int_equal(window_size(&w, &defaults), 20);
}

static void what_is_not_used_does_not_grow(void **state)
{
    struct window w = { 0 };
    (void)state;

    for (int i = 0; i < 100; i++)
        window_success(&w, &defaults, 4, 0);
    assert_int_equal(window_size(&w, &defaults), 5);
}

static void being_put_off_makes_it_shrink_to_one_and_never_kills(void **state)
{
    struct window w = { 0 };
    (void)state;

    for (int i = 0; i < 100; i++)
        window_back(&w, &defaults, 0);
    assert_int_equal(window_size(&w, &defaults), 1);
    assert_true(w.failed_cohorts == 0);
}

static void after_a_step_back_it_keeps_still_for_a_while(void **state)
{
    struct window w = { 0 };
    (void)state;

    window_back(&w, &defaults, 0);
    window_success(&w, &defaults, 4, USEC_PER_SEC);
    assert_int_equal(window_size(&w, &defaults), 4);
    window_success(&w, &defaults, 4, 5 * USEC_PER_SEC);
    assert_int_equal(window_size(&w, &defaults), 5);
}

/* 1/5 + 1/4 + 1/3 + 1/2: the fourth is one too many. */
static void a_cohort_that_was_cut_off_is_a_failure_of_the_destination(void **state)
{
    struct window w = { 0 };
    (void)state;

    for (int i = 0; i < 3; i++)
        assert_false(window_failure(&w, &defaults, 0));
    assert_true(window_failure(&w, &defaults, 0));
}

static void a_success_between_forgives_the_failures(void **state)
{
    struct window w = { 0 };
    (void)state;

    for (int i = 0; i < 3; i++)
        assert_false(window_failure(&w, &defaults, 0));
    window_success(&w, &defaults, 2, 10 * USEC_PER_SEC);
    assert_false(window_failure(&w, &defaults, 10 * USEC_PER_SEC));
}

static void a_limit_of_no_cohorts_means_never(void **state)
{
    struct window w = { 0 };
    struct config cfg = defaults;
    (void)state;

    cfg.default_destination_concurrency_failed_cohort_limit = 0;
    for (int i = 0; i < 1000; i++)
        assert_false(window_failure(&w, &cfg, 0));
    assert_int_equal(window_size(&w, &cfg), 1);
}

static void feedback_may_depend_on_the_size(void **state)
{
    struct window w = { 0 };
    struct config cfg = defaults;
    (void)state;

    /* 1/concurrency: one more after as many successes as go on at a time. */
    cfg.default_destination_concurrency_positive_feedback.per = FEEDBACK_PER_CONCURRENCY;
    for (int i = 0; i < 5; i++)
        window_success(&w, &cfg, 20, 0);
    assert_int_equal(window_size(&w, &cfg), 5);
    window_success(&w, &cfg, 20, 0);
    assert_int_equal(window_size(&w, &cfg), 6);
    cfg.initial_destination_concurrency = 4;
    cfg.default_destination_concurrency_negative_feedback.per = FEEDBACK_PER_SQRT;
    window_reset(&w, &cfg);
    window_back(&w, &cfg, 0);
    assert_true(w.size > 3.499 && w.size < 3.501);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(it_begins_at_the_initial_size_but_never_above_the_limit),
        cmocka_unit_test(it_grows_with_successes_up_to_the_limit),
        cmocka_unit_test(what_is_not_used_does_not_grow),
        cmocka_unit_test(being_put_off_makes_it_shrink_to_one_and_never_kills),
        cmocka_unit_test(after_a_step_back_it_keeps_still_for_a_while),
        cmocka_unit_test(a_cohort_that_was_cut_off_is_a_failure_of_the_destination),
        cmocka_unit_test(a_success_between_forgives_the_failures),
        cmocka_unit_test(a_limit_of_no_cohorts_means_never),
        cmocka_unit_test(feedback_may_depend_on_the_size),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
