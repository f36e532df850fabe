/* SPDX-License-Identifier: Apache-2.0
 *
 * Names against a name server of our own, in the same loop: a table of answers over UDP on loopback. */
#include "unit.h"

#include "base/buf.h"
#include "net/dns.h"
#include "net/listen.h"
#include "net/loop.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

enum { TYPE_A = 1, TYPE_NS = 2, TYPE_CNAME = 5, TYPE_PTR = 12, TYPE_MX = 15, TYPE_TXT = 16, TYPE_AAAA = 28 };
enum { NOERROR = 0, SERVFAIL = 2, NXDOMAIN = 3, REFUSED = 5, SILENT = 100 };

static const struct zone {
    const char *name;
    int type; /* 0: all */
    int rcode;
    const char *data; /* an address, or "10 host" for MX; NULL: none of this type */
} zone[] = {
    { "two.test", TYPE_A, NOERROR, "192.0.2.1" },
    { "two.test", TYPE_A, NOERROR, "192.0.2.2" },
    { "two.test", TYPE_AAAA, NOERROR, "2001:db8::1" },
    { "four.test", TYPE_A, NOERROR, "192.0.2.4" },
    { "half.test", TYPE_A, NOERROR, "192.0.2.5" },
    { "half.test", TYPE_AAAA, SERVFAIL, NULL },
    { "sick.test", TYPE_A, SERVFAIL, NULL },
    { "sick.test", TYPE_AAAA, NOERROR, NULL },
    { "sick6.test", TYPE_A, NOERROR, NULL },
    { "sick6.test", TYPE_AAAA, SERVFAIL, NULL },
    { "broken.test", 0, SERVFAIL, NULL },
    { "refused.test", 0, REFUSED, NULL },
    { "silent.test", 0, SILENT, NULL },
    { "empty.test", 0, NOERROR, NULL },
    { "xn--bcher-kva.test", TYPE_A, NOERROR, "192.0.2.6" },
    { "mx.test", TYPE_MX, NOERROR, "20 c.mx.test" },
    { "mx.test", TYPE_MX, NOERROR, "10 a.mx.test" },
    { "mx.test", TYPE_MX, NOERROR, "10 b.mx.test" },
    { "mx.test", TYPE_MX, NOERROR, "0 first.mx.test" },
    { "null.test", TYPE_MX, NOERROR, "0 ." },
    { "nullish.test", TYPE_MX, NOERROR, "0 ." },
    { "nullish.test", TYPE_MX, NOERROR, "5 real.mx.test" },
    { "text.test", TYPE_TXT, NOERROR, "one|two" }, /* the strings of a record, parted by | */
    { "text.test", TYPE_TXT, NOERROR, "bad\x01" "byte\xff" },
    { "text.test", TYPE_NS, NOERROR, "ns1.text.test" },
    { "text.test", TYPE_NS, NOERROR, "ns2.text.test" },
    { "7.2.0.192.in-addr.arpa", TYPE_PTR, NOERROR, "seven.test" },
    { "8.2.0.192.in-addr.arpa", TYPE_PTR, NOERROR, "not a name" },
    { "9.2.0.192.in-addr.arpa", 0, SERVFAIL, NULL },
    { "1.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.8.b.d.0.1.0.0.2.ip6.arpa", TYPE_PTR, NOERROR, "six.test" },
};

static struct loop *loop;
static struct dns *dns;
static struct watch watching;
static int server_fd;
static int n_asked;

/* ---- the name server ---------------------------------------- */

static void put16(struct buf *b, unsigned v)
{
    buf_addc(b, (char)(v >> 8));
    buf_addc(b, (char)v);
}

static void put_name(struct buf *b, const char *name)
{
    struct span rest = span_str(strcmp(name, ".") == 0 ? "" : name);
    while (rest.len) {
        size_t n = span_find(rest, '.');
        buf_addc(b, (char)n);
        buf_add(b, rest.at, n);
        rest = span_from(rest, n + 1);
    }
    buf_addc(b, 0);
}

