/* SPDX-License-Identifier: Apache-2.0 */
#include "server/forwards.h"

#include "base/buf.h"
#include "base/mem.h"
#include "mail/address.h"

#include <stdlib.h>

static void add(struct forwards *f, enum forward_kind kind, struct span text)
{
    f->at = xreallocarray(f->at, f->n + 1, sizeof *f->at);
    f->at[f->n++] = (struct forward){ kind, span_dup(text) };
}

void forwards_fini(struct forwards *f)
{
    for (size_t i = 0; i < f->n; i++)
        free(f->at[i].text);
    free(f->at);
    *f = (struct forwards){ 0 };
}

/* All of it stands in one pair of quotes: without them, and without the backslashes inside. */
static bool unquote(struct span s, struct buf *out)
{
    buf_clear(out);
    if (s.len < 2 || s.at[0] != '"')
        return false;
    for (size_t i = 1; i < s.len; i++) {
        if (s.at[i] == '"')
            return i + 1 == s.len;
        if (s.at[i] == '\\' && i + 1 < s.len)
            i++;
        buf_addc(out, s.at[i]);
    }
    return false;
}

static bool add_marked(struct forwards *f, struct span s)
{
    static const struct {
        const char *mark;
        enum forward_kind kind;
        bool keeps_mark;
    } marks[] = {
        { "|", FORWARD_COMMAND, false }, { "/", FORWARD_FILE, true }, { ":include:", FORWARD_INCLUDE, false },
    };
    struct buf inner;

    for (size_t i = 0; i < ARRAY_LEN(marks); i++) {
        if (!span_istarts(s, marks[i].mark))
            continue;
        struct span rest = span_trim(span_from(s, marks[i].keeps_mark ? 0 : strlen(marks[i].mark)));
        buf_init(&inner, BUF_NO_MAX);
        add(f, marks[i].kind, unquote(rest, &inner) ? buf_span(&inner) : rest); /* |"command" is as good as "|command" */
        buf_fini(&inner);
        return true;
    }
    return false;
}

static int add_address(struct forwards *f, struct span s, struct err *e)
{
    struct address_list list;
    struct address_item item;
    bool is_final = s.at[0] == '\\';
    int rc;

    address_list_init(&list, is_final ? span_from(s, 1) : s, ADDRESS_UTF8);
    while ((rc = address_list_next(&list, &item, e)) > 0)
        add(f, is_final ? FORWARD_FINAL : FORWARD_ADDRESS, span_of(item.address.text, item.address.len));
    return rc;
}

static int add_one(struct forwards *f, struct span s, struct err *e)
{
    struct buf inner;
    int rc = 0;

    if (!s.len)
        return 0;
    buf_init(&inner, BUF_NO_MAX);
    if (!add_marked(f, s) && !(unquote(s, &inner) && add_marked(f, span_trim(buf_span(&inner)))))
        rc = add_address(f, s, e);
    buf_fini(&inner);
    return rc;
}

int forwards_add(struct forwards *f, struct span line, struct err *e)
{
    struct err first;
    int rc = 0;

    while (line.len) {
        size_t comma = span_find_bare(line, ',');
        if (comma > line.len)
            return err_set(e, ERR_CONFIG, "a quote is not closed");
        if (add_one(f, span_trim(span_of(line.at, comma)), &first) < 0 && rc == 0) {
            *e = first;
            rc = -1;
        }
        line = span_from(line, comma + 1);
    }
    return rc;
}

int forwards_add_text(struct forwards *f, struct span text, struct err *e)
{
    struct err first;
    int rc = 0;

    while (text.len) {
        size_t end = span_find(text, '\n');
        struct span line = span_trim(span_of(text.at, end));
        if (line.len && line.at[0] != '#' && forwards_add(f, line, &first) < 0 && rc == 0) {
            *e = first;
            rc = -1;
        }
        text = span_from(text, end + 1);
    }
    return rc;
}
