/* SPDX-License-Identifier: Apache-2.0
 *
 * xtext.h - the parameters of DSN as they stand in commands: xtext (RFC 3461 4), and RFC 6533 3's form for UTF-8. */
#ifndef MAIL_XTEXT_H
#define MAIL_XTEXT_H

#include "base/buf.h"
#include "base/err.h"
#include "base/span.h"

#define XTEXT_ENVID_MAX 100 /* RFC 3461 4.4, as it stands in the command */
#define XTEXT_ORCPT_MAX 500 /* 4.2 */

/* Both append to `out`; -1 at its ceiling. Decoding also refuses what is not xtext, and control characters in it. */
int xtext_encode(struct span s, struct buf *out);
int xtext_decode(struct span s, struct buf *out, struct err *e);

/* "rfc822;a+2Bb@c" <-> "rfc822;a+b@c"; type "utf-8" takes and gives the forms of RFC 6533 3: with `utf8` the text may
 * hold UTF-8 as it is (SMTPUTF8 was announced), else "\x{...}". */
int orcpt_decode(struct span s, struct buf *out, struct err *e);
int orcpt_encode(struct span s, bool utf8, struct buf *out);

#endif
