/* SPDX-License-Identifier: Apache-2.0
 *
 * addr.h - where to connect to or to listen: an IPv4 or IPv6 address with its port. */
#ifndef NET_ADDR_H
#define NET_ADDR_H

#include "base/err.h"
#include "base/span.h"

#include <netinet/in.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/socket.h>

union addr {
    struct sockaddr sa; /* sa_family: AF_INET, AF_INET6; AF_UNIX stands for a local peer without a name */
    struct sockaddr_in in4;
    struct sockaddr_in6 in6;
};

/* An address literal without port: "192.0.2.1", "2001:db8::1", "[2001:db8::1]", "IPv6:2001:db8::1", "fe80::1%eth0".
 * False when `text` is none: then it may be a name. */
bool addr_parse(union addr *a, struct span text, uint16_t port);
/* False when it is neither IPv4 nor IPv6. */
bool addr_set(union addr *a, const struct sockaddr *sa);
socklen_t addr_len(const union addr *a);
uint16_t addr_port(const union addr *a);
void addr_set_port(union addr *a, uint16_t port);
bool addr_eq(const union addr *a, const union addr *b);
/* The same host, whatever the ports are; zones ("%eth0") count where both have one. */
bool addr_is_same_host(const union addr *a, const union addr *b);

#define ADDR_TEXT 80
/* "192.0.2.1:25", "[2001:db8::1]:25", "local". `out` has ADDR_TEXT bytes. For no port: sockaddr_format(), cidr.h. */
char *addr_format(const union addr *a, char *out);

/* An owning list; zeroes are an empty one. */
struct addr_list {
    union addr *at;
    size_t n;
};

void addr_list_add(struct addr_list *l, const union addr *a);
bool addr_list_has_host(const struct addr_list *l, const union addr *a);
void addr_list_copy(struct addr_list *to, const struct addr_list *from);
void addr_list_fini(struct addr_list *l);

#endif
