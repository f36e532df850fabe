/* SPDX-License-Identifier: Apache-2.0 */
#include "unit.h"

#include "base/buf.h"
#include "net/conn.h"
#include "net/dial.h"
#include "net/listen.h"
#include "net/loop.h"
#include "net/offload.h"

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <semaphore.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

static struct loop *loop;

struct end {
    struct conn *c;
    struct buf got;
    struct err why;
    int n_data, n_drained, n_closed;
    bool echoes, close_on_data, end_on_data, pause_on_data, is_server;
    size_t stop_at; /* bytes */
};

static struct end server;

static void end_fini(struct end *e)
{
    conn_close(e->c);
    e->c = NULL;
    buf_fini(&e->got);
}

static int set_up(void **state)
{
    (void)state;
    loop = loop_new(NULL);
    return loop ? 0 : -1;
}

static int tear_down(void **state)
{
    (void)state;
    end_fini(&server);
    loop_free(loop);
    return 0;
}

/* ---- loop ---------------------------------------- */

static char order[64];
#define MARK(text) ((void *)(text))

static void note(void *arg)
{
    strncat(order, arg, sizeof(order) - strlen(order) - 1);
}

static void timers_call_in_the_order_of_their_times(void **state)
{
    struct timer t[5] = { { 0 } };
    (void)state;
    order[0] = '\0';
    timer_start(&t[0], loop, 30, note, MARK("c"));
    timer_start(&t[1], loop, 1, note, MARK("a"));
    timer_start(&t[2], loop, 15, note, MARK("b"));
    timer_start(&t[3], loop, 20, note, MARK("x"));
    timer_start(&t[4], loop, 40, note, MARK("d"));
    timer_stop(&t[3]);
    timer_start(&t[1], loop, 35, note, MARK("A"));
    loop_run(loop);
    assert_string_equal(order, "bcAd");
    assert_false(timer_is_armed(&t[0]));
}

static void free_timer(void *arg)
{
    note(MARK("f"));
    free(arg);
}

static void a_timer_may_be_freed_in_its_own_callback(void **state)
{
    struct timer *t = calloc(1, sizeof(*t));
    (void)state;
    order[0] = '\0';
    timer_start(t, loop, 0, free_timer, t);
    loop_run(loop);
    assert_string_equal(order, "f");
}

struct tick {
    struct timer timer;
    int64_t due_ms;
};

static int64_t last_due;
static int n_ticks;

static void on_tick(void *arg)
{
    struct tick *t = arg;
    assert_true(t->due_ms >= last_due);
    last_due = t->due_ms;
    n_ticks++;
}

static void many_timers_keep_their_order(void **state)
{
    static struct tick t[500];
    (void)state;
    last_due = 0;
    n_ticks = 0;
    for (size_t i = 0; i < ARRAY_LEN(t); i++) {
        timer_start(&t[i].timer, loop, (int64_t)(i * 7919 % 97), on_tick, &t[i]);
        t[i].due_ms = t[i].timer.due_ms;
    }
    for (size_t i = 0; i < ARRAY_LEN(t); i += 5)
        timer_stop(&t[i].timer);
    loop_run(loop);
    assert_int_equal(n_ticks, 400);
}

static struct later second;

static void first_cancels(void *arg)
{
    note(arg);
    later_cancel(&second);
}

static void later_runs_once_and_can_be_cancelled(void **state)
{
    struct later first, third;
    (void)state;
    memset(&first, 0, sizeof(first));
    memset(&third, 0, sizeof(third));
    order[0] = '\0';
    later_start(&first, loop, first_cancels, MARK("1"));
    later_start(&second, loop, note, MARK("2"));
    later_start(&third, loop, note, MARK("3"));
    later_start(&third, loop, note, MARK("4"));
    loop_run(loop);
    assert_string_equal(order, "14");
}

static int event_fd;
static struct watch watched;

static void on_event(void *arg)
{
    uint64_t n;
    assert_int_equal(read(event_fd, &n, sizeof(n)), sizeof(n));
    note(arg);
    watch_stop(&watched);
}

