/* SPDX-License-Identifier: Apache-2.0
 *
 * probe.c - one step after the other, each waited for: nothing else happens in this program meanwhile.
 *
 * The steps are those of relay/ (same libraries, same settings), without its queue: what works here works there. */
#include "control/probe.h"

#include "base/clock.h"
#include "base/log.h"
#include "base/mem.h"
#include "net/conn.h"
#include "net/dial.h"
#include "net/dns.h"
#include "net/tls.h"
#include "smtp/client.h"
#include "smtp/verdict.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

enum outcome {
    UNDER_WAY,
    NEXT_HOST, /* this one could not be reached, or is out of order: the next one may do */
    REFUSED,   /* it answered, and that is how it stands */
    REACHED,   /* all that was asked for went well */
};

struct probe {
    const struct config *cfg;
    struct findings *f;
    const struct probe_mail *mail; /* NULL: to the end of the login */
    struct loop *loop;
    struct dns *dns;
    struct tls_client *tls;
    bool is_answered; /* a DNS question is */

    const struct relayhost *hop; /* under way */
    const char *host;            /* of the hop: itself, or one of its MX hosts */
    struct strlist mx;
    struct addr_list addrs;
    int64_t dialled_us;
    struct conn *conn;
    struct smtp_client *client;
    char *secret;
    bool has_greeting, has_said_features;
    bool is_without_tls; /* it failed, and need not be */
    enum outcome outcome;

    struct envelope env;
    struct rcpt rcpt;
    const struct rcpt *rcpts[1];
    struct smtp_message message;
};

static enum config_tls_level level(const struct probe *p)
{
    return config_tls_level(p->cfg, p->hop);
}

/* An MX host or a second relayhost may still do: then it is no error yet. */
static enum finding_kind bad(const struct probe *p)
{
    return p->mail && p->cfg->relayhost.n > 1 ? FINDING_WARNING : FINDING_ERROR;
}

/* ---- names ---------------------------------------- */

static void advise_name(struct probe *p, enum dns_outcome outcome)
{
    if (outcome == DNS_NONE)
        findings_advise(p->f, "is \"%s\" in relayhost spelt right? Mail is kept meanwhile", p->hop->text);
    else
        findings_advise(p->f, "does this machine's DNS work? Look at /etc/resolv.conf");
}

static void on_mx(void *arg, enum dns_outcome outcome, const struct dns_mx_list *found, const struct err *why)
{
    struct probe *p = arg;

    p->is_answered = true;
    if (outcome == DNS_FAILED) {
        findings_add(p->f, bad(p), "name", "%s", why->text);
        advise_name(p, outcome);
    } else if (outcome == DNS_NONE) {
        findings_add(p->f, FINDING_OK, "name", "%s has no MX records: its own addresses count", p->hop->host);
        strlist_add(&p->mx, span_str(p->hop->host));
    } else if (found->is_null) {
        findings_add(p->f, bad(p), "name", "%s says that it takes no mail (MX \".\")", p->hop->host);
        findings_advise(p->f, "write the name of a host, in brackets: relayhost = \"[smtp.example.com]\"");
    }
    for (size_t i = 0; outcome == DNS_FOUND && i < found->n; i++) {
        findings_add(p->f, FINDING_OK, "name", "%s has the mail exchanger %s (%u)", p->hop->host, found->at[i].host,
                     found->at[i].preference);
        strlist_add(&p->mx, span_str(found->at[i].host));
    }
}

static void on_hosts(void *arg, enum dns_outcome outcome, const struct addr_list *found, const struct err *why)
{
    struct probe *p = arg;
    char text[ADDR_TEXT];
    struct buf all;

    p->is_answered = true;
    if (outcome != DNS_FOUND) {
        findings_add(p->f, bad(p), "name", "%s", why->text);
        advise_name(p, outcome);
        return;
    }
    addr_list_copy(&p->addrs, found);
    if (p->hop->is_address)
        return;
    buf_init(&all, 4096);
    for (size_t i = 0; i < found->n; i++)
        buf_addf(&all, "%s%s", i ? ", " : "", sockaddr_format(&found->at[i].sa, text, sizeof text));
    findings_add(p->f, FINDING_OK, "name", "%s: %s", p->host, buf_cstr(&all));
    buf_fini(&all);
}

static void wait_for_answer(struct probe *p)
{
    while (!p->is_answered && loop_turn(p->loop, true))
        continue;
}

static void find_hosts(struct probe *p)
{
    p->is_answered = false;
    if (p->hop->is_bracketed) {
        strlist_add(&p->mx, span_str(p->hop->host));
        return;
    }
    dns_mx(p->dns, p->hop->host, on_mx, p);
    wait_for_answer(p);
}

