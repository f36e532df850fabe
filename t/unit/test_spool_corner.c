/* SPDX-License-Identifier: Apache-2.0
 *
 * Corners of the spool that a day of random mail (test_spool_cut.c) does not come by: what must be on disk before
 * something else may go, one case at a time, with the power cut after each step. */
#include "base/clock.h"
#include "sim_fs.h"
#include "spool/spool_int.h"
#include "spool_kit.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>

#define DIR "/q"

struct world {
    struct sim_fs *fs;
    struct kit_runner runner;
    struct kit_relay told;
    struct kit_done done;
    struct spool_shared *shared;
    struct spool *recv, *relay;
    struct spool_limits limits;
    uint64_t gone; /* may not come back, whenever the power is cut */
    unsigned images;
};

static struct spool *open_on(struct world *w, struct sim_fs *fs, enum spool_role role, struct spool_shared *shared,
                             struct kit_runner *runner, struct kit_relay *told)
{
    struct err e;
    const struct spool_config cfg = {
        .dir = DIR,
        .role = role,
        .limits = w->limits,
        .shared = shared,
        .runner = &runner->runner,
        .io = sim_io(fs),
        .ops = &kit_ops,
        .arg = told,
    };
    struct spool *s = spool_open(&cfg, &e);
    if (!s || (role != SPOOL_RECEIVE && spool_start(s, &e) < 0))
        fail_msg("%s", e.text);
    return s;
}

static void open_both(struct world *w)
{
    struct err e;

    kit_relay_fini(&w->told);
    w->shared = spool_shared_new(1, &e);
    assert_non_null(w->shared);
    w->recv = open_on(w, w->fs, SPOOL_RECEIVE, w->shared, &w->runner, NULL);
    w->relay = open_on(w, w->fs, SPOOL_RELAY, w->shared, &w->runner, &w->told);
}

static void close_both(struct world *w)
{
    kit_runner_all(&w->runner);
    spool_close(w->recv);
    spool_close(w->relay);
    spool_shared_free(w->shared);
}

static void world_init(struct world *w, uint64_t slack_bytes)
{
    *w = (struct world){ .fs = sim_new(), .limits = { .segment_bytes = 16384, .large_bytes = 4096 } };
    w->limits.slack_bytes = slack_bytes;
    kit_runner_init(&w->runner);
    clock_freeze(INT64_C(1800000000000000));
    sim_put(w->fs, DIR "/VERSION", "1\n");
    open_both(w);
}

static void world_fini(struct world *w)
{
    close_both(w);
    kit_relay_fini(&w->told);
    sim_free(w->fs);
    clock_freeze(0);
}

static uint64_t take(struct world *w, unsigned seed, size_t size)
{
    unsigned before = w->done.kept;
    uint64_t id = kit_put(w->recv, seed, size, &w->done);

    kit_runner_all(&w->runner);
    assert_int_equal(w->done.kept, before + 1);
    assert_int_equal(spool_poll(w->relay, NULL), 0);
    return id;
}

/* A message of the relay's own; ends `of`, or none. */
static uint64_t report(struct world *w, unsigned seed, size_t size, uint64_t of)
{
    struct buf content;
    struct err e;
    struct envelope env = kit_envelope("");
    struct spool_msg *m = spool_begin(w->relay, &env, &e);
    uint64_t id = spool_msg_id(m);

    envelope_fini(&env);
    if (of)
        spool_msg_settles(m, of, NULL);
    buf_init(&content, BUF_NO_MAX);
    kit_content(&content, seed, size);
    assert_int_equal(spool_write(m, buf_span(&content), &e), 0);
    buf_fini(&content);
    spool_commit(m, kit_count, &w->done);
    return id;
}

static bool is_told_after(struct world *w, enum sim_survival survival, uint64_t id)
{
    struct sim_fs *image = sim_after_cut(w->fs, survival, 0);
    struct kit_runner runner;
    struct kit_relay told = { 0 };

    kit_runner_init(&runner);
    struct spool *s = open_on(w, image, SPOOL_RELAY, NULL, &runner, &told);
    bool is_told = kit_told(&told, id) != NULL;
    assert_int_equal(told.n_damaged, 0);
    kit_runner_all(&runner);
    spool_close(s);
    kit_relay_fini(&told);
    sim_free(image);
    w->images++;
    return is_told;
}

