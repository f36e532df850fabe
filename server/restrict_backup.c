/* SPDX-License-Identifier: Apache-2.0
 *
 * restrict_backup.c - permit_mx_backup: mail for a domain is taken when this machine is one of its MX hosts, and, where
 * permit_mx_backup_networks says so, when all of its first MX hosts are in these networks.
 *
 * The hosts are compared by name first, and only when none is ours by address. An address of loopback is nobody's in the DNS: it
 * would make every domain whose owner writes 127.0.0.1 into it one of ours. What cannot be looked up permits nobody, but makes a
 * refusal behind it one for now. */
#include "server/restrict_fns.h"

#include "base/cidr.h"
#include "base/mem.h"
#include "mail/address.h"
#include "net/dns.h"

#include <stdlib.h>
#include <strings.h>

enum { HOSTS_MAX = 20 };

struct backup_job {
    struct check *c;
    struct dns_query *query;
    struct strlist hosts; /* by preference */
    size_t n_first;       /* that share the best one */
    size_t at;
    bool is_ours;         /* one of them is this machine: the first ones are looked at */
    bool has_failed;      /* some could not be looked up */
};

static void free_job(struct backup_job *j)
{
    strlist_clear(&j->hosts);
    free(j);
}

static void stop(struct check *c)
{
    struct backup_job *j = c->job;

    dns_cancel(j->query);
    free_job(j);
}

static void end(struct backup_job *j, enum outcome o)
{
    struct check *c = j->c;

    if (o != PERMIT && j->has_failed)
        check_defer_if_reject(c, about_recipient(c), "4.4.4", "Unable to look up mail exchanger information");
    free_job(j);
    check_answer(c, o);
}

/* ---- what is ours, what is in the networks ---- */

static bool is_own_name(const struct check *c, const char *host)
{
    const struct config *cfg = c->f.cfg;

    if (strcasecmp(host, cfg->myhostname) == 0)
        return true;
    for (size_t i = 0; i < cfg->mydestination.n; i++)
        if (strcasecmp(host, cfg->mydestination.at[i]) == 0)
            return true;
    return false;
}

static bool is_loopback(const union addr *a)
{
    return a->sa.sa_family == AF_INET ? (ntohl(a->in4.sin_addr.s_addr) >> 24) == 127 : IN6_IS_ADDR_LOOPBACK(&a->in6.sin6_addr);
}

static bool has_own_address(const struct check *c, const struct addr_list *l)
{
    for (size_t i = 0; i < l->n; i++)
        if (!is_loopback(&l->at[i]) && addr_list_has_host(&c->all->own, &l->at[i]))
            return true;
    return false;
}

static bool are_all_in_networks(const struct check *c, const struct addr_list *l)
{
    const struct cidr_list *networks = &c->f.cfg->permit_mx_backup_networks;

    for (size_t i = 0; i < l->n; i++)
        if (!cidr_list_matches(networks->at, networks->n, &l->at[i].sa))
            return false;
    return l->n > 0;
}

/* ---- host by host ---- */

static void go_on(struct backup_job *j);

static void got_addresses(void *arg, enum dns_outcome outcome, const struct addr_list *found, const struct err *why)
{
    struct backup_job *j = arg;

    (void)why;
    j->query = NULL;
    j->at++;
    j->has_failed |= outcome == DNS_FAILED;
    if (j->is_ours && (outcome != DNS_FOUND || !are_all_in_networks(j->c, found))) {
        end(j, GO_ON);
        return;
    }
    if (!j->is_ours && outcome == DNS_FOUND && has_own_address(j->c, found)) {
        j->is_ours = true;
        j->at = 0;
    }
    go_on(j);
}

static void go_on(struct backup_job *j)
{
    if (j->is_ours && !j->c->f.cfg->permit_mx_backup_networks.n)
        j->at = j->n_first;
    if (j->at < (j->is_ours ? j->n_first : j->hosts.n))
        j->query = dns_hosts(j->c->all->dns, j->hosts.at[j->at], 0, DNS_ANY, got_addresses, j);
    else
        end(j, j->is_ours ? PERMIT : GO_ON);
}

static void got_mx(void *arg, enum dns_outcome outcome, const struct dns_mx_list *found, const struct err *why)
{
    struct backup_job *j = arg;

    (void)why;
    j->query = NULL;
    j->has_failed = outcome == DNS_FAILED;
    for (size_t i = 0; outcome == DNS_FOUND && i < found->n && i < HOSTS_MAX; i++) {
        strlist_add(&j->hosts, span_str(found->at[i].host));
        j->n_first += found->at[i].preference == found->at[0].preference;
        j->is_ours |= is_own_name(j->c, found->at[i].host);
    }
    go_on(j);
}

/* "a%b@here", "b!a@here": where it goes is said in it, and not by its domain. */
static bool is_routed(const char *address)
{
    struct span local = address_text_local(address);

    return span_find(local, '%') < local.len || span_find(local, '!') < local.len || span_find(local, '@') < local.len;
}

enum outcome restrict_permit_mx_backup(struct check *c, const struct restriction *r)
{
    const char *address = check_recipient(c);

    (void)r;
    if (!address)
        return GO_ON;
    if (!c->rcpt.is_known)
        return check_resolve_recipient(c);
    if (c->rcpt.is_ours)
        return PERMIT;
    struct span domain = address_text_domain(address);
    if (!domain.len || domain.at[0] == '[' || is_routed(address) || c->rcpt.cannot_tell)
        return GO_ON;
    struct backup_job *j = xcalloc(1, sizeof *j);
    char *name = span_dup(domain);
    j->c = c;
    c->job = j;
    c->stop = stop;
    j->query = dns_mx(c->all->dns, name, got_mx, j);
    free(name);
    return LATER;
}
