/* SPDX-License-Identifier: Apache-2.0
 *
 * map_regexp.c - "/pattern/flags", and regexp: POSIX regular expressions, extended and without regard to case unless the flags
 * say otherwise. Each flag turns over what it stands for: i case, m lines, x extended. */
#include "map/map_int.h"

#include "base/mem.h"

#include <regex.h>
#include <stdlib.h>

int map_cut_pattern(struct span *rest, struct span *pattern, struct span *flags, struct err *e)
{
    if (!rest->len)
        return err_set(e, ERR_CONFIG, "there is no pattern");
    char delimiter = rest->at[0];
    if (ascii_is_alnum((unsigned char)delimiter) || delimiter == '\\')
        return err_set(e, ERR_CONFIG, "\"%.*s\": a pattern stands between two delimiters: /pattern/",
                       (int)(rest->len > 100 ? 100 : rest->len), rest->at);
    size_t i = 1;
    while (i < rest->len && rest->at[i] != delimiter)
        i += rest->at[i] == '\\' ? 2 : 1;
    if (i >= rest->len)
        return err_set(e, ERR_CONFIG, "the pattern is not closed by a second %c", delimiter);
    *pattern = span_of(rest->at + 1, i - 1);
    struct span behind = span_from(*rest, i + 1);
    size_t n = 0;
    while (n < behind.len && behind.at[n] != ' ' && behind.at[n] != '\t')
        n++;
    *flags = span_of(behind.at, n);
    *rest = span_from(behind, n);
    return 0;
}

static int read_flags(struct span s, int *flags, struct err *e)
{
    static const struct {
        char letter;
        int flag;
    } known[] = { { 'i', REG_ICASE }, { 'm', REG_NEWLINE }, { 'x', REG_EXTENDED } };

    *flags = REG_ICASE | REG_EXTENDED;
    for (size_t i = 0; i < s.len; i++) {
        size_t k = 0;
        while (k < ARRAY_LEN(known) && known[k].letter != s.at[i])
            k++;
        if (k == ARRAY_LEN(known))
            return err_set(e, ERR_CONFIG, "there is no flag \"%c\": there are i, m and x",
                           s.at[i] > 0x20 && s.at[i] < 0x7f ? s.at[i] : '?');
        *flags ^= known[k].flag;
    }
    return 0;
}

static void free_pattern(void *pattern)
{
    regfree(pattern);
    free(pattern);
}

static void *compile(struct span *rest, size_t *n_groups, struct err *e)
{
    struct span pattern, letters;
    char text[200];
    int flags;

    if (map_cut_pattern(rest, &pattern, &letters, e) < 0 || read_flags(letters, &flags, e) < 0)
        return NULL;
    regex_t *r = xcalloc(1, sizeof *r);
    char *copy = span_dup(pattern);
    int error = regcomp(r, copy, flags);
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
