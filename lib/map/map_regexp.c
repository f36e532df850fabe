/* SPDX-License-Identifier: Apache-2.0
 *
 * map_regexp.c - "/pattern/flags", and regexp: POSIX regular expressions, extended and without regard to case unless the flags
 * say otherwise. Each flag turns over what it stands for: i case, m lines, x extended. */
#include "map/map_int.h"

#include "base/mem.h"

#include <regex.h>
#include <stdlib.h>

static const struct map_flag flags_known[] = { { 'i', REG_ICASE }, { 'm', REG_NEWLINE }, { 'x', REG_EXTENDED }, { 0, 0 } };

static void free_pattern(void *pattern)
{
    regfree(pattern);
    free(pattern);
}

static void *compile(struct span *rest, size_t *n_groups, struct err *e)
{
    struct span pattern, letters;
    char text[200];
    uint32_t flags = REG_ICASE | REG_EXTENDED;

    if (map_cut_pattern(rest, &pattern, &letters, e) < 0 || map_turn_flags(letters, flags_known, &flags, e) < 0)
        return NULL;
    regex_t *r = xcalloc(1, sizeof *r);
    char *copy = span_dup(pattern);
    int error = regcomp(r, copy, (int)flags);
    free(copy);
    if (error) {
        regerror(error, r, text, sizeof text);
        err_set(e, ERR_CONFIG, "%s", text);
        free(r);
        return NULL;
    }
    *n_groups = r->re_nsub < MAP_GROUPS_MAX ? r->re_nsub : MAP_GROUPS_MAX - 1;
    return r;
}

static int match(const void *pattern, const struct map_subject *s, struct map_groups *g, struct err *e)
{
    regmatch_t at[MAP_GROUPS_MAX];
    const regex_t *r = pattern;
    size_t n = r->re_nsub + 1 < MAP_GROUPS_MAX ? r->re_nsub + 1 : MAP_GROUPS_MAX;

    int rc = regexec(r, s->key.at, n, at, 0);
    if (rc == REG_NOMATCH)
        return 0;
    if (rc)
        return err_set(e, ERR_TEMPORARY, "a regular expression could not be matched: %s",
                       rc == REG_ESPACE ? "no memory" : "it failed");
    for (g->n = 0; g->n < n; g->n++)
        g->at[g->n] = at[g->n].rm_so < 0 ? span_of(s->key.at, 0)
                                         : span_of(s->key.at + at[g->n].rm_so, (size_t)(at[g->n].rm_eo - at[g->n].rm_so));
    return 1;
}

/* The library wants a string. */
static bool prepare(struct map_subject *s)
{
    return memchr(s->key.at, '\0', s->key.len) == NULL;
}

static const struct map_engine engine = {
    .has_groups = true, .compile = compile, .free = free_pattern, .match = match, .prepare = prepare,
};

static void *open_regexp(const struct map_source *src, struct err *e)
{
    return map_rules_open(src, &engine, e);
}

const struct map_kind map_kind_regexp = {
    .type = "regexp", .open = open_regexp, .close = map_rules_close, .lookup = map_rules_lookup,
};