static void a_watch_calls_when_its_fd_can_be_read(void **state)
{
    uint64_t one = 1;
    (void)state;
    order[0] = '\0';
    event_fd = eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC);
    assert_int_equal(watch_start(&watched, loop, event_fd, on_event, MARK("e"), NULL), 0);
    loop_turn(loop, false);
    assert_string_equal(order, "");
    assert_int_equal(write(event_fd, &one, sizeof(one)), sizeof(one));
    loop_run(loop);
    assert_string_equal(order, "e");
    close(event_fd);
}

static void on_sig(void *arg, int signum)
{
    assert_int_equal(signum, SIGUSR1);
    note(arg);
    loop_stop(loop);
}

static void a_signal_comes_from_the_loop(void **state)
{
    struct timer limit = { 0 };
    (void)state;
    order[0] = '\0';
    assert_int_equal(loop_signal(loop, SIGUSR1, on_sig, MARK("s"), NULL), 0);
    timer_start(&limit, loop, 5000, note, MARK("too late"));
    raise(SIGUSR1);
    loop_run(loop);
    timer_stop(&limit);
    assert_string_equal(order, "s");
}

static pthread_t worker;

static void work(void *arg)
{
    (void)arg;
    worker = pthread_self();
}

static void worked(void *arg)
{
    assert_false(pthread_equal(worker, pthread_self()));
    note(arg);
}

static void blocking_work_runs_on_another_thread_and_ends_on_ours(void **state)
{
    (void)state;
    order[0] = '\0';
    runner_run(loop_runner(loop), work, worked, MARK("w"));
    assert_string_equal(order, "");
    loop_run(loop);
    assert_string_equal(order, "w");
}

static sem_t second_has_come;
static bool first_was_alone;

static void wait_for_the_second(void *arg)
{
    struct timespec limit;

    (void)arg;
    clock_gettime(CLOCK_REALTIME, &limit);
    limit.tv_sec += 5;
    first_was_alone = sem_timedwait(&second_has_come, &limit) < 0;
}

static void be_the_second(void *arg)
{
    (void)arg;
    sem_post(&second_has_come);
}

/* One thread is idle, and both come before it has woken. */
static void work_that_may_wait_long_waits_for_no_other(void **state)
{
    (void)state;
    order[0] = '\0';
    sem_init(&second_has_come, 0, 0);
    runner_run_patiently(loop_runner(loop), work, worked, MARK("w"));
    loop_run(loop);
    usleep(20000); /* it goes to sleep; if it does not, the test proves nothing, and fails nothing */
    runner_run_patiently(loop_runner(loop), wait_for_the_second, note, MARK("1"));
    runner_run_patiently(loop_runner(loop), be_the_second, note, MARK("2"));
    loop_run(loop);
    assert_false(first_was_alone);
    sem_destroy(&second_has_come);
}

/* ---- two ends in one loop ---------------------------------------- */

static void on_data(void *arg, struct span bytes)
{
    struct end *e = arg;
    e->n_data++;
    buf_addspan(&e->got, bytes);
    if (e->echoes)
        conn_write(e->c, bytes);
    if (e->pause_on_data)
        conn_pause(e->c);
    if (e->stop_at && e->got.len >= e->stop_at)
        loop_stop(loop);
    if (e->end_on_data)
        conn_end(e->c);
    else if (e->close_on_data)
        conn_close(e->c);
    if (e->end_on_data || e->close_on_data)
        e->c = NULL;
}

static void on_drained(void *arg)
{
    struct end *e = arg;
    e->n_drained++;
}

static void on_closed(void *arg, const struct err *why)
{
    struct end *e = arg;
    e->n_closed++;
    e->why = *why;
    if (!e->is_server)
        loop_stop(loop);
}

static const struct conn_ops end_ops = { .data = on_data, .drained = on_drained, .closed = on_closed };

static void end_open(struct end *e, struct conn *c)
{
    assert_non_null(c);
    e->c = c;
    buf_init(&e->got, BUF_NO_MAX);
    conn_open(c, &end_ops, e);
}

