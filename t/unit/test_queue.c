/* SPDX-License-Identifier: Apache-2.0 */
#include "relay/queue.h"

#include "unit.h"

#include <stdio.h>

#include <stdlib.h>

static void jobs_come_out_by_time_and_then_by_age(void **state)
{
    struct queue *q = queue_new();
    struct dest *d = queue_dest(q, "[a]:25");
    static const int64_t when[] = { 50, 0, 30, 0, 20 };
    static const uint64_t want[] = { 2, 4, 5, 3, 1 };
    (void)state;

    for (uint64_t i = 0; i < 5; i++)
        queue_add_job(q, queue_add(q, i + 1, 100, 0, false), d, when[i], 0);
    for (size_t i = 0; i < 5; i++) {
        struct job *j = queue_take(q, d, INT64_MAX);
        assert_non_null(j);
        assert_int_equal(j->message->id, want[i]);
        assert_true(queue_finish(q, j));
    }
    assert_null(queue_take(q, d, INT64_MAX));
    queue_free(q);
}

static void a_job_that_is_not_due_is_not_taken(void **state)
{
    struct queue *q = queue_new();
    struct dest *d = queue_dest(q, "[a]:25");
    (void)state;

    queue_add_job(q, queue_add(q, 7, 1, 0, false), d, 1000, 0);
    assert_null(queue_take(q, d, 999));
    assert_true(queue_due(d) == 1000);
    struct job *j = queue_take(q, d, 1000);
    assert_non_null(j);
    assert_int_equal(d->n_active, 1);
    queue_defer(q, j, 5000);
    assert_int_equal(d->n_active, 0);
    assert_int_equal(j->attempts, 1);
    assert_true(queue_due(d) == 5000);
    queue_all_due(q, d);
    assert_true(queue_due(d) == 0);
    queue_free(q);
}

static void a_message_goes_with_its_last_job(void **state)
{
    struct queue *q = queue_new();
    struct message *m = queue_add(q, 9, 10, 0, false);
    struct queue_counts c;
    (void)state;

    assert_null(queue_add(q, 9, 10, 0, false));
    struct job *a = queue_add_job(q, m, queue_dest(q, "a"), 0, 0);
    struct job *b = queue_add_job(q, m, queue_dest(q, "b"), 0, 0);
    assert_ptr_equal(queue_take(q, queue_dest(q, "a"), 0), a);
    assert_false(queue_finish(q, a));
    assert_ptr_equal(queue_find(q, 9), m);
    assert_ptr_equal(queue_take(q, queue_dest(q, "b"), 0), b);
    assert_true(queue_finish(q, b));
    assert_null(queue_find(q, 9));
    queue_count(q, &c);
    assert_true(c.messages == 0 && c.bytes == 0 && c.active == 0);
    queue_free(q);
}

static void a_held_message_is_not_taken_till_it_is_released(void **state)
{
    struct queue *q = queue_new();
    struct dest *d = queue_dest(q, "a");
    struct message *m = queue_add(q, 1, 1, 0, false), *held = queue_add(q, 2, 1, 0, true);
    struct queue_counts c;
    (void)state;

    queue_add_job(q, m, d, 0, 0);
    queue_add_job(q, held, d, 0, 0);
    struct job *j = queue_take(q, d, 0);
    assert_ptr_equal(j->message, m);
    assert_null(queue_take(q, d, INT64_MAX));
    queue_hold(q, m); /* while active: it ends in held */
    queue_defer(q, j, 0);
    assert_null(queue_take(q, d, INT64_MAX));
    queue_count(q, &c);
    assert_int_equal(c.held, 2);
    queue_release(q, held);
    assert_ptr_equal(queue_take(q, d, 0)->message, held);
    queue_free(q);
}

static void deleting_waits_for_the_attempt_under_way(void **state)
{
    struct queue *q = queue_new();
    struct dest *d = queue_dest(q, "a");
    struct message *m = queue_add(q, 1, 1, 0, false);
    (void)state;

    queue_add_job(q, m, d, 0, 0);
    struct job *j = queue_take(q, d, 0);
    assert_false(queue_remove(q, m));
    assert_true(m->is_doomed);
    queue_defer(q, j, 0);
    assert_true(queue_remove(q, m));
    assert_null(queue_take(q, d, INT64_MAX));
    queue_free(q);
}

