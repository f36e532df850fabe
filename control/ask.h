/* SPDX-License-Identifier: Apache-2.0
 *
 * ask.h - a question to the running relay worker (relay/control.h has the words), for programs without a loop. */
#ifndef CONTROL_ASK_H
#define CONTROL_ASK_H

#include "config/config.h"

#include <stdio.h>

/* Sends the line (without its end) and reads the first line of the answer. A stream with what follows "ok", to be
 * fclose()d; or NULL: with e->kind ERR_CONFIG and e->sys ENOENT or ECONNREFUSED when no daemon runs, ERR_PERMANENT when it said
 * "error ..." (its words are in `e`), ERR_TEMPORARY when it does not answer within 30 s. */
FILE *ask(const struct config *cfg, const char *question, struct err *e);

/* Cuts a line at its TABs, in place; returns how many fields, `max` at most. Fields that are missing are "". */
size_t ask_fields(char *line, char **fields, size_t max);

#endif
