/* SPDX-License-Identifier: Apache-2.0
 *
 * Who may log in where, where Dovecot's server is, and what is offered of what it has. */
#include "config/config.h"
#include "config/sasl_conf.h"

#include "base/mem.h"
#include "smtp/auth_wire.h"

#include "unit.h"

#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

static struct config *load(const char *text)
{
    char file[] = "/tmp/test_sasl-XXXXXX";
    struct config_report r = { 0 };
    int fd = mkstemp(file);

    assert_int_equal(write(fd, text, strlen(text)), (ssize_t)strlen(text));
    close(fd);
    struct config *cfg = config_load(file, CONFIG_ENV, &r);
    unlink(file);
    if (!cfg)
        config_report_print(&r, stderr, "test_sasl", CONFIG_WARNING);
    config_report_fini(&r);
    assert_non_null(cfg);
    return cfg;
}

#define TLS "smtpd_tls_cert_file = /c.pem\n"

static void auth_is_where_it_is_meant_to_be(void **state)
{
    static const struct {
        const char *listen;
        enum config_listen_auth with, without; /* smtpd_sasl_auth_enable */
    } cases[] = {
        { "", CONFIG_LISTEN_AUTH_MAY, CONFIG_LISTEN_AUTH_NO },
        { "listen x { port = 25 }", CONFIG_LISTEN_AUTH_MAY, CONFIG_LISTEN_AUTH_NO },
        { "listen x { port = 587 }", CONFIG_LISTEN_AUTH_REQUIRED, CONFIG_LISTEN_AUTH_NO },
        { "listen x { port = 465 }", CONFIG_LISTEN_AUTH_REQUIRED, CONFIG_LISTEN_AUTH_NO },
        { "listen x { port = 2525 }", CONFIG_LISTEN_AUTH_MAY, CONFIG_LISTEN_AUTH_NO },
        { "listen x { port = 587 auth = may }", CONFIG_LISTEN_AUTH_MAY, CONFIG_LISTEN_AUTH_MAY },
        { "listen x { port = 25 auth = required }", CONFIG_LISTEN_AUTH_REQUIRED, CONFIG_LISTEN_AUTH_REQUIRED },
        { "listen x { port = 587 auth = no }", CONFIG_LISTEN_AUTH_NO, CONFIG_LISTEN_AUTH_NO },
        { "listen x { path = /run/x }", CONFIG_LISTEN_AUTH_NO, CONFIG_LISTEN_AUTH_NO },
        { "listen x { path = /run/x auth = may }", CONFIG_LISTEN_AUTH_MAY, CONFIG_LISTEN_AUTH_MAY },
        { "listen x { port = 24 protocol = lmtp }", CONFIG_LISTEN_AUTH_NO, CONFIG_LISTEN_AUTH_NO },
    };
    (void)state;

    for (size_t i = 0; i < 2 * ARRAY_LEN(cases); i++) {
        char *text = xasprintf(TLS "smtpd_sasl_auth_enable = %s\n%s\n", i % 2 ? "yes" : "no", cases[i / 2].listen);
        struct config *cfg = load(text);
        enum config_listen_auth want = i % 2 ? cases[i / 2].with : cases[i / 2].without;
        enum config_listen_auth got = config_listen_auth(cfg, cfg->n_listens ? cfg->listens : NULL);
        if (got != want)
            fail_msg("%s: %d, not %d", text, got, want);
        assert_int_equal(config_uses_auth(cfg), want != CONFIG_LISTEN_AUTH_NO);
        config_free(cfg);
        free(text);
    }
}

static void a_place_is_a_socket_or_a_host(void **state)
{
    static const struct {
        const char *text, *path, *host;
        unsigned port;
    } cases[] = {
        { "", "/q/private/auth", NULL, 0 },
        { "private/auth", "/q/private/auth", NULL, 0 },
        { "/run/auth", "/run/auth", NULL, 0 },
        { "unix:/run/auth", "/run/auth", NULL, 0 },
        { " unix: /run/auth ", "/run/auth", NULL, 0 },
        { "unix:private/auth", "/q/private/auth", NULL, 0 },
        { "inet:10.0.0.5:12345", NULL, "10.0.0.5", 12345 },
        { "inet: 10.0.0.5 : 12345 ", NULL, "10.0.0.5", 12345 },
        { "inet:auth.example.org:12345", NULL, "auth.example.org", 12345 },
        { "inet:[2001:db8::5]:12345", NULL, "2001:db8::5", 12345 },
        { "inet:2001:db8::5:12345", NULL, "2001:db8::5", 12345 },
        { "inet:localhost:smtp", NULL, "localhost", 25 },
    };
    (void)state;

    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        char *text = xasprintf("queue_directory = /q\nsmtpd_sasl_path = \"%s\"\n", cases[i].text);
        struct config *cfg = load(text);
        struct config_sasl_place p;
        struct err e;
        assert_int_equal(config_sasl_place(cfg, &p, &e), 0);
        assert_int_equal(p.path != NULL, cases[i].path != NULL);
        if (p.path)
            assert_string_equal(p.path, cases[i].path);
        else
            assert_string_equal(p.host.host, cases[i].host);
        assert_int_equal(p.path ? 0 : p.host.port, cases[i].port);
        config_sasl_place_fini(&p);
        config_free(cfg);
        free(text);
    }
}