static void put_record(struct buf *b, int type, const char *data)
{
    struct buf rdata;
    buf_init(&rdata, 512);
    union addr a;
    if (type == TYPE_MX) {
        char host[64] = "";
        unsigned preference = 0;
        sscanf(data, "%u %63s", &preference, host);
        put16(&rdata, preference);
        put_name(&rdata, host);
    } else if (type == TYPE_NS || type == TYPE_PTR) {
        put_name(&rdata, data);
    } else if (type == TYPE_TXT) {
        for (struct span rest = span_str(data); rest.len;) {
            size_t n = span_find(rest, '|');
            buf_addc(&rdata, (char)n);
            buf_add(&rdata, rest.at, n);
            rest = span_from(rest, n < rest.len ? n + 1 : n);
        }
    } else if (addr_parse(&a, span_str(data), 0)) {
        if (type == TYPE_A)
            buf_add(&rdata, &a.in4.sin_addr, 4);
        else
            buf_add(&rdata, &a.in6.sin6_addr, 16);
    }
    put16(b, 0xc00c); /* the name in the question */
    put16(b, (unsigned)type);
    put16(b, 1);
    put16(b, 0);
    put16(b, 60);
    put16(b, (unsigned)rdata.len);
    buf_addspan(b, buf_span(&rdata));
    buf_fini(&rdata);
}

/* The question's name with dots, and where it ends in the packet; 0 when it is broken. */
static size_t get_name(const unsigned char *packet, size_t len, char *out, size_t size)
{
    size_t at = 12, n = 0;
    while (at < len && packet[at]) {
        size_t label = packet[at++];
        if (at + label >= len || n + label + 2 > size)
            return 0;
        if (n)
            out[n++] = '.';
        memcpy(out + n, packet + at, label);
        n += label;
        at += label;
    }
    out[n] = '\0';
    return at + 1;
}

static void answer(const unsigned char *q, size_t len, const union addr *from)
{
    char name[300];
    size_t at = get_name(q, len, name, sizeof(name));
    if (!at || at + 4 > len)
        return;
    int type = q[at] << 8 | q[at + 1], rcode = NXDOMAIN;
    unsigned n = 0;
    struct buf out;
    buf_init(&out, 4096);
    for (size_t i = 0; i < ARRAY_LEN(zone); i++) {
        const struct zone *z = &zone[i];
        if (!span_ieq_str(span_str(name), z->name))
            continue;
        if (rcode == NXDOMAIN)
            rcode = NOERROR;
        if (z->type == type || z->type == 0)
            rcode = z->rcode;
    }
    for (int pass = 0; pass < 2; pass++) {
        if (pass) {
            buf_add(&out, q, 2);
            put16(&out, 0x8180u | (unsigned)rcode);
            put16(&out, 1);
            put16(&out, n);
            put16(&out, 0);
            put16(&out, 0);
            buf_add(&out, q + 12, at + 4 - 12);
        }
        for (size_t i = 0; i < ARRAY_LEN(zone); i++) {
            const struct zone *z = &zone[i];
            if (!span_ieq_str(span_str(name), z->name) || z->type != type || !z->data)
                continue;
            if (pass)
                put_record(&out, type, z->data);
            else
                n++;
        }
    }
    if (rcode != SILENT)
        (void)!sendto(server_fd, out.at, out.len, 0, &from->sa, sizeof(from->in4));
    buf_fini(&out);
}

static void on_question(void *arg)
{
    unsigned char q[1500];
    union addr from;
    socklen_t len = sizeof(from);
    (void)arg;
    ssize_t n = recvfrom(server_fd, q, sizeof(q), MSG_DONTWAIT, &from.sa, &len);
    if (n <= 12)
        return;
    n_asked++;
    answer(q, (size_t)n, &from);
}

static int set_up(void **state)
{
    union addr at;
    char servers[64];
    socklen_t len = sizeof(at);
    (void)state;
    loop = loop_new(NULL);
    addr_parse(&at, SPAN("127.0.0.1"), 0);
    server_fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
    if (bind(server_fd, &at.sa, sizeof(at.in4)) < 0 || getsockname(server_fd, &at.sa, &len) < 0)
        return -1;
    snprintf(servers, sizeof(servers), "127.0.0.1:%u", addr_port(&at));
    n_asked = 0;
    watch_start(&watching, loop, server_fd, on_question, NULL, NULL);
    dns = dns_new(loop, &(struct dns_options){ .servers = servers, .timeout_ms = 150, .tries = 2 }, NULL);
    return dns ? 0 : -1;
}

