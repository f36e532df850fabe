/* SPDX-License-Identifier: Apache-2.0
 *
 * The spool over a real file system, in a temporary folder. */
#include "base/clock.h"
#include "spool/record.h"
#include "spool_kit.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <grp.h>
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

static void shut(struct world *w, struct spool *s)
{
    kit_runner_all(&w->runner);
    assert_true(spool_is_idle(s));
    spool_close(s);
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
    shut(w, s);

    s = open_as(w, SPOOL_RELAY, NULL);
    assert_int_equal(w->relay.n_told, 1);
    assert_int_equal(w->relay.told[0].id, id);
    assert_string_equal(w->relay.told[0].sender, "1@example.org");
    assert_false(w->relay.told[0].has_state);
    assert_true(kit_is_whole(s, id, 1, 5000));
    assert_int_equal(w->relay.n_damaged, 0);
    shut(w, s);
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
    shut(w, s);
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
    shut(w, s);

    s = open_as(w, SPOOL_RELAY, NULL);
    assert_null(kit_told(&w->relay, a));
    assert_non_null(kit_told(&w->relay, b));
    shut(w, s);
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
    shut(w, s);

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
    shut(w, s);
}

static void a_large_message_has_a_file_of_its_own_which_goes_with_it(void **state)
{
    struct world *w = *state;
    struct spool_limits limits = { .large_bytes = 20000 };
    struct spool *r = open_as(w, SPOOL_RECEIVE, &limits);
    uint64_t id = kit_put(r, 1, 300000, &w->done);

    kit_put(r, 2, 200, &w->done);
    assert_int_equal(w->done.kept, 0);
    kit_runner_all(&w->runner);
    assert_int_equal(w->done.kept, 2);
    spool_close(r);
    assert_int_equal(kit_files(w->dir, "large"), 1);

    struct spool *s = open_as(w, SPOOL_RELAY, &limits);
    assert_int_equal(w->relay.n_told, 2);
    assert_int_equal(kit_told(&w->relay, id)->info.size, 300000);
    assert_true(kit_is_whole(s, id, 1, 300000));
    struct spool_body *b = spool_body_open(s, id, NULL);
    char byte;
    spool_end(s, id);
    kit_runner_all(&w->runner);
    assert_int_equal(spool_body_read(b, 299999, &byte, 1, NULL), 1);
    assert_int_equal(kit_files(w->dir, "large"), 1);
    spool_body_close(b);
    kit_runner_all(&w->runner);
    assert_int_equal(kit_files(w->dir, "large"), 0);
    shut(w, s);
}

static void an_aborted_message_leaves_nothing(void **state)
{
    struct world *w = *state;
    struct spool_limits limits = { .large_bytes = 1000 };
    struct spool *r = open_as(w, SPOOL_RECEIVE, &limits);
    struct envelope env = kit_envelope("a@example.com");
    char bytes[3000] = { 'x' };
    struct spool_msg *m = spool_begin(r, &env, NULL);

    assert_int_equal(spool_write(m, span_of(bytes, sizeof bytes), NULL), 0);
    assert_int_equal(kit_files(w->dir, "large"), 1);
    spool_abort(m);
    assert_int_equal(kit_files(w->dir, "large"), 0);
    envelope_fini(&env);
    spool_close(r);
    struct spool *s = open_as(w, SPOOL_RELAY, NULL);
    assert_int_equal(w->relay.n_told, 0);
    shut(w, s);
}

