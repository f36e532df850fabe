/* SPDX-License-Identifier: Apache-2.0 */
#include "control/tables.h"

#include "base/mem.h"
#include "config/config.h"
#include "map/map_build.h"
#include "relay/hooks.h"

#include <errno.h>
#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <sysexits.h>
#include <unistd.h>

static void complain(void *arg, const char *text)
{
    const struct tables_options *o = arg;
    fprintf(stderr, "%s: warning: %s\n", o->me, text);
}

static struct map_options map_options(const struct tables_options *o)
{
    struct map_options m = o->map;

    m.complain = complain;
    m.arg = (void *)(uintptr_t)o;
    return m;
}

static int failed(const struct tables_options *o, const struct err *e)
{
    fprintf(stderr, "%s: %s\n", o->me, e->text);
    return e->kind == ERR_CONFIG ? EX_CONFIG : e->kind == ERR_PERMANENT ? EX_DATAERR : EX_TEMPFAIL;
}

/* "virtual" is a text, and a text is a hash. */
static char *whole_spec(const char *spec)
{
    struct span s = span_str(spec);
    size_t colon = span_find(s, ':'), slash = span_find(s, '/');

    return colon < s.len && colon < slash ? xstrdup(spec) : xasprintf("hash:%s", spec);
}

/* For tables that are a section of it; read once. What is wrong in it is not our subject, as long as it can be read. */
static const struct config *config_of(const struct tables_options *o)
{
    static struct config *cfg;
    struct config_report report = { 0 };

    if (cfg)
        return cfg;
    cfg = config_load(o->config_file, CONFIG_ENV, &report);
    config_report_print(&report, stderr, o->me, CONFIG_ERROR);
    config_report_fini(&report);
    return cfg;
}

static struct map *open_table(const struct tables_options *o, const char *spec, struct err *e)
{
    struct map_options m = map_options(o);
    char *whole = whole_spec(spec);

    m.is_read_only = true; /* who asks does not mean to write */
    if (server_maps && strncmp(whole, "ldap:", 5) == 0 && whole[5] != '/')
        server_maps->use(config_of(o));
    struct map *map = map_open(whole, &m, e);
    free(whole);
    return map;
}

/* ---- output ---- */

static void print_json(const struct tables_options *o, struct span key, struct span value)
{
    json_t *k = json_stringn(key.at, key.len), *v = json_stringn(value.at, value.len), *row = json_object();
    char *name = span_dup(key);

    /* What is not UTF-8 has no place in JSON. */
    if (!k || !v) {
        fprintf(stderr, "%s: a row that is not UTF-8 is left out\n", o->me);
    } else if (o->is_short_json) {
        json_object_set(row, name, v);
    } else {
        json_object_set(row, "key", k);
        json_object_set(row, "value", v);
    }
    if (k && v) {
        json_dumpf(row, stdout, JSON_COMPACT | JSON_PRESERVE_ORDER);
        putchar('\n');
    }
    free(name);
    json_decref(k);
    json_decref(v);
    json_decref(row);
}

static void print_row(const struct tables_options *o, struct span key, struct span value)
{
    if (o->is_json || o->is_short_json) {
        print_json(o, key, value);
        return;
    }
    fwrite(key.at, 1, key.len, stdout);
    putchar('\t');
    fwrite(value.at, 1, value.len, stdout);
    putchar('\n');
}

/* ---- asking ---- */

/* The tables are opened one after the other, as they are needed. */
struct asking {
    const struct tables_options *o;
    char *const *specs;
    struct map **maps;
    size_t n;
    struct buf value;
};

static struct map *table_at(struct asking *a, size_t i, struct err *e)
{
    if (!a->maps[i])
        a->maps[i] = open_table(a->o, a->specs[i], e);
    return a->maps[i];
}

/* EX_OK with a->value, TABLES_NOT_FOUND, or what went wrong. */
static int ask_all(struct asking *a, struct span key)
{
    struct err e;

    for (size_t i = 0; i < a->n; i++) {
        struct map *m = table_at(a, i, &e);
        if (!m)
            return failed(a->o, &e);
        enum map_result result = map_lookup(m, key, &a->value, &e);
        if (result == MAP_CANNOT_TELL) {
            fprintf(stderr, "%s: %s\n", a->o->me, e.text);
            return EX_TEMPFAIL;
        }
        if (result == MAP_FOUND)
            return EX_OK;
    }
    return TABLES_NOT_FOUND;
}

static int ask_stdin(struct asking *a)
{
    int status = TABLES_NOT_FOUND;
    char *line = NULL;
    size_t cap = 0;
    ssize_t n;

    while ((n = getline(&line, &cap, stdin)) >= 0) {
        struct span key = span_trim(span_of(line, (size_t)n));
        int one = ask_all(a, key);
        if (one > TABLES_NOT_FOUND) {
            status = one;
            break;
        }
        if (one == EX_OK) {
            print_row(a->o, key, buf_span(&a->value));
            status = EX_OK;
        }
    }
    free(line);
    return status;
}

