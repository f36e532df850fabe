/* SPDX-License-Identifier: Apache-2.0
 *
 * A value is cut up when it is asked for. That its parts are right is looked at once before, when a text is opened or has changed,
 * so that what is wrong is told to whoever changed it, with its line, and not at each delivery. An index is not walked through
 * for that: it may be large. */
#include "relay/alias.h"

#include "base/buf.h"
#include "base/mem.h"
#include "config/template.h"

#include <errno.h>
#include <stdlib.h>
#include <sys/stat.h>

enum { VALUE_MAX = 1 << 20 };

struct table {
    struct aliases *of;
    char *spec;
    struct map *map; /* NULL: its file is not there */
    alias_complain_fn *complain;
    void *arg;
};

struct aliases {
    struct table **at;
    size_t n;
    bool has_local;
};

struct aliases *aliases_new(void)
{
    return xcalloc(1, sizeof(struct aliases));
}

void aliases_have_local(struct aliases *a)
{
    a->has_local = true;
}

void aliases_free(struct aliases *a)
{
    if (!a)
        return;
    for (size_t i = 0; i < a->n; i++) {
        map_close(a->at[i]->map);
        free(a->at[i]->spec);
        free(a->at[i]);
    }
    free(a->at);
    free(a);
}

void alias_values_fini(struct alias_values *v)
{
    for (size_t i = 0; i < v->n; i++)
        free(v->at[i]);
    free(v->at);
    *v = (struct alias_values){ 0 };
}

/* ---- the right-hand side ---- */

static struct span unquote(struct span s)
{
    return s.len >= 2 && s.at[0] == '"' && s.at[s.len - 1] == '"' ? span_of(s.at + 1, s.len - 2) : s;
}

static bool needs_local(struct span v)
{
    struct span plain = unquote(v);
    return (plain.len && (plain.at[0] == '|' || plain.at[0] == '/')) || span_istarts(plain, ":include:");
}

static const char *why_not(struct span v)
{
    struct span plain = unquote(v);
    if (plain.len && plain.at[0] == '|')
        return "commands need local delivery, which a null client has not";
    if (plain.len && plain.at[0] == '/')
        return "files need local delivery, which a null client has not";
    if (span_istarts(plain, ":include:"))
        return ":include: needs local delivery, which a null client has not";
    if (plain.len && plain.at[0] == '-')
        return "an address does not begin with a dash";
    return NULL;
}

/* The next part of a value that is not empty; false at the end. */
static bool next_value(struct span *rest, struct span *v)
{
    while (rest->len) {
        size_t end = span_find_bare(*rest, ',');
        if (end > rest->len) /* a quote that is not closed goes to the end */
            end = rest->len;
        *v = span_trim(span_of(rest->at, end));
        *rest = span_from(*rest, end + 1);
        if (v->len)
            return true;
    }
    return false;
}

void alias_values_of(struct span rest, struct alias_values *out)
{
    struct span v;

    *out = (struct alias_values){ 0 };
    while (next_value(&rest, &v)) {
        out->needs_local |= needs_local(v);
        if (why_not(v))
            continue;
        if (v.len > 2 && v.at[0] == '<' && v.at[v.len - 1] == '>')
            v = span_of(v.at + 1, v.len - 2);
        out->at = xreallocarray(out->at, out->n + 1, sizeof *out->at);
        out->at[out->n++] = span_dup(v);
    }
}

/* ---- looking a text through ---- */

struct look {
    const char *file;
    bool has_local;
    alias_complain_fn *complain;
    void *arg;
};

static void complain_of(const struct look *k, const struct map_row *row, const char *what, struct span about)
{
    char *text = xasprintf("%s:%u: %s: \"%.*s\"", k->file, row->line, what, (int)(about.len > 200 ? 200 : about.len), about.at);
    k->complain(k->arg, text);
    free(text);
}

/* A program that is not there will not be there when mail comes, either; who may run it is seen then. */
static const char *why_no_program(const char *path)
{
    struct stat st;

    if (stat(path, &st) < 0)
        return errno == ENOENT || errno == ENOTDIR ? "there is no such program" : NULL;
    return S_ISREG(st.st_mode) && st.st_mode & 0111 ? NULL : "this is no program: chmod +x";
}

