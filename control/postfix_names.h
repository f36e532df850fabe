/* SPDX-License-Identifier: Apache-2.0
 *
 * postfix_names.h - baton called postqueue, postsuper, postcat, postconf or postfix: what who comes from Postfix types, and scripts
 * of his. postqueue(1) has what they take. */
#ifndef CONTROL_POSTFIX_NAMES_H
#define CONTROL_POSTFIX_NAMES_H

/* Its exit status is baton's. */
typedef int postfix_main_fn(int argc, char **argv);

/* NULL: that is none of them. */
postfix_main_fn *postfix_name(const char *name);

#endif
