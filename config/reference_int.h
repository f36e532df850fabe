/* SPDX-License-Identifier: Apache-2.0
 *
 * reference_int.h - where a text refers to something: $name, ${...}, $(...). What stands in the brackets, and what there is to
 * refer to, is the business of who asks: parameters and the environment (expand.c), a delivery (template.c), a main.cf
 * (postfix_expand.c). */
#ifndef CONFIG_REFERENCE_INT_H
#define CONFIG_REFERENCE_INT_H

#include "base/err.h"
#include "base/span.h"

enum reference_kind {
    REFERENCE_NONE,     /* `before` is all that was left */
    REFERENCE_NAME,     /* $name */
    REFERENCE_BRACKETS, /* ${...}, $(...): brackets within are closed within */
    REFERENCE_DOLLAR,   /* $$ */
    REFERENCE_BARE,     /* a dollar sign that no name follows */
};

struct reference {
    enum reference_kind kind;
    struct span before; /* the text in front of it */
    struct span inner;  /* the name; what stands in the brackets */
};

/* Takes the next one off *text, with what stands before it. -1: a bracket is not closed. */
int reference_next(struct span *text, struct reference *r, struct err *e);

/* Letters, digits and "_" at the beginning. */
size_t reference_name_len(struct span s);
/* The length up to the bracket that closes the one before s, or s.len. */
size_t reference_close(struct span s, char open, char close);

#endif