static void find_addresses(struct probe *p)
{
    unsigned flags = DNS_SEARCH | (p->cfg->inet_protocols & CONFIG_IPV4 ? DNS_IPV4 : 0u) |
                     (p->cfg->inet_protocols & CONFIG_IPV6 ? DNS_IPV6 : 0u);

    p->is_answered = false;
    dns_hosts(p->dns, p->host, p->hop->port, flags, on_hosts, p);
    wait_for_answer(p);
}

/* ---- what the engine tells ---------------------------------------- */

static const char *advice_for(const struct probe *p, const struct smtp_result *why)
{
    const char *advice = smtp_verdict_advice(why);

    if (advice)
        return advice;
    if (why->stage == SMTP_AT_GREETING && why->is_ours && p->hop->port != 465)
        return "does this port speak SMTP? 465 speaks TLS from the first byte: write \":465\" if that is meant";
    if (why->stage == SMTP_AT_STARTTLS && why->is_ours)
        return "the relayhost offers no TLS, which smtp_tls_security_level wants: is the port right (587, 465)?";
    if (smtp_reply_class(&why->reply) == 4)
        return "this may pass by itself; mail is kept and tried again";
    if (why->stage == SMTP_AT_MAIL)
        return "the relayhost does not like the sender: look at myorigin, and at --from";
    if (why->stage == SMTP_AT_RCPT)
        return "mail for this recipient would be returned to its sender";
    return NULL;
}

