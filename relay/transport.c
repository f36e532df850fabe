/* SPDX-License-Identifier: Apache-2.0 */
#include "relay/transport.h"

#include "base/clock.h"
#include "base/mem.h"
#include "base/span.h"
#include "mail/address.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct transports {
    const struct config *cfg; /* borrowed */
    struct transport_rules **at;
    size_t n;
};

static struct transport_timeouts smtp_timeouts(const struct config *cfg)
{
    return (struct transport_timeouts){
        .connect = cfg->smtp_connect_timeout,
        .helo = cfg->smtp_helo_timeout,
        .starttls = cfg->smtp_starttls_timeout,
        .mail = cfg->smtp_mail_timeout,
        .rcpt = cfg->smtp_rcpt_timeout,
        .data_init = cfg->smtp_data_init_timeout,
        .data_xfer = cfg->smtp_data_xfer_timeout,
        .data_done = cfg->smtp_data_done_timeout,
        .rset = cfg->smtp_rset_timeout,
        .quit = cfg->smtp_quit_timeout,
    };
}

static struct transport_timeouts lmtp_timeouts(const struct config *cfg)
{
    return (struct transport_timeouts){
        .connect = cfg->lmtp_connect_timeout,
        .helo = cfg->lmtp_lhlo_timeout,
        .starttls = cfg->lmtp_starttls_timeout,
        .mail = cfg->lmtp_mail_timeout,
        .rcpt = cfg->lmtp_rcpt_timeout,
        .data_init = cfg->lmtp_data_init_timeout,
        .data_xfer = cfg->lmtp_data_xfer_timeout,
        .data_done = cfg->lmtp_data_done_timeout,
        .rset = cfg->lmtp_rset_timeout,
        .quit = cfg->lmtp_quit_timeout,
    };
}

/* Its commands may take their time, and wait for each other; the worker has limits of its own, and this is only beyond them. */
static int64_t service_time(const struct config *cfg)
{
    int64_t longest = cfg->command_time_limit;

    for (size_t i = 0; i < cfg->n_pipes; i++)
        if (cfg->pipes[i].time_limit > longest)
            longest = cfg->pipes[i].time_limit;
    return 2 * longest + 300 * USEC_PER_SEC;
}

/* The ones with parameters of their own; any other name is that of a pipe section. */
static void fill(struct transport_rules *r, const struct config *cfg)
{
    const struct {
        const char *name;
        enum transport_way way;
        int concurrency, initial, recipients;
    } known[] = {
        { "smtp", TRANSPORT_SMTP, cfg->smtp_destination_concurrency_limit, cfg->smtp_initial_destination_concurrency,
          cfg->smtp_destination_recipient_limit },
        { "relay", TRANSPORT_SMTP, cfg->relay_destination_concurrency_limit, cfg->relay_initial_destination_concurrency,
          cfg->relay_destination_recipient_limit },
        { "lmtp", TRANSPORT_LMTP, cfg->lmtp_destination_concurrency_limit, cfg->lmtp_initial_destination_concurrency,
          cfg->lmtp_destination_recipient_limit },
        { "local", TRANSPORT_SERVICE, cfg->local_destination_concurrency_limit, cfg->local_initial_destination_concurrency,
          cfg->local_destination_recipient_limit },
        { "virtual", TRANSPORT_SERVICE, cfg->virtual_destination_concurrency_limit,
          cfg->virtual_initial_destination_concurrency, cfg->virtual_destination_recipient_limit },
        { "(again)", TRANSPORT_AGAIN, 4, 4, cfg->smtpd_recipient_limit },
        { "error", TRANSPORT_ERROR, 1, 1, 1 },
        { "retry", TRANSPORT_RETRY, 1, 1, 1 },
        { "discard", TRANSPORT_DISCARD, 1, 1, 1 },
    };

    r->way = TRANSPORT_SERVICE;
    r->concurrency = cfg->default_destination_concurrency_limit;
    r->initial = cfg->initial_destination_concurrency;
    r->recipients = cfg->default_destination_recipient_limit;
    for (size_t i = 0; i < ARRAY_LEN(known); i++)
        if (strcmp(known[i].name, r->name) == 0) {
            r->way = known[i].way;
            r->concurrency = known[i].concurrency;
            r->initial = known[i].initial;
            r->recipients = known[i].recipients;
        }
    r->timeouts = r->way == TRANSPORT_SMTP ? smtp_timeouts(cfg) : lmtp_timeouts(cfg);
    if (r->way == TRANSPORT_SERVICE)
        r->timeouts.data_done = service_time(cfg);
    for (size_t i = 0; i < cfg->n_pipes; i++)
        if (strcmp(cfg->pipes[i].name, r->name) == 0) {
            r->concurrency = cfg->pipes[i].process_limit;
            if (r->recipients < cfg->pipes[i].recipient_limit)
                r->recipients = cfg->pipes[i].recipient_limit;
        }
}

