/* SPDX-License-Identifier: Apache-2.0
 *
 * probe_session.c - one host of the walk: connection, TLS, what the engine of lib/smtp tells, and
 * what to advise. */
#include "control/probe_int.h"

#include "base/clock.h"
#include "base/mem.h"
#include "net/dial.h"
#include "smtp/verdict.h"

#include <stdio.h>
#include <string.h>

/* ---- what the engine tells ---------------------------------------- */

/* The other side is not the relayhost: what it refuses is between it and the sender. */
static const char *advice_for_domain(const struct smtp_result *why)
{
    if (why->stage == SMTP_AT_STARTTLS && why->is_ours)
        return "it offers no TLS, which the policy above wants: mail is kept till it does";
    if (smtp_reply_class(&why->reply) == 4)
        return "this may pass by itself; mail is kept and tried again";
    if (why->stage == SMTP_AT_MAIL)
        return "the host does not like the sender: look at myorigin, and at --from";
    if (why->stage == SMTP_AT_RCPT)
        return "mail for this recipient would be returned to its sender";
    if (!why->is_ours)
        return "the host does not talk with this machine: look up its address, and its name (myhostname), in the lists that the host names";
    return NULL;
}

static const char *advice_for(const struct probe *p, const struct smtp_result *why)
{
    const char *advice = p->is_at_domain ? advice_for_domain(why) : smtp_verdict_advice(why);

    if (advice || p->is_at_domain)
        return advice;
    if (why->stage == SMTP_AT_GREETING && why->is_ours && !p->is_lmtp && p->hop->port != 465)
        return "does this port speak SMTP? 465 speaks TLS from the first byte: write \":465\" if that is meant";
    if (why->stage == SMTP_AT_STARTTLS && why->is_ours)
        return p->is_lmtp ? "the server offers no TLS, which lmtp_tls_security_level wants: has it a certificate (Dovecot: ssl = yes)?"
                          : "the relayhost offers no TLS, which smtp_tls_security_level wants: is the port right (587, 465)?";
    if (smtp_reply_class(&why->reply) == 4)
        return "this may pass by itself; mail is kept and tried again";
    if (why->stage == SMTP_AT_MAIL)
        return "the relayhost does not like the sender: look at myorigin, and at --from";
    if (why->stage == SMTP_AT_RCPT)
        return "mail for this recipient would be returned to its sender";
    return NULL;
}

static void tell_refusal(struct probe *p, enum finding_kind kind, const struct smtp_result *why)
{
    char reply[SMTP_REPLY_TEXT + 32];
    const char *advice = advice_for(p, why);

    if (why->is_ours)
        findings_add(p->f, kind, smtp_stage_name(why->stage), "%s", why->reply.text);
    else
        findings_add(p->f, kind, smtp_stage_name(why->stage), "%s said: %s", p->host,
                     smtp_reply_format(&why->reply, reply, sizeof reply));
    if (advice)
        findings_advise(p->f, "%s", advice);
}

static void tell_features(struct probe *p)
{
    const struct smtp_features *t = smtp_client_features(p->client);
    char size[40] = " SIZE";

    if (t->size_limit)
        snprintf(size, sizeof size, " SIZE %llu", (unsigned long long)t->size_limit);
    findings_add(p->f, FINDING_OK, p->is_lmtp ? "LHLO" : "EHLO", "as %s; it offers%s%s%s%s%s%s%s%s%s",
                 p->cfg->smtp_helo_name, t->has_pipelining ? " PIPELINING" : "",
                 t->has_size ? size : "", t->has_starttls ? " STARTTLS" : "",
                 t->has_8bitmime ? " 8BITMIME" : "", t->has_smtputf8 ? " SMTPUTF8" : "",
                 t->has_dsn ? " DSN" : "", t->has_chunking ? " CHUNKING" : "",
                 *t->mechanisms ? " AUTH " : "", t->mechanisms);
    if (t->size_limit && p->cfg->message_size_limit > t->size_limit)
        findings_add(
            p->f, FINDING_WARNING, "size",
            "it takes %llu bytes at most, message_size_limit is %llu: set it to the same, so that who sends too "
            "much is told at once",
            (unsigned long long)t->size_limit, (unsigned long long)p->cfg->message_size_limit);
}

