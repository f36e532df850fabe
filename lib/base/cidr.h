/* SPDX-License-Identifier: Apache-2.0
 *
 * cidr.h - networks: "192.0.2.0/24", "[2001:db8::]/32", "::1", "!10.0.0.1" (Postfix's mynetworks). */
#ifndef BASE_CIDR_H
#define BASE_CIDR_H

#include "base/err.h"
#include "base/span.h"

#include <netinet/in.h>
#include <sys/socket.h>

struct cidr {
    unsigned char addr[16];
    unsigned char family; /* AF_INET or AF_INET6 */
    unsigned char bits;
    bool is_negated;
    bool had_host_bits; /* they were set and have been cleared: "192.0.2.1/24" became 192.0.2.0/24 */
};

int cidr_parse(struct cidr *c, struct span text, struct err *e);
/* An IPv4 address mapped into IPv6 counts as IPv4. */
bool cidr_matches(const struct cidr *c, const struct sockaddr *sa);
/* The first network that matches decides. */
bool cidr_list_matches(const struct cidr *list, size_t n, const struct sockaddr *sa);
/* "192.0.2.0/24"; `out` holds at least 64 bytes. */
char *cidr_format(const struct cidr *c, char *out, size_t size);

/* "192.0.2.1", "2001:db8::1" without port; for AF_UNIX "local". */
char *sockaddr_format(const struct sockaddr *sa, char *out, size_t size);
bool sockaddr_is_loopback(const struct sockaddr *sa);

#endif
