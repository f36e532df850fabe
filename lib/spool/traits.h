/* SPDX-License-Identifier: Apache-2.0
 *
 * traits.h - what the way out must know of content that passes by: does a line begin with a dot, is a byte above 0x7f. */
#ifndef SPOOL_TRAITS_H
#define SPOOL_TRAITS_H

#include "base/span.h"

struct traits {
    bool has_dot_line;
    bool is_8bit;
    bool is_inside_line; /* the last byte seen was no LF */
};

void traits_add(struct traits *s, struct span data);
/* As RECORD_* flags. */
unsigned char traits_flags(const struct traits *s);

#endif
