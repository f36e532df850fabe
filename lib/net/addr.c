/* SPDX-License-Identifier: Apache-2.0 */
#include "net/addr.h"

#include "base/cidr.h"
#include "base/mem.h"

#include <arpa/inet.h>
#include <net/if.h>
#include <stdio.h>
#include <stdlib.h>

static bool parse_zone(union addr *a, char *text)
{
    char *zone = strchr(text, '%');
    if (!zone)
        return true;
    *zone++ = '\0';
    a->in6.sin6_scope_id = if_nametoindex(zone);
    return a->in6.sin6_scope_id != 0;
}

bool addr_parse(union addr *a, struct span text, uint16_t port)
{
    char copy[INET6_ADDRSTRLEN + IF_NAMESIZE + 2];
    memset(a, 0, sizeof(*a));
    bool is_bracketed = text.len >= 2 && text.at[0] == '[' && text.at[text.len - 1] == ']';
    if (is_bracketed)
        text = span_of(text.at + 1, text.len - 2);
    bool is_tagged = span_istarts(text, "IPv6:"); /* RFC 5321 4.1.3 */
    if (is_tagged)
        text = span_from(text, 5);
    if (text.len == 0 || text.len >= sizeof(copy) || memchr(text.at, '\0', text.len))
        return false;
    memcpy(copy, text.at, text.len);
    copy[text.len] = '\0';
    if (!is_tagged && inet_pton(AF_INET, copy, &a->in4.sin_addr) == 1) {
        a->in4.sin_family = AF_INET;
        a->in4.sin_port = htons(port);
        return true;
    }
    if (!parse_zone(a, copy) || inet_pton(AF_INET6, copy, &a->in6.sin6_addr) != 1)
        return false;
    a->in6.sin6_family = AF_INET6;
    a->in6.sin6_port = htons(port);
    return true;
}

bool addr_set(union addr *a, const struct sockaddr *sa)
{
    *a = (union addr){ .in6 = { 0 } };
    if (sa->sa_family == AF_INET)
        memcpy(&a->in4, sa, sizeof a->in4);
    else if (sa->sa_family == AF_INET6)
        memcpy(&a->in6, sa, sizeof a->in6);
    else
        return false;
    return true;
}

socklen_t addr_len(const union addr *a)
{
    return a->sa.sa_family == AF_INET ? sizeof(a->in4) : sizeof(a->in6);
}

uint16_t addr_port(const union addr *a)
{
    switch (a->sa.sa_family) {
    case AF_INET: return ntohs(a->in4.sin_port);
    case AF_INET6: return ntohs(a->in6.sin6_port);
    default: return 0;
    }
}

void addr_set_port(union addr *a, uint16_t port)
{
    if (a->sa.sa_family == AF_INET)
        a->in4.sin_port = htons(port);
    else if (a->sa.sa_family == AF_INET6)
        a->in6.sin6_port = htons(port);
}

bool addr_eq(const union addr *a, const union addr *b)
{
    if (a->sa.sa_family != b->sa.sa_family || addr_port(a) != addr_port(b))
        return false;
    if (a->sa.sa_family == AF_INET)
        return a->in4.sin_addr.s_addr == b->in4.sin_addr.s_addr;
    if (a->sa.sa_family == AF_INET6)
        return memcmp(&a->in6.sin6_addr, &b->in6.sin6_addr, 16) == 0 && a->in6.sin6_scope_id == b->in6.sin6_scope_id;
    return true;
}

bool addr_is_same_host(const union addr *a, const union addr *b)
{
    if (a->sa.sa_family != b->sa.sa_family)
        return false;
    if (a->sa.sa_family == AF_INET)
        return a->in4.sin_addr.s_addr == b->in4.sin_addr.s_addr;
    if (a->sa.sa_family != AF_INET6 || memcmp(&a->in6.sin6_addr, &b->in6.sin6_addr, 16) != 0)
        return false;
    return !a->in6.sin6_scope_id || !b->in6.sin6_scope_id || a->in6.sin6_scope_id == b->in6.sin6_scope_id;
}

char *addr_format(const union addr *a, char *out)
{
    char host[INET6_ADDRSTRLEN + 8];
    sockaddr_format(&a->sa, host, sizeof(host));
    if (a->sa.sa_family == AF_INET)
        snprintf(out, ADDR_TEXT, "%s:%u", host, addr_port(a));
    else if (a->sa.sa_family == AF_INET6)
        snprintf(out, ADDR_TEXT, "[%s]:%u", host, addr_port(a));
    else
        snprintf(out, ADDR_TEXT, "%s", host);
    return out;
}

void addr_list_add(struct addr_list *l, const union addr *a)
{
    l->at = xreallocarray(l->at, l->n + 1, sizeof(*l->at));
    l->at[l->n++] = *a;
}

bool addr_list_has_host(const struct addr_list *l, const union addr *a)
{
    for (size_t i = 0; i < l->n; i++)
        if (addr_is_same_host(&l->at[i], a))
            return true;
    return false;
}

void addr_list_copy(struct addr_list *to, const struct addr_list *from)
{
    *to = (struct addr_list){ 0 };
    for (size_t i = 0; i < from->n; i++)
        addr_list_add(to, &from->at[i]);
}

void addr_list_fini(struct addr_list *l)
{
    free(l->at);
    *l = (struct addr_list){ 0 };
}