static void two_ends(struct end *a, struct end *b)
{
    int fds[2];
    assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0, fds), 0);
    end_open(a, conn_new(loop, fds[0], NULL));
    end_open(b, conn_new(loop, fds[1], NULL));
}

/* Runs, but not for ever. */
static void run(void)
{
    struct timer limit = { 0 };
    timer_start(&limit, loop, 20000, (loop_fn *)loop_stop, loop);
    loop_run(loop);
    assert_true(timer_is_armed(&limit));
    timer_stop(&limit);
}

static void what_is_written_in_one_turn_leaves_in_one_send(void **state)
{
    struct end a = { 0 }, b = { .stop_at = 11 };
    (void)state;
    two_ends(&a, &b);
    conn_write(a.c, SPAN("one "));
    conn_write(a.c, SPAN("two "));
    conn_write(a.c, SPAN("six"));
    assert_int_equal(b.n_data, 0);
    run();
    assert_int_equal(b.n_data, 1);
    assert_string_equal(buf_cstr(&b.got), "one two six");
    end_fini(&a);
    end_fini(&b);
}

static void a_flush_leaves_at_once(void **state)
{
    struct end a = { 0 };
    int fds[2];
    char got[8];
    (void)state;
    assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM, 0, fds), 0);
    end_open(&a, conn_new(loop, fds[0], NULL));
    conn_write(a.c, SPAN("now"));
    assert_int_equal(recv(fds[1], got, sizeof(got), MSG_DONTWAIT), -1);
    conn_flush(a.c);
    assert_int_equal(recv(fds[1], got, sizeof(got), MSG_DONTWAIT), 3);
    end_fini(&a);
    close(fds[1]);
}

static void the_end_of_the_stream_is_told_once_without_an_error(void **state)
{
    struct end a = { 0 }, b = { 0 };
    (void)state;
    two_ends(&a, &b);
    conn_write(a.c, SPAN("bye"));
    conn_end(a.c);
    a.c = NULL;
    run();
    assert_int_equal(b.n_closed, 1);
    assert_int_equal(b.why.kind, ERR_NONE);
    assert_string_equal(buf_cstr(&b.got), "bye");
    loop_turn(loop, false);
    assert_int_equal(b.n_closed, 1);
    end_fini(&a);
    end_fini(&b);
}

static void a_peer_that_ended_still_gets_our_answer(void **state)
{
    struct end a = { 0 };
    int fds[2];
    char got[16] = "";
    (void)state;
    assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM, 0, fds), 0);
    end_open(&a, conn_new(loop, fds[0], NULL));
    assert_int_equal(write(fds[1], "quit", 4), 4);
    shutdown(fds[1], SHUT_WR);
    run();
    assert_int_equal(a.n_closed, 1);
    conn_write(a.c, SPAN("answer to nobody")); /* after closed() it vanishes */
    end_fini(&a);
    assert_int_equal(read(fds[1], got, sizeof(got)), 0);
    close(fds[1]);

    struct end b = { .end_on_data = true };
    assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM, 0, fds), 0);
    end_open(&b, conn_new(loop, fds[0], NULL));
    assert_int_equal(write(fds[1], "quit", 4), 4);
    shutdown(fds[1], SHUT_WR);
    conn_write(b.c, SPAN("221 bye"));
    loop_run(loop); /* until the connection has ended by itself */
    assert_int_equal(read(fds[1], got, sizeof(got)), 7);
    end_fini(&b);
    close(fds[1]);
}

static void a_connection_may_be_closed_in_its_own_callback(void **state)
{
    struct end a = { 0 }, b = { .close_on_data = true };
    (void)state;
    two_ends(&a, &b);
    conn_write(a.c, SPAN("go away"));
    run();
    assert_null(b.c);
    assert_int_equal(b.n_closed, 0);
    assert_int_equal(a.n_closed, 1);
    end_fini(&a);
    end_fini(&b);
}

