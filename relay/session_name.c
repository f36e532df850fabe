/* SPDX-License-Identifier: Apache-2.0
 *
 * session_name.c - what the DNS calls a client. Whoever has an address names it as he likes, so the name counts only when it leads
 * back to the address. The client waits for its greeting meanwhile, and not for ever. */
#include "relay/session_int.h"

#include "base/log.h"
#include "base/mem.h"
#include "net/dns.h"

#include <stdio.h>
#include <stdlib.h>

enum { LIMIT_MS = 10000 };

struct naming {
    struct dns_query *query;
    struct timer limit;
    void (*then)(struct session *s);
};

bool session_asks_name(const struct session *s)
{
    const struct receiver *r = s->receiver;

    return r->dns && r->asks_names && s->cfg->smtpd_peername_lookup != CONFIG_PEERNAME_NO && !s->is_local && !s->is_unknown &&
           s->peer.sa.sa_family != AF_UNIX;
}

void session_name_end(struct session *s)
{
    if (!s->naming)
        return;
    dns_cancel(s->naming->query);
    timer_stop(&s->naming->limit);
    free(s->naming);
    s->naming = NULL;
}

static void finish(struct session *s, enum client_name_status status)
{
    void (*then)(struct session *s) = s->naming->then;

    session_name_end(s);
    s->name_status = status;
    if (status == NAME_FOUND)
        snprintf(s->name, sizeof s->name, "%s", s->reverse_name);
    session_name_client(s);
    smtp_server_resume(s->server);
    then(s);
}

static void on_limit(void *arg)
{
    finish(arg, NAME_FAILED);
}

static void got_addresses(void *arg, enum dns_outcome outcome, const struct addr_list *found, const struct err *why)
{
    struct session *s = arg;

    s->naming->query = NULL;
    if (outcome == DNS_FOUND && addr_list_has_host(found, &s->peer)) {
        finish(s, NAME_FOUND);
        return;
    }
    log_info("%s: the name of its address, %s, %s", s->address, s->reverse_name,
             outcome == DNS_FOUND ? "is another address's" : why->text);
    finish(s, outcome == DNS_FAILED ? NAME_FAILED : NAME_NONE);
}

static void got_name(void *arg, enum dns_outcome outcome, char *const *found, size_t n, const struct err *why)
{
    struct session *s = arg;

    (void)why;
    s->naming->query = NULL;
    if (outcome != DNS_FOUND || !n) {
        finish(s, outcome == DNS_FAILED ? NAME_FAILED : NAME_NONE);
        return;
    }
    s->reverse_name = xstrdup(found[0]);
    s->naming->query = dns_hosts(s->receiver->dns, s->reverse_name, 0, s->peer.sa.sa_family == AF_INET ? DNS_IPV4 : DNS_IPV6,
                                 got_addresses, s);
}

void session_find_name(struct session *s, void (*then)(struct session *s))
{
    s->naming = xcalloc(1, sizeof *s->naming);
    s->naming->then = then;
    timer_start(&s->naming->limit, s->receiver->loop, LIMIT_MS, on_limit, s);
    smtp_server_pause(s->server);
    s->naming->query = dns_name(s->receiver->dns, &s->peer, got_name, s);
}
