/* SPDX-License-Identifier: Apache-2.0
 *
 * The header is gathered in `at` until it is whole, byte for byte no further than it goes, and then read in one piece.
 *
 *   v1: "PROXY TCP4 192.0.2.1 198.51.100.1 56324 25\r\n", "PROXY UNKNOWN ...\r\n"; 107 bytes at most
 *   v2: 12 bytes that no other protocol begins with, version and command, family, length (16 bits, big-endian), then as many
 *       bytes: the addresses and extensions (TLVs), which we pass over without keeping them */
#include "smtp/proxy.h"

#include "base/log.h"

#include <arpa/inet.h>
#include <string.h>

#define V1_START "PROXY "
#define V1_LEAST (sizeof "PROXY UNKNOWN\r\n" - 1) /* no header of either version is shorter */
#define V2_FIXED 16

static const char signature[12] = { '\r', '\n', '\r', '\n', '\0', '\r', '\n', 'Q', 'U', 'I', 'T', '\n' };

enum { V2_VERSION = 0x20, V2_LOCAL = 0, V2_PROXY = 1, V2_TCP4 = 0x11, V2_TCP6 = 0x21 };

/* ---- how long it is ---- */

static bool is_v2(const struct proxy_reader *r)
{
    return r->len && r->at[0] == signature[0];
}

static unsigned char byte(const struct proxy_reader *r, size_t i)
{
    return (unsigned char)r->at[i];
}

static size_t number16(const struct proxy_reader *r, size_t at)
{
    return (size_t)byte(r, at) << 8 | byte(r, at + 1);
}

/* Of its addresses, those that are looked at. */
static size_t v2_kept(const struct proxy_reader *r)
{
    size_t len = number16(r, 14);
    return len < PROXY_V2_ADDRESSES ? len : PROXY_V2_ADDRESSES;
}

/* Of the five blanks of a line with addresses each one missing has a character behind it; then CR and LF. */
static size_t v1_missing(const struct proxy_reader *r)
{
    size_t blanks = 0;

    if (r->at[r->len - 1] == '\r')
        return 1;
    for (size_t i = 0; i < r->len; i++)
        blanks += r->at[i] == ' ';
    bool has_addresses = r->len > 6 && r->at[6] == 'T';
    return has_addresses && blanks < 5 ? 2 * (5 - blanks) + 2 : 2;
}

size_t proxy_wants(const struct proxy_reader *r)
{
    size_t n;

    if (r->len < V1_LEAST)
        return V1_LEAST - r->len;
    if (is_v2(r)) {
        if (r->len < V2_FIXED)
            return V2_FIXED - r->len;
        n = V2_FIXED + v2_kept(r) - r->len;
        return n + r->skip;
    }
    n = v1_missing(r);
    return n < PROXY_V1_MAX - r->len ? n : PROXY_V1_MAX - r->len;
}

/* ---- version 1 ---- */

static bool v1_address(struct span *rest, int family, union proxy_address *out)
{
    char text[INET6_ADDRSTRLEN];
    size_t len = span_find(*rest, ' ');
    void *to = family == AF_INET ? (void *)&out->in4.sin_addr : (void *)&out->in6.sin6_addr;

    if (len >= sizeof text || len == rest->len)
        return false;
    memcpy(text, rest->at, len);
    text[len] = '\0';
    *rest = span_from(*rest, len + 1);
    out->sa.sa_family = (sa_family_t)family;
    return strlen(text) == len && inet_pton(family, text, to) == 1;
}

static bool v1_port(struct span *rest, bool is_last, in_port_t *out)
{
    size_t len = span_find(*rest, ' ');
    uint64_t port;

    if (is_last != (len == rest->len) || len > 5 || !span_u64(span_of(rest->at, len), &port) || port > 65535)
        return false;
    *rest = span_from(*rest, is_last ? len : len + 1);
    *out = htons((uint16_t)port);
    return true;
}

static in_port_t *port_of(union proxy_address *a)
{
    return a->sa.sa_family == AF_INET ? &a->in4.sin_port : &a->in6.sin6_port;
}

static bool v1_addresses(struct span rest, int family, struct proxy_header *out)
{
    return v1_address(&rest, family, &out->client) && v1_address(&rest, family, &out->server) &&
           v1_port(&rest, false, port_of(&out->client)) && v1_port(&rest, true, port_of(&out->server));
}

static enum proxy_result v1_parse(struct span line, struct proxy_header *out, struct err *e)
{
    char text[2 * PROXY_V1_MAX];
    struct span rest = span_from(line, sizeof V1_START - 1);

    out->version = 1;
    /* Whatever follows the word is to be passed over. */
    if (span_eq(rest, SPAN("UNKNOWN")) || span_starts(rest, "UNKNOWN "))
        return PROXY_DONE;
    out->is_known = (span_starts(rest, "TCP4 ") && v1_addresses(span_from(rest, 5), AF_INET, out)) ||
                    (span_starts(rest, "TCP6 ") && v1_addresses(span_from(rest, 5), AF_INET6, out));
    if (out->is_known)
        return PROXY_DONE;
    err_set(e, ERR_PERMANENT, "its PROXY line cannot be read: \"%s\"", log_escape(line, text, sizeof text));
    return PROXY_BROKEN;
}

static enum proxy_result v1_read(struct proxy_reader *r, struct proxy_header *out, struct err *e)
{
    struct span line = span_of(r->at, r->len);

