/* SPDX-License-Identifier: Apache-2.0
 *
 * encode.h - encoded words (RFC 2047): text beyond ASCII in a header section that any mail system takes. */
#ifndef MAIL_ENCODE_H
#define MAIL_ENCODE_H

#include "base/buf.h"
#include "base/span.h"

/* Appends UTF-8 text as encoded words, 75 characters each at most, with folds ("\r\n ") between them. */
void encode_words(struct span text, struct buf *out);
/* Appends the value of an unstructured field (Subject), of which `column` characters stand on the line already: its
 * words beyond ASCII encoded, the others as they are, folds where lines would pass 76. The value is UTF-8 and may
 * be folded. */
void encode_unstructured(struct span value, size_t column, struct buf *out);

#endif
