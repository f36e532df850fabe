/* SPDX-License-Identifier: Apache-2.0
 *
 * restrict_host.c - restrictions about names of hosts and domains: their form, and whether the DNS has them. What the DNS does not
 * answer is never held against anybody for good: then it is 4xx. */
#include "base/log.h"
#include "base/mem.h"
#include "mail/address.h"
#include "net/dns.h"
#include "server/restrict_fns.h"

#include <stdlib.h>
#include <string.h>

/* ---- the client's name ---- */

enum outcome restrict_reject_unknown_client_hostname(struct check *c, const struct restriction *r)
{
    const struct config *cfg = c->f.cfg;

    (void)r;
    if (c->f.name_status == NAME_FOUND || !c->f.peer || c->f.peer->sa.sa_family == AF_UNIX)
        return GO_ON;
    return check_reject(c, c->f.name_status == NAME_NONE ? cfg->unknown_client_reject_code : 450, "4.7.25",
                        "Client host rejected: cannot find your hostname, [%s]", c->f.client_address);
}

enum outcome restrict_reject_unknown_reverse_client_hostname(struct check *c, const struct restriction *r)
{
    const struct config *cfg = c->f.cfg;

    (void)r;
    if (c->f.reverse_name || !c->f.peer || c->f.peer->sa.sa_family == AF_UNIX)
        return GO_ON;
    return check_reject(c, c->f.name_status == NAME_NONE ? cfg->unknown_client_reject_code : 450, "4.7.25",
                        "Client host rejected: cannot find your reverse hostname, [%s]", c->f.client_address);
}

/* ---- the name in EHLO ---- */

static bool is_literal(const char *name)
{
    return name[0] == '[';
}

/* "[192.0.2.1]", "[IPv6:2001:db8::1]" */
static bool is_good_literal(const char *name)
{
    size_t n = strlen(name);
    union addr a;

    if (n < 3 || name[n - 1] != ']')
        return false;
    struct span inside = span_of(name + 1, n - 2);
    return span_find(inside, ':') < inside.len && !span_istarts(inside, "IPv6:") ? false : addr_parse(&a, inside, 0);
}

static bool is_good_name(const char *name)
{
    struct err e;
    char *ascii = dns_ascii_name(span_str(name), &e);
    bool is_good = ascii != NULL;

    for (const char *p = ascii; is_good && *p; p++) /* an underscore is no letter of a host's name */
        is_good = *p != '_' && !(*p == '-' && (p == ascii || p[-1] == '.' || p[1] == '.' || !p[1]));
    free(ascii);
    return is_good;
}

enum outcome restrict_reject_invalid_helo_hostname(struct check *c, const struct restriction *r)
{
    const char *helo = c->f.helo;

    (void)r;
    if (!helo || (is_literal(helo) ? is_good_literal(helo) : is_good_name(helo)))
        return GO_ON;
    return check_reject_it(c, about_helo(c), c->f.cfg->invalid_hostname_reject_code, "5.5.2", "%s",
                           is_literal(helo) ? "invalid ip address" : "Invalid name");
}

enum outcome restrict_reject_non_fqdn_helo_hostname(struct check *c, const struct restriction *r)
{
    const char *helo = c->f.helo;
    union addr a;

    (void)r;
    if (!helo || (is_literal(helo) && is_good_literal(helo)))
        return GO_ON;
    size_t n = strcspn(helo, ".");
    if (!is_literal(helo) && helo[n] && helo[n + 1] && is_good_name(helo) && !addr_parse(&a, span_str(helo), 0))
        return GO_ON;
    return check_reject_it(c, about_helo(c), c->f.cfg->non_fqdn_reject_code, "5.5.2", "need fully-qualified hostname");
}

/* ---- does the DNS have it? ---- */

struct domain_job {
    struct check *c;
    struct dns_query *query;
    struct subject subject;
    int code;            /* when it does not */
    const char *status;
    const char *text;
    int tempfail;        /* config_tempfail */
    bool is_address;     /* of mail: a null MX is a no */
    bool mx_failed;
    char *name;
};

static void stop_domain(struct check *c)
{
    struct domain_job *j = c->job;

    dns_cancel(j->query);
    free(j->name);
    free(j);
}

