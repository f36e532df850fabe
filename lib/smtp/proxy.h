/* SPDX-License-Identifier: Apache-2.0
 *
 * proxy.h - the PROXY protocol, versions 1 and 2, as a proxy before us speaks it: one header at the very beginning of a
 * connection that says who is at its other side. No I/O.
 *
 *     struct proxy_reader r = { 0 };
 *     do {
 *         n = proxy_wants(&r);  read n bytes at most
 *     } while (proxy_read(&r, &bytes, &header, &e) == PROXY_MORE);
 *
 * What is behind the header belongs to somebody else (SMTP, or a TLS handshake): proxy_wants() never asks for more than the
 * header has for certain. Whether the peer may be believed is the caller's to know. */
#ifndef SMTP_PROXY_H
#define SMTP_PROXY_H

#include "base/err.h"
#include "base/span.h"

#include <netinet/in.h>
#include <stdbool.h>
#include <stddef.h>
#include <sys/socket.h>

enum {
    PROXY_V1_MAX = 107, /* with its CRLF */
    PROXY_V2_ADDRESSES = 36, /* of IPv6, the longest that we look at */
};

union proxy_address {
    struct sockaddr sa;
    struct sockaddr_in in4;
    struct sockaddr_in6 in6;
};

struct proxy_header {
    int version;                       /* 1 or 2 */
    bool is_own;                       /* v2 LOCAL: the proxy speaks for itself, as in a health check */
    bool is_known;                     /* the addresses are given: TCP over IPv4 or IPv6 */
    union proxy_address client, server; /* is_known: who connected, and to what */
};

enum proxy_result { PROXY_MORE, PROXY_DONE, PROXY_BROKEN };

struct proxy_reader { /* zeroes: nothing has come yet */
    char at[PROXY_V1_MAX];
    size_t len;
    size_t skip; /* v2: bytes that are passed over: extensions (TLVs), addresses of other families */
};

/* How many bytes may be read without taking one that is not the header's; at least 1 until it is done. */
size_t proxy_wants(const struct proxy_reader *r);
/* Takes bytes off the front of *in. PROXY_BROKEN: `e` says what is wrong with it. */
enum proxy_result proxy_read(struct proxy_reader *r, struct span *in, struct proxy_header *out, struct err *e);

#endif
