/* SPDX-License-Identifier: Apache-2.0
 *
 * restrict_fns.h - the function of each restriction, in the order of restrictions.h. */
#ifndef SERVER_RESTRICT_FNS_H
#define SERVER_RESTRICT_FNS_H

#include "server/restrict_int.h"

#define RESTRICTION(name, needs, argument) restriction_fn restrict_##name;
#include "config/restrictions.h"

#endif