static void check_gone(void *arg)
{
    struct world *w = arg;

    for (enum sim_survival how = SIM_NOTHING; how <= SIM_NAMES; how++)
        if (how != SIM_TORN && is_told_after(w, how, w->gone))
            fail_msg("step %u, survival %d: it has come back", (unsigned)sim_steps(w->fs), how);
}

/* ---- reports in files of their own ---------------------------------------------------------------------------------- */

static void what_a_large_report_settled_stays_settled_when_its_file_goes(void **state)
{
    struct world w;
    (void)state;

    world_init(&w, 1 << 20);
    uint64_t message = take(&w, 1, 500);
    take(&w, 3, 500); /* keeps its segment, and so its record, on disk */
    uint64_t id = report(&w, 2, 6000, message);
    kit_runner_all(&w.runner);
    assert_int_equal(w.done.kept, 3);
    w.gone = message;
    sim_on_step(w.fs, check_gone, &w);
    spool_end(w.relay, id);
    kit_runner_all(&w.runner);
    assert_int_equal(sim_count(w.fs, DIR "/large"), 0);
    assert_in_range(w.images, 4, 1000);
    sim_on_step(w.fs, NULL, NULL);
    world_fini(&w);
}

static void what_a_large_report_settled_stays_settled_over_a_crash_and_the_end_of_the_report(void **state)
{
    struct world w;
    (void)state;

    world_init(&w, 1 << 20);
    uint64_t message = take(&w, 1, 500);
    uint64_t neighbour = take(&w, 3, 500); /* keeps its segment, and so its record, on disk */
    uint64_t id = report(&w, 2, 6000, message);
    kit_runner_all(&w.runner);
    /* Cut now: the end is in the report alone, for what was repeated in the journal was not synced. */
    struct sim_fs *image = sim_after_cut(w.fs, SIM_NOTHING, 0);
    close_both(&w);
    sim_free(w.fs);
    w.fs = image;
    open_both(&w);
    assert_null(kit_told(&w.told, message));
    assert_non_null(kit_told(&w.told, id));
    w.gone = message;
    sim_on_step(w.fs, check_gone, &w);
    spool_end(w.relay, id);
    kit_runner_all(&w.runner);
    assert_int_equal(sim_count(w.fs, DIR "/large"), 0);
    sim_on_step(w.fs, NULL, NULL);
    close_both(&w);
    open_both(&w);
    assert_int_equal(w.told.n_told, 1);
    assert_non_null(kit_told(&w.told, neighbour));
    world_fini(&w);
}

/* ---- compaction ------------------------------------------------------------------------------------------------------ */

static uint64_t record_size(struct world *w, uint64_t id)
{
    const struct entry *en = index_find(&w->relay->index, id);
    assert_non_null(en);
    return pad8(en->head_len) + pad8(en->size);
}

/* Fills the relay's segment with a message of its own, so that `left` bytes are left. */
static uint64_t fill_own(struct world *w, unsigned seed, uint64_t left)
{
    uint64_t room = journal_room(&w->relay->journal), overhead = 0, id = 0;

    /* By small ones first: a large one would go into a file. */
    while (!overhead || room > left + 3000) {
        id = report(w, seed, 1600, 0);
        kit_runner_all(&w->runner);
        overhead = record_size(w, id) - 1600;
        room = journal_room(&w->relay->journal);
    }
    id = report(w, seed, room - left - overhead, 0);
    kit_runner_all(&w->runner);
    assert_int_equal(journal_room(&w->relay->journal), left);
    return id;
}

