/* SPDX-License-Identifier: Apache-2.0
 *
 * The promise of the spool, tried at every step: a script of everything that a receiver, a relay and sendmail do runs on
 * a simulated file system; after each step that changes something the power is cut, in many ways, and another relay
 * starts on what is left. What was kept must be there, whole, with its state; what was not finished must not; what was
 * ended, and synced since, must not come back. */
#include "base/clock.h"
#include "sim_fs.h"
#include "spool/drop_int.h"
#include "spool_kit.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>

#define DIR "/q"

/* ---- what was promised -------------------------------------------------------------------------------------------- */

struct msg {
    uint64_t id;
    unsigned seed;
    size_t size;
    bool is_kept, is_failed, is_ended;
    bool end_is_synced;      /* something of the relay was synced after its end */
    unsigned attempts;       /* the newest state that was noted */
    unsigned attempts_synced;/* and the newest that must survive */
    uint64_t settled_by;     /* ended by this report, or 0 */
    bool is_report;
    uint64_t settles;
};

struct world {
    struct sim_fs *fs;
    struct kit_runner runner;
    struct kit_relay relay;
    size_t n_seen; /* of relay.told */
    struct spool_shared *shared;
    struct spool *recv, *relay_spool;
    struct msg *msgs;
    size_t n_msgs;
    unsigned seed;
    int64_t start_us;
    bool may_fail; /* a failure is being injected */
    unsigned images;
};

static struct spool_limits limits = { .segment_bytes = 16384, .large_bytes = 4096 };

static struct msg *find_msg(struct world *w, uint64_t id)
{
    for (size_t i = 0; i < w->n_msgs; i++)
        if (w->msgs[i].id == id)
            return &w->msgs[i];
    return NULL;
}

static struct msg *add_msg(struct world *w, uint64_t id, size_t size)
{
    /* With a clock that was set back, the id of one that failed, and so was never there, may be given out again. */
    struct msg *before = find_msg(w, id);
    if (before) {
        assert_true(before->is_failed);
        before->id = 0;
    }
    w->msgs = xreallocarray(w->msgs, w->n_msgs + 1, sizeof *w->msgs);
    w->msgs[w->n_msgs] = (struct msg){ .id = id, .seed = w->seed, .size = size };
    return &w->msgs[w->n_msgs++];
}

/* ---- looking at what a cut leaves ---------------------------------------------------------------------------------- */

static struct spool *start_on(struct sim_fs *fs, struct kit_runner *runner, struct kit_relay *relay)
{
    struct err e;
    struct spool_config cfg = {
        .dir = DIR,
        .role = SPOOL_RELAY,
        .limits = limits,
        .runner = &runner->runner,
        .io = sim_io(fs),
        .ops = &kit_ops,
        .arg = relay,
    };
    kit_runner_init(runner);
    struct spool *s = spool_open(&cfg, &e);
    if (!s || spool_start(s, &e) < 0)
        fail_msg("start: %s", e.text);
    return s;
}

static void check_told(struct world *w, struct spool *s, const struct told *t)
{
    struct msg *m = find_msg(w, t->id);

    assert_non_null(m);
    if (!kit_is_whole(s, t->id, m->seed, m->size))
        fail_msg("at step %u: message %u of %zu bytes is not whole (kept %d, failed %d, report %d)",
                 (unsigned)sim_steps(w->fs), m->seed, m->size, m->is_kept, m->is_failed, m->is_report);
    if (m->is_ended && m->end_is_synced)
        fail_msg("message %u (%zu bytes, report %d) has come back", m->seed, m->size, m->is_report);
    assert_in_range(t->attempts, m->attempts_synced, m->attempts);
    assert_int_equal(t->has_state, t->attempts > 0);
}

static void check_msg(struct world *w, const struct kit_relay *relay, const struct msg *m)
{
    const struct told *t = kit_told(relay, m->id);
    const struct told *report = m->settled_by ? kit_told(relay, m->settled_by) : NULL;

    if (m->is_kept && !m->is_ended && !m->settled_by)
        assert_non_null(t);
    if (m->settled_by) {
        /* The two are one: either the report is there or what it reports on. */
        const struct msg *r = find_msg(w, m->settled_by);
        assert_false(report && t);
        assert_true(report || t || r->is_ended);
        assert_false(r->is_kept && t);
    }
}