static void tell_login(struct probe *p, const struct login *l)
{
    if (smtp_client_mechanism(p->client))
        findings_add(p->f, FINDING_OK, "login", "as %s, by %s", l->user,
                     smtp_client_mechanism(p->client));
    else if (*smtp_client_features(p->client)->mechanisms && !l)
        findings_add(
            p->f, FINDING_NOTE, "login",
            "it offers one, and there is none for it; if it wants one: login \"%s\" { user = \"NAME\", password_file "
            "= \"/FILE\" }",
            p->hop->text);
}

static void on_ready(void *arg)
{
    struct probe *p = arg;

    if (p->outcome != UNDER_WAY) {
        smtp_client_quit(p->client);
        return;
    }
    tell_features(p);
    if (!p->is_at_domain && !p->is_socket)
        tell_login(p, probe_login(p));
    if (p->env) {
        smtp_client_probe(p->client, &p->message);
    } else {
        p->outcome = REACHED;
        smtp_client_quit(p->client);
    }
}

static void on_rcpt(void *arg, size_t index, const struct smtp_result *r)
{
    struct probe *p = arg;
    char reply[SMTP_REPLY_TEXT + 32];

    if (p->outcome != UNDER_WAY)
        return;
    if (r->stage != SMTP_AT_MAIL && !p->has_said_sender) {
        findings_add(p->f, FINDING_OK, "sender", "<%s>", p->env->sender);
        p->has_said_sender = true;
    }
    if (smtp_reply_class(&r->reply) == 2) {
        p->n_taken++;
        findings_add(p->f, FINDING_OK, "recipient", "<%s>: %s", p->rcpts[index]->address,
                     smtp_reply_format(&r->reply, reply, sizeof reply));
    } else {
        tell_refusal(p, FINDING_ERROR, r);
        if (r->stage == SMTP_AT_MAIL) /* said once for all recipients */
            p->outcome = REFUSED;
    }
}

static void on_done(void *arg)
{
    struct probe *p = arg;

    if (p->outcome == UNDER_WAY)
        p->outcome = p->n_taken == p->message.n_rcpts ? REACHED : REFUSED;
}

static void on_client_closed(void *arg, const struct smtp_result *why)
{
    struct probe *p = arg;

    if (p->outcome != UNDER_WAY)
        return;
    p->outcome = NEXT_HOST;
    tell_refusal(p, probe_bad(p), why);
}

static void on_trace(void *arg, bool is_ours, struct span line)
{
    struct probe *p = arg;

    if (!is_ours && !p->has_greeting) {
        p->has_greeting = true;
        findings_add(p->f, FINDING_OK, "greeting", "%.*s", (int)line.len, line.at);
    } else if (p->is_verbose) {
        findings_add(p->f, FINDING_NOTE, is_ours ? "we say" : "it says", "%.*s", (int)line.len,
                     line.at);
    }
}

/* ---- the connection ---------------------------------------- */

static const struct smtp_client_ops client_ops;

static void pump(struct probe *p)
{
    struct span out;

    while (p->client && p->conn && (out = smtp_client_output(p->client)).len) {
        conn_write(p->conn, out);
        smtp_client_sent(p->client, out.len);
    }
}

static void on_data(void *arg, struct span bytes)
{
    struct probe *p = arg;

    if (p->client)
        smtp_client_input(p->client, bytes);
    pump(p);
}

static void on_conn_closed(void *arg, const struct err *why)
{
    struct probe *p = arg;

    if (p->client)
        smtp_client_lost(p->client, why->kind == ERR_NONE ? "it closed the connection" : why->text);
    if (p->outcome == UNDER_WAY)
        p->outcome = NEXT_HOST;
}

static const struct conn_ops conn_ops = { .data = on_data, .closed = on_conn_closed };

static enum smtp_client_tls tls_wanted(const struct probe *p)
{
    if (p->level == CONFIG_TLS_NONE || p->is_without_tls)
        return SMTP_TLS_NONE;
    return p->level == CONFIG_TLS_MAY ? SMTP_TLS_MAY : SMTP_TLS_REQUIRED;
}

