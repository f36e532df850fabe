/* SPDX-License-Identifier: Apache-2.0
 *
 * TLS of a session: whether it is offered, the handshake, and what is told of it.
 *
 * While a handshake is under way the engine is silent and nobody reads for it. What a client had sent in the clear behind
 * its STARTTLS is thrown away twice: by the connection what is still in the socket, by the engine what it has got
 * (CVE-2011-0411). The handshake as a whole has a limit, for one that gets a byte now and then is never silent. */
#include "relay/session_int.h"

#include "base/clock.h"
#include "base/log.h"
#include "net/tls.h"
#include "relay/limits.h"
#include "relay/tls_setup.h"

#include <stdio.h>

static enum config_listen_tls mode(const struct session *s)
{
    return s->is_local ? CONFIG_LISTEN_TLS_NO : config_listen_tls(s->receiver->cfg, s->section);
}

void session_tls_terms(const struct session *s, struct smtp_server_config *sc)
{
    enum config_listen_tls tls = mode(s);

    sc->offers_starttls = tls == CONFIG_LISTEN_TLS_MAY || tls == CONFIG_LISTEN_TLS_ENCRYPT;
    sc->requires_tls = tls == CONFIG_LISTEN_TLS_ENCRYPT;
    sc->is_encrypted = tls == CONFIG_LISTEN_TLS_IMPLICIT;
    sc->auth_needs_tls = s->cfg->smtpd_tls_auth_only && !s->is_local;
}

static enum config_ccert ccert_mode(const struct session *s)
{
    return config_listen_ccert(s->receiver->cfg, s->section);
}

static struct tls_server *server_of(const struct session *s)
{
    if (!s->receiver->env->tls)
        return NULL;
    return tls_setup_server(s->receiver->env->tls, mode(s) != CONFIG_LISTEN_TLS_MAY, ccert_mode(s) != CONFIG_CCERT_NO);
}

/* ---- the handshake ---- */

bool session_tls_is_under_way(const struct session *s)
{
    return timer_is_armed(&s->handshake);
}

static void log_established(const struct session *s, const struct tls_info *i)
{
    int level = s->cfg->smtpd_tls_loglevel;

    if (level >= 1)
        log_info("%s TLS connection established from %s: %s with cipher %s (%u/%u bits)", tls_trust_word(i), s->client,
                 i->protocol, i->cipher, i->cipher_bits, i->cipher_bits);
    if (level >= 2)
        log_info("TLS connection from %s: %s, name asked for: %s", s->client,
                 i->is_resumed ? "a session resumed" : "a new session", i->sni[0] ? i->sni : "none");
    if (level >= 2 && i->has_certificate)
        log_info("%s: subject_CN=%s, issuer=%s, fingerprint=%s, pkey_fingerprint=%s%s%s", s->client, log_safe_str(i->common_name),
                 log_safe_str(i->issuer_name), i->fingerprint, i->key_fingerprint, i->is_trusted ? "" : ", not trusted: ",
                 i->is_trusted ? "" : i->why_not);
}

static void fail(struct session *s, const char *why)
{
    log_info("SSL_accept error from %s: %s", s->client, why);
    session_bury(s);
}

/* It is told within TLS, where also a client hears it whose library knows no words for alerts. */
static void refuse_certificate(struct session *s, const struct tls_info *i)
{
    const char *what = i->has_certificate ? "Client certificate not trusted" : "No client certificate presented";

    log_info("NOQUEUE: abort: TLS from %s: %s%s%s", s->client, what, i->why_not[0] ? ": " : "", i->why_not);
    session_shut(s, "4.7.1", what);
}

static void on_handshake(void *arg, const struct tls_info *info, const struct err *why)
{
    struct session *s = arg;

    if (s->is_dead)
        return;
    timer_stop(&s->handshake);
    if (why->kind != ERR_NONE) {
        fail(s, why->text);
        return;
    }
    session_time_start(s);
    log_established(s, info);
    if (!smtp_server_is_encrypted(s->server))
        smtp_server_tls_started(s->server);
    if (ccert_mode(s) == CONFIG_CCERT_REQUIRE && !info->is_trusted) {
        refuse_certificate(s, info);
        return;
    }
    session_pump(s);
}

static void on_limit(void *arg)
{
    struct session *s = arg;
    char why[80];

    snprintf(why, sizeof why, "timed out: no end of the handshake within %lld s",
             (long long)(s->cfg->smtpd_starttls_timeout / USEC_PER_SEC));
    fail(s, why);
}

static void begin(struct session *s, struct tls_server *tls)
{
    const struct config *cfg = s->cfg;

    if (cfg->smtpd_tls_loglevel >= 2)
        log_info("setting up TLS connection from %s", s->client);
    session_time_stop(s);
    timer_start(&s->handshake, s->receiver->loop, cfg->smtpd_starttls_timeout / 1000, on_limit, s);
    conn_start_tls_server(s->conn, tls, on_handshake);
}

void session_tls_begin(struct session *s)
{
    struct tls_server *tls = server_of(s);

    if (tls)
        begin(s, tls);
    else
        fail(s, "there is no certificate");
}

void session_starttls(void *arg, struct smtp_cmd *c)
{
    struct session *s = arg;

    if (!limits_starttls(s, c))
        return;
    if (server_of(s))
        smtp_answer(c, 220, "2.0.0", "Ready to start TLS");
    else
        smtp_answer(c, 454, "4.7.0", "TLS not available due to local problem");
}

void session_start_tls(void *arg)
{
    struct session *s = arg;
    begin(s, server_of(s));
}

/* ---- what is told of it ---- */

const struct tls_info *session_certificate(const struct session *s)
{
    const struct tls_info *i = s->conn ? conn_tls(s->conn) : NULL;
    return i && i->has_certificate && !s->is_spoken_for ? i : NULL;
}

void session_tls_received(const struct session *s, struct received *f, char *text)
{
    const struct tls_info *i = s->conn ? conn_tls(s->conn) : NULL;

    f->is_tls = i != NULL;
    if (!i || !s->cfg->smtpd_tls_received_header)
        return;
    snprintf(text, SESSION_TLS_TEXT, "%s with cipher %s (%u/%u bits)", i->protocol, i->cipher, i->cipher_bits, i->cipher_bits);
    f->tls = text;
    const struct tls_info *certificate = session_certificate(s);
    f->asks_certificate = ccert_mode(s) != CONFIG_CCERT_NO;
    if (!certificate)
        return;
    f->has_certificate = true;
    f->cert_name = certificate->common_name;
    f->cert_issuer = certificate->issuer_name;
    f->cert_is_trusted = certificate->is_trusted;
}