static void check_relay(struct world *w, struct spool *s, const struct kit_relay *relay)
{
    if (relay->n_damaged)
        fail_msg("damage: %s", relay->damage);
    for (size_t i = 0; i < relay->n_told; i++)
        check_told(w, s, &relay->told[i]);
    for (size_t i = 0; i < w->n_msgs; i++)
        check_msg(w, relay, &w->msgs[i]);
}

/* The spool that was found can be used: a message more, an end, and another start. */
static void check_goes_on(struct world *w, struct sim_fs *fs, struct spool *s, struct kit_runner *runner,
                          struct kit_relay *relay)
{
    struct kit_done done = { 0 };
    struct kit_relay after = { 0 };
    uint64_t gone = relay->n_told ? relay->told[0].id : 0;
    uint64_t id = kit_put(s, 77, 500, &done);

    (void)w;
    if (gone)
        spool_end(s, gone);
    kit_runner_all(runner);
    assert_int_equal(done.kept, 1);
    spool_close(s);
    s = start_on(fs, runner, &after);
    assert_int_equal(after.n_damaged, 0);
    assert_non_null(kit_told(&after, id));
    assert_null(kit_told(&after, gone));
    for (size_t i = 0; i < relay->n_told; i++) {
        if (relay->told[i].id != gone && !kit_told(&after, relay->told[i].id)) {
            struct msg *m = find_msg(w, relay->told[i].id);
            fail_msg("after another start, message %u of %zu bytes is missing (kept %d, ended %d, settled %d)", m->seed,
                     m->size, m->is_kept, m->is_ended, m->settled_by != 0);
        }
    }
    assert_int_equal(after.n_told, relay->n_told + (gone ? 0 : 1));
    kit_runner_all(runner);
    spool_close(s);
    kit_relay_fini(&after);
}

static void check_image(struct world *w, struct sim_fs *image, bool deep)
{
    struct kit_runner runner;
    struct kit_relay relay = { 0 };
    struct spool *s = start_on(image, &runner, &relay);

    check_relay(w, s, &relay);
    w->images++;
    if (deep) {
        check_goes_on(w, image, s, &runner, &relay);
    } else {
        kit_runner_all(&runner);
        spool_close(s);
    }
    kit_relay_fini(&relay);
}

static void cut(struct world *w, const struct sim_fs *fs, enum sim_survival survival, uint64_t at, bool deep)
{
    struct sim_fs *image = sim_after_cut(fs, survival, at);
    check_image(w, image, deep);
    sim_free(image);
}

static void cut_here(void *arg)
{
    struct world *w = arg;
    uint64_t step = sim_steps(w->fs);
    size_t len = sim_last_write(w->fs);

    cut(w, w->fs, SIM_NOTHING, 0, step % 5 == 0);
    cut(w, w->fs, SIM_EVERYTHING, 0, step % 5 == 1);
    cut(w, w->fs, SIM_LAST_ONLY, 0, false);
    cut(w, w->fs, SIM_NAMES, 0, false);
    if (len) {
        cut(w, w->fs, SIM_TORN, 1, false);
        cut(w, w->fs, SIM_TORN, len / 2, step % 5 == 2);
        cut(w, w->fs, SIM_TORN, len - 1, false);
        cut(w, w->fs, SIM_TORN, 512, false);
        cut(w, w->fs, SIM_TORN, len > 8 ? len - 8 : 0, false);
    }
    for (uint64_t i = 0; i < 4; i++)
        cut(w, w->fs, SIM_RANDOM, step * 1000 + i, i == 0 && step % 5 == 3);
}

/* ---- the script --------------------------------------------------------------------------------------------------- */

struct waiting { /* for one commit */
    struct world *w;
    uint64_t id;
    bool is_relays;
};

/* All that the relay noted before is on disk now. */
static void relay_synced(struct world *w, uint64_t up_to_id)
{
    (void)up_to_id;
    for (size_t i = 0; i < w->n_msgs; i++) {
        struct msg *m = &w->msgs[i];
        m->attempts_synced = m->attempts;
        m->end_is_synced |= m->is_ended;
    }
}

static void committed(void *arg, enum spool_result result, const struct err *e)
{
    struct waiting *wait = arg;
    struct msg *m = find_msg(wait->w, wait->id);

    (void)e;
    if (result == SPOOL_KEPT)
        m->is_kept = true;
    else
        m->is_failed = true;
    assert_true(result == SPOOL_KEPT || wait->w->may_fail);
    if (m->is_report && m->is_failed) {
        for (size_t i = 0; i < wait->w->n_msgs; i++)
            if (wait->w->msgs[i].settled_by == m->id)
                wait->w->msgs[i].settled_by = 0;
    }
    free(wait);
}