static void what_the_way_out_must_know_is_seen_across_pieces(void **state)
{
    static const struct {
        const char *first, *second;
        bool has_dot_line, is_8bit;
    } cases[] = {
        { "a\r\n", ".b\r\n", true, false }, { ".", "a\r\n", true, false },     { "a.\r\n", "b\r\n", false, false },
        { "a", ".b\r\n", false, false },    { "a\r\n.", "\r\n", true, false },  { "abcdefgh\xe4\r\n", "", false, true },
        { "", "\xc3\xa4\r\n..", true, true }, { "a\r", "\n.x\r\n", true, false },
    };
    struct world *w = *state;
    struct spool *s = open_as(w, SPOOL_RELAY, NULL);

    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        struct envelope env = kit_envelope("");
        struct spool_msg *m = spool_begin(s, &env, NULL);
        uint64_t id = spool_msg_id(m);
        spool_write(m, span_str(cases[i].first), NULL);
        spool_write(m, span_str(cases[i].second), NULL);
        spool_commit(m, kit_count, &w->done);
        kit_runner_all(&w->runner);
        assert_int_equal(spool_poll(s, NULL), 0);
        assert_int_equal(kit_told(&w->relay, id)->info.has_dot_line, cases[i].has_dot_line);
        assert_int_equal(kit_told(&w->relay, id)->info.is_8bit, cases[i].is_8bit);
        envelope_fini(&env);
    }
    shut(w, s);
}

static void a_line_that_is_too_long_is_seen_across_pieces(void **state)
{
    static const struct {
        size_t first, second; /* bytes before the line ends, in two pieces */
        bool is_long;
    } cases[] = { { 998, 0, false }, { 999, 0, true }, { 500, 498, false }, { 500, 499, true }, { 0, 999, true }, { 1, 997, false } };
    struct world *w = *state;
    struct spool *s = open_as(w, SPOOL_RELAY, NULL);
    char xs[1000];

    memset(xs, 'x', sizeof xs);
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        struct envelope env = kit_envelope("");
        struct spool_msg *m = spool_begin(s, &env, NULL);
        uint64_t id = spool_msg_id(m);
        spool_write(m, SPAN("short\r\n.\r\n"), NULL);
        spool_write(m, span_of(xs, cases[i].first), NULL);
        spool_write(m, span_of(xs, cases[i].second), NULL);
        spool_write(m, SPAN("\r"), NULL);
        spool_write(m, SPAN("\nshort\r\n"), NULL);
        spool_commit(m, kit_count, &w->done);
        kit_runner_all(&w->runner);
        assert_int_equal(spool_poll(s, NULL), 0);
        assert_int_equal(kit_told(&w->relay, id)->info.has_long_line, cases[i].is_long);
        envelope_fini(&env);
    }
    shut(w, s);
}

static void a_report_and_the_end_of_what_it_reports_on_are_one(void **state)
{
    struct world *w = *state;
    struct spool *r = open_as(w, SPOOL_RECEIVE, NULL);
    uint64_t a = kit_put(r, 1, 300, &w->done), b = kit_put(r, 2, 300, &w->done);
    struct spool_state st = { .attempts = 5 };

    kit_runner_all(&w->runner);
    spool_close(r);
    for (int large = 0; large < 2; large++) {
        struct spool *s = open_as(w, SPOOL_RELAY, NULL);
        struct envelope env = kit_envelope("");
        struct spool_msg *m = spool_begin(s, &env, NULL);
        static char bytes[400000];
        uint64_t id = spool_msg_id(m);
        memset(bytes, 'x', sizeof bytes);
        spool_write(m, span_of(bytes, large ? sizeof bytes : 100), NULL);
        if (large)
            spool_msg_settles(m, a, NULL);
        spool_msg_settles(m, b, &st);
        spool_commit(m, kit_count, &w->done);
        kit_runner_all(&w->runner);
        envelope_fini(&env);
        spool_poll(s, NULL);
        assert_non_null(kit_told(&w->relay, id));
        shut(w, s);

        s = open_as(w, SPOOL_RELAY, NULL);
        assert_int_equal(kit_told(&w->relay, a) == NULL, large);
        assert_int_equal(kit_told(&w->relay, b)->attempts, st.attempts);
        spool_end(s, id);
        kit_runner_all(&w->runner);
        shut(w, s);
        st.attempts++;
    }
    struct spool *s = open_as(w, SPOOL_RELAY, NULL);
    assert_int_equal(w->relay.n_told, 1);
    assert_int_equal(kit_told(&w->relay, b)->attempts, 6);
    shut(w, s);
}