static void a_paused_connection_gets_nothing_until_it_goes_on(void **state)
{
    struct end a = { 0 }, b = { .pause_on_data = true };
    (void)state;
    two_ends(&a, &b);
    conn_write(a.c, SPAN("first"));
    for (int i = 0; i < 5; i++)
        loop_turn(loop, false);
    assert_int_equal(b.got.len, 5);
    conn_write(a.c, SPAN("second"));
    conn_end(a.c);
    a.c = NULL;
    for (int i = 0; i < 10; i++)
        loop_turn(loop, false);
    assert_int_equal(b.got.len, 5);
    assert_int_equal(b.n_closed, 0);
    b.pause_on_data = false;
    conn_resume(b.c);
    run();
    assert_int_equal(b.got.len, 11);
    assert_int_equal(b.n_closed, 1);
    end_fini(&a);
    end_fini(&b);
}

static void a_full_queue_says_so_and_says_when_there_is_room(void **state)
{
    static char block[64 * 1024];
    struct end a = { 0 }, b = { 0 };
    size_t sent = 0;
    (void)state;
    two_ends(&a, &b);
    conn_pause(b.c);
    memset(block, 'x', sizeof(block));
    do
        sent += sizeof(block);
    while (conn_write(a.c, span_of(block, sizeof(block))));
    assert_true(conn_queued(a.c) > CONN_HIGH_WATER);
    assert_true(conn_queued(a.c) <= CONN_HIGH_WATER + sizeof(block));
    for (int i = 0; i < 5; i++)
        loop_turn(loop, false);
    assert_int_equal(a.n_drained, 0);
    conn_resume(b.c);
    b.stop_at = sent;
    run();
    assert_int_equal(a.n_drained, 1);
    assert_int_equal(b.got.len, sent);
    assert_int_equal(conn_queued(a.c), 0);
    end_fini(&a);
    end_fini(&b);
}

static void an_owner_who_never_stops_writing_is_cut_off(void **state)
{
    static char block[64 * 1024];
    struct end a = { 0 }, b = { 0 };
    (void)state;
    two_ends(&a, &b);
    conn_pause(b.c);
    for (int i = 0; i < 80; i++)
        conn_write(a.c, span_of(block, sizeof(block)));
    assert_int_equal(a.n_closed, 0);
    run();
    assert_int_equal(a.n_closed, 1);
    assert_int_equal(a.why.kind, ERR_TEMPORARY);
    end_fini(&a);
    end_fini(&b);
}

static void silence_ends_in_a_timeout(void **state)
{
    struct end a = { 0 }, b = { 0 };
    (void)state;
    two_ends(&a, &b);
    conn_set_timeout(a.c, 60);
    run();
    assert_int_equal(a.n_closed, 1);
    assert_int_equal(a.why.sys, ETIMEDOUT);
    assert_string_equal(a.why.text, "timed out: nothing moved for 60 ms");
    end_fini(&a);
    end_fini(&b);
}

static void write_a_byte(void *arg)
{
    struct end *e = arg;
    conn_write(e->c, SPAN("."));
}

static void a_byte_now_and_then_is_no_silence(void **state)
{
    struct end a = { 0 }, b = { 0 };
    struct timer t[3] = { { 0 } };
    (void)state;
    two_ends(&a, &b);
    conn_set_timeout(a.c, 150);
    int64_t start = loop_now_ms(loop);
    for (int i = 0; i < 3; i++)
        timer_start(&t[i], loop, 100 * (i + 1), write_a_byte, &b);
    run();
    assert_int_equal(a.got.len, 3);
    assert_int_equal(a.n_closed, 1);
    assert_true(loop_now_ms(loop) - start >= 440);
    end_fini(&a);
    end_fini(&b);
}

static void a_reset_is_told_as_an_error(void **state)
{
    struct end a = { 0 };
    int fds[2];
    (void)state;
    assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM, 0, fds), 0);
    end_open(&a, conn_new(loop, fds[0], NULL));
    conn_write(a.c, SPAN("unread"));
    conn_flush(a.c);
    close(fds[1]); /* with bytes unread: a reset */
    run();
    assert_int_equal(a.n_closed, 1);
    assert_int_equal(a.why.kind, ERR_TEMPORARY);
    assert_int_equal(a.why.sys, ECONNRESET);
    end_fini(&a);
}

