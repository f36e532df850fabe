/* SPDX-License-Identifier: Apache-2.0
 *
 * How much disk the spool takes, with as many receivers as a reload can bring about: real files, counted as the file
 * system counts them. */
#include "spool_kit.h"

#include <ftw.h>
#include <stdio.h>
#include <stdlib.h>

#define SLACK (UINT64_C(128) << 20)

struct world {
    char *dir;
    struct kit_runner runner;
    struct kit_relay relay;
    struct kit_done done;
    struct spool_shared *shared;
    struct spool *relay_spool, *recv[64];
    unsigned n_receivers;
    unsigned seed;
    size_t n_seen;
    uint64_t live;
};

static uint64_t disk;

static int add_blocks(const char *path, const struct stat *st, int flag, struct FTW *ftw)
{
    (void)path, (void)flag, (void)ftw;
    disk += (uint64_t)st->st_blocks * 512;
    return 0;
}

static uint64_t disk_used(const struct world *w)
{
    disk = 0;
    nftw(w->dir, add_blocks, 16, FTW_PHYS);
    return disk;
}

static struct spool *open_one(struct world *w, enum spool_role role, unsigned slot)
{
    struct err e;
    const struct spool_config cfg = {
        .dir = w->dir,
        .role = role,
        .slot = slot,
        .limits = { .n_receivers = w->n_receivers },
        .shared = w->shared,
        .runner = &w->runner.runner,
        .ops = &kit_ops,
        .arg = &w->relay,
    };
    struct spool *s = spool_open(&cfg, &e);
    if (!s || (role == SPOOL_RELAY && spool_start(s, &e) < 0))
        fail_msg("%s", e.text);
    return s;
}

static void open_all(struct world *w, unsigned n_receivers)
{
    struct err e;

    w->n_receivers = n_receivers;
    w->shared = spool_shared_new(64, &e);
    assert_non_null(w->shared);
    w->relay_spool = open_one(w, SPOOL_RELAY, 0);
    for (unsigned i = 0; i < n_receivers; i++)
        w->recv[i] = open_one(w, SPOOL_RECEIVE, i);
}

static void close_all(struct world *w)
{
    kit_runner_all(&w->runner);
    for (unsigned i = 0; i < w->n_receivers; i++)
        spool_close(w->recv[i]);
    spool_close(w->relay_spool);
    spool_shared_free(w->shared);
    kit_relay_fini(&w->relay);
    w->n_seen = 0;
}

static void check_disk(struct world *w, const char *when)
{
    uint64_t used = disk_used(w);

    if (used > 2 * w->live + SLACK)
        fail_msg("%u receivers, %s: %llu MiB on disk, %llu MiB of it live", w->n_receivers, when,
                 (unsigned long long)used >> 20, (unsigned long long)w->live >> 20);
}

/* What has come ends, but for one in ten, so that no segment empties by itself. */
static void work_on_queue(struct world *w, size_t size)
{
    struct err e;

    assert_int_equal(spool_poll(w->relay_spool, &e), 0);
    for (; w->n_seen < w->relay.n_told; w->n_seen++) {
        if (w->n_seen % 10 == 0)
            w->live += size;
        else
            spool_end(w->relay_spool, w->relay.told[w->n_seen].id);
    }
    kit_runner_all(&w->runner);
}

static void day(struct world *w, unsigned rounds, unsigned batch, size_t size)
{
    for (unsigned round = 0; round < rounds; round++) {
        for (unsigned i = 0; i < w->n_receivers; i++)
            for (unsigned k = 0; k < batch; k++)
                kit_put(w->recv[i], ++w->seed, size, &w->done);
        kit_runner_all(&w->runner);
        work_on_queue(w, size);
        check_disk(w, "while mail comes and goes");
    }
    assert_int_equal(w->done.kept, w->seed);
    assert_int_equal(w->relay.n_damaged, 0);
}

static void the_bound_holds(unsigned n_receivers, unsigned rounds, unsigned batch)
{
    struct world w = { .dir = kit_folder() };

    kit_runner_init(&w.runner);
    open_all(&w, n_receivers);
    day(&w, 1, 1, 300); /* each has its segment, with next to nothing in it */
    day(&w, rounds, batch, 20000);
    close_all(&w);
    kit_folder_remove(w.dir);
}

static void the_bound_holds_for_few_receivers(void **state)
{
    (void)state;
    the_bound_holds(4, 8, 200);
}

static void the_bound_holds_for_32_receivers_and_those_that_a_reload_has_replaced(void **state)
{
    (void)state;
    the_bound_holds(64, 4, 30);
}

static void what_is_free_goes_when_a_new_configuration_wants_other_segments(void **state)
{
    struct world w = { .dir = kit_folder() };
    (void)state;

    kit_runner_init(&w.runner);
    open_all(&w, 2);
    for (int i = 0; i < 4; i++)
        day(&w, 1, 300, 20000);
    for (size_t i = 0; i < w.relay.n_told; i++)
        spool_end(w.relay_spool, w.relay.told[i].id);
    kit_runner_all(&w.runner);
    assert_in_range(kit_files(w.dir, "free"), 1, 8);
    close_all(&w);
    w.live = 0;
    open_all(&w, 64);
    assert_int_equal(kit_files(w.dir, "free"), 0);
    kit_runner_all(&w.runner);
    day(&w, 1, 1, 300);
    close_all(&w);
    kit_folder_remove(w.dir);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_bound_holds_for_few_receivers),
        cmocka_unit_test(the_bound_holds_for_32_receivers_and_those_that_a_reload_has_replaced),
        cmocka_unit_test(what_is_free_goes_when_a_new_configuration_wants_other_segments),
    };
    return cmocka_run_group_tests_name("spool_space", tests, NULL, NULL);
}
