/* SPDX-License-Identifier: Apache-2.0
 *
 * draft.h - the content of a message that somebody wants to see, and maybe change, before it is kept, or whose header section is not
 * made yet: that in memory, its body where there is room for it (scratch_new()).
 *
 * Fields are named as the milter protocol names them: our own Received:, at first the topmost, is shown to nobody and counts only
 * where a place among all fields is meant. A value is what stands behind the colon; line ends in it may be any, and each
 * further line is made to begin with a blank. */
#ifndef RELAY_DRAFT_H
#define RELAY_DRAFT_H

#include "base/buf.h"
#include "base/err.h"
#include "mail/header.h"
#include "mail/lines.h"
#include "spool/spool.h"

struct draft {
    struct spool *spool;  /* borrowed */
    struct buf header;    /* CRLF line ends, with the empty line */
    size_t own_at;        /* where our Received: stands in it */
    struct scratch *body; /* never NULL */
    struct scratch *next; /* the new body, while it comes */
    struct lines lines;   /* its line ends */
    bool is_changed;      /* something was changed since it was made */
    bool is_shown;        /* the gate's steps see it; else it only waits for its header section */
};

/* Beyond that a body goes to a file. */
#define DRAFT_KEEP ((size_t)256 * 1024)

struct draft *draft_new(struct spool *s);
/* Which may grow by `more` then. Once. */
void draft_set_header(struct draft *d, struct span header, size_t more);
void draft_free(struct draft *d);
/* Bytes of memory. */
size_t draft_memory(const struct draft *d);

/* The fields but our own, from one end to the other; `scan` is to be initialized with d->header. */
bool draft_next_header(const struct draft *d, struct header_scan *scan, struct header_field *f);

/* All of these: -1 when it does not fit, or cannot be a field. */
int draft_add_header(struct draft *d, struct span name, struct span value, bool has_space, struct err *e);
/* Before field `index` of all, from 0; behind the last if there are fewer. */
int draft_insert_header(struct draft *d, uint32_t index, struct span name, struct span value, bool has_space, struct err *e);
/* Field `index` of that name, from 1, ours not counted; an empty value removes it, and one that is not there is added. */
int draft_change_header(struct draft *d, uint32_t index, struct span name, struct span value, bool has_space, struct err *e);

/* A new body, in pieces; it counts from draft_end_body() on. */
int draft_add_body(struct draft *d, struct span piece, struct err *e);
int draft_end_body(struct draft *d, struct err *e);

#endif