static void the_kernel_says_who_is_at_the_other_end(void **state)
{
    struct end a = { 0 }, b = { 0 };
    uid_t uid = 12345;
    pid_t pid = 0;
    (void)state;
    two_ends(&a, &b);
    assert_true(conn_peer_uid(a.c, &uid, &pid));
    assert_int_equal(uid, getuid());
    assert_int_equal(pid, getpid());
    end_fini(&a);
    end_fini(&b);
}

static void a_connection_can_be_handed_on(void **state)
{
    struct end a = { 0 }, b = { 0 }, heir = { .stop_at = 4 };
    (void)state;
    two_ends(&a, &b);
    conn_open(b.c, NULL, NULL);
    conn_write(a.c, SPAN("late"));
    for (int i = 0; i < 5; i++)
        loop_turn(loop, false);
    assert_int_equal(b.n_data, 0);
    buf_init(&heir.got, BUF_NO_MAX);
    conn_open(b.c, &end_ops, &heir);
    run();
    assert_string_equal(buf_cstr(&heir.got), "late");
    buf_fini(&heir.got);
    end_fini(&a);
    end_fini(&b);
}

/* ---- listening and dialling ---------------------------------------- */

static int n_accepted;

static void on_accept(void *arg, struct conn *c)
{
    (void)arg;
    n_accepted++;
    end_fini(&server); /* the latest counts */
    server = (struct end){ .echoes = true, .is_server = true };
    end_open(&server, c);
}

static struct listener *serve(const char *host, uint16_t *port)
{
    union addr at;
    struct err e = { 0 };
    assert_true(addr_parse(&at, span_str(host), 0));
    int fd = listen_open_tcp(&at, 0, &e);
    assert_string_equal(e.text, "");
    *port = listen_port(fd);
    n_accepted = 0;
    server = (struct end){ .echoes = true, .is_server = true };
    struct listener *li = listen_start(loop, fd, on_accept, NULL, &e);
    assert_non_null(li);
    return li;
}

struct dialled {
    struct conn *c;
    struct err why;
    int n;
};

static void on_dialled(void *arg, struct conn *c, const struct err *why)
{
    struct dialled *d = arg;
    d->c = c;
    d->why = *why;
    d->n++;
    loop_stop(loop);
}

static void add(struct addr_list *l, const char *host, uint16_t port)
{
    union addr a;
    assert_true(addr_parse(&a, span_str(host), port));
    addr_list_add(l, &a);
}

static void bytes_go_there_and_back_over(const char *host)
{
    uint16_t port;
    struct listener *li = serve(host, &port);
    struct addr_list to = { 0 };
    struct dialled d = { 0 };
    struct end client = { .stop_at = 5 };
    add(&to, host, port);
    dial_start(loop, &(struct dial_options){ .to = &to }, on_dialled, &d);
    assert_int_equal(d.n, 0);
    run();
    assert_int_equal(d.n, 1);
    assert_int_equal(d.why.kind, ERR_NONE);
    assert_int_equal(addr_port(conn_peer(d.c)), port);
    end_open(&client, d.c);
    conn_write(client.c, SPAN("hello"));
    run();
    assert_string_equal(buf_cstr(&client.got), "hello");
    assert_true(addr_eq(conn_local(client.c), conn_peer(server.c)));
    end_fini(&client);
    addr_list_fini(&to);
    listen_stop(li);
}

static void bytes_go_there_and_back_over_ipv4(void **state)
{
    (void)state;
    bytes_go_there_and_back_over("127.0.0.1");
}

static void bytes_go_there_and_back_over_ipv6(void **state)
{
    (void)state;
    bytes_go_there_and_back_over("::1");
}

