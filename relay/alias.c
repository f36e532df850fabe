/* SPDX-License-Identifier: Apache-2.0
 *
 * A sorted array: read once, searched by halves. Reading keeps file order among equal names (the sort is by name, then
 * by place), so that the first entry wins. */
#include "relay/alias.h"

#include "base/buf.h"
#include "base/mem.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>

struct entry {
    char *name; /* in lower case */
    struct alias_values values;
    size_t place;
};

struct aliases {
    struct entry *at;
    size_t n, cap;
};

struct reader {
    struct aliases *to;
    const char *path;
    unsigned line;
    alias_complain_fn *complain;
    void *arg;
};

struct aliases *aliases_new(void)
{
    return xcalloc(1, sizeof(struct aliases));
}

static void free_entry(struct entry *en)
{
    for (size_t i = 0; i < en->values.n; i++)
        free(en->values.at[i]);
    free(en->values.at);
    free(en->name);
}

void aliases_free(struct aliases *a)
{
    if (!a)
        return;
    for (size_t i = 0; i < a->n; i++)
        free_entry(&a->at[i]);
    free(a->at);
    free(a);
}

static void complain(const struct reader *r, const char *what, struct span about)
{
    if (!r->complain)
        return;
    char *text = xasprintf("%s:%u: %s: \"%.*s\"", r->path, r->line, what, (int)(about.len > 200 ? 200 : about.len), about.at);
    r->complain(r->arg, text);
    free(text);
}

/* Ends a name or a value at `stop` outside quotes and parentheses. */
static size_t find_unquoted(struct span s, char stop)
{
    bool in_quotes = false;
    int depth = 0;

    for (size_t i = 0; i < s.len; i++) {
        if (s.at[i] == '\\' && i + 1 < s.len)
            i++;
        else if (s.at[i] == '"')
            in_quotes = !in_quotes;
        else if (!in_quotes && s.at[i] == '(')
            depth++;
        else if (!in_quotes && s.at[i] == ')' && depth)
            depth--;
        else if (!in_quotes && !depth && s.at[i] == stop)
            return i;
    }
    return s.len;
}

static struct span unquote(struct span s)
{
    return s.len >= 2 && s.at[0] == '"' && s.at[s.len - 1] == '"' ? span_of(s.at + 1, s.len - 2) : s;
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

static void add_values(const struct reader *r, struct entry *en, struct span rest)
{
    while (rest.len) {
        size_t end = find_unquoted(rest, ',');
        struct span v = span_trim(span_of(rest.at, end));
        rest = span_from(rest, end + 1);
        if (!v.len)
            continue;
        const char *why = why_not(v);
        if (why) {
            complain(r, why, v);
            continue;
        }
        if (v.len > 2 && v.at[0] == '<' && v.at[v.len - 1] == '>')
            v = span_of(v.at + 1, v.len - 2);
        en->values.at = xreallocarray(en->values.at, en->values.n + 1, sizeof *en->values.at);
        en->values.at[en->values.n++] = span_dup(v);
    }
}

static void add_line(const struct reader *r, struct span line)
{
    struct aliases *a = r->to;
    size_t colon = find_unquoted(line, ':');
    struct span name = unquote(span_trim(span_of(line.at, colon)));

    if (colon == line.len || !name.len) {
        complain(r, "expected \"name: address, ...\"", span_trim(line));
        return;
    }
    if (a->n == a->cap) {
        a->cap = a->cap ? a->cap * 2 : 32;
        a->at = xreallocarray(a->at, a->cap, sizeof *a->at);
    }
    struct entry *en = &a->at[a->n];
    *en = (struct entry){ .name = span_dup(name), .place = a->n };
    ascii_lower_str(en->name);
    add_values(r, en, span_from(line, colon + 1));
    if (en->values.n == 0) {
        complain(r, "no address that can be used for", name);
        free_entry(en);
        return;
    }
    a->n++;
}

/* Joins lines that begin with a blank to the one before them, as aliases(5) says. */
static int read_lines(struct reader *r, FILE *in)
{
    struct buf logical;
    char *line = NULL;
    size_t cap = 0;
    ssize_t n;
    unsigned physical = 0;

    buf_init(&logical, 1 << 20);
    while ((n = getline(&line, &cap, in)) >= 0) {
        struct span s = span_of(line, (size_t)n);
        physical++;
        bool continues = n > 0 && (line[0] == ' ' || line[0] == '\t');
        s = span_trim(s);
        if (s.len == 0 || s.at[0] == '#')
            continue;
        if (!continues) {
            if (logical.len)
                add_line(r, buf_span(&logical));
            buf_clear(&logical);
            r->line = physical;
        }
        if (buf_addc(&logical, ' ') < 0 || buf_addspan(&logical, s) < 0) {
            complain(r, "an entry longer than 1 MiB", span_of(s.at, s.len > 40 ? 40 : s.len));
            buf_clear(&logical);
        }
    }
    if (logical.len)
        add_line(r, buf_span(&logical));
    buf_fini(&logical);
    free(line);
    return ferror(in) ? -1 : 0;
}

static int by_name(const void *a, const void *b)
{
    const struct entry *x = a, *y = b;
    int c = strcmp(x->name, y->name);
    return c ? c : (x->place > y->place) - (x->place < y->place);
}

int aliases_read(struct aliases *a, const char *path, alias_complain_fn *complain_fn, void *arg, struct err *e)
{
    struct reader r = { .to = a, .path = path, .complain = complain_fn, .arg = arg };
    FILE *in = fopen(path, "re");

    if (!in)
        return err_sys(e, "alias_maps: %s", path);
    int rc = read_lines(&r, in);
    if (rc < 0)
        err_sys(e, "alias_maps: %s", path);
    fclose(in);
    qsort(a->at, a->n, sizeof *a->at, by_name);
    return rc;
}

const struct alias_values *aliases_find(const struct aliases *a, struct span name)
{
    size_t low = 0, high = a->n;
    char *key = span_dup(name);

    ascii_lower_str(key);
    while (low < high) {
        size_t mid = (low + high) / 2;
        if (strcmp(a->at[mid].name, key) < 0)
            low = mid + 1;
        else
            high = mid;
    }
    bool is_found = low < a->n && strcmp(a->at[low].name, key) == 0;
    free(key);
    return is_found ? &a->at[low].values : NULL;
}
