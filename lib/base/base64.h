/* SPDX-License-Identifier: Apache-2.0
 *
 * base64.h - RFC 4648 4, without line ends. */
#ifndef BASE_BASE64_H
#define BASE_BASE64_H

#include "base/buf.h"
#include "base/span.h"

/* Both append to `out`; -1 at its ceiling, with nothing added. */
int base64_encode(struct span s, struct buf *out);
/* Strict: whole groups, padding only at the end, nothing else in between; -1 if `s` is not that. */
int base64_decode(struct span s, struct buf *out);

#endif
