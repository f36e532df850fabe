/* SPDX-License-Identifier: Apache-2.0 */
#include "relay/logline.h"

#include "base/log.h"
#include "spool/spool.h"

#include <stdio.h>

/* Two digits that count, as Postfix prints: 0.04, 1.2, 37. */
static const char *seconds(int64_t us, char out[24])
{
    double s = us <= 0 ? 0 : (double)us / 1e6;

    if (s < 0.01)
        snprintf(out, 24, "%s", s < 0.005 ? "0" : "0.01");
    else
        snprintf(out, 24, s < 1 ? "%.2g" : s < 10 ? "%.1f" : "%.0f", s);
    return out;
}

void logline_delivery(const struct logline *l)
{
    char id[SPOOL_ID_TEXT], all[24], a[24], b[24], c[24], orig[560] = "";
    int64_t before = l->taken_us - l->arrival_us;
    int64_t connecting = l->connected_us > l->taken_us ? l->connected_us - l->taken_us : 0;
    int64_t sending = l->now_us - (l->taken_us + connecting);

    if (l->orig_to)
        snprintf(orig, sizeof orig, " orig_to=<%s>,", log_safe_str(l->orig_to));
    log_info("%s: to=<%s>,%s relay=%s, delay=%s, delays=%s/0/%s/%s, dsn=%s, status=%s (%s)",
             spool_id_format(l->id, id), log_safe_str(l->to), orig, l->remote ? l->remote : "none",
             seconds(l->now_us - l->arrival_us, all), seconds(before, a), seconds(connecting, b), seconds(sending, c),
             l->dsn, l->status, log_safe_str(l->text));
}