static void the_relay_learns_of_what_others_have_synced(void **state)
{
    struct world *w = *state;
    struct spool_shared *sh = spool_shared_new(2, NULL);
    struct kit_runner one, two;
    kit_runner_init(&one);
    kit_runner_init(&two);
    struct spool_config cfg = { .dir = w->dir, .role = SPOOL_RECEIVE, .runner = &one.runner, .shared = sh };
    struct spool *a = spool_open(&cfg, NULL);
    cfg.slot = 1;
    cfg.runner = &two.runner;
    struct spool *b = spool_open(&cfg, NULL);
    struct spool *s = kit_open(w->dir, SPOOL_RELAY, &w->runner, &w->relay, NULL, sh);
    uint64_t wakes;

    uint64_t first = kit_put(a, 1, 400, &w->done), second = kit_put(b, 2, 400, &w->done);
    spool_poll(s, NULL);
    assert_int_equal(w->relay.n_told, 0);
    assert_int_equal(read(spool_shared_wake_fd(sh), &wakes, 8), -1);
    kit_runner_all(&one);
    assert_int_equal(read(spool_shared_wake_fd(sh), &wakes, 8), 8);
    spool_poll(s, NULL);
    assert_int_equal(w->relay.n_told, 1);
    assert_non_null(kit_told(&w->relay, first));
    kit_runner_all(&two);
    uint64_t large = kit_put(b, 3, 400000, &w->done);
    kit_runner_all(&two);
    for (unsigned i = 10; i < 60; i++) {
        kit_put(a, i, 400, &w->done);
        kit_runner_all(&one);
        spool_poll(s, NULL);
    }
    assert_int_equal(w->relay.n_told, 53);
    assert_true(kit_is_whole(s, kit_told(&w->relay, second)->id, 2, 400));
    assert_true(kit_is_whole(s, kit_told(&w->relay, large)->id, 3, 400000));

    /* A worker that dies and its successor on the same slot. */
    uint64_t last = kit_put(a, 99, 400, &w->done);
    kit_runner_all(&one);
    cfg.slot = 0;
    cfg.runner = &one.runner;
    struct spool *again = spool_open(&cfg, NULL);
    uint64_t next = kit_put(again, 100, 400, &w->done);
    kit_runner_all(&one);
    spool_poll(s, NULL);
    assert_non_null(kit_told(&w->relay, last));
    assert_non_null(kit_told(&w->relay, next));
    assert_int_equal(w->relay.n_damaged, 0);
    spool_close(a);
    spool_close(b);
    spool_close(again);
    shut(w, s);
    spool_shared_free(sh);
}

static void a_restarted_relay_goes_on_beside_living_receivers(void **state)
{
    struct world *w = *state;
    struct spool_shared *sh = spool_shared_new(1, NULL);
    struct kit_runner one;
    kit_runner_init(&one);
    struct spool_config cfg = { .dir = w->dir, .role = SPOOL_RECEIVE, .runner = &one.runner, .shared = sh };
    struct spool *a = spool_open(&cfg, NULL);
    struct spool *s = kit_open(w->dir, SPOOL_RELAY, &w->runner, &w->relay, NULL, sh);

    uint64_t first = kit_put(a, 1, 400, &w->done);
    kit_runner_all(&one);
    spool_poll(s, NULL);
    shut(w, s);
    kit_relay_fini(&w->relay);
    uint64_t second = kit_put(a, 2, 400, &w->done);
    kit_runner_all(&one);
    s = kit_open(w->dir, SPOOL_RELAY, &w->runner, &w->relay, NULL, sh);
    uint64_t third = kit_put(a, 3, 400, &w->done);
    kit_runner_all(&one);
    spool_poll(s, NULL);
    assert_non_null(kit_told(&w->relay, first));
    assert_non_null(kit_told(&w->relay, second));
    assert_non_null(kit_told(&w->relay, third));
    assert_int_equal(w->relay.n_told, 3);
    spool_close(a);
    shut(w, s);
    spool_shared_free(sh);
}

