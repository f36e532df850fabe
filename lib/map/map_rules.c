/* SPDX-License-Identifier: Apache-2.0
 *
 * map_rules.c - tables of rules, tried from the top; the first that matches has the answer. What a pattern is, the engine says:
 * a network, or a regular expression of either sort. Around the patterns all is the same:
 *
 *     pattern result        !pattern result (when it does not match)
 *     if pattern ... endif  (the rules between count only when it matches; also "if !pattern")
 *
 * In results of regular expressions $1, ${1} and $(1) are what the first ( ) has matched, and $$ is a dollar sign. A rule that
 * is wrong is complained of and left out. */
#include "map/map_int.h"

#include "base/mem.h"

#include <stdlib.h>

enum verb { RESULT, IF, ENDIF };

struct rule {
    enum verb verb;
    bool is_negated;
    void *pattern;   /* the engine's; NULL for ENDIF, and for an IF that is wrong: it never holds */
    char *result;
    bool has_groups; /* $ in the result */
    size_t behind;   /* IF: where to go on when it does not hold */
    unsigned line;
};

struct ruleset {
    const struct map_engine *engine;
    struct rule *at;
    size_t n;
};

struct rules {
    const struct map_engine *engine;
    struct map_follow follow;
};

/* ---- results ---- */

/* Reads what stands behind a "$" at the front of *s, and cuts it off. *n: the group; 0 for "$$". */
static int cut_reference(struct span *s, size_t n_groups, size_t *n, struct err *e)
{
    struct span name, rest;
    uint64_t number;

    if (s->len && s->at[0] == '$') {
        *n = 0;
        *s = span_from(*s, 1);
        return 0;
    }
    char open = s->len ? s->at[0] : '\0', close = open == '{' ? '}' : open == '(' ? ')' : '\0';
    if (close) {
        name = span_from(*s, 1);
        size_t end = span_find(name, close);
        if (end == name.len)
            return err_set(e, ERR_CONFIG, "a $%c that is not closed", open);
        rest = span_from(name, end + 1);
        name = span_of(name.at, end);
    } else {
        size_t end = 0;
        while (end < s->len && (ascii_is_alnum((unsigned char)s->at[end]) || s->at[end] == '_'))
            end++;
        name = span_of(s->at, end);
        rest = span_from(*s, end);
    }
    if (!span_u64(name, &number))
        return err_set(e, ERR_CONFIG, "\"$%.*s\" in the result: $ goes with a number, and $$ is a dollar sign",
                       (int)(name.len > 40 ? 40 : name.len), name.at);
    if (number < 1 || number > n_groups)
        return err_set(e, ERR_CONFIG, "$%llu in the result: the pattern has %zu groups", (unsigned long long)number, n_groups);
    *n = (size_t)number;
    *s = rest;
    return 0;
}

static int check_result(const struct rule *r, size_t n_groups, struct err *e)
{
    struct span s = span_str(r->result);
    size_t n;

    for (size_t i; (i = span_find(s, '$')) < s.len;) {
        s = span_from(s, i + 1);
        if (cut_reference(&s, n_groups, &n, e) < 0)
            return -1;
        if (n && r->is_negated)
            return err_set(e, ERR_CONFIG, "$%zu in the result: a pattern that does not match has no groups", n);
    }
    return 0;
}

static int write_result(const struct rule *r, const struct map_groups *g, struct buf *out)
{
    struct span s = span_str(r->result);
    size_t n = 0;

    if (!r->has_groups)
        return buf_addspan(out, s);
    while (s.len) {
        size_t i = span_find(s, '$');
        if (buf_add(out, s.at, i) < 0)
            return -1;
        if (i == s.len)
            break;
        s = span_from(s, i + 1);
        if (cut_reference(&s, MAP_GROUPS_MAX - 1, &n, NULL) < 0)
            return -1;
        if (n == 0 ? buf_addc(out, '$') < 0 : n < g->n && buf_addspan(out, g->at[n]) < 0)
            return -1;
    }
    return 0;
}

/* ---- reading ---- */

static void free_ruleset(void *made)
{
    struct ruleset *set = made;

    for (size_t i = 0; i < set->n; i++) {
        if (set->at[i].pattern)
            set->engine->free(set->at[i].pattern);
        free(set->at[i].result);
    }
    free(set->at);
    free(set);
}

/* "if" and "endif" are words, in any case; "if/x/" and "if!/x/" are one too. */
static bool cut_word(struct span *s, const char *word)
{
    size_t n = strlen(word);

    if (!span_istarts(*s, word) || (s->len > n && (ascii_is_alnum((unsigned char)s->at[n]) || s->at[n] == '_')))
        return false;
    *s = span_trim(span_from(*s, n));
    return true;
}

/* What the line is; the rule is complete but for `behind`. */
static int read_rule(struct ruleset *set, struct span s, struct rule *r, struct err *e)
{
    size_t n_groups = 0;

    r->verb = cut_word(&s, "endif") ? ENDIF : cut_word(&s, "if") ? IF : RESULT;
    if (r->verb == ENDIF)
        return 0;
    while (s.len && s.at[0] == '!') {
        r->is_negated = !r->is_negated;
        s = span_trim(span_from(s, 1));
    }
    r->pattern = set->engine->compile(&s, &n_groups, e);
    if (!r->pattern)
        return -1;
    s = span_trim(s);
    r->result = span_dup(s);
    r->has_groups = set->engine->has_groups && span_find(s, '$') < s.len;
    return r->verb == RESULT && r->has_groups ? check_result(r, n_groups, e) : 0;
}

