/* SPDX-License-Identifier: Apache-2.0 */
#include "config/config.h"

#include "base/mem.h"

#include "unit.h"

#include <stdlib.h>
#include <sys/mman.h>
#include <unistd.h>

/* What was said, one line a remark: "error 3 text". */
static struct buf said;

static struct config *load(const char *text)
{
    int fd = memfd_create("config", 0);
    struct config_report r = { 0 };
    static const char *const words[] = { "note", "warning", "error" };

    assert_int_equal(write(fd, text, strlen(text)), (ssize_t)strlen(text));
    char *file = xasprintf("/proc/self/fd/%d", fd);
    struct config *cfg = config_load(file, CONFIG_ENV, &r);
    free(file);
    close(fd);
    buf_fini(&said);
    buf_init(&said, BUF_NO_MAX);
    for (size_t i = 0; i < r.n; i++)
        buf_addf(&said, "%s %d %s\n", words[r.at[i].severity], r.at[i].line, r.at[i].text);
    buf_cstr(&said);
    config_report_fini(&r);
    return cfg;
}

static struct config *good(const char *text)
{
    struct config *cfg = load(text);

    if (!cfg)
        fail_msg("%s\nis refused: %s", text, said.at);
    return cfg;
}

static void assert_refused(const char *text, const char *why)
{
    struct config *cfg = load(text);

    if (cfg || !strstr(said.at, why))
        fail_msg("%s\n%s; wanted: %s\nsaid: %s", text, cfg ? "is taken" : "is refused", why, said.at);
}

static void assert_list(const struct restriction_list *l, const char *want)
{
    struct buf got;

    buf_init(&got, BUF_NO_MAX);
    for (size_t i = 0; i < l->n; i++)
        buf_addf(&got, "%s%s%s%s", i ? " " : "", l->at[i].id == RESTRICTION_CLASS ? "class" : restriction_kinds[l->at[i].id].name,
                 l->at[i].arg ? "=" : "", l->at[i].arg ? l->at[i].arg : "");
    assert_string_equal(buf_cstr(&got), want);
    buf_fini(&got);
}

static void lists_are_read_in_every_spelling(void **state)
{
    (void)state;
    struct config *cfg = good("smtpd_recipient_restrictions = permit_mynetworks\n"
                              "smtpd_sender_restrictions = { \"reject_non_fqdn_sender\", \"sleep 2\", \"PERMIT\" }\n"
                              "smtpd_client_restrictions = \"sleep 3s,\n  warn_if_reject  reject_plaintext_session\"\n");

    assert_list(&cfg->smtpd_recipient_restrictions, "permit_mynetworks");
    assert_list(&cfg->smtpd_sender_restrictions, "reject_non_fqdn_sender sleep=2 permit");
    assert_list(&cfg->smtpd_client_restrictions, "sleep=3 warn_if_reject reject_plaintext_session");
    assert_list(&cfg->smtpd_relay_restrictions, "permit_mynetworks permit_sasl_authenticated reject_unauth_destination");
    config_free(cfg);
}

static void a_wrong_name_is_told_with_the_right_one(void **state)
{
    (void)state;
    assert_refused("\nsmtpd_recipient_restrictions = \"permit_mynetwork, reject\"\n",
                   "error 2 smtpd_recipient_restrictions: \"permit_mynetwork\": there is no such restriction, and no section "
                   "restriction_class of that name; did you mean permit_mynetworks?");
    assert_refused("smtpd_recipient_restrictions = zzz\n", "\"zzz\": there is no such restriction");
    assert_refused("smtpd_recipient_restrictions = \"permit_naked_ip_address, reject\"\n", "write permit_mynetworks");
    assert_refused("smtpd_client_restrictions = \"hash:/etc/x\"\n", "check_client_access");
    assert_refused("smtpd_restriction_classes = a\n", "restriction_class NAME {");
}

#define TLS "smtpd_tls_cert_file = /etc/ssl/mail.pem\n"