/* A report ends message `settles`, or (`is_delay`) notes a state of it. */
static uint64_t put(struct world *w, struct spool *s, size_t size, uint64_t settles, bool is_delay)
{
    struct buf content;
    struct err e;
    char sender[32];

    snprintf(sender, sizeof sender, "%u@example.org", ++w->seed);
    struct envelope env = kit_envelope(sender);
    struct spool_msg *m = spool_begin(s, &env, &e);
    uint64_t id = spool_msg_id(m);
    struct msg *msg = add_msg(w, id, size);
    if (settles) {
        struct msg *of = find_msg(w, settles);
        struct spool_state st = { .attempts = of->attempts + 1, .was_warned = true };
        msg->is_report = true;
        msg->settles = settles;
        if (is_delay)
            of->attempts++;
        else
            of->settled_by = id;
        spool_msg_settles(m, settles, is_delay ? &st : NULL);
    }
    envelope_fini(&env);
    buf_init(&content, BUF_NO_MAX);
    kit_content(&content, msg->seed, size);
    struct span rest = buf_span(&content);
    int rc = 0;
    for (size_t n; rest.len && rc == 0; rest = span_from(rest, n)) {
        n = rest.len < 2500 ? rest.len : 2500;
        rc = spool_write(m, span_of(rest.at, n), &e);
    }
    buf_fini(&content);
    struct waiting *wait = xcalloc(1, sizeof *wait);
    *wait = (struct waiting){ .w = w, .id = id };
    if (rc == 0) {
        spool_commit(m, committed, wait);
    } else {
        spool_abort(m);
        committed(wait, SPOOL_FAILED, &e);
    }
    return id;
}

static void state_synced(void *arg, enum spool_result result, const struct err *e)
{
    struct waiting *wait = arg;

    (void)e;
    assert_true(result == SPOOL_KEPT || wait->w->may_fail);
    /* What was noted later may not be synced: only what stood when this was asked for. */
    if (result == SPOOL_KEPT && wait->is_relays)
        relay_synced(wait->w, 0);
    free(wait);
}

static void note_state(struct world *w, struct msg *m, bool wait_for_it)
{
    static char reason[400];
    struct spool_state st = { .next_us = 5, .attempts = ++m->attempts, .reason = reason };
    memset(reason, 'r', sizeof reason - 1);
    struct waiting *wait = xcalloc(1, sizeof *wait);

    *wait = (struct waiting){ .w = w, .id = m->id, .is_relays = true };
    spool_put_state(w->relay_spool, m->id, &st, wait_for_it ? state_synced : NULL, wait);
    if (!wait_for_it)
        free(wait);
    else
        kit_runner_all(&w->runner); /* so nothing is noted between asking and sync */
}

static void end(struct world *w, struct msg *m)
{
    m->is_ended = true;
    spool_end(w->relay_spool, m->id);
}

static void drop(struct world *w, size_t size)
{
    struct buf content;
    struct err e;
    struct envelope env = kit_envelope("drop@example.org");
    struct spool_drop *d = drop_begin(sim_io(w->fs), DIR, &env, &e);

    envelope_fini(&env);
    if (!d) {
        assert_true(w->may_fail);
        return;
    }
    w->seed++;
    struct msg *m = add_msg(w, spool_drop_id(d), size);
    buf_init(&content, BUF_NO_MAX);
    kit_content(&content, m->seed, size);
    int rc = spool_drop_write(d, buf_span(&content), &e);
    if (rc < 0)
        spool_drop_abort(d);
    else
        rc = spool_drop_commit(d, &e);
    buf_fini(&content);
    m = &w->msgs[w->n_msgs - 1];
    m->is_kept = rc == 0;
    m->is_failed = rc < 0;
    assert_true(rc == 0 || w->may_fail);
}

static void open_recv(struct world *w)
{
    struct err e;
    struct spool_config cfg = {
        .dir = DIR,
        .role = SPOOL_RECEIVE,
        .limits = limits,
        .shared = w->shared,
        .runner = &w->runner.runner,
        .io = sim_io(w->fs),
    };
    w->recv = spool_open(&cfg, &e);
    if (!w->recv)
        fail_msg("%s", e.text);
}