static int tear_down(void **state)
{
    (void)state;
    dns_free(dns);
    watch_stop(&watching);
    close(server_fd);
    loop_free(loop);
    return 0;
}

/* ---- asking ---------------------------------------- */

struct result {
    int n;
    enum dns_outcome outcome;
    struct err why;
    char text[400]; /* "192.0.2.1:25 192.0.2.2:25", "0 first.mx.test,10 ..." */
    bool is_null;
};

static void on_hosts(void *arg, enum dns_outcome outcome, const struct addr_list *found, const struct err *why)
{
    struct result *r = arg;
    r->n++;
    r->outcome = outcome;
    r->why = *why;
    r->text[0] = '\0';
    for (size_t i = 0; i < found->n; i++) {
        char text[ADDR_TEXT];
        size_t have = strlen(r->text);
        snprintf(r->text + have, sizeof(r->text) - have, "%s%s", have ? " " : "", addr_format(&found->at[i], text));
    }
}

static void on_mx(void *arg, enum dns_outcome outcome, const struct dns_mx_list *found, const struct err *why)
{
    struct result *r = arg;
    r->n++;
    r->outcome = outcome;
    r->why = *why;
    r->is_null = found->is_null;
    r->text[0] = '\0';
    for (size_t i = 0; i < found->n; i++) {
        size_t have = strlen(r->text);
        snprintf(r->text + have, sizeof(r->text) - have, "%s%u %s", have ? "," : "", found->at[i].preference,
                 found->at[i].host);
    }
}

static void on_list(void *arg, enum dns_outcome outcome, char *const *found, size_t n, const struct err *why)
{
    struct result *r = arg;
    r->n++;
    r->outcome = outcome;
    r->why = *why;
    r->text[0] = '\0';
    for (size_t i = 0; i < n; i++) {
        size_t have = strlen(r->text);
        snprintf(r->text + have, sizeof(r->text) - have, "%s%s", have ? "," : "", found[i]);
    }
}

static void give_up(void *arg)
{
    (void)arg;
    fail_msg("it took too long");
}

static void wait_for(const struct result *r)
{
    struct timer limit = { 0 };
    timer_start(&limit, loop, 20000, give_up, NULL);
    while (!r->n)
        loop_turn(loop, true);
    timer_stop(&limit);
}

static struct result hosts(const char *name, unsigned flags)
{
    struct result r = { 0 };
    dns_hosts(dns, name, 25, flags, on_hosts, &r);
    assert_int_equal(r.n, 0); /* never from inside the call */
    wait_for(&r);
    return r;
}

static struct result mx(const char *name)
{
    struct result r = { 0 };
    dns_mx(dns, name, on_mx, &r);
    assert_int_equal(r.n, 0);
    wait_for(&r);
    return r;
}

