/* SPDX-License-Identifier: Apache-2.0
 *
 * A client that comes through a proxy.
 *
 * The PROXY protocol: before anything is said, the proxy tells whom it speaks for (smtp/proxy.h), and that is
 * the client then, for all that counts: mynetworks, limits, the log, Received.
 *
 * At such a listener only the networks of `proxy_networks` are heard, and those must send the header: whoever else could
 * write one would be whom he likes. The header is read to its last byte and no further, for what follows may be a TLS
 * handshake. XCLIENT: the proxy speaks SMTP itself, and says in it whom it speaks for; policy.c says who may. */
#include "relay/session_int.h"

#include "base/cidr.h"
#include "base/log.h"
#include "base/mem.h"
#include "relay/limits.h"
#include "relay/policy.h"
#include "smtp/proxy.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct proxy_wait { /* until the header is whole */
    struct proxy_reader reader;
    struct timer limit;
    char proxy[ADDR_TEXT];
};

bool session_comes_by_proxy(const struct session *s)
{
    return s->section && s->section->proxy != CONFIG_PROXY_NO;
}

void session_proxy_end(struct session *s)
{
    if (!s->proxy)
        return;
    timer_stop(&s->proxy->limit);
    free(s->proxy);
    s->proxy = NULL;
}

/* No mail comes of it. What is said is as for any failure of ours: a client behind the proxy comes back. */
static void give_up(struct session *s, const char *reply)
{
    conn_write(s->conn, span_str(reply));
    conn_end(s->conn);
    s->conn = NULL;
    session_bury(s);
}

static void on_limit(void *arg)
{
    struct session *s = arg;

    log_warn("listen %s: %s sent no PROXY header within %lld s: is it told to send one?", s->on->name, s->proxy->proxy,
             (long long)(s->cfg->smtpd_upstream_proxy_timeout / 1000000));
    give_up(s, "421 4.3.0 Server local error\r\n");
}

static void take_header(struct session *s, const struct proxy_header *h)
{
    conn_limit_read(s->conn, 0);
    s->is_unknown = !h->is_known;
    if (h->is_known)
        memcpy(&s->peer, &h->client, sizeof s->peer);
    log_debug("listen %s: %s speaks for %s (PROXY version %d)", s->on->name, s->proxy->proxy,
              h->is_own ? "itself" : h->is_known ? "a client" : "an unknown client", h->version);
    session_proxy_end(s);
    session_greet(s);
}

static void on_data(void *arg, struct span bytes)
{
    struct session *s = arg;
    struct proxy_header h;
    struct err e;

    switch (proxy_read(&s->proxy->reader, &bytes, &h, &e)) {
    case PROXY_MORE:
        conn_limit_read(s->conn, proxy_wants(&s->proxy->reader));
        break;
    case PROXY_DONE:
        take_header(s, &h);
        break;
    case PROXY_BROKEN:
        log_warn("listen %s: %s is turned away: %s", s->on->name, s->proxy->proxy, e.text);
        give_up(s, "421 4.3.0 Server local error\r\n");
        break;
    }
}

/* Whoever looks whether the port is open does just this: no line in the log for it. */
static void on_closed(void *arg, const struct err *why)
{
    (void)why;
    session_bury(arg);
}

static const struct conn_ops proxy_ops = { on_data, NULL, on_closed };

/* Who may open a unix socket is for its mode to say. */
static bool may_speak(const struct session *s)
{
    const struct cidr_list *networks = &s->section->proxy_networks;
    return s->peer.sa.sa_family == AF_UNIX || cidr_list_matches(networks->at, networks->n, &s->peer.sa);
}

void session_proxy_start(struct session *s)
{
    int64_t limit_ms = s->cfg->smtpd_upstream_proxy_timeout / 1000;

    s->proxy = xcalloc(1, sizeof *s->proxy);
    sockaddr_format(&s->peer.sa, s->proxy->proxy, sizeof s->proxy->proxy);
    conn_open(s->conn, &proxy_ops, s);
    if (!may_speak(s)) {
        log_warn("listen %s: %s is turned away: it is not in proxy_networks", s->on->name, s->proxy->proxy);
        give_up(s, "521 5.7.1 Error: access denied\r\n");
        return;
    }
    conn_limit_read(s->conn, proxy_wants(&s->proxy->reader));
    timer_start(&s->proxy->limit, s->receiver->loop, limit_ms, on_limit, s);
}

/* ---- XCLIENT ---- */

static bool is_given(const struct smtp_xclient *x, enum smtp_xclient_attr attr)
{
    return x->given & 1U << attr;
}

static void take_address(struct session *s, const struct smtp_xclient *x)
{
    const char *addr = x->value[SMTP_XCLIENT_ADDR], *port = x->value[SMTP_XCLIENT_PORT];
    uint64_t n;

    if (is_given(x, SMTP_XCLIENT_ADDR))
        s->is_unknown = !addr || !addr_parse(&s->peer, span_str(addr), 0);
    if (port && span_u64(span_str(port), &n))
        addr_set_port(&s->peer, (uint16_t)n);
}

static void take_name(struct session *s, const char *name)
{
    snprintf(s->name, sizeof s->name, "%s", name ? name : "unknown");
    free(s->reverse_name);
    s->reverse_name = xstrdup_or_null(name);
    s->name_status = name ? NAME_FOUND : NAME_NONE;
}

void session_xclient(void *arg, struct smtp_cmd *c, const struct smtp_xclient *x)
{
    struct session *s = arg;
    const char *name = x->value[SMTP_XCLIENT_NAME];
    char before[sizeof s->client];

    memcpy(before, s->client, sizeof before);
    take_address(s, x);
    if (is_given(x, SMTP_XCLIENT_NAME))
        take_name(s, name);
    else if (is_given(x, SMTP_XCLIENT_ADDR) && s->name_status == NAME_FOUND)
        take_name(s, NULL); /* it was the proxy's */
    session_name_client(s);
    if (s->is_unknown && is_given(x, SMTP_XCLIENT_ADDR)) {
        snprintf(s->address, sizeof s->address, "unknown");
        snprintf(s->client, sizeof s->client, "%s[unknown]", s->name);
    }
    log_info("%s: XCLIENT: speaks for %s", before, s->client);
    smtp_server_set_bare_lf(s->server, policy_bare_lf(s->cfg, s->is_unknown ? NULL : &s->peer.sa));
    s->is_unlimited = s->is_unknown;
    s->is_spoken_for |= is_given(x, SMTP_XCLIENT_ADDR) || is_given(x, SMTP_XCLIENT_NAME) || is_given(x, SMTP_XCLIENT_LOGIN);
    gate_close(s); /* what was found out of the client was of another one */
    if (limits_client(s))
        smtp_answer(c, 220, NULL, "Ok");
}
