/* SPDX-License-Identifier: Apache-2.0
 *
 * map_pcre.c - pcre: Perl's regular expressions, by PCRE2. Without regard to case and with "." for line ends too, unless the flags
 * say otherwise; each flag turns over what it stands for.
 *
 * Not compiled to machine code: a jailed worker may make none. A pattern that takes too long for a key is a failure, not a
 * "does not match". */
#include "map/map_int.h"

#include "base/mem.h"

#define PCRE2_CODE_UNIT_WIDTH 8
#include <pcre2.h>
#include <stdlib.h>

enum { MATCH_LIMIT = 1000000, DEPTH_LIMIT = 10000, HEAP_LIMIT_KIB = 8192 };

struct pattern {
    pcre2_code *code;
    pcre2_match_data *data;
    pcre2_match_context *limits;
};

static const struct map_flag flags_known[] = {
    { 'i', PCRE2_CASELESS }, { 'm', PCRE2_MULTILINE },      { 's', PCRE2_DOTALL },   { 'x', PCRE2_EXTENDED },
    { 'A', PCRE2_ANCHORED }, { 'E', PCRE2_DOLLAR_ENDONLY }, { 'U', PCRE2_UNGREEDY }, { 'X', 0 /* always so in PCRE2 */ },
    { 0, 0 },
};

static void free_pattern(void *pattern)
{
    struct pattern *p = pattern;

    pcre2_match_data_free(p->data);
    pcre2_match_context_free(p->limits);
    pcre2_code_free(p->code);
    free(p);
}

static void *compile(struct span *rest, size_t *n_groups, struct err *e)
{
    struct span text, letters;
    PCRE2_UCHAR why[200];
    PCRE2_SIZE at;
    uint32_t flags = PCRE2_CASELESS | PCRE2_DOTALL, n = 0;
    int error;

    if (map_cut_pattern(rest, &text, &letters, e) < 0 || map_turn_flags(letters, flags_known, &flags, e) < 0)
        return NULL;
    /* Letters beyond ASCII are letters, where the pattern is UTF-8; keys that are not are matched up to there. */
    if (!span_is_ascii(text) && span_is_utf8(text))
        flags |= PCRE2_UTF | PCRE2_MATCH_INVALID_UTF;
    struct pattern *p = xcalloc(1, sizeof *p);
    p->code = pcre2_compile((PCRE2_SPTR)text.at, text.len, flags, &error, &at, NULL);
    if (!p->code) {
        pcre2_get_error_message(error, why, sizeof why);
        err_set(e, ERR_CONFIG, "%s, at character %zu of the pattern", (char *)why, (size_t)at);
        free(p);
        return NULL;
    }
    p->data = pcre2_match_data_create_from_pattern(p->code, NULL);
    p->limits = pcre2_match_context_create(NULL);
    if (!p->data || !p->limits)
        bug("no memory for a pattern");
    pcre2_set_match_limit(p->limits, MATCH_LIMIT);
    pcre2_set_depth_limit(p->limits, DEPTH_LIMIT);
    pcre2_set_heap_limit(p->limits, HEAP_LIMIT_KIB);
    pcre2_pattern_info(p->code, PCRE2_INFO_CAPTURECOUNT, &n);
    *n_groups = n < MAP_GROUPS_MAX ? n : MAP_GROUPS_MAX - 1;
    return p;
}

static int match(const void *pattern, const struct map_subject *s, struct map_groups *g, struct err *e)
{
    const struct pattern *p = pattern;
    PCRE2_UCHAR why[200];

    int rc = pcre2_match(p->code, (PCRE2_SPTR)s->key.at, s->key.len, 0, 0, p->data, p->limits);
    if (rc == PCRE2_ERROR_NOMATCH)
        return 0;
    if (rc < 0) {
        pcre2_get_error_message(rc, why, sizeof why);
        return err_set(e, ERR_TEMPORARY, "a pattern could not be matched: %s", (char *)why);
    }
    const PCRE2_SIZE *at = pcre2_get_ovector_pointer(p->data);
    size_t n = (size_t)rc < MAP_GROUPS_MAX ? (size_t)rc : MAP_GROUPS_MAX;
    for (g->n = 0; g->n < n; g->n++) {
        PCRE2_SIZE from = at[2 * g->n], to = at[2 * g->n + 1];
        g->at[g->n] = from == PCRE2_UNSET || to < from ? span_of(s->key.at, 0) : span_of(s->key.at + from, to - from);
    }
    return 1;
}

static const struct map_engine engine = {
    .has_groups = true, .compile = compile, .free = free_pattern, .match = match,
};

static void *open_pcre(const struct map_source *src, struct err *e)
{
    return map_rules_open(src, &engine, e);
}

const struct map_kind map_kind_pcre = {
    .type = "pcre", .open = open_pcre, .close = map_rules_close, .lookup = map_rules_lookup,
};
