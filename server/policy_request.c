/* SPDX-License-Identifier: Apache-2.0
 *
 * policy_request.c - what a policy server is told, and what it answers. */
#include "base/cidr.h"
#include "base/mem.h"
#include "mail/xtext.h"
#include "net/tls.h"
#include "server/policy_service.h"

#include <stdio.h>

/* A line feed would begin another attribute. */
static void add(struct buf *out, const char *name, const char *value)
{
    buf_addf(out, "%s=", name);
    for (const char *p = value ? value : ""; *p; p++)
        buf_addc(out, (unsigned char)*p < ' ' || *p == 0x7f ? '?' : *p);
    buf_addc(out, '\n');
}

static void add_number(struct buf *out, const char *name, uint64_t n)
{
    buf_addf(out, "%s=%llu\n", name, (unsigned long long)n);
}

static const char *state_of(const struct check *c)
{
    switch (c->at) {
    case GATE_CONNECT: return "CONNECT";
    case GATE_HELLO: return c->f.protocol[0] == 'E' ? "EHLO" : "HELO";
    case GATE_MAIL: return "MAIL";
    case GATE_RCPT: return "RCPT";
    case GATE_DATA: return "DATA";
    default: return "END-OF-MESSAGE";
    }
}

static void add_addresses(const struct check *c, struct buf *out)
{
    const union addr *peer = c->f.peer, *local = c->f.local;
    char text[INET6_ADDRSTRLEN + 8] = "";

    add(out, "client_address", c->f.client_address);
    add(out, "client_name", c->f.client_name);
    if (peer && peer->sa.sa_family != AF_UNIX)
        add_number(out, "client_port", addr_port(peer));
    add(out, "reverse_client_name", c->f.reverse_name ? c->f.reverse_name : "unknown");
    if (local && local->sa.sa_family != AF_UNIX) {
        sockaddr_format(&local->sa, text, sizeof text);
        add(out, "server_address", text);
        add_number(out, "server_port", addr_port(local));
    }
}

static void add_message(const struct check *c, struct buf *out)
{
    const struct envelope *env = c->f.env;
    const char *rcpt = check_recipient(c);

    add(out, "helo_name", c->f.helo);
    add(out, "queue_id", c->f.id);
    add(out, "instance", c->instance);
    add(out, "sender", env ? env->sender : "");
    add(out, "recipient", rcpt);
    add_number(out, "recipient_count", env && c->at >= GATE_DATA ? env->n_rcpts : 0);
    add_number(out, "size", c->f.size);
}

/* Postfix writes names in xtext, and those of nobody whom it does not trust. */
static void add_xtext(struct buf *out, const char *name, const char *value)
{
    buf_addf(out, "%s=", name);
    xtext_encode(span_str(value), out);
    buf_addc(out, '\n');
}

static void add_certificate(const struct tls_info *i, struct buf *out)
{
    add_xtext(out, "ccert_subject", i && i->is_trusted ? i->common_name : "");
    add_xtext(out, "ccert_issuer", i && i->is_trusted ? i->issuer_name : "");
    add(out, "ccert_fingerprint", i ? i->fingerprint : "");
    add(out, "ccert_pubkey_fingerprint", i ? i->key_fingerprint : "");
}

static void add_login(const struct check *c, struct buf *out)
{
    const struct tls_info *tls = c->f.tls;

    add(out, "sasl_method", c->f.auth_method);
    add(out, "sasl_username", c->f.login);
    add(out, "sasl_sender", c->f.env && c->f.env->submitter ? c->f.env->submitter : "");
    add_certificate(c->f.certificate, out);
    add(out, "encryption_protocol", tls ? tls->protocol : "");
    add(out, "encryption_cipher", tls ? tls->cipher : "");
    add_number(out, "encryption_keysize", tls ? tls->cipher_bits : 0);
}

void policy_request(const struct check *c, const char *context, struct buf *out)
{
    add(out, "request", "smtpd_access_policy");
    add(out, "protocol_state", state_of(c));
    add(out, "protocol_name", c->f.protocol);
    add_addresses(c, out);
    add_message(c, out);
    add_login(c, out);
    add(out, "etrn_domain", "");
    add(out, "stress", "");
    add(out, "policy_context", context);
    buf_addc(out, '\n');
}

enum policy_reply policy_reply_parse(struct span in, struct span *action)
{
    bool has_action = false;

    while (in.len) {
        size_t n = span_find(in, '\n');
        if (n == in.len)
            return POLICY_MORE;
        struct span line = span_trim(span_of(in.at, n));
        in = span_from(in, n + 1);
        if (!line.len)
            return has_action ? POLICY_ACTION : POLICY_GARBAGE;
        size_t eq = span_find(line, '=');
        if (eq == line.len)
            return POLICY_GARBAGE;
        if (!has_action && span_ieq_str(span_trim(span_of(line.at, eq)), "action")) {
            *action = span_trim(span_from(line, eq + 1));
            has_action = true;
        }
    }
    return POLICY_MORE;
}