static void a_big_transfer_arrives_whole_through_small_windows(void **state)
{
    uint16_t port;
    struct listener *li = serve("127.0.0.1", &port);
    struct addr_list to = { 0 };
    struct dialled d = { 0 };
    struct end client = { 0 };
    static char block[50000];
    size_t total = 8 * 1000 * 1000, sent = 0;
    (void)state;
    add(&to, "127.0.0.1", port);
    dial_start(loop, &(struct dial_options){ .to = &to }, on_dialled, &d);
    run();
    end_open(&client, d.c);
    client.stop_at = total;
    while (sent < total) {
        for (size_t i = 0; i < sizeof(block); i++)
            block[i] = (char)((sent + i) % 251);
        sent += sizeof(block);
        bool has_room = conn_write(client.c, span_of(block, sizeof(block)));
        int drained = client.n_drained;
        while (!has_room && client.n_drained == drained)
            loop_turn(loop, true);
    }
    run();
    assert_int_equal(client.got.len, total);
    for (size_t i = 0; i < total; i++)
        assert_int_equal((unsigned char)client.got.at[i], i % 251);
    end_fini(&client);
    addr_list_fini(&to);
    listen_stop(li);
}

static uint16_t dead_port(void)
{
    union addr a;
    addr_parse(&a, SPAN("127.0.0.1"), 0);
    int fd = listen_open_tcp(&a, 1, NULL);
    uint16_t port = listen_port(fd);
    close(fd);
    return port;
}

static void a_refused_address_passes_on_to_the_next_at_once(void **state)
{
    uint16_t port, dead = dead_port();
    struct listener *li = serve("127.0.0.1", &port);
    struct addr_list to = { 0 };
    struct dialled d = { 0 };
    (void)state;
    add(&to, "::1", dead);
    add(&to, "127.0.0.1", dead);
    add(&to, "127.0.0.1", port);
    int64_t start = loop_now_ms(loop);
    dial_start(loop, &(struct dial_options){ .to = &to, .stagger_ms = 5000 }, on_dialled, &d);
    run();
    assert_non_null(d.c);
    assert_int_equal(addr_port(conn_peer(d.c)), port);
    assert_true(loop_now_ms(loop) - start < 1000);
    conn_close(d.c);
    addr_list_fini(&to);
    listen_stop(li);
}

/* A listener whose backlog is full answers no more: Linux drops the SYN. */
static int black_hole(uint16_t *port, int fillers[], int n)
{
    union addr a;
    addr_parse(&a, SPAN("127.0.0.1"), 0);
    int fd = listen_open_tcp(&a, 1, NULL);
    *port = listen_port(fd);
    addr_set_port(&a, *port);
    for (int i = 0; i < n; i++) {
        fillers[i] = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK, 0);
        (void)!connect(fillers[i], &a.sa, sizeof(a.in4));
    }
    return fd;
}

static void a_silent_address_does_not_hold_the_next_one_up(void **state)
{
    uint16_t port, silent;
    int fillers[6];
    int hole = black_hole(&silent, fillers, 6);
    struct listener *li = serve("::1", &port);
    struct addr_list to = { 0 };
    struct dialled d = { 0 };
    (void)state;
    add(&to, "127.0.0.1", silent);
    add(&to, "::1", port);
    int64_t start = loop_now_ms(loop);
    dial_start(loop, &(struct dial_options){ .to = &to, .stagger_ms = 100 }, on_dialled, &d);
    run();
    assert_non_null(d.c);
    assert_int_equal(addr_port(conn_peer(d.c)), port);
    int64_t took = loop_now_ms(loop) - start;
    assert_true(took >= 95 && took < 2000);
    conn_close(d.c);

    /* Nobody but the silent one: the time runs out, and the reason has the address. */
    d = (struct dialled){ 0 };
    to.n = 1;
    dial_start(loop, &(struct dial_options){ .to = &to, .timeout_ms = 150 }, on_dialled, &d);
    run();
    assert_null(d.c);
    char want[200];
    snprintf(want, sizeof(want), "connect to 127.0.0.1:%u: Connection timed out", silent);
    assert_string_equal(d.why.text, want);
    for (int i = 0; i < 6; i++)
        close(fillers[i]);
    close(hole);
    addr_list_fini(&to);
    listen_stop(li);
}