static void names_become_addresses_or_a_reason(void **state)
{
    static const struct {
        const char *name;
        unsigned flags;
        enum dns_outcome outcome;
        const char *text; /* the addresses, or a part of the reason */
    } cases[] = {
        { "two.test", DNS_ANY, DNS_FOUND, "[2001:db8::1]:25 192.0.2.1:25 192.0.2.2:25" },
        { "two.test.", DNS_ANY, DNS_FOUND, "[2001:db8::1]:25 192.0.2.1:25 192.0.2.2:25" },
        { "TWO.test", DNS_IPV4, DNS_FOUND, "192.0.2.1:25 192.0.2.2:25" },
        { "two.test", DNS_IPV6, DNS_FOUND, "[2001:db8::1]:25" },
        { "four.test", DNS_ANY, DNS_FOUND, "192.0.2.4:25" },
        { "four.test", DNS_IPV6, DNS_NONE, "four.test: the name exists, but has no address" },
        { "half.test", DNS_ANY, DNS_FOUND, "192.0.2.5:25" },
        { "b\xc3\xbc" "cher.test", DNS_ANY, DNS_FOUND, "192.0.2.6:25" },
        { "nowhere.test", DNS_ANY, DNS_NONE, "nowhere.test: there is no such name in the DNS" },
        { "empty.test", DNS_ANY, DNS_NONE, "empty.test: the name exists, but has no address" },
        { "sick.test", DNS_ANY, DNS_FAILED, "sick.test: " },
        { "sick6.test", DNS_ANY, DNS_FAILED, "sick6.test: " },
        { "broken.test", DNS_ANY, DNS_FAILED, "broken.test: " },
        { "refused.test", DNS_ANY, DNS_FAILED, "refused.test: " },
        { "silent.test", DNS_ANY, DNS_FAILED, "silent.test: the name servers did not answer in time" },
        { "bad..name", DNS_ANY, DNS_NONE, "\"bad..name\" is not a host name" },
        { "", DNS_ANY, DNS_NONE, "is not a host name" },
        { "a b.test", DNS_ANY, DNS_NONE, "is not a host name" },
    };
    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        struct result r = hosts(cases[i].name, cases[i].flags);
        if (r.outcome != cases[i].outcome)
            fail_msg("%s: %d %s %s", cases[i].name, r.outcome, r.text, r.why.text);
        if (r.outcome == DNS_FOUND)
            assert_string_equal(r.text, cases[i].text);
        else if (!strstr(r.why.text, cases[i].text))
            fail_msg("%s: \"%s\"", cases[i].name, r.why.text);
        assert_int_equal(r.why.kind, r.outcome == DNS_FOUND  ? ERR_NONE
                                     : r.outcome == DNS_NONE ? ERR_PERMANENT
                                                             : ERR_TEMPORARY);
    }
}

static void what_needs_no_server_asks_none(void **state)
{
    (void)state;
    assert_string_equal(hosts("localhost", DNS_ANY | DNS_SEARCH).text, "[::1]:25 127.0.0.1:25");
    assert_string_equal(hosts("localhost", DNS_IPV4).text, "127.0.0.1:25");
    assert_string_equal(hosts("mail.localhost.", DNS_IPV6).text, "[::1]:25");
    assert_string_equal(hosts("192.0.2.9", DNS_ANY).text, "192.0.2.9:25");
    assert_string_equal(hosts("[2001:db8::9]", DNS_ANY).text, "[2001:db8::9]:25");
    assert_int_equal(n_asked, 0);
}

static void exchangers_come_by_preference(void **state)
{
    int a_first = 0;
    (void)state;
    for (int i = 0; i < 40; i++) {
        struct result r = mx("mx.test");
        assert_int_equal(r.outcome, DNS_FOUND);
        if (strcmp(r.text, "0 first.mx.test,10 a.mx.test,10 b.mx.test,20 c.mx.test") == 0)
            a_first++;
        else
            assert_string_equal(r.text, "0 first.mx.test,10 b.mx.test,10 a.mx.test,20 c.mx.test");
    }
    assert_true(a_first > 0 && a_first < 40); /* shuffled among equals: once in 2^39 this fails by chance */
}

static void a_domain_without_mail_is_told_from_one_without_records(void **state)
{
    (void)state;
    struct result r = mx("null.test");
    assert_int_equal(r.outcome, DNS_FOUND);
    assert_true(r.is_null);
    assert_string_equal(r.text, "");
    r = mx("nullish.test");
    assert_false(r.is_null);
    assert_string_equal(r.text, "5 real.mx.test");
    r = mx("two.test");
    assert_int_equal(r.outcome, DNS_NONE);
    assert_string_equal(r.why.text, "two.test: the name exists, but has no MX record");
    assert_int_equal(mx("nowhere.test").outcome, DNS_NONE);
    assert_int_equal(mx("broken.test").outcome, DNS_FAILED);
    assert_int_equal(mx("silent.test").outcome, DNS_FAILED);
    assert_int_equal(mx("-- no name").outcome, DNS_NONE);
}

static struct result name_of(const char *address)
{
    struct result r = { 0 };
    union addr a;
    assert_true(addr_parse(&a, span_str(address), 25));
    dns_name(dns, &a, on_list, &r);
    wait_for(&r);
    return r;
}