/* Against a plain model: many ids, added, taken, deferred, removed at random. */
static void ids_stay_found_through_growth_and_removal(void **state)
{
    enum { N = 5000 };
    struct queue *q = queue_new();
    struct dest *d = queue_dest(q, "a");
    static bool is_there[N];
    (void)state;

    srandom(1);
    for (int i = 0; i < 60000; i++) {
        uint64_t id = (uint64_t)(random() % N) + 1;
        struct message *m = queue_find(q, id * 64);
        assert_true((m != NULL) == is_there[id - 1]);
        if (m) {
            assert_true(queue_remove(q, m));
        } else {
            queue_add_job(q, queue_add(q, id * 64, 1, 0, false), d, random() % 1000, 0);
        }
        is_there[id - 1] = !is_there[id - 1];
    }
    int64_t last = 0;
    for (struct job *j; (j = queue_take(q, d, INT64_MAX));) {
        assert_true(j->next_us >= last);
        last = j->next_us;
        is_there[j->message->id / 64 - 1] = false;
        queue_finish(q, j);
    }
    for (int i = 0; i < N; i++)
        assert_false(is_there[i]);
    queue_free(q);
}

static char looked[64];

static void note(void *arg, struct dest *d)
{
    (void)arg;
    size_t n = strlen(looked);
    snprintf(looked + n, sizeof looked - n, "%s", d->nexthop);
}

static void touched(void *arg)
{
    ++*(int *)arg;
}

static void only_what_changed_or_is_due_is_looked_at(void **state)
{
    struct queue *q = queue_new();
    struct dest *a = queue_dest(q, "a"), *b = queue_dest(q, "b"), *c = queue_dest(q, "c");
    int n = 0;

    (void)state;
    queue_on_touch(q, touched, &n);
    queue_touch(q, b);
    queue_touch(q, b);
    queue_touch(q, a);
    assert_int_equal(n, 1);
    queue_look_at(q, c, 100);
    queue_look_at(q, a, 50);
    assert_int_equal(queue_next_look(q), 50);
    looked[0] = 0;
    queue_look(q, 49, note, NULL);
    assert_string_equal(looked, "ba");
    queue_look_at(q, a, 200);
    assert_int_equal(queue_next_look(q), 100);
    looked[0] = 0;
    queue_look(q, 100, note, NULL);
    assert_string_equal(looked, "c");
    queue_look_at(q, a, INT64_MAX);
    assert_int_equal(queue_next_look(q), INT64_MAX);
    queue_free(q);
}

static void forget(void *arg, struct dest *d)
{
    if (!d->n_jobs)
        queue_forget_dest(arg, d);
}

static void destinations_come_and_go(void **state)
{
    struct queue *q = queue_new();
    char name[32];
    size_t n = 0;

    (void)state;
    for (unsigned i = 0; i < 5000; i++) {
        struct message *m = queue_add(q, i + 1, 1, 0, false);
        snprintf(name, sizeof name, "smtp:d%u.example", i);
        queue_add_job(q, m, queue_dest(q, name), 0, 0);
        queue_look_at(q, queue_dest(q, name), (i * 7919) % 5000);
    }
    for (unsigned i = 0; i < 5000; i += 2)
        queue_remove(q, queue_find(q, i + 1));
    queue_look(q, 0, forget, q);
    list_each(it, queue_dests(q))
        n++;
    assert_int_equal(n, 2500);
    assert_int_equal(queue_dest(q, "smtp:d1.example")->n_jobs, 1);
    assert_int_equal(queue_dest(q, "smtp:d2.example")->n_jobs, 0);
    queue_free(q);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(jobs_come_out_by_time_and_then_by_age),
        cmocka_unit_test(a_job_that_is_not_due_is_not_taken),
        cmocka_unit_test(a_message_goes_with_its_last_job),
        cmocka_unit_test(a_held_message_is_not_taken_till_it_is_released),
        cmocka_unit_test(deleting_waits_for_the_attempt_under_way),
        cmocka_unit_test(ids_stay_found_through_growth_and_removal),
        cmocka_unit_test(only_what_changed_or_is_due_is_looked_at),
        cmocka_unit_test(destinations_come_and_go),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
