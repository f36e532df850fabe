/* SPDX-License-Identifier: Apache-2.0
 *
 * header.h - the header section of a message (RFC 5322 2.2), found, and taken apart into fields.
 *
 * A field is a line "Name: value" with the lines after it that begin with a blank or TAB. Line ends are LF or CRLF.
 * The section ends at the first empty line, which belongs to neither side, or right before the first line that is
 * no field: then the body begins with that line (as sendmail has always done it). "From " lines of mailboxes (also
 * ">From ") on top are passed over. Blanks before the colon are tolerated (obsolete, RFC 5322 4.5). */
#ifndef MAIL_HEADER_H
#define MAIL_HEADER_H

#include "base/buf.h"
#include "base/err.h"
#include "base/span.h"

struct header_field {
    struct span name;
    struct span value; /* behind the colon, folds included, without the line end of its last line; not trimmed */
    struct span whole; /* from the name to the line end, included (which may be missing at the end of the text) */
};

struct header_scan {
    struct span text; /* borrowed */
    size_t at;        /* after the last field: where the empty line or the body begins */
};

void header_scan_init(struct header_scan *s, struct span text);
/* False: no more fields; s->at is then where the section ended. */
bool header_next(struct header_scan *s, struct header_field *f);
bool header_is(const struct header_field *f, const char *name);
/* The first field of that name. */
bool header_find(struct span section, const char *name, struct header_field *f);
/* Where the body begins in a whole message: behind the empty line. */
size_t header_body_at(struct span message);
/* The value unfolded, blanks around it gone, appended to `out`. */
int header_unfold(struct span value, struct buf *out);

/* ---- while it is still coming in ------------------------------------------------------------------------------- */

#define HEADER_SIZE_LIMIT    102400 /* one field; Postfix's header_size_limit, but excess is refused, not cut off */
#define HEADER_SECTION_TIMES 4      /* the whole section: that many times header_size_limit */

/* Gathers the header section from pieces of any size with CRLF line ends (mail/lines.h makes them). */
struct header_reader {
    struct buf section;  /* the fields, without the empty line; "From " lines on top are gone */
    size_t line_at;      /* where the line under way begins in `section` */
    size_t field_at;     /* and where the field does */
    size_t field_max;
    bool is_done;
    bool has_empty_line; /* there was one: it has been taken and is not in `section` */
};

/* `field_max` 0: HEADER_SIZE_LIMIT. */
void header_reader_init(struct header_reader *r, size_t field_max);
void header_reader_fini(struct header_reader *r);
/* Takes from the front of *data what belongs to the section. 1: complete, the body is *lead (bytes that had been
 * taken too early; valid till header_reader_fini) followed by what is left in *data. 0: all taken, more is to come.
 * -1: a field or the whole is longer than allowed (ERR_PERMANENT; the text names the field and the limit). */
int header_reader_take(struct header_reader *r, struct span *data, struct span *lead, struct err *e);
/* The message has ended: whatever there is, is the section (or *lead). */
int header_reader_end(struct header_reader *r, struct span *lead, struct err *e);

#endif
