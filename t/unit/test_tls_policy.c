/* SPDX-License-Identifier: Apache-2.0 */
#include "relay/tls_policy.h"

#include "unit.h"

#include <stdlib.h>

static const struct relayhost hop = { .text = (char *)"example.com", .host = (char *)"example.com", .port = 25 };

static void rows(void **state)
{
    static const struct {
        const char *row;
        int level; /* -1: wrong */
        const char *match, *says;
    } cases[] = {
        { "none", CONFIG_TLS_NONE, NULL, NULL },
        { "MAY", CONFIG_TLS_MAY, NULL, NULL },
        { "encrypt ciphers=high", CONFIG_TLS_ENCRYPT, NULL, NULL },
        { "verify", CONFIG_TLS_VERIFY, NULL, NULL },
        { "secure", CONFIG_TLS_SECURE, "example.com .example.com", NULL },
        { "secure match=hostname", CONFIG_TLS_SECURE, "mx1.example.com", NULL },
        { "secure match=nexthop:dot-nexthop", CONFIG_TLS_SECURE, "example.com .example.com", NULL },
        { "secure, match=a.test match=.b.test", CONFIG_TLS_SECURE, "a.test .b.test", NULL },
        { "encrypt protocols=!SSLv2:!SSLv3", CONFIG_TLS_ENCRYPT, NULL, NULL },
        { "encrypt protocols=>=TLSv1.3", CONFIG_TLS_ENCRYPT, NULL, NULL },
        { "", -1, NULL, "empty" },
        { "  ", -1, NULL, "empty" },
        { "secur", -1, NULL, "no level" },
        { "dane", -1, NULL, "DANE" },
        { "dane-only", -1, NULL, "DANE" },
        { "fingerprint match=aa:bb", CONFIG_TLS_FINGERPRINT, "aa:bb", NULL },
        { "fingerprint match=AA:BB|CC:DD match=EE:FF", CONFIG_TLS_FINGERPRINT, "AA:BB CC:DD EE:FF", NULL },
        { "fingerprint", CONFIG_TLS_FINGERPRINT, NULL, NULL },
        { "may match=x", -1, NULL, "match" },
        { "encrypt protocols=SSLv9", -1, NULL, "protocols" },
        { "encrypt protocols=!TLSv1.3", -1, NULL, "cannot be left out" },
        { "encrypt ciphers=export", -1, NULL, "ciphers" },
        { "encrypt what", -1, NULL, "attribute=value" },
        { "encrypt servername=x", -1, NULL, "servername" },
    };

    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct tls_policy_row row;
        struct err e = { 0 };
        int rc = tls_policy_parse(span_str(cases[i].row), &hop, "mx1.example.com", &row, &e);
        if (cases[i].level < 0) {
            assert_int_equal(rc, -1);
            assert_non_null(strstr(e.text, cases[i].says));
            continue;
        }
        assert_int_equal(rc, 0);
        assert_int_equal(row.level, cases[i].level);
        if (cases[i].match)
            assert_string_equal(row.match, cases[i].match);
        else
            assert_null(row.match);
        free(row.match);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = { cmocka_unit_test(rows) };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