static void end_domain(struct domain_job *j, enum outcome o)
{
    struct check *c = j->c;

    free(j->name);
    free(j);
    check_answer(c, o);
}

static enum outcome not_now(struct domain_job *j)
{
    if (j->tempfail == CONFIG_TEMPFAIL_DEFER_IF_PERMIT)
        return check_defer_if_permit(j->c, j->subject, j->status, "%s", j->text);
    return check_reject_it(j->c, j->subject, 450, j->status, "%s", j->text);
}

static void got_hosts(void *arg, enum dns_outcome outcome, const struct addr_list *found, const struct err *why)
{
    struct domain_job *j = arg;

    (void)found;
    (void)why;
    if (outcome == DNS_FOUND)
        end_domain(j, GO_ON);
    else if (outcome == DNS_FAILED || j->mx_failed)
        end_domain(j, not_now(j));
    else
        end_domain(j, check_reject_it(j->c, j->subject, j->code, j->status, "%s", j->text));
}

static enum outcome no_mail_there(struct domain_job *j)
{
    bool is_sender = strcmp(j->status, "4.1.8") == 0;

    return check_reject_it(j->c, j->subject, j->c->f.cfg->nullmx_reject_code, is_sender ? "5.7.27" : "5.1.10",
                           "Domain %s does not accept mail (nullMX)", log_safe_str(j->name));
}

static void got_mx(void *arg, enum dns_outcome outcome, const struct dns_mx_list *found, const struct err *why)
{
    struct domain_job *j = arg;

    (void)why;
    j->query = NULL;
    if (outcome == DNS_FOUND && found->is_null && j->is_address) {
        end_domain(j, no_mail_there(j));
    } else if (outcome == DNS_FOUND) {
        end_domain(j, GO_ON);
    } else {
        j->mx_failed = outcome == DNS_FAILED;
        j->query = dns_hosts(j->c->all->dns, j->name, 0, DNS_ANY, got_hosts, j);
    }
}

static enum outcome ask_domain(struct check *c, const struct domain_job *how, struct span name)
{
    struct domain_job *j = xmalloc(sizeof *j);

    *j = *how;
    j->c = c;
    j->name = span_dup(name);
    c->job = j;
    c->stop = stop_domain;
    j->query = dns_mx(c->all->dns, j->name, got_mx, j);
    return LATER;
}

enum outcome restrict_reject_unknown_helo_hostname(struct check *c, const struct restriction *r)
{
    const struct config *cfg = c->f.cfg;
    const char *helo = c->f.helo;
    const struct domain_job how = { .subject = about_helo(c), .code = cfg->unknown_hostname_reject_code, .status = "4.7.1",
                                    .text = "Host not found", .tempfail = cfg->unknown_helo_hostname_tempfail_action };

    (void)r;
    if (!helo)
        return GO_ON;
    if (is_literal(helo))
        return is_good_literal(helo) ? GO_ON : restrict_reject_invalid_helo_hostname(c, r);
    return ask_domain(c, &how, span_str(helo));
}

static enum outcome unknown_domain(struct check *c, struct subject s, const char *status)
{
    const struct config *cfg = c->f.cfg;
    struct span domain = address_text_domain(s.name);
    const struct domain_job how = { .subject = s, .code = cfg->unknown_address_reject_code, .status = status,
                                    .text = "Domain not found", .tempfail = cfg->unknown_address_tempfail_action, .is_address = true };

    if (!domain.len || domain.at[0] == '[')
        return GO_ON;
    return ask_domain(c, &how, domain);
}

/* A domain of ours needs no record for it to be one. */
enum outcome restrict_reject_unknown_sender_domain(struct check *c, const struct restriction *r)
{
    (void)r;
    if (!c->f.env || !c->f.env->sender[0])
        return GO_ON;
    if (!c->sender.is_known)
        return check_resolve_sender(c);
    return c->sender.is_ours ? GO_ON : unknown_domain(c, about_sender(c), "4.1.8");
}

enum outcome restrict_reject_unknown_recipient_domain(struct check *c, const struct restriction *r)
{
    (void)r;
    if (!check_recipient(c))
        return GO_ON;
    if (!c->rcpt.is_known)
        return check_resolve_recipient(c);
    return c->rcpt.is_ours ? GO_ON : unknown_domain(c, about_recipient(c), "4.1.2");
}