/* "|command", as local delivery (server/forwards.c) will take it. */
static void look_at_command(const struct look *k, const struct map_row *row, struct span v)
{
    struct span command = span_trim(span_from(unquote(v), 1));
    struct strlist words = { 0 };
    struct buf plain;
    struct err e;

    buf_init(&plain, BUF_NO_MAX);
    for (size_t i = 0; i < command.len; i++) {
        if (command.at[i] == '\\' && i + 1 < command.len && v.at[0] == '"')
            i++;
        buf_addc(&plain, command.at[i]);
    }
    const char *why = command_split(unquote(buf_span(&plain)), &words, &e) < 0 ? e.text : why_no_program(words.at[0]);
    if (why)
        complain_of(k, row, why, v);
    strlist_clear(&words);
    buf_fini(&plain);
}

static int look_at_row(void *arg, const struct map_row *row)
{
    const struct look *k = arg;
    struct span rest = row->value, v;
    size_t n = 0;

    if (!row->line)
        return 1;
    while (next_value(&rest, &v)) {
        const char *why = k->has_local && needs_local(v) ? NULL : why_not(v);
        if (why)
            complain_of(k, row, why, v);
        else
            n++;
        if (!why && unquote(v).len && unquote(v).at[0] == '|')
            look_at_command(k, row, v);
    }
    if (n == 0)
        complain_of(k, row, "no address that can be used for", row->key);
    return 0;
}

static const char *file_in(const char *spec)
{
    const char *colon = strchr(spec, ':');
    return spec[0] == '/' || !colon ? spec : colon + 1;
}

void alias_look_through(struct map *m, bool has_local, alias_complain_fn *complain, void *arg)
{
    struct look k = { .file = file_in(map_spec(m)), .has_local = has_local, .complain = complain, .arg = arg };
    struct err e;

    if (complain)
        map_each(m, look_at_row, &k, &e);
}

/* ---- tables ---- */

static void map_complains(void *arg, const char *text)
{
    const struct table *t = arg;
    if (t->complain)
        t->complain(t->arg, text);
}

static int open_table(struct table *t, struct err *e)
{
    const struct map_options o = { .is_aliases = true, .complain = map_complains, .arg = t };

    e->sys = 0;
    t->map = map_open(t->spec, &o, e);
    if (!t->map)
        return err_prefix(e, "alias_maps");
    if (map_may_block(t->map)) {
        map_close(t->map);
        t->map = NULL;
        e->sys = 0;
        return err_set(e, ERR_TEMPORARY, "%s: others are asked for it, when mail comes", t->spec);
    }
    alias_look_through(t->map, t->of->has_local, t->complain, t->arg);
    return 0;
}

int aliases_add(struct aliases *a, const char *spec, alias_complain_fn *complain, void *arg, struct err *e)
{
    struct table *t = xcalloc(1, sizeof *t);

    *t = (struct table){ .of = a, .spec = xstrdup(spec), .complain = complain, .arg = arg };
    a->at = xreallocarray(a->at, a->n + 1, sizeof *a->at);
    a->at[a->n++] = t;
    return open_table(t, e);
}

static enum map_result find_in(struct table *t, struct span name, struct alias_values *out, struct err *e)
{
    struct buf value;

    if (!t->map)
        return MAP_NOT_FOUND;
    buf_init(&value, VALUE_MAX);
    enum map_result result = map_lookup(t->map, name, &value, e);
    if (result == MAP_FOUND) {
        alias_values_of(buf_span(&value), out);
        result = out->n ? MAP_FOUND : MAP_NOT_FOUND;
    }
    buf_fini(&value);
    return result;
}

enum map_result aliases_find(struct aliases *a, struct span name, struct alias_values *out, struct err *e)
{
    enum map_result result = MAP_NOT_FOUND;

    *out = (struct alias_values){ 0 };
    for (size_t i = 0; i < a->n && result == MAP_NOT_FOUND; i++)
        result = find_in(a->at[i], name, out, e);
    return result;
}
