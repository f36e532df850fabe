/* SPDX-License-Identifier: Apache-2.0
 *
 * What waits, in the shape that Postfix prints for long queue ids: monitoring reads it, the last line above all. */
#include "control/queue_read.h"

#include "base/clock.h"

#include <stdio.h>
#include <string.h>
#include <time.h>

struct totals {
    unsigned long messages;
    unsigned long long bytes;
};

static char mark_of(const char *state)
{
    return strcmp(state, "active") == 0 ? '*' : strcmp(state, "hold") == 0 ? '!' : ' ';
}

/* Flush right in 76 columns. */
static void print_reason(const char *reason)
{
    size_t n = strlen(reason) + 2;
    printf("%*s(%s)\n", n < 76 ? (int)(76 - n) : 0, "", reason);
}

static void print_item(void *arg, const struct queue_item *item)
{
    struct totals *totals = arg;
    char date[32] = "", id[SPOOL_ID_TEXT + 2];
    time_t t = (time_t)(item->arrival_us / USEC_PER_SEC);
    const char *last = "";
    struct tm tm;

    if (totals->messages++ == 0)
        printf("%-17s %8s %-19s %s\n",
               "----Queue ID-----", "--Size--", "---Arrival Time----", "--Sender/Recipient------");
    totals->bytes += item->size;
    if (localtime_r(&t, &tm))
        strftime(date, sizeof date, "%a %b %e %H:%M:%S", &tm);
    snprintf(id, sizeof id, "%s%c", item->id, mark_of(item->state));
    printf("%-17s %8llu %19.19s %s\n", id, (unsigned long long)item->size, date,
           item->sender[0] ? item->sender : "MAILER-DAEMON");
    if (item->reason[0])
        print_reason(item->reason);
    for (size_t i = 0; i < item->n_rcpts; i++) {
        const struct queue_rcpt *r = &item->rcpts[i];
        if (r->reason[0] && strcmp(r->reason, last) != 0 && strcmp(r->reason, item->reason) != 0)
            print_reason(r->reason);
        last = r->reason;
        printf("%41s%s\n", "", r->address);
    }
    printf("\n");
}

int queue_print(const struct config *cfg, struct err *e)
{
    struct totals totals = { 0 };

    if (queue_read(cfg, NULL, print_item, &totals, e) < 0)
        return -1;
    if (totals.messages == 0)
        printf("Mail queue is empty\n");
    else
        printf("-- %llu Kbytes in %lu Request%s.\n", totals.bytes / 1024, totals.messages,
               totals.messages == 1 ? "" : "s");
    return 0;
}
