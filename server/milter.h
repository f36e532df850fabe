/* SPDX-License-Identifier: Apache-2.0
 *
 * milter.h - filters (milters) as a step of the gate: smtpd_milters, non_smtpd_milters, smtpd_milter_maps. */
#ifndef SERVER_MILTER_H
#define SERVER_MILTER_H

#include "relay/gate.h"

extern const struct gate_step milter_step;

/* Whether there is any filter to connect to. */
bool milters_are_used(const struct config *cfg);
/* The tables of smtpd_milter_maps, of a worker, before its jail. */
int milters_open(const struct config *cfg, struct err *e);
void milters_close(void);

#endif
