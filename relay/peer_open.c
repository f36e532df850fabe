/* SPDX-License-Identifier: Apache-2.0
 *
 * From the name of a next hop to a connection that is ready for mail:
 *
 *     walk ─▶ dial ─▶ [TLS] ─▶ greeting, EHLO, [STARTTLS], [AUTH] ─▶ ready
 *       ▲ next host      │              │
 *       └────────────────┴──────────────┘
 *
 * What goes wrong on the way is the host's fault: the next one is tried, and when there is none the destination has
 * failed. */
#include "relay/peer_int.h"

#include "base/clock.h"
#include "base/log.h"

#include <stdlib.h>
#include <string.h>

static void dial_host(struct peer *p);
static void dial_to(struct peer *p, const struct addr_list *to);
static void all_hosts_failed(struct peer *p, const struct err *why);
static void next_host(struct peer *p);
static void start_session(struct peer *p, bool is_encrypted);

/* ---- failing before ready ---- */

static void add_trouble(struct peer *p, bool is_config, const char *text)
{
    if (p->troubles.len)
        buf_adds(&p->troubles, "; ");
    buf_adds(&p->troubles, text);
    p->has_temporary |= !is_config;
}

static void drop_host(struct peer *p)
{
    smtp_client_free(p->client);
    p->client = NULL;
    conn_close(p->conn);
    p->conn = NULL;
    dial_cancel(p->dial);
    p->dial = NULL;
    tls_policy_cancel(p->policy_ask);
    p->policy_ask = NULL;
    p->half_reply = 0;
}

/* A host of the domain itself, and not of smtp_fallback_relay. */
static bool is_at_domain(const struct peer *p)
{
    return p->dest->is_direct && !p->is_fallback;
}

/* What is left of a domain's hosts after one has failed: the other addresses of that one, when it had taken the connection; and
 * after smtp_mx_session_limit of them, none. */
static bool has_another_address(struct peer *p, bool was_connected)
{
    int limit = p->relay->cfg->smtp_mx_session_limit;

    if (!is_at_domain(p))
        return false;
    if (limit && p->n_sessions >= limit) {
        walk_leave_hop(p->walk);
        return false;
    }
    return was_connected && p->addrs.n > 0;
}

void peer_host_failed(struct peer *p, bool is_config, const char *what)
{
    bool was_connected = p->conn != NULL;
    char *text = p->remote ? xasprintf("%s: %s", p->remote, what) : xstrdup(what);

    add_trouble(p, is_config, text);
    free(text);
    drop_host(p);
    p->is_without_tls = false;
    if (has_another_address(p, was_connected))
        dial_host(p);
    else
        next_host(p);
}

/* Freed from a callback of the client's, so it must not go on inside it. */
static void retry_without_tls(struct peer *p, const char *why)
{
    log_info("%s: TLS failed, going on without it (smtp_tls_security_level = may): %s", p->remote, log_safe_str(why));
    p->is_without_tls = true;
    drop_host(p);
    p->n_sessions--;
    dial_to(p, &(struct addr_list){ &p->at, 1 });
}

void peer_give_up(struct peer *p, const char *why)
{
    const struct err e = { 0 };

    add_trouble(p, false, why);
    drop_host(p);
    all_hosts_failed(p, &e);
}

static void all_hosts_failed(struct peer *p, const struct err *why)
{
    struct pool *pool = p->dest->pool;

    if (why->kind != ERR_NONE)
        add_trouble(p, why->kind != ERR_TEMPORARY, why->text);
    /* Others may be connected and working: then this is only one connection less. */
    if (peer_count_in(pool, PEER_BUSY) + peer_count_in(pool, PEER_IDLE) > 0)
        schedule_no_more(p->relay, p->dest);
    else if (why->kind == ERR_PERMANENT && !p->has_temporary)
        schedule_dest_gone(p->relay, p->dest, walk_status(p->walk), buf_cstr(&p->troubles));
    else
        schedule_dest_failed(p->relay, p->dest, p->has_temporary || p->dest->is_direct ? TROUBLE_TEMPORARY : TROUBLE_CONFIG,
                             buf_cstr(&p->troubles));
    peer_bury(p);
}

/* ---- TLS ---- */

static void log_tls(const struct peer *p, const struct tls_info *info)
{
    if (p->relay->cfg->smtp_tls_loglevel >= 1)
        log_info("%s TLS connection established to %s: %s with cipher %s (%u bits)", tls_trust_word(info), p->remote,
                 info->protocol, info->cipher, info->cipher_bits);
}

static void on_tls(void *arg, const struct tls_info *info, const struct err *why)
{
    struct peer *p = arg;

    if (why->kind != ERR_NONE) {
        if (p->tls_level == CONFIG_TLS_MAY && !config_tls_is_implicit(p->relayhost)) {
            retry_without_tls(p, why->text);
            return;
        }
        char *text = xasprintf("TLS: %s", why->text);
        peer_host_failed(p, why->kind == ERR_CONFIG, text);
        free(text);
        return;
    }
    log_tls(p, info);
    if (p->is_sts_testing && !info->is_verified)
        log_info("%s: MTA-STS (testing): in mode enforce no mail would go here: %s", p->remote, info->why_not);
    if (p->client)
        smtp_client_tls_started(p->client);
    else
        start_session(p, true);
    peer_pump(p);
}

