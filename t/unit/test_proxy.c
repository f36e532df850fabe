/* SPDX-License-Identifier: Apache-2.0
 *
 * Headers of the PROXY protocol, of both versions. Every one is read as it is asked for, byte by byte, and all at once. */
#include "base/cidr.h"
#include "base/mem.h"
#include "smtp/proxy.h"

#include "unit.h"

#include <arpa/inet.h>
#include <stdio.h>

#define BEHIND "EHLO x\r\n" /* is not the header's */

/* "192.0.2.1 56324 > 198.51.100.25 25", "own", "unknown", or why it is broken. */
static const char *tell(enum proxy_result result, const struct proxy_header *h, const struct err *e)
{
    static char text[200];
    char client[64], server[64];

    if (result != PROXY_DONE)
        return result == PROXY_MORE ? "more" : e->text;
    if (!h->is_known)
        return h->is_own ? "own" : "unknown";
    bool is_4 = h->client.sa.sa_family == AF_INET;
    snprintf(text, sizeof text, "%s %d > %s %d", sockaddr_format(&h->client.sa, client, sizeof client),
             ntohs(is_4 ? h->client.in4.sin_port : h->client.in6.sin6_port),
             sockaddr_format(&h->server.sa, server, sizeof server),
             ntohs(is_4 ? h->server.in4.sin_port : h->server.in6.sin6_port));
    return text;
}

/* `piece` 0: as it is asked for. */
static const char *read_in_pieces(struct span all, size_t piece, size_t *taken)
{
    struct proxy_reader r = { 0 };
    struct proxy_header h = { 0 };
    enum proxy_result result = PROXY_MORE;
    static struct err e; /* its text is given out */

    e = (struct err){ 0 };
    *taken = 0;
    while (result == PROXY_MORE && *taken < all.len) {
        size_t want = piece ? piece : proxy_wants(&r), left = all.len - *taken;
        struct span in = span_of(all.at + *taken, want < left ? want : left);
        size_t len = in.len;
        result = proxy_read(&r, &in, &h, &e);
        *taken += len - in.len;
        if (!piece)
            assert_true(in.len == 0 || result == PROXY_BROKEN);
    }
    return tell(result, &h, &e);
}

static void expect(struct span header, const char *want)
{
    char all[1000];
    size_t taken, len = header.len + sizeof BEHIND - 1;

    assert_true(len <= sizeof all);
    memcpy(all, header.at, header.len);
    memcpy(all + header.len, BEHIND, sizeof BEHIND - 1);
    for (size_t piece = 0; piece <= len; piece += piece < 2 ? 1 : len - 2) {
        assert_string_equal(read_in_pieces(span_of(all, len), piece, &taken), want);
        assert_int_equal(taken, header.len);
    }
    for (size_t n = 0; n < header.len; n++)
        assert_string_equal(read_in_pieces(span_of(all, n), 1, &taken), "more");
}

static void expect_broken(struct span text, const char *want)
{
    size_t taken;
    assert_string_equal(read_in_pieces(text, 1, &taken), want);
    assert_string_equal(read_in_pieces(text, text.len, &taken), want);
}

#define IPV6_LONGEST "ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff"

static void version_1_gives_addresses(void **state)
{
    (void)state;
    expect(SPAN("PROXY TCP4 192.0.2.1 198.51.100.25 56324 25\r\n"), "192.0.2.1 56324 > 198.51.100.25 25");
    expect(SPAN("PROXY TCP4 1.1.1.1 2.2.2.2 1 2\r\n"), "1.1.1.1 1 > 2.2.2.2 2");
    expect(SPAN("PROXY TCP6 2001:db8::1 2001:db8::25 56324 25\r\n"), "2001:db8::1 56324 > 2001:db8::25 25");
    expect(SPAN("PROXY TCP6 :: ::1 0 2\r\n"), ":: 0 > ::1 2");
    expect(SPAN("PROXY TCP6 " IPV6_LONGEST " " IPV6_LONGEST " 65535 65535\r\n"),
           IPV6_LONGEST " 65535 > " IPV6_LONGEST " 65535");
    expect(SPAN("PROXY TCP6 ::ffff:192.0.2.1 ::ffff:198.51.100.25 56324 25\r\n"), "192.0.2.1 56324 > 198.51.100.25 25");
}

static void version_1_may_not_know(void **state)
{
    (void)state;
    expect(SPAN("PROXY UNKNOWN\r\n"), "unknown");
    expect(SPAN("PROXY UNKNOWN ffff::1 ffff::2 65535 65535\r\n"), "unknown");
}

#define UNREADABLE(line) "PROXY " line "\r\n", "its PROXY line cannot be read: \"PROXY " line "\""

