/* SPDX-License-Identifier: Apache-2.0 */
#include "spool_kit.h"

#include "base/clock.h"

#include <dirent.h>
#include <ftw.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

static void kit_run(struct runner *r, runner_fn *work, runner_fn *done, void *arg)
{
    struct kit_runner *k = (struct kit_runner *)r;
    struct task *t = xcalloc(1, sizeof *t);

    *t = (struct task){ .work = work, .done = done, .arg = arg };
    *k->last = t;
    k->last = &t->next;
}

void kit_runner_init(struct kit_runner *r)
{
    *r = (struct kit_runner){ .runner.run = kit_run, .last = &r->first };
}

bool kit_runner_one(struct kit_runner *r)
{
    struct task *t = r->first;

    if (!t)
        return false;
    r->first = t->next;
    if (!r->first)
        r->last = &r->first;
    t->work(t->arg);
    t->done(t->arg);
    free(t);
    return true;
}

void kit_runner_all(struct kit_runner *r)
{
    while (kit_runner_one(r))
        ;
}

/* ---- relay -------------------------------------------------------------------------------------------------------- */

static void found(void *arg, const struct spool_info *info, const struct envelope *env, const struct spool_state *st)
{
    struct kit_relay *r = arg;

    if ((r->n_told & (r->n_told - 1)) == 0)
        r->told = xreallocarray(r->told, r->n_told ? r->n_told * 2 : 1, sizeof *r->told);
    r->told[r->n_told++] = (struct told){
        .id = info->id,
        .sender = xstrdup(env->sender),
        .attempts = st ? st->attempts : 0,
        .has_state = st != NULL,
        .info = *info,
        .uid = env->uid,
    };
}

static void damaged(void *arg, const char *text)
{
    struct kit_relay *r = arg;
    char *before = r->damage;

    r->damage = before ? xasprintf("%s\n%s", before, text) : xstrdup(text);
    r->n_damaged++;
    free(before);
}

const struct spool_ops kit_ops = { .found = found, .damaged = damaged };

void kit_relay_fini(struct kit_relay *r)
{
    for (size_t i = 0; i < r->n_told; i++)
        free(r->told[i].sender);
    free(r->told);
    free(r->damage);
    *r = (struct kit_relay){ 0 };
}

const struct told *kit_told(const struct kit_relay *r, uint64_t id)
{
    const struct told *t = NULL;

    for (size_t i = 0; i < r->n_told; i++) {
        if (r->told[i].id == id) {
            assert_null(t);
            t = &r->told[i];
        }
    }
    return t;
}

/* ---- spools ------------------------------------------------------------------------------------------------------- */

void kit_count(void *arg, enum spool_result result, const struct err *e)
{
    struct kit_done *d = arg;

    if (result == SPOOL_KEPT) {
        d->kept++;
    } else {
        d->failed++;
        d->err = *e;
    }
}

char *kit_folder(void)
{
    char path[] = "/tmp/baton-spool-XXXXXX";
    struct err e;

    assert_non_null(mkdtemp(path));
    if (spool_create(path, getuid(), getgid(), &e) < 0)
        fail_msg("%s", e.text);
    return xstrdup(path);
}

static int remove_one(const char *path, const struct stat *st, int flag, struct FTW *ftw)
{
    (void)st;
    (void)flag;
    (void)ftw;
    return remove(path);
}

void kit_folder_remove(char *dir)
{
    nftw(dir, remove_one, 16, FTW_DEPTH | FTW_PHYS);
    free(dir);
}

unsigned kit_files(const char *dir, const char *folder)
{
    char path[PATH_MAX];
    unsigned n = 0;

    snprintf(path, sizeof path, "%s/%s", dir, folder);
    DIR *d = opendir(path);
    assert_non_null(d);
    for (struct dirent *e; (e = readdir(d));)
        n += e->d_name[0] != '.';
    closedir(d);
    return n;
}

struct spool *kit_open(const char *dir, enum spool_role role, struct kit_runner *r, struct kit_relay *relay,
                       const struct spool_limits *limits, struct spool_shared *shared)
{
    struct err e;
    struct spool_config cfg = {
        .dir = dir,
        .role = role,
        .runner = &r->runner,
        .ops = &kit_ops,
        .arg = relay,
        .shared = shared,
    };
    if (limits)
        cfg.limits = *limits;
    struct spool *s = spool_open(&cfg, &e);
    if (!s || (role != SPOOL_RECEIVE && spool_start(s, &e) < 0))
        fail_msg("%s", e.text);
    return s;
}

struct envelope kit_envelope(const char *sender)
{
    struct envelope env;

    envelope_init(&env);
    envelope_set_sender(&env, sender);
    envelope_add(&env, "to@example.com");
    env.arrival_us = clock_real_us();
    return env;
}

void kit_content(struct buf *b, unsigned seed, size_t size)
{
    uint32_t x = seed * 2654435761u + 1;

    for (size_t i = 0; i < size; i++) {
        x = x * 1664525u + 1013904223u;
        buf_addc(b, i % 64 == 62 ? '\r' : i % 64 == 63 ? '\n' : (char)('a' + (x >> 24) % 26));
    }
}

uint64_t kit_put(struct spool *s, unsigned seed, size_t size, struct kit_done *done)
{
    struct buf content;
    char sender[64];
    struct err e;

    snprintf(sender, sizeof sender, "%u@example.org", seed);
    struct envelope env = kit_envelope(sender);
    struct spool_msg *m = spool_begin(s, &env, &e);
    envelope_fini(&env);
    assert_non_null(m);
    buf_init(&content, BUF_NO_MAX);
    kit_content(&content, seed, size);
    uint64_t id = spool_msg_id(m);
    struct span rest = buf_span(&content);
    int rc = 0;
    while (rest.len && rc == 0) {
        struct span piece = span_of(rest.at, rest.len < 1000 ? rest.len : 1000);
        rc = spool_write(m, piece, &e);
        rest = span_from(rest, piece.len);
    }
    buf_fini(&content);
    if (rc == 0) {
        spool_commit(m, kit_count, done);
    } else {
        spool_abort(m);
        kit_count(done, SPOOL_FAILED, &e);
    }
    return id;
}

bool kit_is_whole(struct spool *s, uint64_t id, unsigned seed, size_t size)
{
    struct buf want, got;
    struct err e;
    struct spool_body *b = spool_body_open(s, id, &e);

    if (!b)
        return false;
    buf_init(&want, BUF_NO_MAX);
    buf_init(&got, BUF_NO_MAX);
    kit_content(&want, seed, size);
    long n;
    while ((n = spool_body_read(b, got.len, buf_room(&got, 777), 777, &e)) > 0)
        got.len += (size_t)n;
    bool is_whole = n == 0 && spool_body_size(b) == size && span_eq(buf_span(&want), buf_span(&got));
    spool_body_close(b);
    buf_fini(&want);
    buf_fini(&got);
    return is_whole;
}
