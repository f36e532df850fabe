/* SPDX-License-Identifier: Apache-2.0
 *
 * access_server.c - check_*_mx_access, check_*_ns_access, check_*_a_access: a table is asked about the hosts that serve a domain,
 * by their names and by their addresses. Of these nobody is permitted: whoever has a domain names its servers as he likes. */
#include "base/log.h"
#include "base/mem.h"
#include "mail/address.h"
#include "net/dns.h"
#include "server/access.h"
#include "server/restrict_fns.h"

#include <stdlib.h>
#include <string.h>

enum { HOSTS_MAX = 20 };
enum server_kind { SERVER_MX, SERVER_NS, SERVER_A };

struct server_job {
    struct check *c;
    const char *table;
    enum server_kind kind;
    struct subject subject;
    char *domain;
    struct dns_query *query;
    struct strlist hosts;
    size_t next;
    struct access_keys keys;
};

static void free_job(struct server_job *j)
{
    strlist_clear(&j->hosts);
    access_keys_fini(&j->keys);
    free(j->domain);
    free(j);
}

static void stop(struct check *c)
{
    struct server_job *j = c->job;

    dns_cancel(j->query);
    free_job(j);
}

/* All names and addresses are known. access_ask() has a job of its own, or answers. */
static void ask_table(struct server_job *j)
{
    struct check *c = j->c;
    const char *table = j->table;
    struct subject s = j->subject;
    struct access_keys keys = j->keys;

    j->keys = (struct access_keys){ 0 };
    c->job = NULL;
    c->stop = NULL;
    free_job(j);
    enum outcome o = access_ask(c, table, &keys, s, true);
    if (o != LATER)
        check_answer(c, o);
}

static void next_host(struct server_job *j);

static void got_addresses(void *arg, enum dns_outcome outcome, const struct addr_list *found, const struct err *why)
{
    struct server_job *j = arg;
    char text[INET6_ADDRSTRLEN + 8];

    j->query = NULL;
    if (outcome == DNS_FAILED)
        log_warn("access restrictions: the addresses of %s: %s", j->hosts.at[j->next - 1], why->text);
    for (size_t i = 0; i < found->n && i < HOSTS_MAX; i++) {
        j->keys.group++;
        sockaddr_format(&found->at[i].sa, text, sizeof text);
        access_keys_host(&j->keys, NULL, text, false);
    }
    next_host(j);
}

static void next_host(struct server_job *j)
{
    if (j->next == j->hosts.n) {
        ask_table(j);
        return;
    }
    const char *host = j->hosts.at[j->next++];
    j->keys.group++;
    access_keys_host(&j->keys, host, NULL, access_has_dots(j->c));
    j->query = dns_hosts(j->c->all->dns, host, 0, DNS_ANY, got_addresses, j);
}

static void add_host(struct server_job *j, const char *host)
{
    if (j->hosts.n < HOSTS_MAX)
        strlist_add(&j->hosts, span_str(host));
}

static void got_mx(void *arg, enum dns_outcome outcome, const struct dns_mx_list *found, const struct err *why)
{
    struct server_job *j = arg;

    j->query = NULL;
    if (outcome == DNS_FAILED)
        log_warn("access restrictions: the MX hosts of %s: %s", j->domain, why->text);
    for (size_t i = 0; outcome == DNS_FOUND && i < found->n; i++)
        add_host(j, found->at[i].host);
    if (outcome == DNS_NONE)
        add_host(j, j->domain); /* RFC 5321 5.1: then it is its own */
    next_host(j);
}

static void ask_ns(struct server_job *j);

static void got_ns(void *arg, enum dns_outcome outcome, char *const *found, size_t n, const struct err *why)
{
    struct server_job *j = arg;
    const char *above = strchr(j->domain, '.');

    j->query = NULL;
    if (outcome == DNS_NONE && above && strchr(above + 1, '.')) { /* the zone begins further up */
        memmove(j->domain, above + 1, strlen(above + 1) + 1);
        ask_ns(j);
        return;
    }
    if (outcome == DNS_FAILED)
        log_warn("access restrictions: the name servers of %s: %s", j->domain, why->text);
    for (size_t i = 0; i < n; i++)
        add_host(j, found[i]);
    next_host(j);
}

static void ask_ns(struct server_job *j)
{
    j->query = dns_ns(j->c->all->dns, j->domain, got_ns, j);
}

static enum outcome ask(struct check *c, const struct restriction *r, enum server_kind kind, struct span domain, struct subject s)
{
    if (!domain.len || domain.at[0] == '[')
        return GO_ON;
    struct server_job *j = xcalloc(1, sizeof *j);
    *j = (struct server_job){ .c = c, .table = r->arg, .kind = kind, .subject = s, .domain = span_dup(domain) };
    c->job = j;
    c->stop = stop;
    if (kind == SERVER_MX) {
        j->query = dns_mx(c->all->dns, j->domain, got_mx, j);
    } else if (kind == SERVER_NS) {
        ask_ns(j);
    } else {
        add_host(j, j->domain);
        next_host(j);
    }
    return LATER;
}

/* ---- the restrictions ---- */

static struct span client_domain(const struct check *c)
{
    return c->f.name_status == NAME_FOUND ? span_str(c->f.client_name) : SPAN("");
}

static struct span reverse_domain(const struct check *c)
{
    return c->f.reverse_name ? span_str(c->f.reverse_name) : SPAN("");
}

static struct span helo_domain(const struct check *c)
{
    return c->f.helo ? span_str(c->f.helo) : SPAN("");
}

static struct span sender_domain(const struct check *c)
{
    return c->f.env ? address_text_domain(c->f.env->sender) : SPAN("");
}

static struct span recipient_domain(const struct check *c)
{
    const char *address = check_recipient(c);
    return address ? address_text_domain(address) : SPAN("");
}

static struct subject about_reverse(const struct check *c)
{
    return (struct subject){ c->f.reverse_name ? c->f.reverse_name : "unknown", "Unverified Client host" };
}

#define THREE(what, domain, about)                                                                                     \
    enum outcome restrict_check_##what##_mx_access(struct check *c, const struct restriction *r)                       \
    {                                                                                                                  \
        return ask(c, r, SERVER_MX, domain(c), about(c));                                                              \
    }                                                                                                                  \
    enum outcome restrict_check_##what##_ns_access(struct check *c, const struct restriction *r)                       \
    {                                                                                                                  \
        return ask(c, r, SERVER_NS, domain(c), about(c));                                                              \
    }                                                                                                                  \
    enum outcome restrict_check_##what##_a_access(struct check *c, const struct restriction *r)                        \
    {                                                                                                                  \
        return ask(c, r, SERVER_A, domain(c), about(c));                                                               \
    }

THREE(client, client_domain, about_client)
THREE(reverse_client_hostname, reverse_domain, about_reverse)
THREE(helo, helo_domain, about_helo)
THREE(sender, sender_domain, about_sender)
THREE(recipient, recipient_domain, about_recipient)
