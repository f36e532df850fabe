/* SPDX-License-Identifier: Apache-2.0
 *
 * import_networks.c - mynetworks_style: the networks of the addresses that inet_interfaces lets Postfix receive at. */
#include "control/import.h"

#include "base/mem.h"
#include "net/addr.h"

#include <arpa/inet.h>
#include <ifaddrs.h>
#include <stdlib.h>
#include <strings.h>

static bool is_loopback(const struct sockaddr *sa)
{
    if (sa->sa_family == AF_INET)
        return ntohl(((const struct sockaddr_in *)(const void *)sa)->sin_addr.s_addr) >> 24 == 127;
    return IN6_IS_ADDR_LOOPBACK(&((const struct sockaddr_in6 *)(const void *)sa)->sin6_addr);
}

/* "all", "loopback-only", or the addresses themselves. */
static bool is_received_at(const char *interfaces, const struct sockaddr *sa)
{
    struct span rest = span_str(interfaces), word;
    union addr a;

    while (postfix_list_next(&rest, &word)) {
        if (span_ieq(word, SPAN("all")) || (span_ieq(word, SPAN("loopback-only")) && is_loopback(sa)))
            return true;
        if (!addr_parse(&a, word, 0) || a.sa.sa_family != sa->sa_family)
            continue;
        if (sa->sa_family == AF_INET
                ? a.in4.sin_addr.s_addr == ((const struct sockaddr_in *)(const void *)sa)->sin_addr.s_addr
                : memcmp(&a.in6.sin6_addr, &((const struct sockaddr_in6 *)(const void *)sa)->sin6_addr, 16) == 0)
            return true;
    }
    return false;
}

static unsigned count_bits(const unsigned char *mask, size_t n)
{
    unsigned bits = 0;

    while (bits < 8 * n && mask[bits / 8] & 0x80 >> bits % 8)
        bits++;
    return bits;
}

static unsigned bits_by_class(const unsigned char *address)
{
    return address[0] < 128 ? 8 : address[0] < 192 ? 16 : 24;
}

/* The network's own address: what is beyond `bits` is cleared. */
static void add_network(struct strlist *out, const struct sockaddr *sa, const struct sockaddr *mask, bool by_class)
{
    bool is_4 = sa->sa_family == AF_INET;
    size_t n = is_4 ? 4 : 16;
    unsigned char address[16], bitmask[16] = { 0 };
    char text[INET6_ADDRSTRLEN];
    const void *from = is_4 ? (const void *)&((const struct sockaddr_in *)(const void *)sa)->sin_addr
                            : (const void *)&((const struct sockaddr_in6 *)(const void *)sa)->sin6_addr;

    memcpy(address, from, n);
    memcpy(bitmask, is_4 ? (const void *)&((const struct sockaddr_in *)(const void *)mask)->sin_addr
                         : (const void *)&((const struct sockaddr_in6 *)(const void *)mask)->sin6_addr, n);
    unsigned bits = by_class && is_4 ? bits_by_class(address) : count_bits(bitmask, n);
    for (unsigned i = bits; i < 8 * n; i++)
        address[i / 8] &= (unsigned char)~(0x80 >> i % 8);
    char *network = xasprintf(is_4 ? "%s/%u" : "[%s]/%u", inet_ntop(sa->sa_family, address, text, sizeof text), bits);
    for (size_t i = 0; i < out->n; i++)
        if (strcmp(out->at[i], network) == 0)
            network[0] = '\0';
    if (*network)
        strlist_add(out, span_str(network));
    free(network);
}

static char *own_networks(struct import *im, bool by_class)
{
    char *interfaces = postfix_value(&im->main, "inet_interfaces", NULL);
    struct strlist networks = { 0 };
    struct ifaddrs *all;
    struct buf text;

    if (getifaddrs(&all) < 0) {
        free(interfaces);
        return NULL;
    }
    for (struct ifaddrs *i = all; i; i = i->ifa_next)
        if (i->ifa_addr && i->ifa_netmask && (i->ifa_addr->sa_family == AF_INET || i->ifa_addr->sa_family == AF_INET6) &&
            is_received_at(interfaces ? interfaces : "all", i->ifa_addr))
            add_network(&networks, i->ifa_addr, i->ifa_netmask, by_class);
    freeifaddrs(all);
    buf_init(&text, BUF_NO_MAX);
    for (size_t i = 0; i < networks.n; i++)
        buf_addf(&text, "%s%s", i ? ", " : "", networks.at[i]);
    char *list = networks.n ? xstrdup(buf_cstr(&text)) : NULL;
    buf_fini(&text);
    strlist_clear(&networks);
    free(interfaces);
    return list;
}

void import_networks_style(struct import *im, const struct postfix_setting *s, const char *value)
{
    char *source = import_source(s), *networks = NULL;
    const struct postfix_setting *mynetworks = postfix_find(&im->main, "mynetworks");

    if ((mynetworks && *mynetworks->value) || strcmp(value, "host") == 0) {
        import_note(&im->not_needed, "%s", s->name);
    } else if ((networks = own_networks(im, strcmp(value, "class") == 0))) {
        struct import_item *it = import_param(im, "mynetworks", networks, NULL, source);
        import_note(&it->notes, "The networks of this machine's interfaces as they are now: Postfix looked at them at each start.");
    } else {
        import_lose(im, s->name, source, "the interfaces cannot be read: write the networks, mynetworks = \"127.0.0.0/8, [::1]/128, "
                                         "192.0.2.0/24\"");
    }
    free(source);
    free(networks);
}