static void open_relay(struct world *w)
{
    struct err e;
    struct spool_config cfg = {
        .dir = DIR,
        .role = SPOOL_RELAY,
        .limits = limits,
        .shared = w->shared,
        .runner = &w->runner.runner,
        .io = sim_io(w->fs),
        .ops = &kit_ops,
        .arg = &w->relay,
    };
    kit_relay_fini(&w->relay);
    w->n_seen = 0;
    w->relay_spool = spool_open(&cfg, &e);
    if (!w->relay_spool || spool_start(w->relay_spool, &e) < 0)
        fail_msg("%s", e.text);
    /* An end that could not be written may be forgotten over a restart; one that was synced may not. */
    for (size_t i = 0; i < w->n_msgs; i++) {
        struct msg *m = &w->msgs[i];
        if (m->is_ended && kit_told(&w->relay, m->id)) {
            assert_false(m->end_is_synced);
            m->is_ended = false;
        }
    }
}

static void poll(struct world *w)
{
    struct err e;
    int rc = spool_poll(w->relay_spool, &e);
    assert_true(rc == 0 || w->may_fail);
}

static bool is_known(struct world *w, uint64_t id)
{
    return kit_told(&w->relay, id) != NULL;
}

/* One day in the life of the messages that wait: most end, some are put off, some stay long. */
static void work_on_queue(struct world *w, unsigned round)
{
    for (size_t i = 0; i < w->n_msgs; i++) {
        struct msg *m = &w->msgs[i];
        if (m->is_ended || m->settled_by || !is_known(w, m->id))
            continue;
        if (m->seed % 11 == 3 && round < m->seed / 4 + 12) {
            if ((round + m->seed) % 3 == 0)
                note_state(w, m, round % 4 == 1);
        } else if ((round + m->seed) % 3 == 0) {
            end(w, m);
            /* In the middle of what the relay does by itself. */
            if (m->seed % 2)
                kit_runner_one(&w->runner);
        }
    }
}

static void report_on_one(struct world *w, size_t size, bool is_delay)
{
    for (size_t i = 0; i < w->n_msgs; i++) {
        struct msg *m = &w->msgs[i];
        if (!m->is_ended && !m->settled_by && m->is_kept && !m->is_report && is_known(w, m->id)) {
            put(w, w->relay_spool, size, m->id, is_delay);
            return;
        }
    }
}

static void restart_with_the_clock_set_back(struct world *w)
{
    struct err e;

    kit_runner_all(&w->runner);
    spool_close(w->recv);
    spool_close(w->relay_spool);
    spool_shared_free(w->shared);
    w->start_us -= INT64_C(86400000000);
    clock_freeze(w->start_us);
    w->shared = spool_shared_new(1, &e);
    open_recv(w);
    open_relay(w);
}

static void script(struct world *w, unsigned rounds)
{
    for (unsigned round = 0; round < rounds; round++) {
        clock_freeze(w->start_us + round * 1000000);
        for (unsigned i = 0; i < 4; i++) {
            put(w, w->recv, 200 + (round * 7 + i * 331) % 1800, 0, false);
            if (i == 1)
                kit_runner_one(&w->runner);
        }
        if (round % 4 == 1)
            put(w, w->recv, 6000, 0, false);
        kit_runner_all(&w->runner);
        if (round % 5 == 2)
            drop(w, 700);
        poll(w);
        work_on_queue(w, round);
        if (round % 3 == 1)
            report_on_one(w, round % 2 ? 300 : 5000, false);
        if (round % 4 == 2)
            report_on_one(w, round % 8 == 2 ? 300 : 5000, true);
        kit_runner_all(&w->runner);
        poll(w);
        if (round == rounds / 3) {
            kit_runner_all(&w->runner);
            spool_close(w->recv);
            open_recv(w);
        }
        if (round == rounds / 2) {
            kit_runner_all(&w->runner);
            spool_close(w->relay_spool);
            open_relay(w);
        }
        if (round == rounds * 2 / 3)
            restart_with_the_clock_set_back(w);
    }
    kit_runner_all(&w->runner);
}

static void world_init(struct world *w)
{
    struct err e;

    *w = (struct world){ .fs = sim_new() };
    kit_runner_init(&w->runner);
    w->start_us = INT64_C(1800000000000000);
    clock_freeze(w->start_us);
    sim_put(w->fs, DIR "/VERSION", "1\n");
    w->shared = spool_shared_new(1, &e);
    open_recv(w);
    open_relay(w);
}

static void world_fini(struct world *w)
{
    kit_runner_all(&w->runner);
    spool_close(w->recv);
    spool_close(w->relay_spool);
    spool_shared_free(w->shared);
    kit_relay_fini(&w->relay);
    sim_free(w->fs);
    free(w->msgs);
    clock_freeze(0);
}

