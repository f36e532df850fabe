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

/* By what the network of an address is told. */
enum style { STYLE_HOST, STYLE_SUBNET, STYLE_CLASS };

static bool is_word_for_loopback(struct span word)
{
    return span_ieq(word, SPAN("loopback-only")) || span_ieq(word, SPAN("localhost"));
}

/* "all", "loopback-only" or "localhost", or the addresses themselves. */
static bool is_received_at(const char *interfaces, const struct sockaddr *sa)
{
    struct span rest = span_str(interfaces), word;
    union addr a;

    while (postfix_list_next(&rest, &word)) {
        if (span_ieq(word, SPAN("all")) || (is_word_for_loopback(word) && is_loopback(sa)))
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
static void add_network(struct strlist *out, const struct sockaddr *sa, const struct sockaddr *mask, enum style style)
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
    unsigned bits = style == STYLE_HOST              ? 8 * (unsigned)n
                    : style == STYLE_CLASS && is_4 ? bits_by_class(address)
                                                   : count_bits(bitmask, n);
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

/* Those of the interfaces that `received_at` lets Postfix receive at. */
static int own_networks(const char *received_at, enum style style, struct strlist *networks)
{
    struct ifaddrs *all;

    if (getifaddrs(&all) < 0)
        return -1;
    for (struct ifaddrs *i = all; i; i = i->ifa_next)
        if (i->ifa_addr && i->ifa_netmask && (i->ifa_addr->sa_family == AF_INET || i->ifa_addr->sa_family == AF_INET6) &&
            is_received_at(received_at, i->ifa_addr))
            add_network(networks, i->ifa_addr, i->ifa_netmask, style);
    freeifaddrs(all);
    return 0;
}

/* Postfix asks the DNS for the other names in inet_interfaces, at each start. */
static char *names_in(const char *interfaces)
{
    struct span rest = span_str(interfaces), word;
    struct buf names;
    union addr a;

    buf_init(&names, BUF_NO_MAX);
    while (postfix_list_next(&rest, &word))
        if (!span_ieq(word, SPAN("all")) && !is_word_for_loopback(word) && !addr_parse(&a, word, 0))
            buf_addf(&names, "%s%.*s", names.len ? ", " : "", (int)word.len, word.at);
    return buf_take(&names);
}

static void carry_networks(struct import *im, const struct strlist *networks, const char *names, const char *source)
{
    struct buf text;

    buf_init(&text, BUF_NO_MAX);
    for (size_t i = 0; i < networks->n; i++)
        buf_addf(&text, "%s%s", i ? ", " : "", networks->at[i]);
    struct import_item *it = import_param(im, "mynetworks", buf_cstr(&text), NULL, source);
    import_note(&it->notes, "The networks of this machine's interfaces as they are now: Postfix looked at them at each start.");
    if (*names)
        import_note(&it->notes, "Names in inet_interfaces are not looked up: add the networks of %s.", names);
    buf_fini(&text);
}

void import_networks_style(struct import *im, const struct postfix_setting *s, const char *value)
{
    static const char example[] = "write the networks, mynetworks = \"127.0.0.0/8, [::1]/128, 192.0.2.0/24\"";
    const struct postfix_setting *mynetworks = postfix_find(&im->main, "mynetworks");
    enum style style = strcmp(value, "host") == 0 ? STYLE_HOST : strcmp(value, "class") == 0 ? STYLE_CLASS : STYLE_SUBNET;
    char *source = import_source(s), *interfaces = postfix_value(&im->main, "inet_interfaces", NULL);
    char *names = names_in(interfaces ? interfaces : "all");
    struct strlist networks = { 0 };

    if (mynetworks && *mynetworks->value)
        import_note(&im->not_needed, "%s", s->name);
    else if (own_networks(interfaces ? interfaces : "all", style, &networks) < 0)
        import_lose(im, s->name, source, "the interfaces cannot be read: %s", example);
    else if (networks.n)
        carry_networks(im, &networks, names, source);
    else if (*names)
        import_lose(im, s->name, source, "names in inet_interfaces are not looked up (%s): %s", names, example);
    else
        import_lose(im, s->name, source, "this machine has none of the addresses in inet_interfaces: %s", example);
    strlist_clear(&networks);
    free(interfaces);
    free(source);
    free(names);
}
