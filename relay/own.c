/* SPDX-License-Identifier: Apache-2.0 */
#include "relay/own.h"

#include <ifaddrs.h>
#include <string.h>

static void add_text(struct addr_list *out, const char *text)
{
    union addr a;

    if (addr_parse(&a, span_str(text), 0))
        addr_list_add(out, &a);
}

static void add_all(struct addr_list *out)
{
    struct ifaddrs *all;

    if (getifaddrs(&all) < 0)
        return;
    for (struct ifaddrs *i = all; i; i = i->ifa_next) {
        union addr a = { 0 };
        if (!i->ifa_addr || (i->ifa_addr->sa_family != AF_INET && i->ifa_addr->sa_family != AF_INET6))
            continue;
        memcpy(&a, i->ifa_addr, i->ifa_addr->sa_family == AF_INET ? sizeof a.in4 : sizeof a.in6);
        addr_list_add(out, &a);
    }
    freeifaddrs(all);
}

void own_addresses(const struct config *cfg, struct addr_list *out)
{
    for (size_t i = 0; i < cfg->inet_interfaces.n; i++) {
        const char *text = cfg->inet_interfaces.at[i];
        if (strcmp(text, "all") == 0)
            add_all(out);
        if (strcmp(text, "all") == 0 || strcmp(text, "loopback-only") == 0) {
            add_text(out, "127.0.0.1");
            add_text(out, "::1");
        } else {
            add_text(out, text);
        }
    }
}

static bool is_same(const union addr *a, const union addr *b)
{
    if (a->sa.sa_family != b->sa.sa_family)
        return false;
    return a->sa.sa_family == AF_INET ? a->in4.sin_addr.s_addr == b->in4.sin_addr.s_addr
                                      : memcmp(&a->in6.sin6_addr, &b->in6.sin6_addr, 16) == 0;
}

bool own_has_one_of(const struct addr_list *own, const struct addr_list *these)
{
    for (size_t i = 0; i < own->n; i++)
        for (size_t j = 0; j < these->n; j++)
            if (is_same(&own->at[i], &these->at[j]))
                return true;
    return false;
}