/* A segment is sealed in which `*stays` is all that lives, but for `*more`; its copying is under way. */
static uint64_t begin_compaction(struct world *w, uint64_t *more, uint64_t *stays, uint64_t *filler)
{
    uint64_t dead[32];
    size_t n_dead = 0;

    world_init(w, 1 << 20);
    /* The relay's segment is the older one: who reads them in order has read it before the copies are there. */
    report(w, 9, 300, 0);
    kit_runner_all(&w->runner);
    *more = take(w, 1, 400);
    *stays = take(w, 2, 400);
    const struct segment *victim = segment_at(&w->relay->ledger, index_find(&w->relay->index, *more)->segment);
    uint64_t name = victim->name, copies = record_size(w, *more) + record_size(w, *stays);
    while (!victim->is_sealed)
        dead[n_dead++] = take(w, 3, 1500);
    /* Exactly the copies have room in what the relay writes now: their ends will lie in another segment. */
    *filler = fill_own(w, 4, copies);
    w->relay->limits.slack_bytes = 1; /* from here on everything is compacted that can be */
    /* In memory only, as if the ends had been written long ago. */
    while (n_dead > 0)
        settle_forget(w->relay, index_find(&w->relay->index, dead[--n_dead]));
    rec_queue_free(&w->relay->pending);
    commit_kick(w->relay);
    assert_int_equal(w->relay->compaction.n_in_flight, 2);
    assert_int_equal(w->relay->compaction.victim->name, name);
    return name;
}

static void a_message_that_ends_while_it_is_copied_stays_gone(void **state)
{
    struct world w;
    uint64_t ends, stays, filler, victim = begin_compaction(&w, &ends, &stays, &filler);
    uint64_t copied_to = w.relay->own->gen;
    (void)state;

    spool_end(w.relay, ends);
    kit_runner_all(&w.runner);
    assert_null(segment_find_journal(&w.relay->ledger, victim));
    assert_non_null(segment_find_journal(&w.relay->ledger, copied_to));
    assert_int_not_equal(w.relay->own->gen, copied_to);
    /* The segment with the ends is left, and what else is in it goes. */
    fill_own(&w, 5, 0);
    assert_int_equal(spool_poll(w.relay, NULL), 0);
    for (size_t i = w.told.n_told; i-- > 0;)
        if (w.told.told[i].id > filler && w.told.told[i].id != stays)
            spool_end(w.relay, w.told.told[i].id);
    kit_runner_all(&w.runner);
    w.gone = ends;
    check_gone(&w);
    assert_true(is_told_after(&w, SIM_NOTHING, stays));
    assert_true(is_told_after(&w, SIM_NOTHING, filler));
    world_fini(&w);
}

/* The segment that a looker is about to read goes, and is written over by a receiver. */
static void move_on(void *arg)
{
    struct world *w = arg;

    kit_runner_all(&w->runner);
    for (unsigned i = 0; i < 12; i++)
        take(w, 50 + i, 1500);
}

/* False when the looker had read all before read number `n`. */
static bool look_while_it_moves(unsigned n)
{
    struct world w;
    struct kit_relay told = { 0 };
    uint64_t one, other, filler, victim = begin_compaction(&w, &one, &other, &filler);

    sim_on_read(w.fs, n, move_on, &w);
    struct spool *look = open_on(&w, w.fs, SPOOL_LOOK, NULL, &w.runner, &told);
    bool has_moved = !segment_find_journal(&w.relay->ledger, victim);
    sim_on_read(w.fs, 0, NULL, NULL);
    if (!kit_told(&told, one) || !kit_told(&told, other) || !kit_told(&told, filler))
        fail_msg("when things move at read %u, a message is missed", n);
    if (told.n_damaged)
        fail_msg("when things move at read %u: %s", n, told.damage);
    spool_close(look);
    kit_relay_fini(&told);
    world_fini(&w);
    return has_moved;
}

static void a_looker_misses_nothing_that_is_copied_while_it_looks(void **state)
{
    unsigned n = 1;
    (void)state;

    while (look_while_it_moves(n))
        n++;
    print_message("# %u reads\n", n);
    assert_in_range(n, 20, 1000);
}

/* ---- closing --------------------------------------------------------------------------------------------------------- */

static void a_spool_that_is_closed_while_it_works_keeps_what_was_noted_and_calls_nobody(void **state)
{
    struct world w;
    struct kit_done after = { 0 };
    (void)state;

    world_init(&w, 1 << 20);
    uint64_t ended = take(&w, 1, 500), stays = take(&w, 2, 500);
    unsigned kept = w.done.kept;
    report(&w, 3, 300, 0);
    report(&w, 4, 6000, 0);
    spool_end(w.relay, ended); /* behind the job that is under way */
    kit_put(w.recv, 5, 500, &after);
    spool_close(w.relay);
    spool_close(w.recv);
    kit_runner_all(&w.runner);
    assert_int_equal(w.done.kept, kept);
    assert_int_equal(after.kept + after.failed, 0);
    spool_shared_free(w.shared);
    open_both(&w);
    assert_non_null(kit_told(&w.told, stays));
    assert_null(kit_told(&w.told, ended));
    assert_int_equal(w.told.n_told, 4);
    world_fini(&w);
}

