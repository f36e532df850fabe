/* SPDX-License-Identifier: Apache-2.0 */
#include "relay/policy.h"

#include "base/log.h"

#include <stdio.h>

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

/* HANDBOOK B1: "550 5.1.1 <rcpt>: Recipient address rejected: local delivery disabled"; 450 for a 4.x.x status. */
static void refuse_route(const struct route *route, const char *address, struct refusal *out)
{
    bool cannot_tell = strcmp(route->status, RESOLVE_CANNOT_TELL) == 0;
    out->code = cannot_tell ? 451 : route->status[0] == '4' ? 450 : 550;
    snprintf(out->status, sizeof out->status, "%s", route->status);
    snprintf(out->text, sizeof out->text, "<%s>: %s%s", log_safe_str(address),
             cannot_tell ? "" : "Recipient address rejected: ", route->text ? route->text : "refused");
}

void policy_rcpt(const struct resolver *r, bool is_trusted, const char *address, struct refusal *out)
{
    struct route route;

    *out = (struct refusal){ 0 };
    resolve_check(r, address, &route);
    if (route.kind == ROUTE_REFUSED) {
        refuse_route(&route, address, out);
    } else if (!is_trusted && !resolve_is_ours(r, address)) {
        out->code = 554;
        snprintf(out->status, sizeof out->status, "5.7.1");
        snprintf(out->text, sizeof out->text, "<%s>: Relay access denied", log_safe_str(address));
    }
    /* Perhaps not, by the table as it is now: whoever reads that will say. */
    if (out->code >= 500 && resolver_is_stale(r)) {
        out->code = 451;
        snprintf(out->status, sizeof out->status, RESOLVE_CANNOT_TELL);
        snprintf(out->text, sizeof out->text, "<%s>: Temporary lookup failure", log_safe_str(address));
    }
}
