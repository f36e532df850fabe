/* SPDX-License-Identifier: Apache-2.0 */
#include "base/cidr.h"

#include <arpa/inet.h>
#include <stdio.h>

/* "[::1]" and "::1" alike. */
static struct span unwrap(struct span s)
{
    if (s.len >= 2 && s.at[0] == '[' && s.at[s.len - 1] == ']')
        return span_of(s.at + 1, s.len - 2);
    return s;
}

static bool parse_address(struct cidr *c, struct span s)
{
    char text[INET6_ADDRSTRLEN + 1];

    s = unwrap(s);
    if (s.len == 0 || s.len >= sizeof text)
        return false;
    memcpy(text, s.at, s.len);
    text[s.len] = '\0';
    if (inet_pton(AF_INET, text, c->addr) == 1)
        c->family = AF_INET;
    else if (inet_pton(AF_INET6, text, c->addr) == 1)
        c->family = AF_INET6;
    else
        return false;
    return true;
}

static void clear_host_bits(struct cidr *c)
{
    size_t size = c->family == AF_INET ? 4 : 16;

    for (size_t i = 0; i < size; i++) {
        int keep = c->bits - (int)(8 * i);
        unsigned char mask = keep >= 8 ? 0xff : keep <= 0 ? 0 : (unsigned char)(0xff << (8 - keep));
        c->had_host_bits |= (c->addr[i] & ~mask) != 0;
        c->addr[i] &= mask;
    }
}

int cidr_parse(struct cidr *c, struct span text, struct err *e)
{
    struct span s = text;

    *c = (struct cidr){ 0 };
    if (s.len && s.at[0] == '!') {
        c->is_negated = true;
        s = span_from(s, 1);
    }
    size_t slash = span_find(s, '/');
    if (!parse_address(c, span_of(s.at, slash)))
        return err_set(e, ERR_CONFIG, "\"%.*s\" is not a network: write it as 192.0.2.0/24 or [2001:db8::]/32",
                       (int)text.len, text.at);
    unsigned max = c->family == AF_INET ? 32 : 128;
    uint64_t bits = max;
    if (slash < s.len && (!span_u64(span_from(s, slash + 1), &bits) || bits > max))
        return err_set(e, ERR_CONFIG, "\"%.*s\": the prefix length is a number from 0 to %u", (int)text.len, text.at,
                       max);
    c->bits = (unsigned char)bits;
    clear_host_bits(c);
    return 0;
}

static const unsigned char *address_of(const struct sockaddr *sa, int *family)
{
    if (sa->sa_family == AF_INET) {
        *family = AF_INET;
        return (const unsigned char *)&((const struct sockaddr_in *)(const void *)sa)->sin_addr;
    }
    if (sa->sa_family == AF_INET6) {
        const struct in6_addr *in6 = &((const struct sockaddr_in6 *)(const void *)sa)->sin6_addr;
        *family = IN6_IS_ADDR_V4MAPPED(in6) ? AF_INET : AF_INET6;
        return (const unsigned char *)in6 + (*family == AF_INET ? 12 : 0);
    }
    return NULL;
}

bool cidr_matches(const struct cidr *c, const struct sockaddr *sa)
{
    int family = 0;
    const unsigned char *addr = address_of(sa, &family);
    unsigned whole = c->bits / 8, rest = c->bits % 8;

    if (!addr || family != c->family)
        return false;
    if (memcmp(addr, c->addr, whole) != 0)
        return false;
    return rest == 0 || ((addr[whole] ^ c->addr[whole]) & (0xff << (8 - rest)) & 0xff) == 0;
}

bool cidr_list_matches(const struct cidr *list, size_t n, const struct sockaddr *sa)
{
    for (size_t i = 0; i < n; i++)
        if (cidr_matches(&list[i], sa))
            return !list[i].is_negated;
    return false;
}

char *cidr_format(const struct cidr *c, char *out, size_t size)
{
    char text[INET6_ADDRSTRLEN];
    inet_ntop(c->family, c->addr, text, sizeof text);
    snprintf(out, size, c->family == AF_INET6 ? "%s[%s]/%u" : "%s%s/%u", c->is_negated ? "!" : "", text, c->bits);
    return out;
}

char *sockaddr_format(const struct sockaddr *sa, char *out, size_t size)
{
    int family = 0;
    const unsigned char *addr = address_of(sa, &family);

    if (!addr || !inet_ntop(family, addr, out, (socklen_t)size))
        snprintf(out, size, "local");
    return out;
}

bool sockaddr_is_loopback(const struct sockaddr *sa)
{
    int family = 0;
    const unsigned char *addr = address_of(sa, &family);

    if (!addr)
        return sa->sa_family == AF_UNIX;
    return family == AF_INET ? addr[0] == 127 : IN6_IS_ADDR_LOOPBACK((const struct in6_addr *)(const void *)addr);
}
