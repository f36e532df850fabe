/* SPDX-License-Identifier: Apache-2.0
 *
 * traits.h - what the way out must know of content that passes by: does a line begin with a dot, is one too long
 * for RFC 5321 4.5.3.1.6, is a byte above 0x7f. */
#ifndef SPOOL_TRAITS_H
#define SPOOL_TRAITS_H

#include "base/span.h"

struct traits {
    bool has_dot_line;
    bool has_long_line; /* one of more than SPOOL_LINE_MAX bytes */
    bool is_8bit;
    size_t line_len;    /* since the last LF; not kept once both are known */
};

void traits_add(struct traits *s, struct span data);
/* As RECORD_* flags. */
unsigned char traits_flags(const struct traits *s);

#endif
