/* SPDX-License-Identifier: Apache-2.0
 *
 * relayhost.c - "[smtp.example.com]:587": read, and what the configuration has for it. */
#include "config/config_int.h"

#include <netinet/in.h>
#include <stdlib.h>
#include <strings.h>
#include <unistd.h>

void relayhost_fini(struct relayhost *h)
{
    free(h->text);
    free(h->host);
    free(h->path);
    *h = (struct relayhost){ 0 };
}

/* Parts "[host]:port" and "host:port"; *port is empty when there is none. */
static int split_port(struct span text, struct span *host, struct span *port, struct err *e)
{
    size_t end = text.len && text.at[0] == '[' ? span_find(text, ']') + 1 : span_rfind(text, ':');

    if (text.len && text.at[0] == '[' && end > text.len)
        return err_set(e, ERR_CONFIG, "\"%.*s\" lacks its ]", (int)text.len, text.at);
    if (end > text.len)
        end = text.len;
    *host = span_of(text.at, end);
    struct span rest = span_from(text, end);
    if (rest.len && rest.at[0] != ':')
        return err_set(e, ERR_CONFIG, "\"%.*s\": behind the ] comes :PORT or nothing",
                       (int)text.len, text.at);
    *port = span_from(rest, 1);
    if (rest.len && !port->len)
        return err_set(e, ERR_CONFIG, "\"%.*s\" ends with a colon: a port is missing",
                       (int)text.len, text.at);
    return 0;
}

static int bad_relayhost(struct span text, struct span host, struct err *e)
{
    if (host.len && host.at[0] == '<')
        return err_set(
            e, ERR_CONFIG,
            "\"%.*s\" is a handbook's blank to fill in: write the name of your relay there, without the angle "
            "brackets: [smtp.example.com]",
            (int)text.len, text.at);
    if (span_find(text, '/') < text.len)
        return err_set(
            e, ERR_CONFIG,
            "\"%.*s\" is not understood: write host, host:port, [host] or [host]:port, without "
            "a protocol before it",
            (int)text.len, text.at);
    return err_set(e, ERR_CONFIG,
                   "\"%.*s\" is not understood: write host, host:port, [host] or [host]:port",
                   (int)text.len, text.at);
}

int relayhost_parse(struct relayhost *h, struct span text, struct err *e)
{
    struct span host = text, port = { 0 };
    int number = 25;

    *h = (struct relayhost){ 0 };
    text = span_trim(text);
    host = text;
    if (address_is(text, AF_INET6) && text.at[0] != '[')
        return err_set(e, ERR_CONFIG, "an IPv6 address stands in brackets: [%.*s]", (int)text.len,
                       text.at);
    if (span_find(text, '/') < text.len)
        return bad_relayhost(text, text, e);
    if (split_port(text, &host, &port, e) < 0)
        return -1;
    bool is_bracketed = host.len > 1 && host.at[0] == '[';
    host = address_unwrap(host);
    if (span_istarts(host, "ipv6:"))
        host = span_from(host, 5);
    if (!port.len && port_parse(text) > 0 && ascii_is_digit(text.at[0]))
        return err_set(e, ERR_CONFIG, "\"%.*s\" is no host; a port stands behind a colon: [smtp.example.com]:%.*s", (int)text.len,
                       text.at, (int)text.len, text.at);
    bool is_literal = address_is(host, AF_INET) || address_is(host, AF_INET6);
    if (!is_literal && !hostname_is_sane(host))
        return bad_relayhost(text, host, e);
    if (port.len && (number = port_parse(port)) < 0)
        return err_set(
            e, ERR_CONFIG,
            "\"%.*s\": \"%.*s\" is not a port: a number from 1 to 65535, or a name such as "
            "submission",
            (int)text.len, text.at, (int)port.len, port.at);
    if (host.len > 1 && host.at[host.len - 1] == '.')
        host.len--;
    h->text = span_dup(text);
    h->host = span_dup(host);
    ascii_lower_str(h->host);
    h->port = (uint16_t)number;
    h->has_port = port.len > 0;
    h->is_address = is_literal;
    h->is_bracketed = is_bracketed || is_literal;
    return 0;
}

/* ---- what the configuration has for it ---- */

static bool same_place(const struct relayhost *a, const struct relayhost *b)
{
    return strcasecmp(a->host, b->host) == 0 && a->is_bracketed == b->is_bracketed;
}

unsigned config_receivers(const struct config *cfg)
{
    if (cfg->receive_workers)
        return (unsigned)cfg->receive_workers;
    /* The relay has a core of its own. More workers than cores share the work badly: smaller batches, more wake-ups. */
    long cores = sysconf(_SC_NPROCESSORS_ONLN) - 1;
    return cores < 1 ? 1 : cores > 16 ? 16 : (unsigned)cores;
}

const struct login *config_login_for(const struct config *cfg, const struct relayhost *host)
{
    for (size_t i = 0; i < cfg->n_logins; i++) {
        const struct relayhost *title = &cfg->logins[i].host;
        if (same_place(title, host) && title->port == host->port &&
            title->has_port == host->has_port)
            return &cfg->logins[i];
    }
    for (size_t i = 0; i < cfg->n_logins; i++) {
        const struct relayhost *title = &cfg->logins[i].host;
        if (same_place(title, host) && (!title->has_port || title->port == host->port))
            return &cfg->logins[i];
    }
    return NULL;
}

enum config_tls_level config_tls_level(const struct config *cfg, const struct relayhost *host)
{
    if (cfg->smtp_tls_security_level != CONFIG_TLS_AUTO)
        return (enum config_tls_level)cfg->smtp_tls_security_level;
    if (host->port == 465 || host->port == 587 || config_login_for(cfg, host))
        return CONFIG_TLS_SECURE;
    return CONFIG_TLS_MAY;
}

enum config_tls_level config_lmtp_tls_level(const struct config *cfg, const struct relayhost *host)
{
    if (cfg->lmtp_tls_security_level != CONFIG_TLS_AUTO)
        return (enum config_tls_level)cfg->lmtp_tls_security_level;
    return config_login_for(cfg, host) ? CONFIG_TLS_SECURE : CONFIG_TLS_MAY;
}

bool config_tls_is_implicit(const struct relayhost *host)
{
    return host->port == 465;
}
