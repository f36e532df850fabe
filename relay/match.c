/* SPDX-License-Identifier: Apache-2.0 */
#include "relay/match.h"

#include "base/mem.h"

#include <stdio.h>
#include <stdlib.h>

struct item {
    bool is_not;
    char *name;           /* in small letters; NULL: a table */
    struct tables *table;
};

struct match {
    char *param;
    bool with_parents;
    struct item *at;
    size_t n;
};

enum { DEPTH_MAX = 5 };

static int add_item(struct match *m, struct span text, int depth, struct err *e);

/* One word, or several, a line; "#" begins a comment. */
static int add_file(struct match *m, const char *path, int depth, struct err *e)
{
    FILE *f = depth < DEPTH_MAX ? fopen(path, "re") : NULL;
    char *line = NULL;
    size_t cap = 0;
    int rc = 0;

    if (!f && depth >= DEPTH_MAX)
        return err_set(e, ERR_CONFIG, "%s: %s: files that name files, too deep", m->param, path);
    if (!f)
        return err_sys(e, "%s: %s", m->param, path);
    while (rc == 0 && getline(&line, &cap, f) >= 0) {
        struct span rest = span_str(line), word;
        rest.len = span_find(rest, '#');
        while (rc == 0 && map_next_spec(&rest, &word))
            rc = add_item(m, word, depth + 1, e);
    }
    free(line);
    fclose(f);
    return rc;
}

static int add_table(struct match *m, struct item *item, struct span text, struct err *e)
{
    char *spec = span_dup(text);
    const struct strlist specs = { &spec, 1 };

    item->table = tables_open(m->param, &specs, NULL, e);
    free(spec);
    return item->table ? 0 : -1;
}

static int add_item(struct match *m, struct span text, int depth, struct err *e)
{
    bool is_not = false;

    while (text.len && text.at[0] == '!') {
        is_not = !is_not;
        text = span_from(text, 1);
    }
    if (text.len && text.at[0] == '/') {
        char *path = span_dup(text);
        int rc = is_not ? err_set(e, ERR_CONFIG, "%s: \"!\" stands before a name, not before a file", m->param)
                        : add_file(m, path, depth, e);
        free(path);
        return rc;
    }
    m->at = xreallocarray(m->at, m->n + 1, sizeof *m->at);
    struct item *item = &m->at[m->n++];
    *item = (struct item){ .is_not = is_not };
    if (text.len && text.at[0] != '[' && span_find(text, ':') < text.len)
        return add_table(m, item, text, e);
    item->name = span_dup(text);
    ascii_lower_str(item->name);
    return 0;
}

struct match *match_open(const char *param, const struct strlist *items, bool with_parents, struct err *e)
{
    struct match *m = xcalloc(1, sizeof *m);

    m->param = xstrdup(param);
    m->with_parents = with_parents;
    for (size_t i = 0; i < items->n; i++)
        if (add_item(m, span_str(items->at[i]), 0, e) < 0) {
            match_close(m);
            return NULL;
        }
    return m;
}

void match_close(struct match *m)
{
    if (!m)
        return;
    for (size_t i = 0; i < m->n; i++) {
        free(m->at[i].name);
        tables_close(m->at[i].table);
    }
    free(m->at);
    free(m->param);
    free(m);
}

bool match_may_block(const struct match *m)
{
    for (size_t i = 0; m && i < m->n; i++)
        if (tables_may_block(m->at[i].table))
            return true;
    return false;
}

bool match_is_stale(const struct match *m)
{
    for (size_t i = 0; m && i < m->n; i++)
        if (tables_are_stale(m->at[i].table))
            return true;
    return false;
}

size_t match_count(const struct match *m)
{
    return m ? m->n : 0;
}

void match_each(const struct match *m, void (*fn)(void *arg, struct span name), void *arg)
{
    for (size_t i = 0; m && i < m->n; i++)
        if (m->at[i].name && !m->at[i].is_not)
            fn(arg, span_str(m->at[i].name));
}

static bool fits(const struct match *m, const char *name, struct span domain)
{
    struct span own = span_str(name);

    if (span_ieq(own, domain))
        return true;
    if (own.len == 0 || own.len >= domain.len || !span_iends(domain, name))
        return false;
    if (m->with_parents)
        return own.at[0] != '.' && domain.at[domain.len - own.len - 1] == '.';
    return own.at[0] == '.';
}

/* The name, then its parents: with or without their dot. */
static enum map_result find_in_table(const struct match *m, struct tables *t, struct lookup *l, struct span domain)
{
    struct span value;
    enum map_result result = tables_find(t, l, domain, true, &value);

    while (result == MAP_NOT_FOUND && domain.len) {
        size_t dot = span_find(span_from(domain, 1), '.') + 1;
        domain = span_from(domain, dot);
        if (domain.len > 1)
            result = tables_find(t, l, m->with_parents ? span_from(domain, 1) : domain, false, &value);
    }
    return result;
}

enum map_result match_find(struct match *m, struct lookup *l, struct span domain)
{
    for (size_t i = 0; m && i < m->n && domain.len; i++) {
        const struct item *item = &m->at[i];
        enum map_result result = item->table                     ? find_in_table(m, item->table, l, domain)
                                 : fits(m, item->name, domain) ? MAP_FOUND
                                                                 : MAP_NOT_FOUND;
        if (result == MAP_FOUND && item->is_not)
            return MAP_NOT_FOUND;
        if (result != MAP_NOT_FOUND)
            return result;
    }
    return MAP_NOT_FOUND;
}
