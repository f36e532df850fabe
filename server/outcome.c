/* SPDX-License-Identifier: Apache-2.0 */
#include "server/outcome.h"

#include <stdarg.h>
#include <stdio.h>

void outcome_set(struct outcome *o, const char *dsn, const char *fmt, ...)
{
    va_list ap;

    o->kind = dsn[0] == '2' ? OUTCOME_SENT : dsn[0] == '5' ? OUTCOME_BOUNCED : OUTCOME_DEFERRED;
    snprintf(o->dsn, sizeof o->dsn, "%s", dsn);
    va_start(ap, fmt);
    vsnprintf(o->text, sizeof o->text, fmt, ap);
    va_end(ap);
}

void outcome_defer(struct outcome *o, const char *dsn, const struct err *e)
{
    outcome_set(o, dsn, "%s", e->text);
    o->kind = OUTCOME_DEFERRED;
    o->dsn[0] = '4';
}