static void a_broken_version_1_is_refused(void **state)
{
    static const struct {
        const char *text, *want;
    } cases[] = {
        { UNREADABLE("TCP4 192.0.2.1 198.51.100.25 56324") },
        { UNREADABLE("TCP4 192.0.2.1 198.51.100.25 56324 25 1") },
        { UNREADABLE("TCP4 192.0.2.1 198.51.100.25 56324 65536") },
        { UNREADABLE("TCP4 192.0.2.1 198.51.100.25 -1 25") },
        { UNREADABLE("TCP4 192.0.2.1 198.51.100.25 56324 ") },
        { UNREADABLE("TCP4  192.0.2.1 198.51.100.25 56324 25") },
        { UNREADABLE("TCP4 192.0.2 198.51.100.25 56324 25") },
        { UNREADABLE("TCP4 ::1 ::1 56324 25") },
        { UNREADABLE("TCP6 192.0.2.1 198.51.100.25 56324 25") },
        { UNREADABLE("TCP6 fe80::1%eth0 ::1 56324 25") },
        { UNREADABLE("UDP4 192.0.2.1 198.51.100.25 56324 25") },
        { UNREADABLE("UNKNOWNS") },
        { UNREADABLE("") },
        { "PROXY TCP4 192.0.2.1 198.51.100.25 56324 25\n", "its PROXY line does not end with CR LF" },
        { "EHLO x\r\n", "it does not begin with a PROXY header" },
        { "proxy TCP4 192.0.2.1 198.51.100.25 56324 25\r\n", "it does not begin with a PROXY header" },
        { " PROXY UNKNOWN\r\n", "it does not begin with a PROXY header" },
        { "\x16\x03\x01\x02", "it does not begin with a PROXY header" },
    };
    char line[300];
    (void)state;

    for (size_t i = 0; i < ARRAY_LEN(cases); i++)
        expect_broken(span_str(cases[i].text), cases[i].want);
    expect_broken(SPAN("PROXY TCP4 192.0.2.1\0 198.51.100.25 56324 25\r\n"),
                  "its PROXY line cannot be read: \"PROXY TCP4 192.0.2.1\\x00 198.51.100.25 56324 25\"");
    memset(line, 'x', sizeof line);
    memcpy(line, "PROXY UNKNOWN ", 14);
    expect_broken(span_of(line, sizeof line), "its PROXY line has more than 107 bytes");
    memcpy(line + PROXY_V1_MAX - 2, "\r\n", 2);
    expect(span_of(line, PROXY_V1_MAX), "unknown");
}

#define SIGNATURE "\r\n\r\n\0\r\nQUIT\n"
#define IPV4      "\xc0\0\x02\x01\xc6\x33\x64\x19\xdc\x04\0\x19"
#define IPV6                                                                                                              \
    "\x20\x01\x0d\xb8\0\0\0\0\0\0\0\0\0\0\0\x01\x20\x01\x0d\xb8\0\0\0\0\0\0\0\0\0\0\0\x25\xdc\x04\0\x19"

static void version_2_gives_addresses(void **state)
{
    (void)state;
    expect(SPAN(SIGNATURE "\x21\x11\0\x0c" IPV4), "192.0.2.1 56324 > 198.51.100.25 25");
    expect(SPAN(SIGNATURE "\x21\x21\0\x24" IPV6), "2001:db8::1 56324 > 2001:db8::25 25");
}

static void extensions_of_version_2_are_passed_over(void **state)
{
    char header[16 + 12 + 600] = SIGNATURE "\x21\x11\x02\x64" IPV4;
    (void)state;

    expect(SPAN(SIGNATURE "\x21\x11\0\x13" IPV4 "\x04\0\x04" "abcd"), "192.0.2.1 56324 > 198.51.100.25 25");
    expect(SPAN(SIGNATURE "\x21\x21\0\x2b" IPV6 "\x04\0\x04" "abcd"), "2001:db8::1 56324 > 2001:db8::25 25");
    memset(header + 28, '\n', 600);
    expect(span_of(header, sizeof header), "192.0.2.1 56324 > 198.51.100.25 25");
}

static void version_2_may_not_know(void **state)
{
    char header[16 + 216] = SIGNATURE "\x21\x31\0\xd8";
    (void)state;

    expect(SPAN(SIGNATURE "\x20\0\0\0"), "own");
    expect(SPAN(SIGNATURE "\x20\x11\0\x0c" IPV4), "own");
    expect(SPAN(SIGNATURE "\x21\0\0\0"), "unknown");
    expect(SPAN(SIGNATURE "\x21\x12\0\x0c" IPV4), "unknown"); /* UDP */
    expect(span_of(header, sizeof header), "unknown"); /* a unix socket */
}

static void a_broken_version_2_is_refused(void **state)
{
    (void)state;
    expect_broken(SPAN(SIGNATURE "\x21\x11\0\x0b" IPV4), "its PROXY header is too short for its addresses: 11 bytes");
    expect_broken(SPAN(SIGNATURE "\x21\x21\0\x0c" IPV4), "its PROXY header is too short for its addresses: 12 bytes");
    expect_broken(SPAN(SIGNATURE "\x11\x11\0\x0c" IPV4),
                  "its PROXY header has version and command 0x11, which nobody knows");
    expect_broken(SPAN(SIGNATURE "\x22\x11\0\x0c" IPV4),
                  "its PROXY header has version and command 0x22, which nobody knows");
    expect_broken(SPAN("\r\n\r\n\0\r\nQUIX\n\x21\x11\0\x0c" IPV4), "it does not begin with a PROXY header");
    expect_broken(SPAN("\r\nEHLO x\r\n"), "it does not begin with a PROXY header");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(version_1_gives_addresses),
        cmocka_unit_test(version_1_may_not_know),
        cmocka_unit_test(a_broken_version_1_is_refused),
        cmocka_unit_test(version_2_gives_addresses),
        cmocka_unit_test(extensions_of_version_2_are_passed_over),
        cmocka_unit_test(version_2_may_not_know),
        cmocka_unit_test(a_broken_version_2_is_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
