/* SPDX-License-Identifier: Apache-2.0
 *
 * extension.h - joe+lists is joe, when "+" stands in recipient_delimiter. */
#ifndef RELAY_EXTENSION_H
#define RELAY_EXTENSION_H

#include "base/span.h"

/* Where the extension of a local part begins, its delimiter included; local.len: it has none. Names that have to work as they are
 * (postmaster, owner-list, list-request) have none. */
size_t extension_at(struct span local, const char *delimiters);

#endif