struct transports *transports_new(const struct config *cfg)
{
    struct transports *ts = xcalloc(1, sizeof *ts);
    ts->cfg = cfg;
    return ts;
}

void transports_free(struct transports *ts)
{
    if (!ts)
        return;
    for (size_t i = 0; i < ts->n; i++) {
        free(ts->at[i]->name);
        free(ts->at[i]);
    }
    free(ts->at);
    free(ts);
}

const struct transport_rules *transport_rules(struct transports *ts, const char *nexthop)
{
    size_t len = strcspn(nexthop, ":");

    for (size_t i = 0; i < ts->n; i++)
        if (strlen(ts->at[i]->name) == len && memcmp(ts->at[i]->name, nexthop, len) == 0)
            return ts->at[i];
    struct transport_rules *r = xcalloc(1, sizeof *r);
    r->name = span_dup(span_of(nexthop, len));
    fill(r, ts->cfg);
    ts->at = xreallocarray(ts->at, ts->n + 1, sizeof(*ts->at));
    return ts->at[ts->n++] = r;
}

bool transport_is_direct(const struct dest *d, const char *address)
{
    return d->is_direct && span_ieq_str(address_text_domain(address), transport_nexthop(d->nexthop));
}

struct dest *transport_dest(struct transports *ts, struct queue *q, const char *nexthop)
{
    struct dest *d = queue_dest(q, nexthop);

    if (!d->rules && strchr(nexthop, ':')) {
        d->rules = transport_rules(ts, nexthop);
        d->is_direct = d->rules->way == TRANSPORT_SMTP && config_hop_is_direct(ts->cfg, transport_nexthop(nexthop));
        d->window.limit = d->rules->concurrency;
        d->window.initial = d->rules->initial;
    }
    return d;
}

const char *transport_nexthop(const char *nexthop)
{
    const char *colon = strchr(nexthop, ':');
    return colon ? colon + 1 : nexthop;
}

const char *transport_refusal(const char *text, bool is_retry, char status[12])
{
    size_t n = strspn(text, "0123456789.");

    snprintf(status, 12, "%s", is_retry ? "4.0.0" : "5.0.0");
    if (n >= 5 && n < 12 && (text[0] == '4' || text[0] == '5') && text[1] == '.') {
        snprintf(status, 12, "%.*s", (int)n, text);
        text += n + strspn(text + n, " \t");
    }
    return *text ? text : is_retry ? "mail for this address is kept for now" : "mail for this address is not delivered here";
}

char *transport_service_path(const struct config *cfg, const struct transport_rules *rules)
{
    if (rules->way == TRANSPORT_AGAIN)
        return xasprintf("%s/public/submit", cfg->queue_directory);
    bool is_pipe = !transport_is_builtin(span_str(rules->name));
    return xasprintf("%s/private/%s%s", cfg->queue_directory, is_pipe ? "pipe." : "", rules->name);
}
