/* SPDX-License-Identifier: Apache-2.0 */
#include "relay/anvil.h"

#include "base/clock.h"
#include "base/mem.h"

#include "unit.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#define UNIT (60 * USEC_PER_SEC)

static struct anvil *anvil;
static int smtp;

static int setup(void **state)
{
    struct err e;
    (void)state;
    anvil = anvil_new(8, 100, &e);
    assert_non_null(anvil);
    smtp = anvil_service(anvil, "smtp");
    return 0;
}

static int teardown(void **state)
{
    (void)state;
    anvil_free(anvil);
    return 0;
}

/* From `worker`, at `now_us`. */
static struct anvil_counts come(unsigned worker, const char *text, int64_t now_us, struct anvil_seat *seat)
{
    union {
        struct sockaddr sa;
        struct sockaddr_in in4;
        struct sockaddr_in6 in6;
    } at = { .sa = { .sa_family = AF_INET } };
    struct anvil_counts counts;
    if (inet_pton(AF_INET, text, &at.in4.sin_addr) != 1) {
        at.sa.sa_family = AF_INET6;
        assert_int_equal(inet_pton(AF_INET6, text, &at.in6.sin6_addr), 1);
    }
    const struct anvil_who who = { .service = smtp, .address = &at.sa, .ipv4_bits = 32, .ipv6_bits = 84 };
    anvil_connect(anvil, worker, &who, now_us, UNIT, seat, &counts);
    return counts;
}

static void connections_count_over_all_workers(void **state)
{
    struct anvil_seat a, b, c, other;
    (void)state;

    assert_int_equal(come(0, "192.0.2.1", 1, &a).connections, 1);
    assert_int_equal(come(1, "192.0.2.1", 1, &b).connections, 2);
    assert_int_equal(come(0, "192.0.2.2", 1, &other).connections, 1);
    anvil_disconnect(anvil, 0, &a);
    assert_int_equal(come(7, "192.0.2.1", 1, &c).connections, 2);
    assert_int_equal(come(0, "192.0.2.1", 1, &a).rate, 4);
    anvil_disconnect(anvil, 0, &a);
    anvil_disconnect(anvil, 0, &a); /* an empty seat */
    assert_int_equal(come(0, "192.0.2.1", 1, &a).connections, 3);
}

static void a_window_begins_with_the_first_event_after_the_last_one_ended(void **state)
{
    struct anvil_seat s;
    (void)state;

    come(0, "192.0.2.1", 0, &s);
    assert_int_equal(anvil_count(anvil, &s, ANVIL_MESSAGE, 10, UNIT), 1);
    assert_int_equal(anvil_count(anvil, &s, ANVIL_MESSAGE, 9 + UNIT, UNIT), 2);
    assert_int_equal(anvil_count(anvil, &s, ANVIL_MESSAGE, 10 + UNIT, UNIT), 1);
    assert_int_equal(anvil_count(anvil, &s, ANVIL_MESSAGE, 9 + 2 * UNIT, UNIT), 2);
    assert_int_equal(anvil_count(anvil, &s, ANVIL_MESSAGE, 50 + 5 * UNIT, UNIT), 1);
    assert_int_equal(anvil_count(anvil, &s, ANVIL_MESSAGE, 49 + 6 * UNIT, UNIT), 2);
    assert_int_equal(anvil_count(anvil, &s, ANVIL_RECIPIENT, 50 + 6 * UNIT, UNIT), 1);
    assert_int_equal(anvil_count(anvil, &(struct anvil_seat){ 0 }, ANVIL_MESSAGE, 1, UNIT), 0);
}

static void rates_outlive_the_connection(void **state)
{
    struct anvil_seat s;
    (void)state;

    for (unsigned i = 1; i < 5; i++) {
        assert_int_equal(come(i, "192.0.2.1", 1, &s).rate, i);
        assert_int_equal(anvil_count(anvil, &s, ANVIL_MESSAGE, 1, UNIT), i);
        anvil_disconnect(anvil, i, &s);
    }
}

static void an_address_is_cut_to_its_network(void **state)
{
    struct anvil_seat s;
    (void)state;

    come(0, "2001:db8:1:2:3::1", 1, &s);
    assert_int_equal(come(0, "2001:db8:1:2:3:fff::9", 1, &s).connections, 2);
    assert_int_equal(come(0, "2001:db8:1:2:3fff::9", 1, &s).connections, 1);
    come(0, "192.0.2.9", 1, &s);
    assert_int_equal(come(0, "::ffff:192.0.2.9", 1, &s).connections, 2);
    assert_int_equal(come(0, "::192.0.2.9", 1, &s).connections, 1);
}

static void a_flood_of_addresses_does_not_put_out_who_is_connected(void **state)
{
    struct anvil_seat held[3], s;
    char text[64];
    (void)state;

    for (int i = 0; i < 3; i++)
        come((unsigned)i, "192.0.2.1", 1, &held[i]);
    assert_int_equal(anvil_count(anvil, &held[0], ANVIL_MESSAGE, 2, UNIT), 1);
    for (unsigned i = 0; i < 300000; i++) {
        snprintf(text, sizeof text, "10.%u.%u.%u", i >> 16, i >> 8 & 255, i & 255);
        assert_int_equal(come(3, text, 10 + i, &s).connections, 1);
        anvil_disconnect(anvil, 3, &s);
    }
    assert_int_equal(come(4, "192.0.2.1", 400000, &s).connections, 4);
    assert_int_equal(anvil_count(anvil, &held[0], ANVIL_MESSAGE, 400000, UNIT), 2);
}