static void when_all_fail_each_is_named_with_its_reason(void **state)
{
    uint16_t dead = dead_port();
    struct addr_list to = { 0 };
    struct dialled d = { 0 };
    char want[200];
    (void)state;
    add(&to, "127.0.0.1", dead);
    add(&to, "127.0.0.2", dead);
    add(&to, "::1", dead);
    dial_start(loop, &(struct dial_options){ .to = &to }, on_dialled, &d);
    run();
    snprintf(want, sizeof(want),
             "connect to 127.0.0.1:%u: Connection refused; [::1]:%u: Connection refused; 127.0.0.2:%u: Connection refused",
             dead, dead, dead);
    assert_null(d.c);
    assert_int_equal(d.why.kind, ERR_TEMPORARY);
    assert_string_equal(d.why.text, want);

    d = (struct dialled){ 0 };
    dial_start(loop, &(struct dial_options){ .to = &to, .no_ipv4 = true, .no_ipv6 = true }, on_dialled, &d);
    run();
    assert_int_equal(d.n, 1);
    assert_int_equal(d.why.kind, ERR_CONFIG);
    addr_list_fini(&to);
}

static void a_bound_address_is_where_we_come_from(void **state)
{
    uint16_t port;
    struct listener *li = serve("127.0.0.1", &port);
    struct addr_list to = { 0 };
    struct dialled d = { 0 };
    union addr from;
    char text[ADDR_TEXT];
    (void)state;
    add(&to, "127.0.0.1", port);
    addr_parse(&from, SPAN("127.0.0.7"), 0);
    dial_start(loop, &(struct dial_options){ .to = &to, .from4 = &from }, on_dialled, &d);
    run();
    assert_non_null(d.c);
    assert_int_equal(strncmp(addr_format(conn_local(d.c), text), "127.0.0.7:", 10), 0);
    conn_close(d.c);
    addr_list_fini(&to);
    listen_stop(li);
}

static void a_cancelled_dial_never_calls(void **state)
{
    uint16_t port;
    struct listener *li = serve("127.0.0.1", &port);
    struct addr_list to = { 0 };
    struct dialled d = { 0 };
    (void)state;
    add(&to, "127.0.0.1", port);
    dial_cancel(dial_start(loop, &(struct dial_options){ .to = &to }, on_dialled, &d));
    struct dial *under_way = dial_start(loop, &(struct dial_options){ .to = &to }, on_dialled, &d);
    loop_turn(loop, false);
    if (!d.n)
        dial_cancel(under_way);
    else
        conn_close(d.c);
    listen_stop(li);
    int n = d.n;
    while (loop_turn(loop, true))
        ;
    assert_int_equal(d.n, n);
    addr_list_fini(&to);
}

static void a_unix_socket_replaces_a_stale_one_only(void **state)
{
    char dir[] = "/tmp/baton-net-XXXXXX", path[64];
    struct err e = { 0 };
    struct stat st;
    struct dialled d = { 0 };
    struct end client = { .stop_at = 2 };
    (void)state;
    assert_non_null(mkdtemp(dir));
    snprintf(path, sizeof(path), "%s/sock", dir);
    int dead = listen_open_unix(path, 0666, &e);
    assert_true(dead >= 0);
    assert_int_equal(stat(path, &st), 0);
    assert_int_equal(st.st_mode & 0777, 0666);
    close(dead);
    int fd = listen_open_unix(path, 0660, &e);
    assert_true(fd >= 0);
    assert_int_equal(listen_open_unix(path, 0660, &e), -1);
    assert_int_equal(e.sys, EADDRINUSE);

    server = (struct end){ .echoes = true, .is_server = true };
    struct listener *li = listen_start(loop, fd, on_accept, NULL, &e);
    dial_unix(loop, path, 1000, on_dialled, &d);
    run();
    end_open(&client, d.c);
    conn_write(client.c, SPAN("hi"));
    run();
    assert_string_equal(buf_cstr(&client.got), "hi");
    end_fini(&client);
    listen_stop(li);

    d = (struct dialled){ 0 };
    dial_unix(loop, path, 1000, on_dialled, &d);
    run();
    assert_null(d.c);
    assert_non_null(strstr(d.why.text, "Connection refused"));
    unlink(path);
    assert_int_equal(close(open(path, O_CREAT | O_WRONLY, 0600)), 0);
    assert_int_equal(listen_open_unix(path, 0660, &e), -1); /* a file of somebody's */
    assert_int_equal(e.kind, ERR_CONFIG);
    unlink(path);
    rmdir(dir);
}