static void certificates_of_clients_are_asked_for_and_named(void **state)
{
    static const struct {
        const char *text, *what;
    } cases[] = {
        { "permit_tls_clientcerts", "permit_tls_clientcerts is without effect, for no listener asks its clients" },
        { "check_ccert_access hash:/x", "check_ccert_access is without effect, for no listener asks its clients" },
        { "permit_tls_clientcerts\"\n" TLS "smtpd_tls_ask_ccert = yes\n#\"", "without effect, for no certificates are named" },
        { "permit_tls_all_clientcerts\"\n" TLS "smtpd_tls_ask_ccert = yes\n#\"", "without effect, for no authorities are named" },
        { "permit_tls_all_clientcerts\"\n" TLS "smtpd_tls_CAfile = /ca\nsmtpd_tls_req_ccert = yes\n#\"", "it is without effect: clients are not asked" },
        { "permit_tls_clientcerts\"\n" TLS "smtpd_tls_ask_ccert = yes\nsmtpd_tls_fingerprint_digest = md5\n#\"", "md5 is weak" },
    };

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        char *text = xasprintf("smtpd_client_restrictions = \"%s\"\n", cases[i].text);
        config_free(good(text));
        if (!strstr(said.at, cases[i].what))
            fail_msg("%s\nsaid: %s", text, said.at);
        free(text);
    }
    config_free(good("smtpd_client_restrictions = \"permit_tls_clientcerts, check_ccert_access hash:/x\"\n" TLS
                     "listen smtp { smtpd_tls_ask_ccert = yes }\nrelay_clientcerts = \"hash:/y\"\nsmtpd_tls_CAfile = /ca\n"));
    assert_null(strstr(said.at, "without effect"));
    assert_refused(TLS "smtpd_tls_security_level = encrypt\nsmtpd_tls_req_ccert = yes\n", "no certificate of a client can be trusted");
    assert_refused(TLS "listen x { tls = implicit smtpd_tls_req_ccert = yes }\n", "listen x: smtpd_tls_req_ccert: no certificate of a client");
}

static void certificates_that_anybody_gets_make_an_open_relay(void **state)
{
    (void)state;
    const char *all = "smtpd_relay_restrictions = \"permit_tls_all_clientcerts, reject_unauth_destination\"\n";
    const char *listed = "smtpd_relay_restrictions = \"permit_tls_clientcerts, reject_unauth_destination\"\n";
    static const struct {
        bool is_all, is_open;
        const char *more;
    } cases[] = {
        { true, true, "smtpd_tls_CAfile = /etc/ssl/certs/ca-certificates.crt\n" },
        { true, true, "smtpd_tls_CApath = /etc/ssl/certs/\n" },
        { true, false, "smtpd_tls_CAfile = /etc/baton/ca.pem\n" },
        { true, false, "smtpd_tls_CAfile = /etc/ssl/certs/our-own.pem\n" },
        { false, false, "smtpd_tls_CAfile = /etc/ssl/certs/ca-certificates.crt\nrelay_clientcerts = \"hash:/x\"\n" },
        { false, true, "relay_clientcerts = \"hash:/x, static:yes\"\n" },
    };

    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        char *text = xasprintf("%s%ssmtpd_tls_ask_ccert = yes\n" TLS, cases[i].is_all ? all : listed, cases[i].more);
        if (cases[i].is_open)
            assert_refused(text, "everybody with a certificate, and anybody gets one, is permitted");
        else
            config_free(good(text));
        free(text);
    }
    assert_refused("smtpd_relay_restrictions = \"permit_mynetworks, permit_tls_clientcerts\"\n", "an open relay");
}

static void an_argument_has_to_be_one(void **state)
{
    (void)state;
    assert_refused("smtpd_client_restrictions = \"sleep\"\n", "sleep: what it takes is missing behind it");
    assert_refused("smtpd_client_restrictions = \"sleep, reject\"\n", "sleep: what it takes is missing before \"reject\"");
    assert_refused("smtpd_client_restrictions = \"sleep soon\"\n", "sleep: it takes a number of seconds");
    assert_refused("smtpd_client_restrictions = \"sleep 301\"\n", "300 at most");
}

static void what_is_never_asked_is_refused(void **state)
{
    (void)state;
    assert_refused("smtpd_recipient_restrictions = \"reject, permit_mynetworks\"\n",
                   "\"reject\" ends the list: \"permit_mynetworks\" behind it is never asked");
    assert_refused("smtpd_sender_restrictions = \"permit, reject\"\n", "\"permit\" ends the list");
    assert_refused("smtpd_sender_restrictions = \"reject_non_fqdn_sender, warn_if_reject\"\n", "warn_if_reject stands before nothing");
    config_free(good("smtpd_sender_restrictions = \"warn_if_reject reject, reject_non_fqdn_sender\"\n"));
}