static uint64_t drop(const char *dir, unsigned seed, size_t size, uid_t uid)
{
    struct envelope env = kit_envelope("drop@example.com");
    struct buf content;
    struct err e;

    env.uid = uid;
    struct spool_drop *d = spool_drop_begin(dir, &env, &e);
    if (!d)
        fail_msg("%s", e.text);
    uint64_t id = spool_drop_id(d);
    buf_init(&content, BUF_NO_MAX);
    kit_content(&content, seed, size);
    assert_int_equal(spool_drop_write(d, buf_span(&content), &e), 0);
    if (spool_drop_commit(d, &e) < 0)
        fail_msg("%s", e.text);
    buf_fini(&content);
    envelope_fini(&env);
    return id;
}

static void the_drop_is_taken_in_once(void **state)
{
    struct world *w = *state;
    uint64_t first = drop(w->dir, 1, 3000, 7);

    struct spool *s = open_as(w, SPOOL_RELAY, NULL);
    assert_non_null(kit_told(&w->relay, first));
    assert_int_equal(kit_told(&w->relay, first)->uid, 7);
    uint64_t second = drop(w->dir, 2, 0, 7);
    spool_poll(s, NULL);
    spool_poll(s, NULL);
    assert_int_equal(w->relay.n_told, 2);
    assert_int_equal(kit_files(w->dir, "drop"), 0);
    assert_true(kit_is_whole(s, first, 1, 3000));
    spool_end(s, second);
    kit_runner_all(&w->runner);
    shut(w, s);
    s = open_as(w, SPOOL_RELAY, NULL);
    assert_int_equal(w->relay.n_told, 1);
    spool_end(s, first);
    kit_runner_all(&w->runner);
    assert_int_equal(kit_files(w->dir, "large"), 0);
    shut(w, s);
}

static void damage(const char *dir, const char *folder, uint64_t name, long offset, const char *bytes)
{
    char path[PATH_MAX], text[SPOOL_ID_TEXT];

    snprintf(path, sizeof path, "%s/%s/%s", dir, folder, spool_id_format(name, text));
    int fd = open(path, O_WRONLY);
    assert_true(fd >= 0);
    assert_int_equal(pwrite(fd, bytes, strlen(bytes), offset), strlen(bytes));
    close(fd);
}

static void what_is_no_message_in_the_drop_is_set_aside_and_named_once(void **state)
{
    struct world *w = *state;
    char path[PATH_MAX], text[SPOOL_ID_TEXT];
    uint64_t ids[3];

    for (int i = 0; i < 3; i++)
        ids[i] = drop(w->dir, 1, 3000, 7);
    damage(w->dir, "drop", ids[0], 4100, "damaged");
    damage(w->dir, "drop", ids[1], 7200, "damaged");
    snprintf(path, sizeof path, "%s/drop/%s", w->dir, spool_id_format(ids[2] + 1024, text));
    assert_int_equal(mkfifo(path, 0600), 0);
    snprintf(path, sizeof path, "%s/drop/whatever.txt", w->dir);
    close(open(path, O_CREAT | O_WRONLY, 0600));

    struct spool *s = open_as(w, SPOOL_RELAY, NULL);
    spool_poll(s, NULL);
    assert_int_equal(w->relay.n_told, 1);
    assert_non_null(kit_told(&w->relay, ids[2]));
    assert_int_equal(w->relay.n_damaged, 3);
    assert_int_equal(kit_files(w->dir, "drop"), 4);
    shut(w, s);
    s = open_as(w, SPOOL_RELAY, NULL);
    assert_int_equal(w->relay.n_damaged, 0);
    shut(w, s);
}

static void an_unfinished_drop_goes_when_it_is_an_hour_old(void **state)
{
    struct world *w = *state;
    struct envelope env = kit_envelope("a@example.com");
    struct spool_drop *d = spool_drop_begin(w->dir, &env, NULL);

    struct spool *s = open_as(w, SPOOL_RELAY, NULL);
    assert_int_equal(kit_files(w->dir, "drop"), 1);
    clock_freeze((time(NULL) + 3700) * USEC_PER_SEC);
    spool_poll(s, NULL);
    clock_freeze(0);
    assert_int_equal(kit_files(w->dir, "drop"), 0);
    assert_int_equal(spool_drop_commit(d, NULL), -1);
    envelope_fini(&env);
    shut(w, s);
}

