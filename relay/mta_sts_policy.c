/* SPDX-License-Identifier: Apache-2.0 */
#include "relay/mta_sts_policy.h"

#include "base/mem.h"

#include <stdlib.h>

enum { MAX_AGE_MAX_S = 31557600, MX_MAX = 1000 };

static const char *const modes[] = { [MTA_STS_NONE] = "none", [MTA_STS_TESTING] = "testing", [MTA_STS_ENFORCE] = "enforce" };

const char *mta_sts_mode_name(enum mta_sts_mode mode)
{
    return modes[mode];
}

/* ---- the record ---- */

static bool is_id(struct span s)
{
    if (s.len == 0 || s.len > MTA_STS_ID_MAX)
        return false;
    for (size_t i = 0; i < s.len; i++)
        if (!ascii_is_alnum((unsigned char)s.at[i]))
            return false;
    return true;
}

bool mta_sts_record(const char *text, char id[MTA_STS_ID_MAX + 1])
{
    struct span rest = span_str(text);
    size_t end = span_find(rest, ';');
    bool has_id = false;

    if (!span_eq(span_trim(span_of(rest.at, end)), SPAN("v=STSv1")))
        return false;
    while (end < rest.len) {
        rest = span_from(rest, end + 1);
        end = span_find(rest, ';');
        struct span field = span_trim(span_of(rest.at, end));
        size_t equals = span_find(field, '=');
        if (has_id || !span_eq(span_trim(span_of(field.at, equals)), SPAN("id")))
            continue;
        struct span value = span_trim(span_from(field, equals + 1));
        if (!is_id(value))
            return false;
        memcpy(id, value.at, value.len);
        id[value.len] = '\0';
        has_id = true;
    }
    return has_id;
}

/* ---- the policy ---- */

struct reading {
    struct mta_sts_policy *out;
    bool has_version, has_mode, has_max_age;
};

static bool is_pattern(struct span s)
{
    if (span_starts(s, "*."))
        s = span_from(s, 2);
    if (s.len == 0 || s.len > 253)
        return false;
    for (size_t i = 0; i < s.len; i++) {
        unsigned char c = (unsigned char)s.at[i];
        bool is_dot = c == '.';
        if (!ascii_is_alnum(c) && c != '-' && c != '_' && !is_dot)
            return false;
        if (is_dot && (i == 0 || i + 1 == s.len || s.at[i - 1] == '.'))
            return false;
    }
    return true;
}

static int take_mode(struct reading *r, struct span value, struct err *e)
{
    for (size_t i = 0; i < ARRAY_LEN(modes); i++)
        if (span_eq(value, span_str(modes[i]))) {
            r->out->mode = (enum mta_sts_mode)i;
            r->has_mode = true;
            return 0;
        }
    return err_set(e, ERR_PERMANENT, "its mode is none, testing or enforce, not \"%.*s\"", (int)(value.len > 40 ? 40 : value.len),
                   value.at);
}

static int take_mx(struct reading *r, struct span value, struct err *e)
{
    struct mta_sts_policy *p = r->out;

    if (!is_pattern(value) || p->n_mx >= MX_MAX)
        return err_set(e, ERR_PERMANENT, "\"%.*s\" is no mx", (int)(value.len > 100 ? 100 : value.len), value.at);
    p->mx = xreallocarray(p->mx, p->n_mx + 1, sizeof *p->mx);
    p->mx[p->n_mx] = span_dup(value);
    ascii_lower_str(p->mx[p->n_mx++]);
    return 0;
}

static int take_line(struct reading *r, struct span line, struct err *e)
{
    size_t colon = span_find(line, ':');
    struct span name = span_trim(span_of(line.at, colon)), value = span_trim(span_from(line, colon + 1));
    uint64_t n;

    if (colon == line.len)
        return err_set(e, ERR_PERMANENT, "a line of it is no \"name: value\"");
    if (span_eq(name, SPAN("mx")))
        return take_mx(r, value, e);
    if (span_eq(name, SPAN("version")) && !r->has_version) {
        r->has_version = span_eq(value, SPAN("STSv1"));
        return r->has_version ? 0 : err_set(e, ERR_PERMANENT, "it is of another version than STSv1");
    }
    if (span_eq(name, SPAN("mode")) && !r->has_mode)
        return take_mode(r, value, e);
    if (span_eq(name, SPAN("max_age")) && !r->has_max_age) {
        if (!span_u64(value, &n))
            return err_set(e, ERR_PERMANENT, "its max_age is no number");
        r->out->max_age_s = n > MAX_AGE_MAX_S ? MAX_AGE_MAX_S : (int64_t)n;
        r->has_max_age = true;
    }
    return 0; /* fields of later versions, and those that are there already (RFC 8461 3.2: the first counts) */
}

int mta_sts_policy_parse(struct span text, struct mta_sts_policy *out, struct err *e)
{
    struct reading r = { .out = out };
    int rc = 0;

    *out = (struct mta_sts_policy){ 0 };
    if (memchr(text.at ? text.at : "", '\0', text.len))
        rc = err_set(e, ERR_PERMANENT, "it holds a NUL");
    while (text.len && rc == 0) {
        size_t end = span_find(text, '\n');
        struct span line = span_trim(span_of(text.at, end));
        text = span_from(text, end + 1);
        if (line.len)
            rc = take_line(&r, line, e);
    }
    if (rc == 0 && (!r.has_version || !r.has_mode || !r.has_max_age))
        rc = err_set(e, ERR_PERMANENT, "it has no %s", !r.has_version ? "version" : !r.has_mode ? "mode" : "max_age");
    if (rc == 0 && out->mode != MTA_STS_NONE && out->n_mx == 0)
        rc = err_set(e, ERR_PERMANENT, "it names no mx");
    if (rc < 0)
        mta_sts_policy_fini(out);
    return rc;
}

void mta_sts_policy_fini(struct mta_sts_policy *p)
{
    for (size_t i = 0; i < p->n_mx; i++)
        free(p->mx[i]);
    free(p->mx);
    *p = (struct mta_sts_policy){ 0 };
}

bool mta_sts_policy_names(const struct mta_sts_policy *p, const char *host)
{
    struct span name = span_str(host);

    if (name.len && name.at[name.len - 1] == '.')
        name.len--;
    for (size_t i = 0; i < p->n_mx; i++) {
        const char *pattern = p->mx[i];
        size_t dot = span_find(name, '.');
        if (pattern[0] == '*' ? dot > 0 && span_ieq_str(span_from(name, dot), pattern + 1) && dot < name.len
                              : span_ieq_str(name, pattern))
            return true;
    }
    return false;
}