static void cut_everywhere(uint64_t slack_bytes, unsigned rounds)
{
    struct world w;

    limits.slack_bytes = slack_bytes;
    world_init(&w);
    sim_on_step(w.fs, cut_here, &w);
    script(&w, rounds);
    sim_on_step(w.fs, NULL, NULL);
    assert_int_equal(w.relay.n_damaged, 0);
    print_message("# %llu steps, %u images, %zu messages\n", (unsigned long long)sim_steps(w.fs), w.images, w.n_msgs);
    assert_in_range(w.images, 2000, 1000000);
    world_fini(&w);
}

static void kept_is_kept_and_the_rest_is_gone_wherever_the_power_is_cut(void **state)
{
    (void)state;
    cut_everywhere(150000, 40);
}

static void the_same_while_everything_is_copied_about(void **state)
{
    (void)state;
    cut_everywhere(1, 30);
}

static void look_sometimes(void *arg)
{
    struct world *w = arg;

    if (sim_steps(w->fs) % 13 == 0) {
        cut(w, w->fs, SIM_NOTHING, 0, false);
        cut(w, w->fs, SIM_EVERYTHING, 0, false);
    }
}

/* Step `step` of the script fails: whom it hit is told so, and everybody else is served. */
static bool fail_at(uint64_t step, int sys)
{
    struct world w;

    limits.slack_bytes = step % 2 ? 1 : 150000;
    world_init(&w);
    w.may_fail = true;
    sim_fail(w.fs, step, sys);
    sim_on_step(w.fs, look_sometimes, &w);
    script(&w, 12);
    bool has_happened = sim_steps(w.fs) >= step;
    size_t n_failed = 0;
    for (size_t i = 0; i < w.n_msgs; i++) {
        assert_true(w.msgs[i].is_kept != w.msgs[i].is_failed);
        n_failed += w.msgs[i].is_failed;
    }
    assert_in_range(n_failed, 0, 8); /* those of one batch */
    sim_fail(w.fs, 0, 0);
    uint64_t after = put(&w, w.recv, 500, 0, false);
    kit_runner_all(&w.runner);
    assert_true(find_msg(&w, after)->is_kept);
    cut(&w, w.fs, SIM_NOTHING, 0, true);
    cut(&w, w.fs, SIM_EVERYTHING, 0, true);
    world_fini(&w);
    return has_happened;
}

static void a_write_or_sync_that_fails_costs_only_what_it_covered(void **state)
{
    uint64_t step = 1;
    (void)state;

    while (fail_at(step, EIO) && fail_at(step, ENOSPC))
        step++;
    print_message("# %llu steps\n", (unsigned long long)step);
    assert_in_range(step, 150, 10000);
}

static void a_full_disk_takes_mail_again_when_mail_has_gone(void **state)
{
    struct world w;
    (void)state;

    limits.slack_bytes = 1 << 20;
    world_init(&w);
    w.may_fail = true;
    for (int i = 0; i < 40; i++)
        put(&w, w.recv, 1500, 0, false);
    kit_runner_all(&w.runner);
    poll(&w);
    /* The relay's own segment is full, too. */
    for (size_t i = 0; i < 24; i++)
        note_state(&w, &w.msgs[i], true);
    sim_fill(w.fs);
    for (int i = 0; i < 20; i++) {
        put(&w, w.recv, 1500, 0, false);
        kit_runner_all(&w.runner);
    }
    assert_true(w.msgs[w.n_msgs - 1].is_failed);
    poll(&w);
    /* In an order that empties no segment before there is no room left for ends. */
    for (size_t start = 0; start < 7; start++) {
        for (size_t i = start; i < w.n_msgs; i += 7) {
            if (w.msgs[i].is_kept)
                end(&w, &w.msgs[i]);
            kit_runner_all(&w.runner);
        }
    }
    uint64_t id = put(&w, w.recv, 1500, 0, false);
    kit_runner_all(&w.runner);
    assert_true(find_msg(&w, id)->is_kept);
    poll(&w);
    assert_true(is_known(&w, id));
    cut(&w, w.fs, SIM_EVERYTHING, 0, false);
    world_fini(&w);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(kept_is_kept_and_the_rest_is_gone_wherever_the_power_is_cut),
        cmocka_unit_test(the_same_while_everything_is_copied_about),
        cmocka_unit_test(a_write_or_sync_that_fails_costs_only_what_it_covered),
        cmocka_unit_test(a_full_disk_takes_mail_again_when_mail_has_gone),
    };
    return cmocka_run_group_tests_name("spool_cut", tests, NULL, NULL);
}