static void the_owner_of_a_drop_file_counts_more_than_its_envelope(void **state)
{
    struct world *w = *state;
    char path[PATH_MAX], text[SPOOL_ID_TEXT];

    if (geteuid() != 0)
        skip();
    uint64_t id = drop(w->dir, 1, 10, 0);
    snprintf(path, sizeof path, "%s/drop/%s", w->dir, spool_id_format(id, text));
    assert_int_equal(chown(path, 12345, 12345), 0);
    for (int i = 0; i < 2; i++) {
        struct spool *s = open_as(w, SPOOL_RELAY, NULL);
        assert_int_equal(kit_told(&w->relay, id)->uid, 12345);
        shut(w, s);
    }
}

/* As an installed sendmail does: any user, set to the group of the drop, with a umask of his own. */
static int drop_as(const char *dir, uid_t uid, gid_t gid)
{
    struct envelope env = kit_envelope("drop@example.com");
    struct err e;

    umask(077);
    if (setgroups(0, NULL) < 0 || setgid(gid) < 0 || setuid(uid) < 0)
        return 2;
    struct spool_drop *d = spool_drop_begin(dir, &env, &e);
    if (!d || spool_drop_write(d, SPAN("hello\r\n"), &e) < 0 || spool_drop_commit(d, &e) < 0) {
        fprintf(stderr, "%s\n", e.text);
        return 1;
    }
    return access(dir, W_OK) == 0; /* nothing but the drop is his */
}

static void who_is_in_its_group_can_leave_a_message_in_the_drop(void **state)
{
    struct world *w = *state;
    enum { DAEMON = 12345, GROUP = 12346, USER = 12347 };
    int status;

    if (geteuid() != 0)
        skip();
    assert_int_equal(spool_create(w->dir, DAEMON, GROUP, NULL), 0);
    assert_int_equal(chmod(w->dir, 0755), 0);
    pid_t child = fork();
    if (child == 0)
        _exit(drop_as(w->dir, USER, GROUP));
    assert_int_equal(waitpid(child, &status, 0), child);
    assert_int_equal(status, 0);
    child = fork();
    if (child == 0)
        _exit(freopen("/dev/null", "w", stderr) && drop_as(w->dir, USER, USER) == 1 ? 0 : 1);
    assert_int_equal(waitpid(child, &status, 0), child);
    assert_int_equal(status, 0);

    /* And the daemon, who is neither root nor the user, can read it. */
    child = fork();
    if (child == 0) {
        if (setgroups(0, NULL) < 0 || setgid(GROUP) < 0 || setuid(DAEMON) < 0)
            _exit(1);
        struct spool *s = open_as(w, SPOOL_RELAY, NULL);
        _exit(w->relay.n_told == 1 && w->relay.told[0].uid == USER && w->relay.n_damaged == 0 ? 0 : 1 + (s == NULL));
    }
    assert_int_equal(waitpid(child, &status, 0), child);
    assert_int_equal(status, 0);
}

static void one_daemon_has_the_lock(void **state)
{
    struct world *w = *state;
    struct err e;
    int fd = spool_lock(w->dir, 0, &e);

    assert_true(fd >= 0);
    assert_int_equal(spool_lock(w->dir, 0, &e), -1);
    assert_int_equal(e.sys, EWOULDBLOCK);
    pid_t child = fork();
    if (child == 0) {
        close(fd); /* who inherits it holds it, too */
        _exit(spool_lock(w->dir, 5000, NULL) >= 0 ? 0 : 1);
    }
    close(fd);
    int status;
    assert_int_equal(waitpid(child, &status, 0), child);
    assert_int_equal(status, 0);
    fd = spool_lock(w->dir, 0, &e);
    assert_true(fd >= 0);
    close(fd);
}

static void a_spool_of_a_newer_version_is_refused(void **state)
{
    struct world *w = *state;
    char path[PATH_MAX];
    struct err e;
    struct spool_config cfg = { .dir = w->dir, .role = SPOOL_LOOK, .ops = &kit_ops, .arg = &w->relay };

    snprintf(path, sizeof path, "%s/VERSION", w->dir);
    FILE *f = fopen(path, "w");
    fputs("2\n", f);
    fclose(f);
    assert_null(spool_open(&cfg, &e));
    assert_non_null(strstr(e.text, "newer Baton"));
    assert_non_null(strstr(e.text, "version is 2"));
    assert_int_equal(spool_create(w->dir, getuid(), getgid(), &e), -1);
}