static void tell_refusal(struct probe *p, const struct smtp_result *why)
{
    char reply[SMTP_REPLY_TEXT + 32];
    const char *advice = advice_for(p, why);

    if (why->is_ours)
        findings_add(p->f, FINDING_ERROR, smtp_stage_name(why->stage), "%s", why->reply.text);
    else
        findings_add(p->f, FINDING_ERROR, smtp_stage_name(why->stage), "%s said: %s", p->host,
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
    findings_add(p->f, FINDING_OK, "EHLO", "as %s; it offers%s%s%s%s%s%s%s%s%s", p->cfg->smtp_helo_name,
                 t->has_pipelining ? " PIPELINING" : "", t->has_size ? size : "", t->has_starttls ? " STARTTLS" : "",
                 t->has_8bitmime ? " 8BITMIME" : "", t->has_smtputf8 ? " SMTPUTF8" : "", t->has_dsn ? " DSN" : "",
                 t->has_chunking ? " CHUNKING" : "", *t->mechanisms ? " AUTH " : "", t->mechanisms);
    if (t->size_limit && p->cfg->message_size_limit > t->size_limit)
        findings_add(p->f, FINDING_WARNING, "size",
                     "it takes %llu bytes at most, message_size_limit is %llu: set it to the same, so that who sends too "
                     "much is told at once", (unsigned long long)t->size_limit,
                     (unsigned long long)p->cfg->message_size_limit);
}

static void tell_login(struct probe *p, const struct login *l)
{
    if (smtp_client_mechanism(p->client))
        findings_add(p->f, FINDING_OK, "login", "as %s, by %s", l->user, smtp_client_mechanism(p->client));
    else if (*smtp_client_features(p->client)->mechanisms && !l)
        findings_add(p->f, FINDING_NOTE, "login",
                     "it offers one, and there is none for it; if it wants one: login \"%s\" { user = \"NAME\", password_file "
                     "= \"/FILE\" }", p->hop->text);
}

static void on_ready(void *arg)
{
    struct probe *p = arg;

    if (p->outcome != UNDER_WAY) {
        smtp_client_quit(p->client);
        return;
    }
    tell_features(p);
    tell_login(p, config_login_for(p->cfg, p->hop));
    if (p->mail) {
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
    (void)index;

    if (p->outcome != UNDER_WAY)
        return;
    if (r->stage != SMTP_AT_MAIL)
        findings_add(p->f, FINDING_OK, "sender", "<%s>", p->env.sender);
    if (smtp_reply_class(&r->reply) != 2) {
        p->outcome = REFUSED;
        tell_refusal(p, r);
        return;
    }
    p->outcome = REACHED;
    findings_add(p->f, FINDING_OK, "recipient", "<%s>: %s", p->rcpt.address,
                 smtp_reply_format(&r->reply, reply, sizeof reply));
}

static void on_done(void *arg)
{
    (void)arg;
}

static void on_client_closed(void *arg, const struct smtp_result *why)
{
    struct probe *p = arg;

    if (p->outcome != UNDER_WAY)
        return;
    p->outcome = smtp_reply_class(&why->reply) == 5 || why->stage == SMTP_AT_AUTH ? REFUSED : NEXT_HOST;
    tell_refusal(p, why);
}

static void on_trace(void *arg, bool is_ours, struct span line)
{
    struct probe *p = arg;

    if (!is_ours && !p->has_greeting) {
        p->has_greeting = true;
        findings_add(p->f, FINDING_OK, "greeting", "%.*s", (int)line.len, line.at);
    } else if (p->mail && p->mail->is_verbose) {
        findings_add(p->f, FINDING_NOTE, is_ours ? "we say" : "it says", "%.*s", (int)line.len, line.at);
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
    if (level(p) == CONFIG_TLS_NONE || p->is_without_tls)
        return SMTP_TLS_NONE;
    return level(p) == CONFIG_TLS_MAY ? SMTP_TLS_MAY : SMTP_TLS_REQUIRED;
}

static void start_client(struct probe *p, bool is_encrypted)
{
    const struct login *l = config_login_for(p->cfg, p->hop);
    const struct smtp_client_config c = {
        .is_encrypted = is_encrypted,
        .helo_name = p->cfg->smtp_helo_name,
        .tls = tls_wanted(p),
        .user = l ? l->user : NULL,
        .secret = p->secret,
        .may_auth_in_clear = sockaddr_is_loopback(&conn_peer(p->conn)->sa),
        .sends_8bit_anyway = true,
    };

    conn_set_timeout(p->conn, p->cfg->smtp_helo_timeout / 1000);
    p->client = smtp_client_new(&c, &client_ops, p);
    pump(p);
}

/* ---- TLS ---------------------------------------- */

static void tell_certificate(struct probe *p, const struct tls_info *i)
{
    bool must = level(p) >= CONFIG_TLS_VERIFY;

    findings_add(p->f, FINDING_OK, "TLS", "%s, %s", i->protocol, i->cipher);
    if (i->is_verified)
        findings_add(p->f, FINDING_OK, "certificate", "for %s, until %s, by %s", i->names, i->not_after, i->issuer);
    else
        findings_add(p->f, must ? FINDING_ERROR : FINDING_NOTE, "certificate", "%s (smtp_tls_security_level does not ask for "
                     "more)", i->why_not);
}

static void advise_tls(struct probe *p, const struct tls_info *i)
{
    if (i && i->is_trusted && !i->is_verified && *i->names)
        findings_advise(p->f, "write the relayhost by a name that its certificate is for: %s", i->names);
    else if (i && *i->subject && !i->is_trusted)
        findings_advise(p->f, "if the authority is your own, name its certificate in smtp_tls_CAfile (issuer: %s)", i->issuer);
    else
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
    if (level(p) == CONFIG_TLS_MAY && !config_tls_is_implicit(p->hop)) {
        findings_add(p->f, FINDING_WARNING, "TLS", "%s; mail goes without (smtp_tls_security_level = may)", why->text);
        p->is_without_tls = true;
    } else {
        findings_add(p->f, FINDING_ERROR, "TLS", "%s", why->text);
        advise_tls(p, info);
    }
    p->outcome = NEXT_HOST;
}

static void start_tls(struct probe *p)
{
    const struct tls_target target = {
        .demand = level(p) >= CONFIG_TLS_VERIFY ? TLS_VERIFY : TLS_ENCRYPT,
        .host = p->host,
        .match = level(p) == CONFIG_TLS_SECURE ? p->hop->host : NULL,
        .port = p->hop->port,
    };

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

static void on_dialled(void *arg, struct conn *c, const struct err *why)
{
    struct probe *p = arg;
    char text[ADDR_TEXT];

    if (!c) {
        p->outcome = NEXT_HOST;
        findings_add(p->f, bad(p), "connect", "%s", why->text);
        findings_advise(p->f, p->hop->port == 25 ? "many networks block port 25: does the relayhost take mail at 587 (with a "
                                                   "login)? Is there a firewall in between?"
                                                 : "is the port right? Is there a firewall in between?");
        return;
    }
    p->conn = c;
    findings_add(p->f, FINDING_OK, "connect", "%s, in %.2f s", addr_format(conn_peer(c), text),
                 (double)(clock_mono_us() - p->dialled_us) / 1e6);
    conn_open(c, &conn_ops, p);
    if (config_tls_is_implicit(p->hop))
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

static enum outcome converse(struct probe *p)
{
    union addr from4, from6;
    const struct dial_options o = {
        .to = &p->addrs,
        .timeout_ms = p->cfg->smtp_connect_timeout / 1000,
        .from4 = bind_to(p->cfg->smtp_bind_address, &from4),
        .from6 = bind_to(p->cfg->smtp_bind_address6, &from6),
        .no_ipv4 = !(p->cfg->inet_protocols & CONFIG_IPV4),
        .no_ipv6 = !(p->cfg->inet_protocols & CONFIG_IPV6),
    };

    p->outcome = UNDER_WAY;
    p->dialled_us = clock_mono_us();
    dial_start(p->loop, &o, on_dialled, p);
    while (p->outcome == UNDER_WAY && loop_turn(p->loop, true))
        continue;
    pump(p); /* the QUIT; its answer is not waited for */
    if (p->conn)
        conn_flush(p->conn);
    hang_up(p);
    return p->outcome;
}

/* ---- the way ---------------------------------------- */

static enum outcome try_host(struct probe *p, const char *host)
{
    enum outcome outcome = NEXT_HOST;

    p->host = host;
    p->is_without_tls = false;
    find_addresses(p);
    if (p->addrs.n)
        outcome = converse(p);
    if (outcome == NEXT_HOST && p->is_without_tls)
        outcome = converse(p);
    addr_list_fini(&p->addrs);
    return outcome;
}

static bool get_secret(struct probe *p)
{
    const struct login *l = config_login_for(p->cfg, p->hop);
    struct err e;

    config_secret_free(p->secret);
    p->secret = NULL;
    if (!l)
        return true;
    p->secret = config_login_secret(p->cfg, l, &e);
    if (p->secret)
        return true;
    findings_add(p->f, FINDING_ERROR, "login", "%s", e.text);
    if (e.sys == EACCES)
        findings_advise(p->f, "run this as root, or as the user that batond runs as");
    return false;
}

static enum outcome try_hop(struct probe *p, const struct relayhost *hop)
{
    enum outcome outcome = NEXT_HOST;

    p->hop = hop;
    findings_add(p->f, FINDING_OK, "relayhost", "%s", hop->text);
    if (!get_secret(p))
        return REFUSED;
    find_hosts(p);
    for (size_t i = 0; outcome == NEXT_HOST && i < p->mx.n; i++)
        outcome = try_host(p, p->mx.at[i]);
    strlist_clear(&p->mx);
    return outcome;
}

static bool open_probe(struct probe *p)
{
    const struct tls_client_options o = {
        .ca_file = p->cfg->smtp_tls_CAfile[0] ? p->cfg->smtp_tls_CAfile : NULL,
        .ca_path = p->cfg->smtp_tls_CApath[0] ? p->cfg->smtp_tls_CApath : NULL,
        .min_version = p->cfg->smtp_tls_mandatory_protocols.min >= 13 ? TLS_1_3 : TLS_1_2,
        .grade = p->cfg->smtp_tls_ciphers == CONFIG_CIPHERS_HIGH ? TLS_GRADE_HIGH : TLS_GRADE_MEDIUM,
    };
    struct err e;

    if ((p->loop = loop_new(&e)) && (p->dns = dns_new(p->loop, NULL, &e)) && tls_init_process(&e) == 0 &&
        (p->tls = tls_client_new(&o, &e)))
        return true;
    findings_add(p->f, FINDING_ERROR, "probe", "%s", e.text);
    return false;
}

static void close_probe(struct probe *p)
{
    config_secret_free(p->secret);
    dns_free(p->dns);
    tls_client_free(p->tls);
    loop_free(p->loop);
}

void probe_relayhosts(const struct config *cfg, struct findings *f)
{
    struct probe p = { .cfg = cfg, .f = f };

    if (open_probe(&p))
        for (size_t i = 0; i < cfg->relayhost.n; i++)
            try_hop(&p, &cfg->relayhost.at[i]);
    close_probe(&p);
}

bool probe_mail(const struct config *cfg, const struct probe_mail *mail, struct findings *f)
{
    struct probe p = { .cfg = cfg, .f = f, .mail = mail };
    enum outcome outcome = NEXT_HOST;

    envelope_init(&p.env);
    envelope_set_sender(&p.env, mail->sender);
    p.rcpt = (struct rcpt){ .address = (char *)(uintptr_t)mail->recipient };
    p.rcpts[0] = &p.rcpt;
    p.message = (struct smtp_message){ .env = &p.env, .rcpts = p.rcpts, .n_rcpts = 1, .size_bytes = 1000 };
    if (open_probe(&p))
        for (size_t i = 0; outcome == NEXT_HOST && i < cfg->relayhost.n; i++)
            outcome = try_hop(&p, &cfg->relayhost.at[i]);
    close_probe(&p);
    envelope_fini(&p.env);
    return outcome == REACHED;
}
