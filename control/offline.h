/* SPDX-License-Identifier: Apache-2.0
 *
 * offline.h - changing the queue while no daemon runs: takes the spool's lock, acts as its owner, writes, lets go. */
#ifndef CONTROL_OFFLINE_H
#define CONTROL_OFFLINE_H

#include "config/config.h"

#include <stddef.h>

enum offline_act { OFFLINE_HOLD, OFFLINE_RELEASE, OFFLINE_DELETE };

/* `ids` as text; n 0: all. *done is how many were changed. -1: an id is not there (then nothing is changed), another
 * process has the spool, or it cannot be written. Run by root it goes on as the spool's owner for good. */
int offline_change(const struct config *cfg, enum offline_act act, char *const *ids, size_t n, size_t *done,
                   struct err *e);

#endif