static void start_client(struct probe *p, bool is_encrypted)
{
    const struct login *l = probe_login(p);
    const struct smtp_client_config c = {
        .is_lmtp = p->is_lmtp,
        .is_encrypted = is_encrypted,
        .helo_name = p->cfg->smtp_helo_name,
        .tls = tls_wanted(p),
        .user = l ? l->user : NULL,
        .secret = p->secret,
        .may_auth_in_clear = p->is_socket || sockaddr_is_loopback(&conn_peer(p->conn)->sa),
        .sends_8bit_anyway = true,
    };

    conn_set_timeout(p->conn, p->cfg->smtp_helo_timeout / 1000);
    p->client = smtp_client_new(&c, &client_ops, p);
    pump(p);
}

/* ---- TLS ---------------------------------------- */

static const char *level_parameter(const struct probe *p)
{
    return p->is_lmtp ? "lmtp_tls_security_level" : "smtp_tls_security_level";
}

static void tell_certificate(struct probe *p, const struct tls_info *i)
{
    findings_add(p->f, FINDING_OK, "TLS", "%s, %s", i->protocol, i->cipher);
    if (i->is_verified && p->level == CONFIG_TLS_FINGERPRINT)
        findings_add(p->f, FINDING_OK, "certificate", "known by its fingerprint, %s", i->fingerprint);
    else if (i->is_verified)
        findings_add(p->f, FINDING_OK, "certificate", "for %s, until %s, by %s", i->names, i->not_after, i->issuer);
    else if (p->is_testing)
        findings_add(p->f, FINDING_WARNING, "certificate", "%s; once its MTA-STS policy is in mode enforce no mail goes here", i->why_not);
    else
        findings_add(p->f, FINDING_NOTE, "certificate", "%s (%s does not ask for more)", i->why_not, level_parameter(p));
}

static void advise_tls(struct probe *p, const struct tls_info *i)
{
    if (p->is_at_domain)
        findings_advise(p->f, "the host has to put that right; mail is kept meanwhile, or returned when it has waited too long");
    else if (p->level == CONFIG_TLS_FINGERPRINT && i && *i->fingerprint)
        findings_advise(p->f, "if that is the right server, write its fingerprint into smtp_tls_fingerprint_cert_match: %s", i->fingerprint);
    else if (i && i->is_trusted && !i->is_verified && *i->names)
        findings_advise(p->f, "write the %s by a name that its certificate is for: %s", p->is_lmtp ? "host" : "relayhost", i->names);
    else if (i && *i->subject && !i->is_trusted)
        findings_advise(p->f, "if the authority is your own, name its certificate in %s (issuer: %s)",
                        p->is_lmtp ? "lmtp_tls_CAfile" : "smtp_tls_CAfile", i->issuer);
    else if (!p->is_lmtp)
        findings_advise(p->f, "port 465 speaks TLS at once, 587 and 25 after STARTTLS: is the port right?");
}

static void on_tls(void *arg, const struct tls_info *info, const struct err *why)
{
    struct probe *p = arg;

    if (why->kind == ERR_NONE) {
        tell_certificate(p, info);
        if (p->client)
            smtp_client_tls_started(p->client);
        else
            start_client(p, true);
        pump(p);
        return;
    }
    if (p->level == CONFIG_TLS_MAY && !config_tls_is_implicit(p->hop)) {
        findings_add(p->f, FINDING_WARNING, "TLS", "%s; mail goes without (%s = may)", why->text, level_parameter(p));
        p->is_without_tls = true;
    } else {
        findings_add(p->f, probe_bad(p), "TLS", "%s", why->text);
        advise_tls(p, info);
    }
    p->outcome = NEXT_HOST;
}

static void start_tls(struct probe *p)
{
    struct tls_target target = { .host = p->host, .port = p->hop->port };

    tls_policy_demand(p->cfg, p->level, p->match, &target);
    conn_set_timeout(p->conn, p->cfg->smtp_starttls_timeout / 1000);
    conn_start_tls_client(p->conn, p->tls, &target, on_tls);
}