static void what_is_not_known_yet_cannot_be_asked(void **state)
{
    (void)state;
    assert_refused("smtpd_delay_reject = no\nsmtpd_client_restrictions = reject_non_fqdn_sender\n",
                   "error 2 smtpd_client_restrictions: reject_non_fqdn_sender asks about what is not known yet when this list is asked "
                   "(smtpd_delay_reject = no); write it into smtpd_sender_restrictions");
    assert_refused("smtpd_recipient_restrictions = reject_multi_recipient_bounce\n", "write it into smtpd_data_restrictions");
    config_free(good("smtpd_client_restrictions = reject_non_fqdn_sender\n"));
}

static void an_open_relay_is_refused(void **state)
{
    static const char *const open[] = {
        "smtpd_relay_restrictions = \"\"\n",
        "smtpd_relay_restrictions = permit_mynetworks\n",
        "smtpd_relay_restrictions = permit\n",
        "smtpd_relay_restrictions = \"permit_mynetworks, warn_if_reject reject_unauth_destination\"\n",
        "smtpd_relay_restrictions = \"\"\nsmtpd_recipient_restrictions = \"permit_mynetworks, reject_unlisted_recipient\"\n",
        "smtpd_relay_restrictions = a\nrestriction_class a { restrictions = \"permit_mynetworks, permit\" }\n",
        "smtpd_relay_restrictions = a\nsmtpd_recipient_restrictions = a\nrestriction_class a { restrictions = sleep 1 }\n",
    };
    static const char *const closed[] = {
        "smtpd_relay_restrictions = \"permit_mynetworks, reject\"\n",
        "smtpd_relay_restrictions = \"permit_mynetworks, defer_unauth_destination\"\n",
        "smtpd_relay_restrictions = \"\"\nsmtpd_recipient_restrictions = \"permit_mynetworks, reject_unauth_destination\"\n",
        "smtpd_relay_restrictions = permit_mynetworks\nsmtpd_recipient_restrictions = reject_unauth_destination\n",
        "smtpd_relay_restrictions = a\nrestriction_class a { restrictions = \"permit_mynetworks, reject_unauth_destination\" }\n",
    };

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(open) - 1; i++)
        assert_refused(open[i], "open relay");
    for (size_t i = 0; i < ARRAY_LEN(closed); i++)
        config_free(good(closed[i]));
}

static void a_class_has_restrictions_and_not_itself(void **state)
{
    (void)state;
    struct config *cfg = good("smtpd_recipient_restrictions = \"careful, reject\"\n"
                              "restriction_class careful { restrictions = \"permit_mynetworks, deeper\" }\n"
                              "restriction_class deeper { restrictions = \"reject_non_fqdn_sender\" }\n");

    assert_list(&cfg->smtpd_recipient_restrictions, "class=careful reject");
    assert_list(config_restriction_class(cfg, "CAREFUL"), "permit_mynetworks class=deeper");
    config_free(cfg);
    assert_refused("restriction_class a { restrictions = \"b\" }\nrestriction_class b { restrictions = \"a\" }\n", "it contains itself");
    assert_refused("restriction_class a { }\n", "it is empty");
    assert_refused("restriction_class a { restrictions = \"permitt\" }\n", "error 1 restriction_class a: \"permitt\": there is no such");
}

static int end(void **state)
{
    (void)state;
    buf_fini(&said);
    return 0;
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(lists_are_read_in_every_spelling),
        cmocka_unit_test(a_wrong_name_is_told_with_the_right_one),
        cmocka_unit_test(certificates_of_clients_are_asked_for_and_named),
        cmocka_unit_test(certificates_that_anybody_gets_make_an_open_relay),
        cmocka_unit_test(an_argument_has_to_be_one),
        cmocka_unit_test(what_is_never_asked_is_refused),
        cmocka_unit_test(what_is_not_known_yet_cannot_be_asked),
        cmocka_unit_test(an_open_relay_is_refused),
        cmocka_unit_test(a_class_has_restrictions_and_not_itself),
    };
    return cmocka_run_group_tests_name("restrictions", tests, NULL, end);
}