/* ---- a sync that fails ----------------------------------------------------------------------------------------------- */

/* What the kernel shows of a file after that is anybody's guess. */
static void a_state_that_a_failed_sync_has_lost_is_read_from_memory(void **state)
{
    const struct spool_state seven = { .attempts = 7 }, one = { .attempts = 1 };
    char path[64], text[SPOOL_ID_TEXT];
    struct kit_done noted = { 0 };
    struct spool_state found;
    struct envelope env;
    struct world w;
    struct err e;
    (void)state;

    world_init(&w, 1 << 20);
    uint64_t id = take(&w, 1, 500), other = take(&w, 2, 500);
    spool_put_state(w.relay, id, &seven, NULL, NULL);
    kit_runner_all(&w.runner);
    snprintf(path, sizeof path, DIR "/journal/%s", spool_id_format(w.relay->own->name, text));
    uint64_t end = w.relay->own->end;
    sim_fail(w.fs, sim_steps(w.fs) + 2, EIO); /* of a write and its sync */
    spool_put_state(w.relay, other, &one, kit_count, &noted);
    kit_runner_all(&w.runner);
    assert_int_equal(noted.failed, 1);
    sim_damage(w.fs, path, 4096, end - 4096);
    assert_int_equal(spool_load(w.relay, id, &env, &found, &e), 0);
    assert_int_equal(found.attempts, 7);
    spool_state_fini(&found);
    envelope_fini(&env);
    spool_put_state(w.relay, other, &one, kit_count, &noted);
    kit_runner_all(&w.runner);
    assert_int_equal(noted.kept, 1);
    assert_int_equal(spool_load(w.relay, id, &env, &found, &e), 0);
    assert_int_equal(found.attempts, 7);
    spool_state_fini(&found);
    envelope_fini(&env);
    world_fini(&w);
}

/* ---- segments that are used again ------------------------------------------------------------------------------------ */

static void a_segment_from_the_future_is_not_used_again(void **state)
{
    struct world w;
    (void)state;

    world_init(&w, 1 << 20);
    for (unsigned i = 0; i < 40; i++)
        spool_end(w.relay, take(&w, i, 1500));
    kit_runner_all(&w.runner);
    /* Twice, so that nothing in journal/ tells how far the numbers were. */
    for (int i = 0; i < 2; i++) {
        close_both(&w);
        open_both(&w);
        assert_int_equal(spool_poll(w.relay, NULL), 0);
        kit_runner_all(&w.runner);
    }
    assert_int_equal(sim_count(w.fs, DIR "/journal"), 0);
    assert_in_range(sim_count(w.fs, DIR "/free"), 1, 100);
    close_both(&w);
    clock_freeze(INT64_C(1800000000000000) - INT64_C(86400000000));
    open_both(&w);
    uint64_t id = take(&w, 77, 500);
    assert_true(is_told_after(&w, SIM_NOTHING, id));
    assert_true(is_told_after(&w, SIM_EVERYTHING, id));
    world_fini(&w);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_a_large_report_settled_stays_settled_when_its_file_goes),
        cmocka_unit_test(what_a_large_report_settled_stays_settled_over_a_crash_and_the_end_of_the_report),
        cmocka_unit_test(a_message_that_ends_while_it_is_copied_stays_gone),
        cmocka_unit_test(a_looker_misses_nothing_that_is_copied_while_it_looks),
        cmocka_unit_test(a_spool_that_is_closed_while_it_works_keeps_what_was_noted_and_calls_nobody),
        cmocka_unit_test(a_state_that_a_failed_sync_has_lost_is_read_from_memory),
        cmocka_unit_test(a_segment_from_the_future_is_not_used_again),
    };
    return cmocka_run_group_tests_name("spool_corner", tests, NULL, NULL);
}
