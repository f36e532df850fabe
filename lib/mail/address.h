/* SPDX-License-Identifier: Apache-2.0
 *
 * address.h - addresses: the path of RFC 5321 4.1.2, the address list of RFC 5322 3.4, one form for both.
 *
 * The form (see base/envelope.h): local@domain without brackets and source route, comments gone, the local part
 * quoted only if it must be, the domain as it was written; "" is the null sender. Accepted beyond the grammar,
 * because people send it: dots at either end of a local part or in a row ("a..b@c" becomes "\"a..b\"@c"), '_' in a
 * domain, one dot at its end (dropped). Never accepted: control characters, broken UTF-8, an empty label, a label
 * that begins with '-'.
 *
 * Lengths: RFC 5321 4.5.3.1 names 64 and 255 as what everybody must take. Addresses made by machines (SRS, VERP) have
 * longer local parts in practice, so 256 are taken here; a domain has at most 255 bytes, a label 63 (RFC 1035). */
#ifndef MAIL_ADDRESS_H
#define MAIL_ADDRESS_H

#include "base/buf.h"
#include "base/err.h"
#include "base/span.h"

#include <stdbool.h>
#include <stddef.h>

#define ADDRESS_LOCAL_MAX  256
#define ADDRESS_DOMAIN_MAX 255
#define ADDRESS_MAX        (ADDRESS_LOCAL_MAX + 1 + ADDRESS_DOMAIN_MAX)

struct address {
    char text[ADDRESS_MAX + 1]; /* the whole in our one form, NUL-terminated */
    size_t len;
    size_t local_len; /* the local part as it stands in text, quotes included */
    bool has_domain;  /* text[local_len] is '@' */
    bool is_literal;  /* the domain is "[...]" */
    bool is_utf8;     /* a byte beyond ASCII is in it: SMTPUTF8 (RFC 6531) is needed */
};

enum {
    ADDRESS_UTF8 = 1,   /* bytes beyond ASCII are fine, as UTF-8 */
    ADDRESS_NULL = 2,   /* "<>" is fine */
    ADDRESS_LOCAL = 4,  /* a missing domain is fine; without this only for "postmaster" (RFC 5321 2.3.5) */
    ADDRESS_BARE = 8,   /* address_parse_path(): the brackets may be missing */
};

/* ---- RFC 5321 -------------------------------------------------------------------------------------------------- */

/* A path at the very front of `in`: "<a@b>", "<@x,@y:a@b>", "<>", with ADDRESS_BARE also "a@b" up to the next blank.
 * `rest` (may be NULL: then nothing may follow) is what comes behind it. No blanks inside, no comments.
 * Errors are ERR_PERMANENT and say which address and why; the address in them is escaped. */
int address_parse_path(struct address *a, struct span in, unsigned flags, struct span *rest, struct err *e);
/* The whole of `in` is one mailbox, without brackets. */
int address_parse(struct address *a, struct span in, unsigned flags, struct err *e);

/* Adds "@domain" to an address without one. -1 when it would get too long. The null sender stays as it is. */
int address_complete(struct address *a, const char *domain, struct err *e);

struct span address_local(const struct address *a);
struct span address_domain(const struct address *a); /* "" when there is none */
/* The same two for the text of an envelope, which is in the one form already. */
struct span address_text_local(const char *address);
struct span address_text_domain(const char *address);
/* The local part without its quotes and backslashes, appended to `out`: for look-ups. */
int address_local_unquoted(struct span local, struct buf *out);

/* ---- RFC 5322 -------------------------------------------------------------------------------------------------- */

/* Walks the addresses of an address list: the value of a To: field, folded or not, or an argument of sendmail.
 *
 * Understood: phrases (quoted strings, dots, encoded words, raw bytes), comments, routes, groups, empty members,
 * blanks and comments around dots and '@'; "a@b (Name)"; "a@b <a@b>"; ';' used as ','. Two addresses without a
 * comma between them are an error, since nobody can know what was meant. */
struct address_list {
    struct span text; /* borrowed */
    size_t at;
    unsigned flags; /* ADDRESS_LOCAL is always on here */
    bool in_group;
};

struct address_item {
    struct address address;
    struct span spec;   /* local@domain as it was written, inside the text: "@origin" may be put at its end */
    struct span whole;  /* the same with name, brackets and comments, trimmed */
    struct span phrase; /* what stands before the '<', trimmed: the name, with its quotation marks; may be empty */
    bool is_bracketed;
};

void address_list_init(struct address_list *l, struct span text, unsigned flags);
/* 1: *item is the next. 0: that was all. -1: the error says which member cannot be read and why; do not go on. */
int address_list_next(struct address_list *l, struct address_item *item, struct err *e);

/* Appends `name` as a phrase (RFC 5322 display-name): as it is, quoted, or as encoded words (RFC 2047, UTF-8) when it
 * is not ASCII. Control characters become blanks; bytes that are not UTF-8 are taken as Latin-1. */
void address_add_phrase(struct buf *out, struct span name);

#endif