static void a_looker_sees_what_waits_beside_a_writer_and_changes_nothing(void **state)
{
    struct world *w = *state;
    struct spool *r = open_as(w, SPOOL_RECEIVE, NULL);

    kit_put(r, 1, 400, &w->done);
    kit_put(r, 2, 400000, &w->done);
    kit_runner_all(&w->runner);
    uint64_t dropped = drop(w->dir, 3, 100, 7);
    kit_put(r, 4, 400, &w->done);
    for (int i = 0; i < 2; i++) {
        struct spool *s = open_as(w, SPOOL_LOOK, NULL);
        assert_int_equal(w->relay.n_told, 3);
        assert_int_equal(w->relay.n_damaged, 0);
        assert_true(kit_is_whole(s, dropped, 3, 100));
        assert_true(kit_is_whole(s, w->relay.told[0].id, 1, 400));
        spool_close(s);
    }
    assert_int_equal(kit_files(w->dir, "drop"), 1);
    kit_runner_all(&w->runner);
    struct spool *s = open_as(w, SPOOL_LOOK, NULL);
    assert_int_equal(w->relay.n_told, 4);
    shut(w, s);
    spool_close(r);
}

static uint64_t disk_bytes(const struct spool *s)
{
    struct spool_stats st;
    spool_stats(s, &st);
    return st.disk_bytes;
}

static void the_disk_stays_small_while_mail_comes_and_goes(void **state)
{
    struct world *w = *state;
    struct spool_limits limits = { .segment_bytes = 65536, .slack_bytes = 1 << 20 };
    struct spool *r = open_as(w, SPOOL_RECEIVE, &limits), *s = open_as(w, SPOOL_RELAY, &limits);
    struct spool_state st = { .attempts = 1 };
    enum { ROUNDS = 100, BATCH = 1000, KEPT = 37 };
    uint64_t most = 0;
    size_t next = 0, kept = 0;

    /* One of each KEPT stays, with a state, so that segments never empty by themselves. */
    for (unsigned round = 0; round < ROUNDS; round++) {
        for (unsigned i = 0; i < BATCH; i++)
            kit_put(r, round * BATCH + i, 300, &w->done);
        kit_runner_all(&w->runner);
        assert_int_equal(spool_poll(s, NULL), 0);
        for (; next < w->relay.n_told; next++) {
            if (next % KEPT == 0) {
                spool_put_state(s, w->relay.told[next].id, &st, NULL, NULL);
                kept++;
            } else {
                spool_end(s, w->relay.told[next].id);
            }
            if (next % 200 == 0)
                kit_runner_all(&w->runner);
        }
        kit_runner_all(&w->runner);
        if (disk_bytes(s) > most)
            most = disk_bytes(s);
    }
    assert_int_equal(w->done.kept, ROUNDS * BATCH);
    assert_int_equal(w->relay.n_told, ROUNDS * BATCH);
    /* 2 x what lives (some 700 bytes each with its state) + slack + what is being written. */
    assert_in_range(most, 1, 2 * kept * 700 + limits.slack_bytes + 4 * 65536);
    assert_int_equal(w->relay.n_damaged, 0);
    spool_close(r);
    shut(w, s);

    s = open_as(w, SPOOL_RELAY, &limits);
    assert_int_equal(w->relay.n_told, kept);
    for (size_t i = 0; i < w->relay.n_told; i++) {
        assert_int_equal(w->relay.told[i].attempts, 1);
        assert_true(kit_is_whole(s, w->relay.told[i].id, (unsigned)strtoul(w->relay.told[i].sender, NULL, 10), 300));
        spool_end(s, w->relay.told[i].id);
    }
    kit_runner_all(&w->runner);
    shut(w, s);
    s = open_as(w, SPOOL_RELAY, &limits);
    kit_runner_all(&w->runner);
    assert_int_equal(w->relay.n_told, 0);
    assert_in_range(disk_bytes(s), 0, limits.slack_bytes);
    shut(w, s);
}