static void on_starttls(void *arg)
{
    struct probe *p = arg;

    pump(p);
    start_tls(p);
}

static const struct smtp_client_ops client_ops = {
    .ready = on_ready,
    .starttls = on_starttls,
    .rcpt = on_rcpt,
    .done = on_done,
    .closed = on_client_closed,
    .trace = on_trace,
};

/* ---- dialling ---------------------------------------- */

static const char *advice_for_silence(const struct probe *p)
{
    if (p->is_socket)
        return "does its server run, and may this user write to the socket? Mail is kept meanwhile";
    if (p->is_lmtp)
        return "does its server run, and listen there (Dovecot: inet_listener in service lmtp)? Mail is kept meanwhile";
    if (p->is_at_domain)
        return "many networks block port 25: if no other domain's hosts answer either, mail has to go through a relayhost. Mail is kept "
               "meanwhile";
    if (p->hop->port == 25)
        return "many networks block port 25: does the relayhost take mail at 587 (with a login)? Is there a firewall in between?";
    return "is the port right? Is there a firewall in between?";
}

/* Another one of the host is next, if it comes to that. */
static void forget_address(struct probe *p, const union addr *a)
{
    p->at = *a;
    for (size_t i = 0; i < p->addrs.n; i++)
        if (addr_eq(&p->addrs.at[i], a)) {
            p->addrs.n--;
            memmove(&p->addrs.at[i], &p->addrs.at[i + 1], (p->addrs.n - i) * sizeof *p->addrs.at);
            return;
        }
}

static void on_dialled(void *arg, struct conn *c, const struct err *why)
{
    struct probe *p = arg;
    char text[ADDR_TEXT];

    p->was_connected = c != NULL;
    if (!c) {
        p->outcome = NEXT_HOST;
        findings_add(p->f, probe_bad(p), "connect", "%s", why->text);
        findings_advise(p->f, "%s", advice_for_silence(p));
        return;
    }
    p->conn = c;
    p->n_sessions += !p->is_without_tls;
    findings_add(p->f, FINDING_OK, "connect", "%s, in %.2f s", p->is_socket ? p->host : addr_format(conn_peer(c), text),
                 (double)(clock_mono_us() - p->dialled_us) / 1e6);
    if (!p->is_socket)
        forget_address(p, conn_peer(c));
    conn_open(c, &conn_ops, p);
    if (!p->is_lmtp && config_tls_is_implicit(p->hop))
        start_tls(p);
    else
        start_client(p, false);
}

static const union addr *bind_to(const char *text, union addr *out)
{
    return text[0] && addr_parse(out, span_str(text), 0) ? out : NULL;
}

static void hang_up(struct probe *p)
{
    smtp_client_free(p->client);
    if (p->conn)
        conn_close(p->conn);
    p->client = NULL;
    p->conn = NULL;
    p->has_greeting = false;
}

enum outcome probe_converse(struct probe *p)
{
    union addr from4, from6;
    const struct addr_list once_more = { &p->at, 1 };
    const struct dial_options o = {
        .to = p->is_without_tls ? &once_more : &p->addrs,
        .timeout_ms = p->cfg->smtp_connect_timeout / 1000,
        .from4 = bind_to(p->cfg->smtp_bind_address, &from4),
        .from6 = bind_to(p->cfg->smtp_bind_address6, &from6),
        .no_ipv4 = !(p->cfg->inet_protocols & CONFIG_IPV4),
        .no_ipv6 = !(p->cfg->inet_protocols & CONFIG_IPV6),
    };

    p->outcome = UNDER_WAY;
    p->dialled_us = clock_mono_us();
    if (p->is_socket)
        dial_unix(p->loop, p->host, o.timeout_ms, on_dialled, p);
    else
        dial_start(p->loop, &o, on_dialled, p);
    while (p->outcome == UNDER_WAY && loop_turn(p->loop, true))
        continue;
    pump(p); /* the QUIT; its answer is not waited for */
    if (p->conn)
        conn_flush(p->conn);
    hang_up(p);
    return p->outcome;
}