static void add_line(struct ruleset *set, const struct map_source *src, const char *what, struct span line, unsigned number,
                     size_t *open_ifs, size_t *depth)
{
    struct rule r = { .line = number };
    struct err e = { 0 };

    bool is_wrong = read_rule(set, line, &r, &e) < 0;
    if (is_wrong)
        map_complain(src, "%s:%u: %s: %s left out", what, number, e.text,
                     r.verb == IF ? "all up to its endif is" : "this rule is");
    else if (e.kind)
        map_complain(src, "%s:%u: %s", what, number, e.text);
    if (is_wrong && r.verb == RESULT) {
        /* forgotten */
    } else if (r.verb == ENDIF && *depth == 0) {
        map_complain(src, "%s:%u: an endif without an if", what, number);
    } else if (r.verb == IF && *depth == 64) {
        map_complain(src, "%s:%u: more than 64 ifs in one another", what, number);
    } else {
        if (r.verb == IF && r.result && *r.result)
            map_complain(src, "%s:%u: what stands behind the pattern of an if is not read: \"%.100s\"", what, number, r.result);
        else if (r.verb == RESULT && !*r.result)
            map_complain(src, "%s:%u: a pattern without a result: an empty one is taken", what, number);
        if (r.verb == IF)
            open_ifs[(*depth)++] = set->n;
        else if (r.verb == ENDIF)
            set->at[open_ifs[--*depth]].behind = set->n;
        if ((set->n & (set->n - 1)) == 0)
            set->at = xreallocarray(set->at, set->n ? set->n * 2 : 1, sizeof *set->at);
        set->at[set->n++] = r;
        return;
    }
    if (r.pattern)
        set->engine->free(r.pattern);
    free(r.result);
}

static void read_lines(struct ruleset *set, const struct map_source *src, const char *what, struct map_text *text)
{
    size_t open_ifs[64], depth = 0;
    struct span line;
    unsigned number;

    while (map_text_line(text, &line, &number)) {
        if (memchr(line.at, '\0', line.len))
            map_complain(src, "%s:%u: a NUL byte: this rule is left out", what, number);
        else
            add_line(set, src, what, span_trim(line), number, open_ifs, &depth);
    }
    while (depth) {
        struct rule *r = &set->at[open_ifs[--depth]];
        map_complain(src, "%s:%u: an if without an endif: it goes to the end", what, r->line);
        r->behind = set->n;
    }
}

/* "{ {rule}, {rule} }" in the name itself, a line each. */
static int lines_of_name(const char *name, struct buf *out, struct err *e)
{
    struct span rest, entry, inner;

    if (!map_unbrace(span_str(name), &rest))
        return err_set(e, ERR_CONFIG, "%s: bad syntax; rules in the name are written { {rule}, {rule} }", name);
    while (map_next_spec(&rest, &entry)) {
        if (!map_unbrace(entry, &inner))
            return err_set(e, ERR_CONFIG, "%s: each rule stands in braces of its own: { {rule}, {rule} }", name);
        buf_addspan(out, inner);
        buf_addc(out, '\n');
    }
    return 0;
}

static struct ruleset *load_rules(const struct map_engine *engine, const struct map_source *src, struct map_mark *mark,
                                  struct err *e)
{
    struct map_text text;
    struct buf b;
    bool is_inline = src->name[0] == '{';

    buf_init(&b, BUF_NO_MAX);
    *mark = (struct map_mark){ 0 };
    if ((is_inline ? lines_of_name(src->name, &b, e) : map_read_file(src->name, &b, mark, e)) < 0) {
        buf_fini(&b);
        return NULL;
    }
    struct ruleset *set = xcalloc(1, sizeof *set);
    set->engine = engine;
    map_text_init(&text, src, is_inline ? src->type : src->name, b.at, b.len);
    read_lines(set, src, text.what, &text);
    buf_fini(&b);
    return set;
}

/* ---- the kind ---- */

static void *load(const struct map_source *src, struct map_mark *mark, struct err *e, const void *engine)
{
    return load_rules(engine, src, mark, e);
}

void *map_rules_open(const struct map_source *src, const struct map_engine *engine, struct err *e)
{
    struct rules *r = xcalloc(1, sizeof *r);

    r->engine = engine;
    r->follow = (struct map_follow){ .source = src, .load = load, .arg = engine, .free = free_ruleset };
    if (map_follow_open(&r->follow, e) == 0)
        return r;
    map_rules_close(r);
    return NULL;
}

void map_rules_close(void *self)
{
    struct rules *r = self;

    if (r)
        map_follow_close(&r->follow);
    free(r);
}

enum map_result map_rules_lookup(void *self, struct span key, struct buf *value, struct err *e)
{
    struct rules *rules = self;
    const struct ruleset *set = map_follow_get(&rules->follow);
    const struct map_engine *engine = rules->engine;
    struct map_subject subject = { .key = key };
    struct map_groups g;

    if (engine->prepare && !engine->prepare(&subject))
        return MAP_NOT_FOUND;
    for (size_t i = 0; i < set->n; i++) {
        const struct rule *r = &set->at[i];
        if (r->verb == ENDIF)
            continue;
        g.n = 0;
        int matches = r->pattern ? engine->match(r->pattern, &subject, &g, e) : r->is_negated;
        if (matches < 0)
            return MAP_CANNOT_TELL;
        bool holds = matches != 2 && matches != r->is_negated;
        if (r->verb == IF && !holds)
            i = r->behind == set->n ? set->n - 1 : r->behind;
        if (r->verb == RESULT && holds)
            return write_result(r, &g, value) < 0 ? map_value_too_long(key, e) : MAP_FOUND;
    }
    return MAP_NOT_FOUND;
}
