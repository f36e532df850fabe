/* SPDX-License-Identifier: Apache-2.0
 *
 * address_int.h - what both grammars share: the making of the one form, and telling why it cannot be made. */
#ifndef MAIL_ADDRESS_INT_H
#define MAIL_ADDRESS_INT_H

#include "mail/address.h"

/* A local part being gathered, quotes and backslashes gone. */
struct local_part {
    char at[ADDRESS_LOCAL_MAX + 1]; /* one more than allowed: that much shows that it is too long */
    size_t len;
};

void local_add(struct local_part *l, char c);

/* RFC 5322 3.2.3 atext, or a byte beyond ASCII. */
bool address_is_atext(unsigned char c);
/* `local` unquoted; `domain` NULL when there is none. NULL on success, else why not, as a clause for a person. */
const char *address_make(struct address *a, const struct local_part *local, const struct span *domain, unsigned flags);
/* "address "x": why", ERR_PERMANENT. */
int address_refuse(struct span written, const char *why, struct err *e);

#endif