int tables_query(const struct tables_options *o, const char *key, char *const *specs)
{
    struct asking a = { .o = o, .specs = specs };
    int status;

    while (specs[a.n])
        a.n++;
    a.maps = xcalloc(a.n, sizeof *a.maps);
    buf_init(&a.value, MAP_VALUE_MAX);
    if (strcmp(key, "-") == 0) {
        status = ask_stdin(&a);
    } else {
        status = ask_all(&a, span_str(key));
        if (status == EX_OK && (o->is_json || o->is_short_json))
            print_json(o, span_str(key), buf_span(&a.value));
        else if (status == EX_OK)
            printf("%s\n", buf_cstr(&a.value));
    }
    for (size_t i = 0; i < a.n; i++)
        map_close(a.maps[i]);
    free(a.maps);
    buf_fini(&a.value);
    return status;
}

static int dump_row(void *arg, const struct map_row *row)
{
    print_row(arg, row->key, row->value);
    return ferror(stdout);
}

int tables_dump(const struct tables_options *o, char *const *specs)
{
    struct err e;

    for (; *specs; specs++) {
        struct map *m = open_table(o, *specs, &e);
        if (!m)
            return failed(o, &e);
        int rc = map_each(m, dump_row, (void *)(uintptr_t)o, &e);
        map_close(m);
        if (rc < 0)
            return failed(o, &e);
    }
    return EX_OK;
}

/* ---- changing ---- */

static int make_one(const struct tables_options *o, const char *spec, struct err *e)
{
    struct map_options m = map_options(o);
    char *whole = whole_spec(spec);
    struct span s = span_str(whole);
    int rc = 0;

    if (map_has_index(span_of(s.at, span_find(s, ':')))) {
        char *path = map_index_path(whole, e);
        rc = path ? map_index_make(path, &m, o->build, e) : -1;
        if (rc == 0 && o->is_verbose)
            printf("%s.lmdb is made\n", path);
        free(path);
    } else {
        struct map *map = map_open(whole, &m, e);
        rc = map ? 0 : -1;
        if (map)
            printf("%s is read as it is: it has no index to be made\n", spec);
        map_close(map);
    }
    free(whole);
    return rc;
}

int tables_make(const struct tables_options *o, char *const *specs)
{
    struct err e;
    int status = EX_OK;

    for (; *specs; specs++)
        if (make_one(o, *specs, &e) < 0)
            status = failed(o, &e);
    return status;
}

static struct map_edit *begin_edit(const struct tables_options *o, const char *spec, struct err *e)
{
    struct map_options m = map_options(o);
    char *path = map_index_path(spec, e);
    struct map_edit *x = path ? map_edit_begin(path, &m, o->build, e) : NULL;

    free(path);
    return x;
}

static void read_stdin(struct buf *text)
{
    size_t n;

    buf_init(text, BUF_NO_MAX);
    do {
        n = fread(buf_room(text, 65536), 1, 65536, stdin);
        text->len += n;
    } while (n);
}

int tables_add(const struct tables_options *o, char *const *specs)
{
    struct err e;
    struct buf text, copy;
    int status = EX_OK;

    read_stdin(&text);
    for (; *specs && status == EX_OK; specs++) {
        struct map_edit *x = begin_edit(o, *specs, &e);
        buf_init(&copy, BUF_NO_MAX); /* reading overwrites */
        buf_addspan(&copy, buf_span(&text));
        if (!x)
            status = failed(o, &e);
        else if (map_edit_put_text(x, "stdin", &copy, &e) < 0)
            status = failed(o, &e), map_edit_abort(x);
        else if (map_edit_commit(x, &e) < 0)
            status = failed(o, &e);
        buf_fini(&copy);
    }
    buf_fini(&text);
    return status;
}

/* Each line of `text`; true when one of them was there. */
static enum map_result delete_all(struct map_edit *x, struct span text, struct err *e)
{
    enum map_result result = MAP_NOT_FOUND;

    while (text.len) {
        size_t end = span_find(text, '\n');
        enum map_result one = map_edit_delete(x, span_trim(span_of(text.at, end)), e);
        if (one == MAP_CANNOT_TELL)
            return one;
        if (one == MAP_FOUND)
            result = one;
        text = span_from(text, end + 1);
    }
    return result;
}

int tables_delete(const struct tables_options *o, const char *key, char *const *specs)
{
    struct err e;
    struct buf keys;
    int status = TABLES_NOT_FOUND;

    buf_init(&keys, BUF_NO_MAX);
    if (strcmp(key, "-") == 0)
        read_stdin(&keys);
    else
        buf_adds(&keys, key);
    for (; *specs && status <= TABLES_NOT_FOUND; specs++) {
        struct map_edit *x = begin_edit(o, *specs, &e);
        enum map_result result = x ? delete_all(x, buf_span(&keys), &e) : MAP_CANNOT_TELL;
        if (result == MAP_FOUND && map_edit_commit(x, &e) < 0)
            result = MAP_CANNOT_TELL;
        else if (result != MAP_FOUND)
            map_edit_abort(x);
        if (result == MAP_CANNOT_TELL)
            status = failed(o, &e);
        else if (result == MAP_FOUND)
            status = EX_OK;
    }
    buf_fini(&keys);
    return status;
}
