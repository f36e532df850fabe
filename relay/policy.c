/* SPDX-License-Identifier: Apache-2.0 */
#include "relay/policy.h"

#include "base/log.h"

bool policy_trusts(const struct config *cfg, const struct sockaddr *peer)
{
    return peer->sa_family == AF_UNIX || cidr_list_matches(cfg->mynetworks.at, cfg->mynetworks.n, peer);
}

bool policy_may_xclient(const struct config *cfg, const struct sockaddr *peer)
{
    const struct cidr_list *hosts = &cfg->smtpd_authorized_xclient_hosts;
    return cidr_list_matches(hosts->at, hosts->n, peer);
}

enum smtp_bare_lf policy_bare_lf(const struct config *cfg, const struct sockaddr *peer)
{
    const struct cidr_list *exempt = &cfg->smtpd_forbid_bare_newline_exclusions;
    int how = cfg->smtpd_forbid_bare_newline;

    if (peer && (peer->sa_family == AF_UNIX || cidr_list_matches(exempt->at, exempt->n, peer)))
        how = CONFIG_BARE_NEWLINE_NO;
    return how == CONFIG_BARE_NEWLINE_NO       ? SMTP_BARE_LF_ENDS
           : how == CONFIG_BARE_NEWLINE_REJECT ? SMTP_BARE_LF_REJECT
                                               : SMTP_BARE_LF_NORMALIZE;
}

static void cannot_tell(const char *address, struct refusal *out)
{
    refusal_set(out, 451, "4.3.0", "<%s>: Temporary lookup failure", log_safe_str(address));
}

void policy_rcpt(const struct resolver *r, const struct resolve_verdict *v, bool is_trusted, const char *address, struct refusal *out)
{
    const struct route *route = &v->route;

    *out = (struct refusal){ 0 };
    if (v->cannot_tell)
        cannot_tell(address, out);
    else if (route->kind == ROUTE_REFUSED) /* HANDBOOK B1: 450 for a 4.x.x status */
        refusal_set(out, route->status[0] == '4' ? 450 : 550, route->status, "<%s>: Recipient address rejected: %s",
                    log_safe_str(address), route->text ? route->text : "refused");
    else if (v->unlisted)
        refusal_set(out, 550, "5.1.1", "<%s>: Recipient address rejected: %s", log_safe_str(address), v->unlisted);
    else if (!is_trusted && !v->is_ours)
        refusal_set(out, 554, "5.7.1", "<%s>: Relay access denied", log_safe_str(address));
    /* Perhaps not, by the table as it is now: whoever reads that will say. */
    if (out->code >= 500 && resolver_is_stale(r))
        cannot_tell(address, out);
}