void peer_start_tls(struct peer *p)
{
    struct tls_target target = { .host = p->host, .port = p->relayhost->port };

    tls_policy_demand(p->relay->cfg, p->tls_level, p->tls_match, &target);
    conn_set_timeout(p->conn, p->dest->rules->timeouts.starttls / 1000);
    conn_start_tls_client(p->conn, p->tls, &target, on_tls);
}

/* ---- opening ---- */

static enum smtp_client_tls client_tls(const struct peer *p)
{
    switch (p->tls_level) {
    case CONFIG_TLS_NONE: return SMTP_TLS_NONE;
    case CONFIG_TLS_MAY: return p->is_without_tls ? SMTP_TLS_NONE : SMTP_TLS_MAY;
    default: return SMTP_TLS_REQUIRED;
    }
}

static const struct relay_login *login_for(const struct peer *p)
{
    const struct login *login = p->relayhost && !is_at_domain(p) ? config_login_for(p->relay->cfg, p->relayhost) : NULL;

    for (size_t i = 0; login && i < p->relay->cfg->n_logins; i++)
        if (p->relay->logins[i].login == login)
            return &p->relay->logins[i];
    return NULL;
}

static void start_session(struct peer *p, bool is_encrypted)
{
    const struct relay_login *login = login_for(p);

    if (login && !login->secret) {
        peer_host_failed(p, true, login->error);
        return;
    }
    bool is_service = p->dest->rules->way == TRANSPORT_SERVICE;
    const char *nexthop = is_service ? transport_nexthop(p->dest->nexthop) : "";
    const struct smtp_client_config cfg = {
        .is_lmtp = p->dest->rules->way != TRANSPORT_SMTP && p->dest->rules->way != TRANSPORT_AGAIN,
        .is_encrypted = is_encrypted,
        .helo_name = !is_service ? p->relay->cfg->smtp_helo_name : *nexthop ? nexthop : "-", /* server/deliver.h */
        .tells_origin = is_service,
        .tls = client_tls(p),
        .user = login ? login->login->user : NULL,
        .secret = login ? login->secret : NULL,
        .may_auth_in_clear = p->path || sockaddr_is_loopback(&conn_peer(p->conn)->sa),
        .sends_8bit_anyway = true,
    };
    p->client = smtp_client_new(&cfg, &peer_client_ops, p);
    peer_pump(p);
}

/* There is nothing to look for: a socket below queue_directory. */
static bool has_own_socket(const struct dest *d)
{
    return d->rules->way == TRANSPORT_SERVICE || d->rules->way == TRANSPORT_AGAIN;
}

/* For the log: "mx.example.com[192.0.2.1]:25", "client.example.com[/run/dovecot/lmtp]", "local". */
static char *name_remote(const struct peer *p, const union addr *a)
{
    char address[ADDR_TEXT];

    if (has_own_socket(p->dest))
        return xstrdup(p->dest->rules->name);
    if (p->path)
        return xasprintf("%s[%s]", p->relay->cfg->myhostname, p->relayhost->path);
    return xasprintf("%s[%s]:%u", p->host, sockaddr_format(&a->sa, address, sizeof address), addr_port(a));
}

/* Another one of the host is next, if it comes to that. */
static void forget_address(struct peer *p, const union addr *a)
{
    p->at = *a;
    for (size_t i = 0; i < p->addrs.n; i++)
        if (addr_eq(&p->addrs.at[i], a)) {
            p->addrs.n--;
            memmove(&p->addrs.at[i], &p->addrs.at[i + 1], (p->addrs.n - i) * sizeof(*p->addrs.at));
            return;
        }
}

static void on_dialled(void *arg, struct conn *c, const struct err *why)
{
    struct peer *p = arg;

    p->dial = NULL;
    free(p->remote);
    p->remote = NULL;
    if (!c) {
        char *text = p->path ? xstrdup(why->text) : xasprintf("%s: %s", p->host, why->text);
        peer_host_failed(p, false, text);
        free(text);
        return;
    }
    p->conn = c;
    p->n_sessions++;
    forget_address(p, conn_peer(c));
    p->remote = name_remote(p, conn_peer(c));
    conn_open(c, &peer_conn_ops, p);
    if (p->relayhost && p->dest->rules->way == TRANSPORT_SMTP && config_tls_is_implicit(p->relayhost))
        peer_start_tls(p);
    else
        start_session(p, false);
}

static bool bind_to(const char *text, union addr *out)
{
    return text[0] && addr_parse(out, span_str(text), 0);
}