    if (r->at[r->len - 1] == '\n') {
        if (r->at[r->len - 2] == '\r')
            return v1_parse(span_of(line.at, line.len - 2), out, e);
        err_set(e, ERR_PERMANENT, "its PROXY line does not end with CR LF");
        return PROXY_BROKEN;
    }
    if (r->len < PROXY_V1_MAX)
        return PROXY_MORE;
    err_set(e, ERR_PERMANENT, "its PROXY line has more than %d bytes", PROXY_V1_MAX);
    return PROXY_BROKEN;
}

/* ---- version 2 ---- */

static void v2_ipv4(const char *at, const char *port, union proxy_address *out)
{
    out->in4.sin_family = AF_INET;
    memcpy(&out->in4.sin_addr, at, 4);
    memcpy(&out->in4.sin_port, port, 2);
}

static void v2_ipv6(const char *at, const char *port, union proxy_address *out)
{
    out->in6.sin6_family = AF_INET6;
    memcpy(&out->in6.sin6_addr, at, 16);
    memcpy(&out->in6.sin6_port, port, 2);
}

static enum proxy_result v2_addresses(const struct proxy_reader *r, struct proxy_header *out, struct err *e)
{
    const char *at = r->at + V2_FIXED;
    size_t len = number16(r, 14), need = byte(r, 13) == V2_TCP4 ? 12 : byte(r, 13) == V2_TCP6 ? 36 : 0;

    if (len < need) {
        err_set(e, ERR_PERMANENT, "its PROXY header is too short for its addresses: %zu bytes", len);
        return PROXY_BROKEN;
    }
    out->is_known = need > 0;
    if (need == 12) {
        v2_ipv4(at, at + 8, &out->client);
        v2_ipv4(at + 4, at + 10, &out->server);
    } else if (need == 36) {
        v2_ipv6(at, at + 32, &out->client);
        v2_ipv6(at + 16, at + 34, &out->server);
    }
    return PROXY_DONE;
}

static enum proxy_result v2_parse(const struct proxy_reader *r, struct proxy_header *out, struct err *e)
{
    unsigned what = byte(r, 12);

    out->version = 2;
    out->is_own = what == (V2_VERSION | V2_LOCAL);
    return out->is_own ? PROXY_DONE : v2_addresses(r, out, e);
}

static enum proxy_result v2_check(const struct proxy_reader *r, struct err *e)
{
    unsigned what = byte(r, 12);

    if (what == (V2_VERSION | V2_LOCAL) || what == (V2_VERSION | V2_PROXY))
        return PROXY_MORE;
    err_set(e, ERR_PERMANENT, "its PROXY header has version and command 0x%02x, which nobody knows", what);
    return PROXY_BROKEN;
}

static enum proxy_result v2_read(struct proxy_reader *r, struct proxy_header *out, struct err *e)
{
    if (r->len < V2_FIXED)
        return PROXY_MORE;
    if (r->len < V2_FIXED + v2_kept(r) || r->skip)
        return PROXY_MORE;
    return v2_parse(r, out, e);
}

/* ---- both ---- */

/* A proxy that listens at :: says IPv4 so. It is the IPv4 address that networks and limits are about. */
static void unmap(union proxy_address *a)
{
    if (a->sa.sa_family != AF_INET6 || !IN6_IS_ADDR_V4MAPPED(&a->in6.sin6_addr))
        return;
    struct sockaddr_in in4 = { .sin_family = AF_INET, .sin_port = a->in6.sin6_port };
    memcpy(&in4.sin_addr, a->in6.sin6_addr.s6_addr + 12, 4);
    a->in4 = in4;
}

/* False: this is no header, whatever may follow. */
static bool may_become_one(const struct proxy_reader *r)
{
    bool is_two = is_v2(r);
    size_t all = is_two ? sizeof signature : sizeof V1_START - 1;
    return memcmp(r->at, is_two ? signature : V1_START, r->len < all ? r->len : all) == 0;
}

static enum proxy_result take_byte(struct proxy_reader *r, char c, struct proxy_header *out, struct err *e)
{
    r->at[r->len++] = c;
    if (!may_become_one(r)) {
        err_set(e, ERR_PERMANENT, "it does not begin with a PROXY header");
        return PROXY_BROKEN;
    }
    if (!is_v2(r))
        return v1_read(r, out, e);
    if (r->len == V2_FIXED) {
        if (v2_check(r, e) == PROXY_BROKEN)
            return PROXY_BROKEN;
        r->skip = number16(r, 14) - v2_kept(r);
    }
    return v2_read(r, out, e);
}

enum proxy_result proxy_read(struct proxy_reader *r, struct span *in, struct proxy_header *out, struct err *e)
{
    enum proxy_result result = PROXY_MORE;

    *out = (struct proxy_header){ 0 };
    while (in->len && result == PROXY_MORE) {
        if (r->skip && r->len == V2_FIXED + v2_kept(r)) {
            size_t n = in->len < r->skip ? in->len : r->skip;
            r->skip -= n;
            *in = span_from(*in, n);
            result = v2_read(r, out, e);
        } else {
            result = take_byte(r, *in->at, out, e);
            *in = span_from(*in, 1);
        }
    }
    unmap(&out->client);
    unmap(&out->server);
    return result;
}