static void options_and_the_filter_leave_some_mechanisms(void **state)
{
    static const struct {
        const char *settings, *clear, *tls;
    } cases[] = {
        { "", "PLAIN LOGIN CRAM-MD5 SCRAM-SHA-256", "PLAIN LOGIN CRAM-MD5 SCRAM-SHA-256" },
        { "smtpd_sasl_security_options = \"noanonymous, noplaintext\"\n", "CRAM-MD5 SCRAM-SHA-256", "CRAM-MD5 SCRAM-SHA-256" },
        { "smtpd_sasl_security_options = \"noanonymous, noplaintext\"\nsmtpd_sasl_tls_security_options = \"noanonymous\"\n",
          "CRAM-MD5 SCRAM-SHA-256", "PLAIN LOGIN CRAM-MD5 SCRAM-SHA-256" },
        { "smtpd_sasl_security_options = \"\"\n", "PLAIN LOGIN ANONYMOUS CRAM-MD5 SCRAM-SHA-256 EXTERNAL-NOT",
          "PLAIN LOGIN ANONYMOUS CRAM-MD5 SCRAM-SHA-256 EXTERNAL-NOT" },
        { "smtpd_sasl_security_options = \"nodictionary\"\n", "PLAIN LOGIN ANONYMOUS SCRAM-SHA-256 EXTERNAL-NOT",
          "PLAIN LOGIN ANONYMOUS SCRAM-SHA-256 EXTERNAL-NOT" },
        { "smtpd_sasl_security_options = \"mutual_auth\"\n", "SCRAM-SHA-256", "SCRAM-SHA-256" },
        { "smtpd_sasl_security_options = \"forward_secrecy\"\n", "", "" },
        { "smtpd_sasl_mechanism_filter = \"plain, LOGIN\"\n", "PLAIN LOGIN", "PLAIN LOGIN" },
        { "smtpd_sasl_mechanism_filter = \"!cram-md5, static:all\"\n", "PLAIN LOGIN SCRAM-SHA-256 EXTERNAL", "PLAIN LOGIN SCRAM-SHA-256 EXTERNAL" },
    };
    struct auth_wire w = {
        .mechs = { { "PLAIN", AUTH_MECH_PLAINTEXT }, { "LOGIN", AUTH_MECH_PLAINTEXT }, { "ANONYMOUS", AUTH_MECH_ANONYMOUS },
                   { "CRAM-MD5", AUTH_MECH_DICTIONARY | AUTH_MECH_ACTIVE }, { "SCRAM-SHA-256", AUTH_MECH_MUTUAL_AUTH },
                   { "SCRAM-SHA-256-PLUS", AUTH_MECH_MUTUAL_AUTH | AUTH_MECH_CHANNEL_BINDING }, { "EXTERNAL", 0 },
                   { "DOVECOT-TOKEN", AUTH_MECH_PRIVATE }, { "EXTERNAL-NOT", AUTH_MECH_ANONYMOUS } },
        .n_mechs = 9,
    };
    (void)state;

    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        struct config *cfg = load(cases[i].settings);
        char *clear = config_sasl_list(cfg, &w, false), *tls = config_sasl_list(cfg, &w, true);
        assert_string_equal(clear, cases[i].clear);
        assert_string_equal(tls, cases[i].tls);
        free(clear);
        free(tls);
        config_free(cfg);
    }
}

static void settings_of_cyrus_are_found(void **state)
{
    char folder[] = "/tmp/test_sasl-XXXXXX";
    struct sasl_conf c;
    struct err e;
    (void)state;

    assert_non_null(mkdtemp(folder));
    char *file = xasprintf("%s/other.conf", folder);
    char *text = xasprintf("smtpd_sasl_type = cyrus\nsmtpd_sasl_path = other\ncyrus_sasl_config_path = \"/nowhere:%s:/tmp\"\n", folder);
    struct config *cfg = load(text);
    assert_int_equal(sasl_conf_find(cfg, &c, &e), 0);
    assert_null(c.file);
    sasl_conf_fini(&c);
    FILE *f = fopen(file, "w");
    fputs("# PWCHECK_METHOD: no\n\nPwCheck_Method:  saslauthd \nmech_list: PLAIN LOGIN\n: x\nnothing\n", f);
    fclose(f);
    assert_int_equal(sasl_conf_find(cfg, &c, &e), 0);
    assert_string_equal(c.file, file);
    assert_string_equal(c.folder, folder);
    assert_string_equal(c.pwcheck_method, "saslauthd");
    assert_string_equal(c.mech_list, "PLAIN LOGIN");
    assert_string_equal(sasl_conf_saslauthd(&c), "/var/run/saslauthd/mux");
    assert_string_equal(sasl_conf_sasldb(&c), "/etc/sasldb2");
    sasl_conf_fini(&c);
    unlink(file);
    rmdir(folder);
    config_free(cfg);
    free(file);
    free(text);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(auth_is_where_it_is_meant_to_be),
        cmocka_unit_test(a_place_is_a_socket_or_a_host),
        cmocka_unit_test(options_and_the_filter_leave_some_mechanisms),
        cmocka_unit_test(settings_of_cyrus_are_found),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
