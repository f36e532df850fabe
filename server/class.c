/* SPDX-License-Identifier: Apache-2.0
 *
 * Whose a domain is (HANDBOOK B1). The first class that has it counts; that two have it, `baton check` tells. */
#include "server/routing_int.h"

#include "base/mem.h"
#include "mail/address.h"

#include <arpa/inet.h>
#include <ifaddrs.h>
#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>

/* ---- addresses of this machine ---- */

static void add_own(struct routing *ro, struct span address)
{
    ro->own_addresses = xreallocarray(ro->own_addresses, ro->n_own + 1, sizeof *ro->own_addresses);
    ro->own_addresses[ro->n_own++] = span_dup(address);
}

static void add_interface(struct routing *ro, const struct sockaddr *sa, bool only_loopback)
{
    char text[INET6_ADDRSTRLEN];
    const void *at = NULL;
    bool is_loopback = false;

    if (sa && sa->sa_family == AF_INET) {
        const struct sockaddr_in *in = (const struct sockaddr_in *)(const void *)sa;
        at = &in->sin_addr;
        is_loopback = ntohl(in->sin_addr.s_addr) >> 24 == 127;
    } else if (sa && sa->sa_family == AF_INET6) {
        const struct sockaddr_in6 *in6 = (const struct sockaddr_in6 *)(const void *)sa;
        at = &in6->sin6_addr;
        is_loopback = IN6_IS_ADDR_LOOPBACK(&in6->sin6_addr);
    }
    if (at && (is_loopback || !only_loopback) && inet_ntop(sa->sa_family, at, text, sizeof text))
        add_own(ro, span_str(text));
}

/* Those that inet_interfaces names, or all that the machine has. */
int class_find_own(struct routing *ro, struct err *e)
{
    const struct strlist *names = &ro->cfg->inet_interfaces;
    bool is_all = names->n == 0 || strcmp(names->at[0], "all") == 0;
    bool only_loopback = names->n == 1 && strcmp(names->at[0], "loopback-only") == 0;
    struct ifaddrs *all;

    if (!is_all && !only_loopback) {
        for (size_t i = 0; i < names->n; i++)
            add_own(ro, span_str(names->at[i]));
        return 0;
    }
    if (getifaddrs(&all) < 0)
        return err_sys(e, "the addresses of this machine");
    for (struct ifaddrs *i = all; i; i = i->ifa_next)
        add_interface(ro, i->ifa_addr, only_loopback);
    freeifaddrs(all);
    return 0;
}

/* "[192.0.2.1]", "[IPv6:2001:db8::1]" */
bool class_is_own_address(const struct routing *ro, struct span domain)
{
    unsigned char asked[16], own[16];
    char text[INET6_ADDRSTRLEN];

    if (domain.len < 3 || domain.at[0] != '[' || domain.at[domain.len - 1] != ']')
        return false;
    struct span inner = span_of(domain.at + 1, domain.len - 2);
    if (span_istarts(inner, "IPv6:"))
        inner = span_from(inner, strlen("IPv6:"));
    if (inner.len >= sizeof text)
        return false;
    memcpy(text, inner.at, inner.len);
    text[inner.len] = '\0';
    int family = strchr(text, ':') ? AF_INET6 : AF_INET;
    if (inet_pton(family, text, asked) != 1)
        return false;
    for (size_t i = 0; i < ro->n_own; i++)
        if (inet_pton(family, ro->own_addresses[i], own) == 1 && memcmp(own, asked, family == AF_INET ? 4 : 16) == 0)
            return true;
    return false;
}

/* ---- classes ---- */

enum map_result class_is_local(struct routing *ro, struct lookup *l, struct span domain)
{
    if (ro->cfg->mydestination.n && class_is_own_address(ro, domain))
        return MAP_FOUND;
    return resolver_is_destination(ro->resolver, l, domain);
}

enum map_result class_of(void *self, struct lookup *l, const char *address, enum address_class *out)
{
    struct routing *ro = self;
    struct span domain = address_text_domain(address);
    struct match *const lists[] = { ro->alias_domains, ro->mailbox_domains, ro->relay_domains };
    static const enum address_class classes[] = { CLASS_VIRTUAL_ALIAS, CLASS_VIRTUAL_MAILBOX, CLASS_RELAY };

    *out = CLASS_LOCAL;
    enum map_result result = class_is_local(ro, l, domain);
    for (size_t i = 0; i < ARRAY_LEN(lists) && result == MAP_NOT_FOUND; i++) {
        *out = classes[i];
        result = match_find(lists[i], l, domain);
    }
    if (result != MAP_NOT_FOUND)
        return result;
    *out = infer_has(ro, domain) ? CLASS_INFERRED : CLASS_DEFAULT;
    return MAP_FOUND;
}
