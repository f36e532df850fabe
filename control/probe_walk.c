/* SPDX-License-Identifier: Apache-2.0
 *
 * probe_walk.c - from one host to the next, as relay/peer_open.c does: what its name is, which TLS it gets and who says so, and, of a
 * domain's own hosts, each address in turn. */
#include "control/probe_int.h"

#include "base/mem.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

enum finding_kind probe_bad(const struct probe *p)
{
    return p->env && walk_has_more(p->walk) ? FINDING_WARNING : FINDING_ERROR;
}

static void wait_for_answer(struct probe *p)
{
    while (!p->is_answered && loop_turn(p->loop, true))
        continue;
}

/* ---- what name servers say ---- */

static void begin_hop(struct probe *p, const struct relayhost *hop)
{
    if (hop == p->hop)
        return;
    p->hop = hop;
    p->is_at_domain = walk_is_at_domain(p->walk);
    if (p->is_at_domain)
        findings_add(p->f, FINDING_OK, "domain", "%s", hop->text);
    else if (p->is_direct)
        findings_add(p->f, FINDING_OK, "fallback", "%s (smtp_fallback_relay)", hop->text);
    else
        findings_add(p->f, FINDING_OK, p->is_lmtp ? "LMTP" : "relayhost", "%s", hop->text);
}

static void advise_name(struct probe *p, enum dns_outcome outcome)
{
    if (outcome == DNS_FAILED)
        findings_advise(p->f, "does this machine's DNS work? Look at /etc/resolv.conf");
    else if (p->is_at_domain)
        findings_advise(p->f, "is the domain spelt right? Where none of its hosts exists, mail is returned to its sender");
    else
        findings_advise(p->f, "is \"%s\" spelt right? Mail is kept meanwhile", p->hop->text);
}

static void tell_null_mx(struct probe *p)
{
    findings_add(p->f, probe_bad(p), "name", "%s says that it takes no mail (MX \".\")", p->hop->host);
    if (p->is_at_domain)
        findings_advise(p->f, "mail for it is returned to its sender");
    else
        findings_advise(p->f, "write the name of a host, in brackets: relayhost = \"[smtp.example.com]\"");
}

static void saw_mx(void *arg, const struct relayhost *hop, enum dns_outcome outcome, const struct dns_mx_list *found,
                   const struct err *why)
{
    struct probe *p = arg;

    begin_hop(p, hop);
    if (outcome == DNS_FAILED) {
        findings_add(p->f, probe_bad(p), "name", "%s", why->text);
        advise_name(p, outcome);
    } else if (outcome == DNS_NONE) {
        findings_add(p->f, FINDING_OK, "name", "%s has no MX records: its own addresses count", hop->host);
    } else if (found->is_null) {
        tell_null_mx(p);
    }
    for (size_t i = 0; outcome == DNS_FOUND && i < found->n; i++)
        findings_add(p->f, FINDING_OK, "name", "%s has the mail exchanger %s (%u)", hop->host, found->at[i].host,
                     found->at[i].preference);
}

static void saw_addresses(void *arg, const struct relayhost *hop, const char *host, enum dns_outcome outcome,
                          const struct addr_list *found, const struct err *why)
{
    struct probe *p = arg;
    char text[ADDR_TEXT];
    struct buf all;

    begin_hop(p, hop);
    if (outcome != DNS_FOUND) {
        findings_add(p->f, probe_bad(p), "name", "%s", why->text);
        advise_name(p, outcome);
        return;
    }
    if (hop->is_address)
        return;
    buf_init(&all, 4096);
    for (size_t i = 0; i < found->n; i++)
        buf_addf(&all, "%s%s", i ? ", " : "", sockaddr_format(&found->at[i].sa, text, sizeof text));
    findings_add(p->f, FINDING_OK, "name", "%s: %s", host, buf_cstr(&all));
    buf_fini(&all);
}

static void saw_left_out(void *arg, const char *host, const char *why)
{
    const struct probe *p = arg;

    findings_add(p->f, FINDING_NOTE, "name", "%s is left out: %s", host, why);
}

static const struct walk_watch watch = { saw_mx, saw_addresses, saw_left_out };

/* ---- which TLS ---- */

static void set_tls(struct probe *p, enum config_tls_level level, const char *match, struct tls_client *tls, const char *by)
{
    p->level = level;
    free(p->match);
    p->match = match ? xstrdup(match) : NULL;
    p->tls = tls;
    findings_add(p->f, FINDING_OK, "TLS policy", "%s, by %s", tls_level_name(level), by);
}

static void policy_told(void *arg, const struct tls_policy *policy, const struct err *why)
{
    struct probe *p = arg;

    p->is_answered = true;
    p->is_testing = policy && policy->is_testing;
    if (policy) {
        set_tls(p, policy->level, policy->match, policy->client, policy->by);
        return;
    }
    p->outcome = NEXT_HOST;
    findings_add(p->f, probe_bad(p), "TLS policy", "%s", why->text);
    if (why->kind == ERR_CONFIG)
        findings_advise(p->f, "mail is kept till that row is right");
    else if (p->is_at_domain && strncmp(why->text, "MTA-STS", 7) == 0)
        findings_advise(p->f, "the domain has to put that right; mail is kept meanwhile. A row for it in smtp_tls_policy_maps goes before "
                              "what it publishes");
}

static void sts_told(void *arg, const struct mta_sts_policy *sts)
{
    struct probe *p = arg;
    struct buf mx;

    p->is_answered = true;
    if (!sts) {
        findings_add(p->f, FINDING_OK, "MTA-STS", "%s has no policy that counts", p->hop->host);
        return;
    }
    buf_init(&mx, 4096);
    for (size_t i = 0; i < sts->n_mx; i++)
        buf_addf(&mx, "%s %s", i ? "," : ":", sts->mx[i]);
    findings_add(p->f, FINDING_OK, "MTA-STS", "%s publishes mode %s%s", p->hop->host, mta_sts_mode_name(sts->mode), buf_cstr(&mx));
    buf_fini(&mx);
}

