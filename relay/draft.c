/* SPDX-License-Identifier: Apache-2.0 */
#include "relay/draft.h"

#include "base/mem.h"

#include <stdlib.h>

struct draft *draft_new(struct spool *s)
{
    struct draft *d = xcalloc(1, sizeof *d);

    d->spool = s;
    buf_init(&d->header, 0);
    d->body = scratch_new(s, DRAFT_KEEP);
    return d;
}

void draft_set_header(struct draft *d, struct span header, size_t more)
{
    buf_init(&d->header, header.len + more);
    buf_addspan(&d->header, header);
}

void draft_free(struct draft *d)
{
    if (!d)
        return;
    buf_fini(&d->header);
    scratch_free(d->body);
    scratch_free(d->next);
    free(d);
}

size_t draft_memory(const struct draft *d)
{
    return sizeof *d + d->header.cap + scratch_memory(d->body) + (d->next ? scratch_memory(d->next) : 0);
}

/* ---- header ---- */

bool draft_next_header(const struct draft *d, struct header_scan *scan, struct header_field *f)
{
    do {
        if (!header_next(scan, f))
            return false;
    } while (f->whole.at == d->header.at + d->own_at);
    return true;
}

/* "Name: value" CRLF. No line of it but the first begins without a blank, so that it is one field whatever the value holds. */
static int format_field(struct span name, struct span value, bool has_space, struct buf *out)
{
    bool at_start = false;

    buf_addspan(out, name);
    buf_addc(out, ':');
    if (!has_space)
        buf_addc(out, ' ');
    while (value.len && (value.at[value.len - 1] == '\n' || value.at[value.len - 1] == '\r'))
        value.len--;
    for (size_t i = 0; i < value.len; i++) {
        char c = value.at[i];
        if (c == '\r' || c == '\0')
            continue;
        if (c == '\n') {
            at_start = true;
            continue;
        }
        if (at_start)
            buf_adds(out, c == ' ' || c == '\t' ? "\r\n" : "\r\n\t");
        at_start = false;
        buf_addc(out, c);
    }
    return buf_adds(out, "\r\n");
}

/* Puts `text` in the place of `len` bytes at `at`. */
static int splice(struct draft *d, size_t at, size_t len, struct span text, struct err *e)
{
    struct buf *h = &d->header;
    size_t rest = h->len - at - len;

    if (text.len > len && !buf_room(h, text.len - len))
        return err_set(e, ERR_PERMANENT, "the header section grows beyond its limit");
    memmove(h->at + at + text.len, h->at + at + len, rest);
    if (text.len)
        memcpy(h->at + at, text.at, text.len);
    h->len = at + text.len + rest;
    if (at <= d->own_at)
        d->own_at += text.len - len;
    d->is_changed = true;
    return 0;
}

static int put_field(struct draft *d, size_t at, size_t len, struct span name, struct span value, bool has_space, struct err *e)
{
    struct buf field;

    buf_init(&field, BUF_NO_MAX);
    format_field(name, value, has_space, &field);
    int rc = splice(d, at, len, buf_span(&field), e);
    buf_fini(&field);
    return rc;
}

/* Where the section ends: at its empty line. */
static size_t end_of_fields(const struct draft *d)
{
    struct header_scan scan;
    struct header_field f;

    header_scan_init(&scan, buf_span(&d->header));
    while (header_next(&scan, &f))
        ;
    return scan.at;
}

int draft_add_header(struct draft *d, struct span name, struct span value, bool has_space, struct err *e)
{
    return put_field(d, end_of_fields(d), 0, name, value, has_space, e);
}

int draft_insert_header(struct draft *d, uint32_t index, struct span name, struct span value, bool has_space, struct err *e)
{
    struct header_scan scan;
    struct header_field f;
    size_t at = 0;

    header_scan_init(&scan, buf_span(&d->header));
    while (index && header_next(&scan, &f)) {
        index--;
        at = scan.at;
    }
    return put_field(d, at, 0, name, value, has_space, e);
}

int draft_change_header(struct draft *d, uint32_t index, struct span name, struct span value, bool has_space, struct err *e)
{
    struct header_scan scan;
    struct header_field f;
    bool is_found = false;

    if (index == 0)
        index = 1;
    header_scan_init(&scan, buf_span(&d->header));
    while (!is_found && draft_next_header(d, &scan, &f))
        is_found = span_ieq(f.name, name) && --index == 0;
    if (!is_found)
        return value.len ? draft_add_header(d, name, value, has_space, e) : 0;
    size_t at = (size_t)(f.whole.at - d->header.at);
    return value.len ? put_field(d, at, f.whole.len, name, value, has_space, e) : splice(d, at, f.whole.len, span_of("", 0), e);
}

/* ---- body ---- */

int draft_add_body(struct draft *d, struct span piece, struct err *e)
{
    struct buf out;

    if (!d->next) {
        d->next = scratch_new(d->spool, DRAFT_KEEP);
        lines_init(&d->lines, false);
        d->lines.in_body = true;
    }
    buf_init(&out, BUF_NO_MAX);
    lines_feed(&d->lines, piece, &out);
    int rc = scratch_add(d->next, buf_span(&out), e);
    buf_fini(&out);
    return rc;
}

int draft_end_body(struct draft *d, struct err *e)
{
    struct buf out;

    if (!d->next)
        return 0;
    buf_init(&out, BUF_NO_MAX);
    lines_end(&d->lines, &out);
    int rc = scratch_add(d->next, buf_span(&out), e);
    buf_fini(&out);
    scratch_free(d->body);
    d->body = d->next;
    d->next = NULL;
    d->is_changed = true;
    return rc;
}
