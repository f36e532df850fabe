/* SPDX-License-Identifier: Apache-2.0 */
#include "mail/header.h"

#include "base/log.h"

static bool is_blank(char c)
{
    return c == ' ' || c == '\t';
}

/* Length of the name of the field that begins at the front of `line`, 0 when none does; *colon: where its ':' is. */
static size_t field_name(struct span line, size_t *colon)
{
    size_t n = 0, i;

    while (n < line.len && line.at[n] > ' ' && line.at[n] < 0x7f && line.at[n] != ':')
        n++;
    for (i = n; i < line.len && is_blank(line.at[i]); i++)
        ;
    *colon = i;
    return i < line.len && line.at[i] == ':' ? n : 0;
}

static bool is_mbox_line(struct span line)
{
    size_t colon;
    return (span_starts(line, "From ") || span_starts(line, ">From ")) && field_name(line, &colon) == 0;
}

/* The line at `at` with its end. */
static struct span line_at(struct span text, size_t at)
{
    struct span rest = span_from(text, at);
    size_t end = span_find(rest, '\n');
    return span_of(rest.at, end < rest.len ? end + 1 : end);
}

static bool is_empty_line(struct span line)
{
    return line.len == 0 || line.at[0] == '\n' || (line.len == 2 && line.at[0] == '\r' && line.at[1] == '\n');
}

static struct span without_end(struct span line)
{
    if (line.len && line.at[line.len - 1] == '\n')
        line.len--;
    while (line.len && line.at[line.len - 1] == '\r')
        line.len--;
    return line;
}

void header_scan_init(struct header_scan *s, struct span text)
{
    *s = (struct header_scan){ .text = text };
    while (is_mbox_line(line_at(text, s->at)))
        s->at += line_at(text, s->at).len;
}

bool header_next(struct header_scan *s, struct header_field *f)
{
    struct span line = line_at(s->text, s->at);
    size_t colon, name = field_name(line, &colon), end;

    if (name == 0)
        return false;
    for (end = s->at + line.len; end < s->text.len && is_blank(s->text.at[end]);)
        end += line_at(s->text, end).len;
    f->whole = span_of(line.at, end - s->at);
    f->name = span_of(line.at, name);
    f->value = without_end(span_from(f->whole, colon + 1));
    s->at = end;
    return true;
}

bool header_is(const struct header_field *f, const char *name)
{
    return span_ieq_str(f->name, name);
}

bool header_find(struct span section, const char *name, struct header_field *f)
{
    struct header_scan s;

    header_scan_init(&s, section);
    while (header_next(&s, f))
        if (header_is(f, name))
            return true;
    return false;
}

size_t header_body_at(struct span message)
{
    struct header_scan s;
    struct header_field f;

    header_scan_init(&s, message);
    while (header_next(&s, &f))
        ;
    struct span line = line_at(message, s.at);
    return is_empty_line(line) ? s.at + line.len : s.at;
}

int header_unfold(struct span value, struct buf *out)
{
    value = span_trim(value);
    for (size_t i = 0; i < value.len; i++)
        if (value.at[i] != '\r' && value.at[i] != '\n' && buf_addc(out, value.at[i]) < 0)
            return -1;
    return 0;
}

/* ---- while it is still coming in ------------------------------------------------------------------------------- */

void header_reader_init(struct header_reader *r, size_t field_max)
{
    *r = (struct header_reader){ .field_max = field_max ? field_max : HEADER_SIZE_LIMIT };
    buf_init(&r->section, r->field_max * HEADER_SECTION_TIMES);
}

void header_reader_fini(struct header_reader *r)
{
    buf_fini(&r->section);
}

static struct span line_under_way(const struct header_reader *r)
{
    return span_from(buf_span(&r->section), r->line_at);
}

static bool continues(const struct header_reader *r, struct span line)
{
    return r->line_at > 0 && line.len && is_blank(line.at[0]);
}

/* The line under way is the body's, or empty: the section ended before it. */
static int finish(struct header_reader *r, struct span *lead)
{
    struct span line = line_under_way(r);

    r->is_done = true;
    r->section.len = r->line_at;
    r->has_empty_line = line.len > 0 && is_empty_line(line);
    *lead = r->has_empty_line ? SPAN("") : line; /* the bytes stay where they are, behind the section's end */
    return 1;
}

static int refuse_field(const struct header_reader *r, struct err *e)
{
    char name[80];
    size_t colon, n;
    struct span field = span_from(buf_span(&r->section), r->field_at);

    n = field_name(field, &colon);
    return err_set(e, ERR_PERMANENT, "header field \"%s\" is longer than header_size_limit, %zu bytes",
                   log_escape(span_of(field.at, n), name, sizeof name), r->field_max);
}

/* A line has come whole (or will never be): 1 when it ends the section, 0 when not, -1 when its field is too long. */
static int take_line(struct header_reader *r, struct span *lead, struct err *e)
{
    struct span line = line_under_way(r);
    size_t colon;

    if (r->line_at == 0 && is_mbox_line(line)) {
        buf_clear(&r->section);
        return 0;
    }
    if (!continues(r, line)) {
        if (is_empty_line(line) || field_name(line, &colon) == 0)
            return finish(r, lead);
        r->field_at = r->line_at;
    }
    if (r->section.len - r->field_at > r->field_max)
        return refuse_field(r, e);
    r->line_at = r->section.len;
    return 0;
}

/* No line end in sight and already too long: a field is refused, anything else can only be the body. */
static int check_long_line(struct header_reader *r, struct span *lead, struct err *e)
{
    struct span line = line_under_way(r);
    size_t colon;

    if (r->section.len - (continues(r, line) ? r->field_at : r->line_at) <= r->field_max)
        return 0;
    if (continues(r, line))
        return refuse_field(r, e);
    if (field_name(line, &colon) == 0)
        return finish(r, lead);
    r->field_at = r->line_at;
    return refuse_field(r, e);
}

int header_reader_take(struct header_reader *r, struct span *data, struct span *lead, struct err *e)
{
    *lead = SPAN("");
    while (!r->is_done && data->len) {
        struct span line = line_at(*data, 0);
        bool is_whole = line.at[line.len - 1] == '\n';
        size_t room = r->field_max + 1;
        int rc;
        if (line.len > room) { /* enough to see that it is too long */
            line.len = room;
            is_whole = false;
        }
        if (buf_addspan(&r->section, line) < 0)
            return err_set(e, ERR_PERMANENT, "the header section is longer than %zu bytes (%d x header_size_limit)",
                           r->section.max, HEADER_SECTION_TIMES);
        *data = span_from(*data, line.len);
        rc = is_whole ? take_line(r, lead, e) : check_long_line(r, lead, e);
        if (rc < 0)
            return -1;
    }
    return r->is_done;
}

int header_reader_end(struct header_reader *r, struct span *lead, struct err *e)
{
    *lead = SPAN("");
    if (!r->is_done && r->section.len > r->line_at && take_line(r, lead, e) < 0)
        return -1;
    r->is_done = true;
    return 1;
}
