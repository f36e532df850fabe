/* SPDX-License-Identifier: Apache-2.0 */
#include "map_kit.h"

#include "base/clock.h"
#include "base/mem.h"

#include <dirent.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

char map_kit_said[8192];
static char dir[256];
static int64_t now_us;

int map_kit_setup(void **state)
{
    const char *tmp = getenv("TMPDIR");

    (void)state;
    snprintf(dir, sizeof dir, "%s/baton-map-XXXXXX", tmp ? tmp : "/tmp");
    now_us = clock_real_us();
    clock_freeze(now_us);
    map_register_all();
    return mkdtemp(dir) ? 0 : -1;
}

int map_kit_teardown(void **state)
{
    DIR *d = opendir(dir);

    (void)state;
    for (struct dirent *en; d && (en = readdir(d));)
        if (en->d_name[0] != '.')
            unlink(map_kit_path(en->d_name));
    if (d)
        closedir(d);
    clock_freeze(0);
    return rmdir(dir);
}

const char *map_kit_path(const char *name)
{
    static char paths[4][600];
    static unsigned next;
    char *out = paths[next++ % 4];

    snprintf(out, sizeof paths[0], "%s/%s", dir, name);
    return out;
}

/* No two files of a test have the same time, whatever the clock of the file system. */
static void set_time(const char *path)
{
    static long tick = 1700000000;
    tick++;
    struct timespec t[2] = { { .tv_sec = tick }, { .tv_sec = tick } };

    assert_int_equal(utimensat(AT_FDCWD, path, t, 0), 0);
}

const char *map_kit_write(const char *name, const char *text)
{
    const char *path = map_kit_path(name);
    FILE *f = fopen(path, "w");

    assert_non_null(f);
    fputs(text, f);
    fclose(f);
    set_time(path);
    return path;
}

const char *map_kit_replace(const char *name, const char *text)
{
    const char *path = map_kit_path(name), *fresh = map_kit_write("fresh", text);

    assert_int_equal(rename(fresh, path), 0);
    return path;
}

static void complain(void *arg, const char *text)
{
    size_t len = strlen(map_kit_said);

    (void)arg;
    snprintf(map_kit_said + len, sizeof map_kit_said - len, "%s\n", text);
}

struct map *map_kit_open_spec(const char *spec, struct map_options o)
{
    struct err e;

    map_kit_said[0] = '\0';
    o.complain = complain;
    struct map *m = map_open(spec, &o, &e);
    if (!m)
        fail_msg("%s: %s", spec, e.text);
    return m;
}

struct map *map_kit_open(const char *type, const char *name)
{
    char *spec = xasprintf("%s:%s", type, map_kit_path(name));
    struct map *m = map_kit_open_spec(spec, (struct map_options){ 0 });

    free(spec);
    return m;
}

const char *map_kit_ask(struct map *m, const char *key)
{
    static char out[4096];
    struct buf value;
    struct err e;

    buf_init(&value, sizeof out - 1);
    enum map_result result = map_lookup(m, span_str(key), &value, &e);
    snprintf(out, sizeof out, "%s",
             result == MAP_FOUND ? buf_cstr(&value) : result == MAP_NOT_FOUND ? "(not found)" : "(failed)");
    buf_fini(&value);
    return out;
}

static int add_row(void *arg, const struct map_row *row)
{
    return buf_addf(arg, "%.*s=%.*s;", (int)row->key.len, row->key.at, (int)row->value.len, row->value.at);
}

const char *map_kit_dump(struct map *m)
{
    static char out[4096];
    struct buf all;
    struct err e;

    buf_init(&all, sizeof out - 1);
    assert_int_equal(map_each(m, add_row, &all, &e), 0);
    snprintf(out, sizeof out, "%s", buf_cstr(&all));
    buf_fini(&all);
    return out;
}

void map_kit_wait(int ms)
{
    now_us += (int64_t)ms * 1000;
    clock_freeze(now_us);
}