/* What cannot be counted any more is served, and takes nobody's place. */
static void a_table_full_of_connected_clients_counts_nobody_new(void **state)
{
    struct anvil_seat s;
    unsigned uncounted = 0;
    char text[64];
    (void)state;

    for (unsigned i = 0; i < 60000; i++) {
        snprintf(text, sizeof text, "10.%u.%u.%u", i >> 16, i >> 8 & 255, i & 255);
        unsigned n = come(3, text, 10 + i, &s).connections;
        assert_true(n <= 1);
        uncounted += n == 0;
    }
    assert_true(uncounted > 0);
    anvil_disconnect(anvil, 3, &(struct anvil_seat){ 0 });
    anvil_forget_worker(anvil, 3);
    assert_int_equal(come(3, "198.51.100.7", 70000, &s).connections, 1);
}

static void services_have_their_own_numbers(void **state)
{
    struct anvil_seat s;
    char name[32];
    (void)state;

    int submission = anvil_service(anvil, "submission");
    assert_int_not_equal(submission, smtp);
    assert_int_equal(anvil_service(anvil, "smtp"), smtp);
    assert_int_equal(anvil_enter(anvil, 0, smtp), 1);
    assert_int_equal(anvil_enter(anvil, 5, smtp), 2);
    assert_int_equal(anvil_enter(anvil, 1, submission), 1);
    anvil_leave(anvil, 0, smtp);
    assert_int_equal(anvil_enter(anvil, 2, smtp), 2);
    come(0, "192.0.2.1", 1, &s);
    smtp = submission;
    assert_int_equal(come(0, "192.0.2.1", 1, &s).connections, 1);
    /* Names come and go with reloads; those in use stay. */
    for (int i = 0; i < 3 * ANVIL_SERVICES; i++) {
        snprintf(name, sizeof name, "reload%d", i);
        int service = anvil_service(anvil, name);
        assert_true(service >= 0 && service != submission);
    }
    assert_int_equal(anvil_service(anvil, "submission"), submission);
}

static void a_full_service_is_complained_of_once_a_minute(void **state)
{
    (void)state;
    assert_true(anvil_may_complain(anvil, smtp, 100));
    assert_false(anvil_may_complain(anvil, smtp, 101));
    assert_false(anvil_may_complain(anvil, smtp, 100 + 59 * USEC_PER_SEC));
    assert_true(anvil_may_complain(anvil, smtp, 100 + 60 * USEC_PER_SEC));
}

/* In the child: comes and goes, with few addresses so that locks are fought for. */
static void be_busy(unsigned worker)
{
    struct anvil_seat seats[40] = { { 0 } };
    char text[32];

    for (unsigned i = 0;; i++) {
        struct anvil_seat *s = &seats[i * 7 % 40];
        if (s->place) {
            anvil_count(anvil, s, ANVIL_MESSAGE, i, UNIT);
            anvil_disconnect(anvil, worker, s);
            anvil_leave(anvil, worker, smtp);
        } else {
            snprintf(text, sizeof text, "10.0.0.%u", i % 11);
            anvil_enter(anvil, worker, smtp);
            come(worker, text, i, s);
        }
    }
}

static void who_is_killed_at_any_instruction_leaves_nothing(void **state)
{
    pid_t pids[4];
    struct anvil_seat s;
    struct anvil_counts counts;
    char text[32];
    (void)state;

    for (unsigned w = 0; w < 4; w++)
        pids[w] = 0;
    for (unsigned round = 0; round < 400; round++) {
        unsigned w = round % 4;
        struct timespec some = { 0, (long)(round * 7919 % 1000000) };
        if (pids[w]) {
            nanosleep(&some, NULL);
            kill(pids[w], SIGKILL);
            assert_int_equal(waitpid(pids[w], NULL, 0), pids[w]);
            anvil_forget_worker(anvil, w);
        }
        pids[w] = fork();
        if (pids[w] == 0)
            be_busy(w);
    }
    for (unsigned w = 0; w < 4; w++) {
        kill(pids[w], SIGKILL);
        assert_int_equal(waitpid(pids[w], NULL, 0), pids[w]);
        anvil_forget_worker(anvil, w);
    }
    assert_int_equal(anvil_enter(anvil, 7, smtp), 1);
    for (unsigned i = 0; i < 11; i++) {
        snprintf(text, sizeof text, "10.0.0.%u", i);
        counts = come(7, text, 1, &s);
        assert_int_equal(counts.connections, 1);
        assert_true(counts.rate > 1);
    }
}

int main(void)
{
#define T(f) cmocka_unit_test_setup_teardown(f, setup, teardown)
    const struct CMUnitTest tests[] = {
        T(connections_count_over_all_workers),
        T(a_window_begins_with_the_first_event_after_the_last_one_ended),
        T(rates_outlive_the_connection),
        T(an_address_is_cut_to_its_network),
        T(a_flood_of_addresses_does_not_put_out_who_is_connected),
        T(a_table_full_of_connected_clients_counts_nobody_new),
        T(services_have_their_own_numbers),
        T(a_full_service_is_complained_of_once_a_minute),
        T(who_is_killed_at_any_instruction_leaves_nothing),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