static void ids_are_short_unique_and_read_back(void **state)
{
    struct world *w = *state;
    struct spool *s = open_as(w, SPOOL_RECEIVE, NULL);
    uint64_t before = 0, back;
    char text[SPOOL_ID_TEXT];

    clock_freeze(INT64_C(1800000000000000));
    for (int i = 0; i < 100; i++) {
        struct envelope env = kit_envelope("");
        struct spool_msg *m = spool_begin(s, &env, NULL);
        uint64_t id = spool_msg_id(m);
        assert_true(id > before);
        before = id;
        spool_id_format(id, text);
        assert_in_range(strlen(text), 11, 12);
        assert_int_equal(strspn(text, "0123456789BCDFGHJKLMNPQRSTVWXYZbcdfghjklmnpqrstvwxyz"), strlen(text));
        assert_true(spool_id_parse(span_str(text), &back));
        assert_true(back == id);
        spool_abort(m);
        envelope_fini(&env);
        if (i == 50)
            clock_freeze(INT64_C(1700000000000000)); /* set back */
    }
    clock_freeze(0);
    shut(w, s);
    static const char *const bad[] = { "", "0B", "A1", "1-", "zzzzzzzzzzzzzzz", "zzzzzzzzzzzz", "1 ", "abc\n" };
    for (size_t i = 0; i < ARRAY_LEN(bad); i++)
        assert_false(spool_id_parse(span_str(bad[i]), &back));
}

static uint64_t only_journal(const char *dir)
{
    char path[PATH_MAX];
    uint64_t name = 0;

    snprintf(path, sizeof path, "%s/journal", dir);
    DIR *d = opendir(path);
    for (struct dirent *entry; (entry = readdir(d));)
        if (entry->d_name[0] != '.')
            assert_true(spool_id_parse(span_str(entry->d_name), &name));
    closedir(d);
    return name;
}

static void a_segment_whose_first_page_is_gone_is_read_by_its_name(void **state)
{
    struct world *w = *state;
    struct spool *r = open_as(w, SPOOL_RECEIVE, NULL);

    for (unsigned i = 0; i < 3; i++)
        kit_put(r, i, 700, &w->done);
    kit_runner_all(&w->runner);
    spool_close(r);
    for (long offset = 0; offset < 4096; offset += 512)
        damage(w->dir, "journal", only_journal(w->dir), offset, "not what was here before");
    struct spool *s = open_as(w, SPOOL_RELAY, NULL);
    assert_int_equal(w->relay.n_told, 3);
    assert_int_equal(w->relay.n_damaged, 0);
    shut(w, s);
}

static void a_segment_of_a_newer_version_is_refused(void **state)
{
    struct world *w = *state;
    struct spool *r = open_as(w, SPOOL_RECEIVE, NULL);
    struct spool_config cfg = { .dir = w->dir, .role = SPOOL_LOOK, .ops = &kit_ops, .arg = &w->relay };
    char path[PATH_MAX], text[SPOOL_ID_TEXT], part[PAGE_PART];
    struct err e;

    kit_put(r, 1, 100, &w->done);
    kit_runner_all(&w->runner);
    spool_close(r);
    uint64_t name = only_journal(w->dir);
    page_header_encode(&(struct page_header){ SPOOL_VERSION + 1, SEGMENT_JOURNAL, name, PAGE_BYTES }, part);
    snprintf(path, sizeof path, "%s/journal/%s", w->dir, spool_id_format(name, text));
    int fd = open(path, O_WRONLY);
    assert_int_equal(pwrite(fd, part, sizeof part, 0), sizeof part);
    close(fd);
    struct spool *s = spool_open(&cfg, &e);
    assert_non_null(s);
    assert_int_equal(spool_start(s, &e), -1);
    assert_non_null(strstr(e.text, "newer Baton"));
    spool_close(s);
}

