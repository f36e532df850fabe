/* SPDX-License-Identifier: Apache-2.0
 *
 * probe.c - one step after the other, each waited for: nothing else happens in this program
 * meanwhile.
 *
 * The steps are those of relay/ (same libraries, same settings), without its queue: what works here
 * works there. */
#include "control/probe_int.h"

#include "base/mem.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

enum finding_kind probe_bad(const struct probe *p)
{
    return p->mail && p->cfg->relayhost.n > 1 ? FINDING_WARNING : FINDING_ERROR;
}

/* ---- names ---------------------------------------- */

static void advise_name(struct probe *p, enum dns_outcome outcome)
{
    if (outcome == DNS_NONE)
        findings_advise(p->f, "is \"%s\" in relayhost spelt right? Mail is kept meanwhile",
                        p->hop->text);
    else
        findings_advise(p->f, "does this machine's DNS work? Look at /etc/resolv.conf");
}

static void on_mx(void *arg, enum dns_outcome outcome, const struct dns_mx_list *found,
                  const struct err *why)
{
    struct probe *p = arg;

    p->is_answered = true;
    if (outcome == DNS_FAILED) {
        findings_add(p->f, probe_bad(p), "name", "%s", why->text);
        advise_name(p, outcome);
    } else if (outcome == DNS_NONE) {
        findings_add(p->f, FINDING_OK, "name", "%s has no MX records: its own addresses count",
                     p->hop->host);
        strlist_add(&p->mx, span_str(p->hop->host));
    } else if (found->is_null) {
        findings_add(p->f, probe_bad(p), "name", "%s says that it takes no mail (MX \".\")",
                     p->hop->host);
        findings_advise(
            p->f, "write the name of a host, in brackets: relayhost = \"[smtp.example.com]\"");
    }
    for (size_t i = 0; outcome == DNS_FOUND && i < found->n; i++) {
        findings_add(p->f, FINDING_OK, "name", "%s has the mail exchanger %s (%u)", p->hop->host,
                     found->at[i].host, found->at[i].preference);
        strlist_add(&p->mx, span_str(found->at[i].host));
    }
}

static void on_hosts(void *arg, enum dns_outcome outcome, const struct addr_list *found,
                     const struct err *why)
{
    struct probe *p = arg;
    char text[ADDR_TEXT];
    struct buf all;

    p->is_answered = true;
    if (outcome != DNS_FOUND) {
        findings_add(p->f, probe_bad(p), "name", "%s", why->text);
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

/* ---- the way ---------------------------------------- */

static enum outcome try_host(struct probe *p, const char *host)
{
    enum outcome outcome = NEXT_HOST;

    p->host = host;
    p->is_without_tls = false;
    find_addresses(p);
    if (p->addrs.n)
        outcome = probe_converse(p);
    if (outcome == NEXT_HOST && p->is_without_tls)
        outcome = probe_converse(p);
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
        .grade =
            p->cfg->smtp_tls_ciphers == CONFIG_CIPHERS_HIGH ? TLS_GRADE_HIGH : TLS_GRADE_MEDIUM,
    };
    struct err e;

    if ((p->loop = loop_new(&e)) && (p->dns = dns_new(p->loop, NULL, &e)) &&
        tls_init_process(&e) == 0 && (p->tls = tls_client_new(&o, &e)))
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

static void take_mail(struct probe *p)
{
    const struct envelope *env = p->mail->env;

    p->rcpts = xcalloc(env->n_rcpts, sizeof *p->rcpts);
    for (size_t i = 0; i < env->n_rcpts; i++)
        p->rcpts[i] = &env->rcpts[i];
    p->message = (struct smtp_message){ .env = env, .rcpts = p->rcpts, .n_rcpts = env->n_rcpts, .size_bytes = 1000 };
}

static enum outcome try_socket(struct probe *p, struct span text)
{
    enum outcome outcome = NEXT_HOST;
    struct relayhost h;
    struct err e;

    if (lmtp_hop_parse(&h, text, p->cfg->lmtp_tcp_port, &e) < 0)
        return outcome;
    if (h.path) {
        char *path = h.path[0] == '/' ? xstrdup(h.path) : xasprintf("%s/%s", p->cfg->queue_directory, h.path);
        p->hop = &h;
        p->host = path;
        outcome = probe_converse(p);
        free(path);
    }
    relayhost_fini(&h);
    return outcome;
}

bool probe_lmtp(const struct config *cfg, const struct probe_mail *mail, const char *hops, struct findings *f)
{
    struct probe p = { .cfg = cfg, .f = f, .mail = mail, .is_lmtp = true };
    enum outcome outcome = NEXT_HOST;
    struct span rest = span_str(hops), word;

    take_mail(&p);
    if (open_probe(&p))
        while (outcome == NEXT_HOST && span_word(&rest, "", &word))
            outcome = try_socket(&p, word);
    close_probe(&p);
    free(p.rcpts);
    return outcome == REACHED;
}

bool probe_mail(const struct config *cfg, const struct probe_mail *mail, struct findings *f)
{
    struct probe p = { .cfg = cfg, .f = f, .mail = mail };
    enum outcome outcome = NEXT_HOST;

    take_mail(&p);
    if (open_probe(&p))
        for (size_t i = 0; outcome == NEXT_HOST && i < cfg->relayhost.n; i++)
            outcome = try_hop(&p, &cfg->relayhost.at[i]);
    close_probe(&p);
    free(p.rcpts);
    return outcome == REACHED;
}