/* The policy that is asked for afterwards has it from memory. */
static void look_at_sts(struct probe *p)
{
    if (!p->sts || !p->is_at_domain || p->n_sessions)
        return;
    p->is_answered = false;
    mta_sts_ask(p->sts, p->hop->host, sts_told, p);
    wait_for_answer(p);
}

/* False: there is none for this host, and it has been said why. */
static bool decide_tls(struct probe *p)
{
    p->is_testing = false;
    if (p->is_socket) {
        p->level = CONFIG_TLS_NONE;
    } else if (p->is_lmtp) {
        enum config_tls_level level = config_lmtp_tls_level(p->cfg, p->hop);
        struct tls_client *verified = p->lmtp ? p->lmtp : p->verified;
        set_tls(p, level, tls_policies_match(p->policies, level, p->hop), level >= CONFIG_TLS_VERIFY ? verified : p->unverified,
                "lmtp_tls_security_level");
    } else {
        look_at_sts(p);
        p->is_answered = false;
        p->outcome = UNDER_WAY;
        tls_policy_ask(p->policies, p->hop, p->host, p->is_at_domain, policy_told, p);
        wait_for_answer(p);
        return p->outcome == UNDER_WAY;
    }
    return true;
}

/* ---- a host ---- */

const struct login *probe_login(const struct probe *p)
{
    return p->is_at_domain || p->is_socket ? NULL : config_login_for(p->cfg, p->hop);
}

static bool get_secret(struct probe *p)
{
    const struct login *l = probe_login(p);
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

/* Another address of a domain's host, after one that took the connection and failed. */
static bool has_another_address(const struct probe *p)
{
    int limit = p->cfg->smtp_mx_session_limit;

    if (!p->is_at_domain || !p->was_connected || !p->addrs.n)
        return false;
    if (!limit || p->n_sessions < limit)
        return true;
    findings_add(p->f, FINDING_NOTE, "connect", "smtp_mx_session_limit has been reached: no other host of the domain is tried now");
    walk_leave_hop(p->walk);
    return false;
}

static enum outcome try_host(struct probe *p)
{
    enum outcome outcome;

    if (!get_secret(p))
        return REFUSED;
    if (!decide_tls(p))
        return NEXT_HOST;
    do {
        outcome = probe_converse(p);
        if (outcome == NEXT_HOST && p->is_without_tls)
            outcome = probe_converse(p);
        p->is_without_tls = false;
    } while (outcome == NEXT_HOST && has_another_address(p));
    return outcome;
}

/* ---- the walk ---- */

static void on_host(void *arg, const struct walk_host *host, const struct err *why)
{
    struct probe *p = arg;

    p->is_answered = true;
    p->is_over = !host;
    if (!host) {
        p->why = *why;
        return;
    }
    begin_hop(p, host->relayhost);
    free(p->host);
    p->is_socket = host->path != NULL;
    p->host = !host->path            ? xstrdup(host->name)
              : host->path[0] == '/' ? xstrdup(host->path)
                                     : xasprintf("%s/%s", p->cfg->queue_directory, host->path);
    addr_list_fini(&p->addrs);
    addr_list_copy(&p->addrs, host->addrs);
}

static bool next_host(struct probe *p)
{
    p->is_answered = false;
    walk_next(p->walk);
    wait_for_answer(p);
    return !p->is_over;
}

/* What of it has not been said yet. */
static void tell_end(struct probe *p)
{
    const char *status = walk_status(p->walk);

    if (p->why.kind == ERR_PERMANENT && strcmp(status, "5.4.6") == 0) {
        findings_add(p->f, FINDING_ERROR, "route", "%s", p->why.text);
        findings_advise(p->f, "if this machine is to take mail for the domain, put it into mydestination, virtual_alias_domains, "
                              "virtual_mailbox_domains or relay_domains; mail for it is returned to its sender meanwhile");
    } else if (!p->hop && p->why.kind != ERR_NONE) {
        findings_add(p->f, FINDING_ERROR, "route", "%s", p->why.text);
    }
}

enum outcome probe_walk(struct probe *p, const char *nexthop)
{
    const char *hops = strchr(nexthop, ':') + 1;

    p->is_lmtp = strncmp(nexthop, "lmtp:", 5) == 0;
    p->is_direct = !p->is_lmtp && config_hop_is_direct(p->cfg, hops);
    p->hop = NULL;
    p->n_sessions = 0;
    const struct walk_options o = {
        .protocols = p->cfg->inet_protocols,
        .preference = p->cfg->smtp_address_preference,
        .is_lmtp = p->is_lmtp,
        .port = p->is_lmtp ? p->cfg->lmtp_tcp_port : p->cfg->smtp_tcp_port,
        .watch = &watch,
        .is_direct = p->is_direct,
        .myhostname = p->cfg->myhostname,
        .own = &p->own,
        .fallback = &p->cfg->smtp_fallback_relay,
        .address_limit = p->cfg->smtp_mx_address_limit,
    };
    enum outcome outcome = NEXT_HOST;
    p->walk = walk_new(p->dns, p->loop, hops, &o, on_host, p);
    while (outcome == NEXT_HOST && next_host(p))
        outcome = try_host(p);
    if (outcome == NEXT_HOST)
        tell_end(p);
    walk_free(p->walk);
    p->walk = NULL;
    free(p->host);
    free(p->match);
    p->host = p->match = NULL;
    addr_list_fini(&p->addrs);
    return outcome;
}
