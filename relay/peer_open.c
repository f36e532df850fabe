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

#include "base/log.h"

#include <stdlib.h>

static void dial_host(struct peer *p);
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
}

void peer_host_failed(struct peer *p, bool is_config, const char *what)
{
    char *text = p->remote ? xasprintf("%s: %s", p->remote, what) : xstrdup(what);

    add_trouble(p, is_config, text);
    free(text);
    drop_host(p);
    walk_next(p->walk);
}

/* Freed from a callback of the client's, so it must not go on inside it. */
static void retry_without_tls(struct peer *p, const char *why)
{
    log_info("%s: TLS failed, going on without it (smtp_tls_security_level = may): %s", p->remote, log_safe_str(why));
    p->is_without_tls = true;
    drop_host(p);
    dial_host(p);
}

static void all_hosts_failed(struct peer *p, const struct err *why)
{
    struct pool *pool = p->dest->pool;

    if (why->kind != ERR_NONE)
        add_trouble(p, why->kind == ERR_CONFIG, why->text);
    /* Others may be connected and working: then this is only one connection less. */
    if (peer_count_in(pool, PEER_BUSY) + peer_count_in(pool, PEER_IDLE) > 0)
        schedule_no_more(p->relay, p->dest);
    else
        schedule_dest_failed(p->relay, p->dest, p->has_temporary ? TROUBLE_TEMPORARY : TROUBLE_CONFIG,
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

static enum config_tls_level tls_level(const struct peer *p)
{
    return config_tls_level(p->relay->cfg, p->relayhost);
}

static void on_tls(void *arg, const struct tls_info *info, const struct err *why)
{
    struct peer *p = arg;

    if (why->kind != ERR_NONE) {
        if (tls_level(p) == CONFIG_TLS_MAY && !config_tls_is_implicit(p->relayhost)) {
            retry_without_tls(p, why->text);
            return;
        }
        char *text = xasprintf("TLS: %s", why->text);
        peer_host_failed(p, why->kind == ERR_CONFIG, text);
        free(text);
        return;
    }
    log_tls(p, info);
    if (p->client)
        smtp_client_tls_started(p->client);
    else
        start_session(p, true);
    peer_pump(p);
}

void peer_start_tls(struct peer *p)
{
    enum config_tls_level level = tls_level(p);
    bool is_verified = level >= CONFIG_TLS_VERIFY;
    const struct tls_target target = {
        .demand = is_verified ? TLS_VERIFY : TLS_ENCRYPT,
        .host = p->host,
        .match = level == CONFIG_TLS_SECURE ? p->relayhost->host : NULL,
        .port = p->relayhost->port,
    };

    conn_set_timeout(p->conn, p->relay->cfg->smtp_starttls_timeout / 1000);
    conn_start_tls_client(p->conn, is_verified ? p->relay->tls_verified : p->relay->tls_unverified, &target, on_tls);
}

/* ---- opening ---- */

static enum smtp_client_tls client_tls(const struct peer *p)
{
    switch (tls_level(p)) {
    case CONFIG_TLS_NONE: return SMTP_TLS_NONE;
    case CONFIG_TLS_MAY: return p->is_without_tls ? SMTP_TLS_NONE : SMTP_TLS_MAY;
    default: return SMTP_TLS_REQUIRED;
    }
}

static const struct relay_login *login_for(const struct peer *p)
{
    const struct login *login = config_login_for(p->relay->cfg, p->relayhost);

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
    const struct smtp_client_config cfg = {
        .is_encrypted = is_encrypted,
        .helo_name = p->relay->cfg->smtp_helo_name,
        .tls = client_tls(p),
        .user = login ? login->login->user : NULL,
        .secret = login ? login->secret : NULL,
        .may_auth_in_clear = sockaddr_is_loopback(&conn_peer(p->conn)->sa),
        .sends_8bit_anyway = true,
    };
    p->client = smtp_client_new(&cfg, &peer_client_ops, p);
    peer_pump(p);
}

static void on_dialled(void *arg, struct conn *c, const struct err *why)
{
    struct peer *p = arg;
    char address[ADDR_TEXT];

    p->dial = NULL;
    if (!c) {
        char *text = xasprintf("%s: %s", p->host, why->text);
        free(p->remote);
        p->remote = NULL;
        peer_host_failed(p, false, text);
        free(text);
        return;
    }
    p->conn = c;
    free(p->remote);
    p->remote = xasprintf("%s[%s]:%u", p->host, sockaddr_format(&conn_peer(c)->sa, address, sizeof address),
                          addr_port(conn_peer(c)));
    conn_open(c, &peer_conn_ops, p);
    if (config_tls_is_implicit(p->relayhost))
        peer_start_tls(p);
    else
        start_session(p, false);
}

static bool bind_to(const char *text, union addr *out)
{
    return text[0] && addr_parse(out, span_str(text), 0);
}

static void dial_host(struct peer *p)
{
    const struct config *cfg = p->relay->cfg;
    union addr from4, from6;
    const struct dial_options o = {
        .to = &p->addrs,
        .timeout_ms = cfg->smtp_connect_timeout / 1000,
        .from4 = bind_to(cfg->smtp_bind_address, &from4) ? &from4 : NULL,
        .from6 = bind_to(cfg->smtp_bind_address6, &from6) ? &from6 : NULL,
        .no_ipv4 = !(cfg->inet_protocols & CONFIG_IPV4),
        .no_ipv6 = !(cfg->inet_protocols & CONFIG_IPV6),
    };
    p->dial = dial_start(p->relay->loop, &o, on_dialled, p);
}

static void on_host(void *arg, const struct walk_host *host, const struct err *why)
{
    struct peer *p = arg;

    if (!host) {
        all_hosts_failed(p, why);
        return;
    }
    p->relayhost = host->relayhost;
    free(p->host);
    p->host = xstrdup(host->name);
    addr_list_fini(&p->addrs);
    addr_list_copy(&p->addrs, host->addrs);
    p->is_without_tls = false;
    dial_host(p);
}

void peer_open(struct peer *p)
{
    struct relay *r = p->relay;
    p->walk = walk_new(r->dns, r->loop, strchr(p->dest->nexthop, ':') + 1, r->cfg->inet_protocols, on_host, p);
    walk_next(p->walk);
}