static void address_literals_are_read_and_written(void **state)
{
    static const struct {
        const char *in, *out;
    } cases[] = {
        { "192.0.2.1", "192.0.2.1:25" },       { "[192.0.2.1]", "192.0.2.1:25" },
        { "2001:DB8::1", "[2001:db8::1]:25" }, { "[2001:db8::1]", "[2001:db8::1]:25" },
        { "[IPv6:::1]", "[::1]:25" },          { "192.0.2", NULL },
        { "example.com", NULL },               { "", NULL },
        { "[]", NULL },                        { "IPv6:192.0.2.1", NULL },
        { "::1%nosuchif", NULL },              { "192.0.2.1 ", NULL },
    };
    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        union addr a;
        char text[ADDR_TEXT];
        bool ok = addr_parse(&a, span_str(cases[i].in), 25);
        assert_int_equal(ok, cases[i].out != NULL);
        if (ok)
            assert_string_equal(addr_format(&a, text), cases[i].out);
    }
}

static void a_host_is_the_same_at_any_port(void **state)
{
    static const struct {
        const char *a, *b;
        uint32_t zone_a, zone_b;
        bool is_same;
    } cases[] = {
        { "192.0.2.1", "192.0.2.1", 0, 0, true },    { "192.0.2.1", "192.0.2.2", 0, 0, false },
        { "192.0.2.1", "2001:db8::1", 0, 0, false }, { "2001:db8::1", "2001:db8::1", 0, 0, true },
        { "fe80::1", "fe80::1", 1, 2, false },       { "fe80::1", "fe80::1", 1, 0, true },
    };
    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        union addr a, b;
        assert_true(addr_parse(&a, span_str(cases[i].a), 25));
        assert_true(addr_parse(&b, span_str(cases[i].b), 2525));
        if (a.sa.sa_family == AF_INET6)
            a.in6.sin6_scope_id = cases[i].zone_a;
        if (b.sa.sa_family == AF_INET6)
            b.in6.sin6_scope_id = cases[i].zone_b;
        assert_int_equal(addr_is_same_host(&a, &b), cases[i].is_same);
    }
}

#define T(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(void)
{
    const struct CMUnitTest tests[] = {
        T(timers_call_in_the_order_of_their_times),
        T(a_timer_may_be_freed_in_its_own_callback),
        T(many_timers_keep_their_order),
        T(later_runs_once_and_can_be_cancelled),
        T(a_watch_calls_when_its_fd_can_be_read),
        T(a_signal_comes_from_the_loop),
        T(blocking_work_runs_on_another_thread_and_ends_on_ours),
        T(work_that_may_wait_long_waits_for_no_other),
        T(what_is_written_in_one_turn_leaves_in_one_send),
        T(a_flush_leaves_at_once),
        T(the_end_of_the_stream_is_told_once_without_an_error),
        T(a_peer_that_ended_still_gets_our_answer),
        T(a_connection_may_be_closed_in_its_own_callback),
        T(a_paused_connection_gets_nothing_until_it_goes_on),
        T(a_full_queue_says_so_and_says_when_there_is_room),
        T(an_owner_who_never_stops_writing_is_cut_off),
        T(silence_ends_in_a_timeout),
        T(a_byte_now_and_then_is_no_silence),
        T(a_reset_is_told_as_an_error),
        T(the_kernel_says_who_is_at_the_other_end),
        T(a_connection_can_be_handed_on),
        T(bytes_go_there_and_back_over_ipv4),
        T(bytes_go_there_and_back_over_ipv6),
        T(a_big_transfer_arrives_whole_through_small_windows),
        T(a_refused_address_passes_on_to_the_next_at_once),
        T(a_silent_address_does_not_hold_the_next_one_up),
        T(when_all_fail_each_is_named_with_its_reason),
        T(a_bound_address_is_where_we_come_from),
        T(a_cancelled_dial_never_calls),
        T(a_unix_socket_replaces_a_stale_one_only),
        T(address_literals_are_read_and_written),
        T(a_host_is_the_same_at_any_port),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