static void dial_to(struct peer *p, const struct addr_list *to)
{
    const struct config *cfg = p->relay->cfg;
    int64_t timeout_ms = p->dest->rules->timeouts.connect / 1000;
    union addr from4, from6;
    const struct dial_options o = {
        .to = to,
        .timeout_ms = timeout_ms,
        .from4 = bind_to(cfg->smtp_bind_address, &from4) ? &from4 : NULL,
        .from6 = bind_to(cfg->smtp_bind_address6, &from6) ? &from6 : NULL,
        .no_ipv4 = !(cfg->inet_protocols & CONFIG_IPV4),
        .no_ipv6 = !(cfg->inet_protocols & CONFIG_IPV6),
    };
    p->dial = p->path ? dial_unix(p->relay->loop, p->path, timeout_ms, on_dialled, p)
                      : dial_start(p->relay->loop, &o, on_dialled, p);
}

static void dial_host(struct peer *p)
{
    dial_to(p, &p->addrs);
}

/* The level is known. */
static void tls_decided(struct peer *p, enum config_tls_level level, const char *match, struct tls_client *tls)
{
    p->tls_level = level;
    free(p->tls_match);
    p->tls_match = xstrdup_or_null(match);
    p->tls = tls;
    dial_host(p);
}

static void policy_told(void *arg, const struct tls_policy *policy, const struct err *why)
{
    struct peer *p = arg;

    p->policy_ask = NULL;
    p->is_sts_testing = policy && policy->is_testing;
    if (policy)
        tls_decided(p, policy->level, policy->match, policy->client);
    else
        peer_host_failed(p, why->kind == ERR_CONFIG, why->text);
}

static void decide_lmtp_tls(struct peer *p)
{
    const struct relay *r = p->relay;
    enum config_tls_level level = config_lmtp_tls_level(r->cfg, p->relayhost);
    struct tls_client *verified = r->tls_lmtp ? r->tls_lmtp : r->tls_verified;

    tls_decided(p, level, tls_policies_match(r->tls_policies, level, p->relayhost),
                level >= CONFIG_TLS_VERIFY ? verified : r->tls_unverified);
}

/* The one place that says which TLS a host of a destination gets. It ends with tls_decided(), now or later. */
static void decide_tls(struct peer *p)
{
    if (p->path)
        tls_decided(p, CONFIG_TLS_NONE, NULL, NULL);
    else if (p->dest->rules->way == TRANSPORT_LMTP)
        decide_lmtp_tls(p);
    else
        p->policy_ask = tls_policy_ask(p->relay->tls_policies, p->relayhost, p->host, is_at_domain(p), policy_told, p);
}

static char *absolute(const struct config *cfg, const char *path)
{
    return path[0] == '/' ? xstrdup(path) : xasprintf("%s/%s", cfg->queue_directory, path);
}

static void on_host(void *arg, const struct walk_host *host, const struct err *why)
{
    struct peer *p = arg;

    peer_stop_looking(p);
    if (!host) {
        all_hosts_failed(p, why);
        return;
    }
    p->relayhost = host->relayhost;
    p->is_fallback = host->is_fallback;
    free(p->host);
    p->host = xstrdup(host->name);
    free(p->path);
    p->path = host->path ? absolute(p->relay->cfg, host->path) : NULL;
    addr_list_fini(&p->addrs);
    addr_list_copy(&p->addrs, host->addrs);
    p->is_without_tls = false;
    decide_tls(p);
}

/* The delivery worker is one socket; there is nothing to walk. */
static void on_service(void *arg)
{
    struct peer *p = arg;

    if (p->path) { /* it failed */
        const struct err none = { 0 };
        all_hosts_failed(p, &none);
        return;
    }
    p->path = transport_service_path(p->relay->cfg, p->dest->rules);
    p->host = xstrdup(p->dest->rules->name);
    decide_tls(p);
}

void peer_stop_looking(struct peer *p)
{
    if (list_is_empty(&p->looking_link))
        return;
    list_remove(&p->looking_link);
    p->relay->n_looking--;
    if (schedule_is_crowded(p->relay))
        schedule_run(p->relay);
}

static void start_looking(struct peer *p)
{
    if (!list_is_empty(&p->looking_link))
        return;
    p->looking_us = clock_real_us();
    list_append(&p->relay->looking, &p->looking_link);
    p->relay->n_looking++;
}

static void next_host(struct peer *p)
{
    if (has_own_socket(p->dest)) {
        later_start(&p->service_later, p->relay->loop, on_service, p);
    } else {
        start_looking(p);
        walk_next(p->walk);
    }
}

void peer_open(struct peer *p)
{
    struct relay *r = p->relay;
    const struct walk_options o = {
        .protocols = r->cfg->inet_protocols,
        .preference = r->cfg->smtp_address_preference,
        .is_lmtp = p->dest->rules->way == TRANSPORT_LMTP,
        .port = p->dest->rules->way == TRANSPORT_LMTP ? r->cfg->lmtp_tcp_port : r->cfg->smtp_tcp_port,
        .is_direct = p->dest->is_direct,
        .myhostname = r->cfg->myhostname,
        .own = &r->own,
        .fallback = &r->cfg->smtp_fallback_relay,
        .address_limit = r->cfg->smtp_mx_address_limit,
    };

    if (!has_own_socket(p->dest))
        p->walk = walk_new(r->dns, r->loop, transport_nexthop(p->dest->nexthop), &o, on_host, p);
    next_host(p);
}