static void texts_and_names_come_as_lists(void **state)
{
    struct result r = { 0 };
    (void)state;
    dns_txt(dns, "text.test", on_list, &r);
    wait_for(&r);
    assert_string_equal(r.text, "onetwo,bad?byte?");
    r.n = 0;
    dns_ns(dns, "text.test", on_list, &r);
    wait_for(&r);
    assert_string_equal(r.text, "ns1.text.test,ns2.text.test");
    r.n = 0;
    dns_txt(dns, "two.test", on_list, &r);
    wait_for(&r);
    assert_int_equal(r.outcome, DNS_NONE);
    r.n = 0;
    dns_ns(dns, "broken.test", on_list, &r);
    wait_for(&r);
    assert_int_equal(r.outcome, DNS_FAILED);
}

static void an_address_has_a_name_none_or_nobody_knows(void **state)
{
    (void)state;
    assert_string_equal(name_of("192.0.2.7").text, "seven.test");
    assert_string_equal(name_of("2001:db8::1").text, "six.test");
    assert_int_equal(name_of("192.0.2.6").outcome, DNS_NONE);
    assert_int_equal(name_of("192.0.2.8").outcome, DNS_NONE);
    assert_int_equal(name_of("192.0.2.9").outcome, DNS_FAILED);
}

static void a_cancelled_question_never_calls(void **state)
{
    struct result r = { 0 };
    (void)state;
    dns_cancel(dns_hosts(dns, "two.test", 25, DNS_ANY, on_hosts, &r));
    dns_cancel(dns_hosts(dns, "localhost", 25, DNS_ANY, on_hosts, &r));
    dns_cancel(dns_mx(dns, "mx.test", on_mx, &r));
    dns_cancel(dns_mx(dns, "bad..name", on_mx, &r));
    dns_cancel(dns_txt(dns, "text.test", on_list, &r));
    assert_int_equal(hosts("four.test", DNS_ANY).n, 1);
    /* and one that dns_free() ends */
    dns_hosts(dns, "silent.test", 25, DNS_ANY, on_hosts, &r);
    loop_turn(loop, true);
    assert_int_equal(r.n, 0);
}

static void a_server_that_is_not_there_is_a_failure_and_not_an_answer(void **state)
{
    (void)state;
    watch_stop(&watching);
    close(server_fd);
    struct result r = hosts("two.test", DNS_ANY);
    assert_int_equal(r.outcome, DNS_FAILED);
    assert_int_equal(r.why.kind, ERR_TEMPORARY);
    server_fd = -1;
}

static void names_are_asked_for_in_ascii(void **state)
{
    static const struct {
        const char *in, *out;
    } cases[] = {
        { "Example.COM.", "example.com" },
        { "b\xc3\xbc" "cher.example", "xn--bcher-kva.example" },
        { "B\xc3\x9c" "CHER.example", "xn--bcher-kva.example" },
        { "_dmarc.example.com", "_dmarc.example.com" },
        { "xn--bcher-kva.example", "xn--bcher-kva.example" },
        { "a.b", "a.b" },
        { "", NULL },
        { ".", NULL },
        { "a..b", NULL },
        { ".a", NULL },
        { "a b", NULL },
        { "a/b", NULL },
        { "\xff.example", NULL },
        { "0123456789012345678901234567890123456789012345678901234567890123.example", NULL },
    };
    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        struct err e = { 0 };
        char *out = dns_ascii_name(span_str(cases[i].in), &e);
        if (!cases[i].out != !out || (out && strcmp(out, cases[i].out) != 0))
            fail_msg("\"%s\" became \"%s\"", cases[i].in, out ? out : "nothing");
        assert_int_equal(e.kind, out ? ERR_NONE : ERR_PERMANENT);
        free(out);
    }
    assert_null(dns_ascii_name(span_of("a\0b", 3), NULL));
}

#define T(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(void)
{
    const struct CMUnitTest tests[] = {
        T(names_become_addresses_or_a_reason),
        T(what_needs_no_server_asks_none),
        T(exchangers_come_by_preference),
        T(a_domain_without_mail_is_told_from_one_without_records),
        T(texts_and_names_come_as_lists),
        T(an_address_has_a_name_none_or_nobody_knows),
        T(a_cancelled_question_never_calls),
        T(a_server_that_is_not_there_is_a_failure_and_not_an_answer),
        T(names_are_asked_for_in_ascii),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