static void the_last_record_of_a_sealed_segment_is_missed_when_it_is_damaged(void **state)
{
    struct world *w = *state;
    struct spool *r = open_as(w, SPOOL_RECEIVE, NULL);

    kit_put(r, 1, 5000, &w->done);
    kit_runner_all(&w->runner);
    kit_put(r, 2, 5000, &w->done);
    kit_runner_all(&w->runner);
    spool_close(r);
    damage(w->dir, "journal", only_journal(w->dir), 4096 + 5200 + 10, "xxxxxxxx");
    struct spool *s = open_as(w, SPOOL_RELAY, NULL);
    assert_int_equal(w->relay.n_told, 1);
    assert_int_equal(w->relay.n_damaged, 1);
    shut(w, s);
}

static void a_damaged_record_costs_itself_only(void **state)
{
    struct world *w = *state;
    struct spool *r = open_as(w, SPOOL_RECEIVE, NULL);
    uint64_t ids[5];

    for (unsigned i = 0; i < 5; i++) {
        ids[i] = kit_put(r, i, 5000, &w->done);
        kit_runner_all(&w->runner);
    }
    spool_close(r);
    /* In the head of the second, and in the content of the fourth. */
    uint64_t name = only_journal(w->dir);
    damage(w->dir, "journal", name, 4096 + 5200 + 10, "xxxxxxxx");
    damage(w->dir, "journal", name, 4096 + 3 * 5200 + 2000, "xxxxxxxx");

    struct spool *s = open_as(w, SPOOL_RELAY, NULL);
    struct err e;
    assert_null(kit_told(&w->relay, ids[1]));
    assert_int_equal(w->relay.n_told, 4);
    assert_int_equal(w->relay.n_damaged, 1);
    assert_non_null(strstr(w->relay.damage, "offset"));
    assert_true(kit_is_whole(s, ids[0], 0, 5000));
    assert_true(kit_is_whole(s, ids[2], 2, 5000));
    assert_true(kit_is_whole(s, ids[4], 4, 5000));
    assert_null(spool_body_open(s, ids[3], &e));
    assert_int_equal(e.kind, ERR_PERMANENT);
    shut(w, s);
}

int main(void)
{
#define TEST(f) cmocka_unit_test_setup_teardown(f, setup, teardown)
    const struct CMUnitTest tests[] = {
        TEST(a_message_is_kept_only_after_the_runner_has_synced_it),
        TEST(what_gathers_during_a_sync_shares_the_next),
        TEST(an_ended_message_does_not_come_back),
        TEST(the_newest_state_is_found_again),
        TEST(a_large_message_has_a_file_of_its_own_which_goes_with_it),
        TEST(an_aborted_message_leaves_nothing),
        TEST(what_the_way_out_must_know_is_seen_across_pieces),
        TEST(a_line_that_is_too_long_is_seen_across_pieces),
        TEST(a_report_and_the_end_of_what_it_reports_on_are_one),
        TEST(the_relay_learns_of_what_others_have_synced),
        TEST(a_restarted_relay_goes_on_beside_living_receivers),
        TEST(the_drop_is_taken_in_once),
        TEST(what_is_no_message_in_the_drop_is_set_aside_and_named_once),
        TEST(an_unfinished_drop_goes_when_it_is_an_hour_old),
        TEST(the_owner_of_a_drop_file_counts_more_than_its_envelope),
        TEST(who_is_in_its_group_can_leave_a_message_in_the_drop),
        TEST(one_daemon_has_the_lock),
        TEST(a_spool_of_a_newer_version_is_refused),
        TEST(a_looker_sees_what_waits_beside_a_writer_and_changes_nothing),
        TEST(the_disk_stays_small_while_mail_comes_and_goes),
        TEST(ids_are_short_unique_and_read_back),
        TEST(a_segment_whose_first_page_is_gone_is_read_by_its_name),
        TEST(a_segment_of_a_newer_version_is_refused),
        TEST(the_last_record_of_a_sealed_segment_is_missed_when_it_is_damaged),
        TEST(a_damaged_record_costs_itself_only),
    };
    return cmocka_run_group_tests_name("spool", tests, NULL, NULL);
}
