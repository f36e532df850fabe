/* SPDX-License-Identifier: Apache-2.0 */
#include "config/config.h"

#include "base/clock.h"
#include "base/log.h"
#include "base/mem.h"

#include "unit.h"

#include <stdlib.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

/* What was said, one line a remark: "error 3 text". */
static struct buf said;

static struct config *load_with(const char *text, unsigned flags, mode_t mode)
{
    int fd = memfd_create("config", 0);
    struct config_report r = { 0 };
    static const char *const words[] = { "note", "warning", "error" };

    assert_int_equal(write(fd, text, strlen(text)), (ssize_t)strlen(text));
    fchmod(fd, mode);
    char *file = xasprintf("/proc/self/fd/%d", fd);
    struct config *cfg = config_load(file, flags, &r);
    free(file);
    close(fd);
    assert_true((cfg == NULL) == (r.n_errors > 0));
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
    struct config *cfg = load_with(text, CONFIG_ENV, 0600);

    if (!cfg)
        fail_msg("%s\nis refused: %s", text, said.at);
    return cfg;
}

/* Refused, and these words are in what is said. */
static void assert_refused(const char *text, const char *why)
{
    struct config *cfg = load_with(text, CONFIG_ENV, 0600);

    if (cfg || !strstr(said.at, why))
        fail_msg("%s\n%s; wanted: %s\nsaid: %s", text, cfg ? "is taken" : "is refused", why,
                 said.at);
}

static int forget_environment(void **state)
{
    const char *form =
        getenv("CMOCKA_MESSAGE_OUTPUT"); /* cmocka asks for it again after each test */
    char *kept = form ? xstrdup(form) : NULL;

    (void)state;
    clearenv();
    if (kept)
        setenv("CMOCKA_MESSAGE_OUTPUT", kept, 1);
    free(kept);
    return 0;
}

static void an_empty_file_has_safe_defaults(void **state)
{
    struct config *cfg = good("");
    (void)state;

    assert_string_equal(cfg->inet_interfaces.at[0], "loopback-only");
    assert_int_equal(cfg->mynetworks.n, 2);
    assert_int_equal(cfg->mydestination.n, 0);
    assert_int_equal(cfg->relayhost.n, 0);
    assert_int_equal(cfg->smtp_tls_security_level, CONFIG_TLS_AUTO);
    assert_int_equal(cfg->smtp_tls_mandatory_protocols.min, 12);
    assert_true(cfg->queue_run_delay == 300 * USEC_PER_SEC);
    assert_true(cfg->maximal_queue_lifetime == 5 * 86400 * USEC_PER_SEC);
    assert_true(cfg->message_size_limit == 10240000);
    assert_int_equal(cfg->inet_protocols, CONFIG_IPV4 | CONFIG_IPV6);
    assert_int_equal(cfg->smtpd_forbid_bare_newline, CONFIG_BARE_NEWLINE_NORMALIZE);
    assert_string_equal(cfg->log, "stderr");
    assert_int_equal(cfg->log_level, LOG_LEVEL_INFO);
    assert_string_equal(cfg->local_transport.name, "error");
    assert_string_equal(cfg->local_transport.nexthop, "5.1.1 local delivery is disabled");
    assert_non_null(strchr(cfg->myhostname, '.'));
    assert_string_equal(cfg->myorigin, cfg->myhostname);
    assert_string_equal(cfg->alias_maps.at[0], "hash:/etc/aliases");
    assert_int_equal(said.len, 0);
    config_free(cfg);
}

static void the_handbooks_null_client_works(void **state)
{
    struct config *cfg = good("mydestination = \"\"\n"
                              "relayhost = \"[relay.example.com]\"\n"
                              "inet_interfaces = loopback-only\n"
                              "myorigin = relay.example.com\n"
                              "local_transport = \"error: local delivery disabled\"\n"
                              "mynetworks = \"127.0.0.0/8, [::1]/128\"\n");
    (void)state;

    assert_int_equal(said.len, 0);
    assert_string_equal(cfg->relayhost.at[0].host, "relay.example.com");
    assert_true(cfg->relayhost.at[0].is_bracketed);
    assert_int_equal(cfg->relayhost.at[0].port, 25);
    assert_string_equal(cfg->local_transport.nexthop, "local delivery disabled");
    assert_string_equal(cfg->myorigin, "relay.example.com");
    config_free(cfg);
}

static void the_handbooks_prefix_lengths_are_understood(void **state)
{
    struct config *cfg = good(
        "inet_interfaces = \"127.0.0.1/32, [::1]/128, 192.0.2.1, [2001:db8:1::1]\"\n"
        "mynetworks = { \"127.0.0.1/32\", \"[::1]/128\", \"192.0.2.1/24\", \"[2001:db8:1::1]/64\" }\n");
    char text[64];
    (void)state;

    assert_int_equal(cfg->inet_interfaces.n, 4);
    assert_string_equal(cfg->inet_interfaces.at[0], "127.0.0.1");
    assert_string_equal(cfg->inet_interfaces.at[1], "::1");
    assert_string_equal(cfg->inet_interfaces.at[3], "2001:db8:1::1");
    assert_string_equal(cidr_format(&cfg->mynetworks.at[2], text, sizeof text), "192.0.2.0/24");
    assert_string_equal(cidr_format(&cfg->mynetworks.at[3], text, sizeof text),
                        "[2001:db8:1::]/64");
    assert_non_null(
        strstr(said.at, "note 1 inet_interfaces: the prefix length of \"127.0.0.1/32\""));
    assert_non_null(strstr(
        said.at,
        "warning 2 mynetworks: \"192.0.2.1/24\" has host bits set; it is taken as \"192.0.2.0/24\""));
    config_free(cfg);
    assert_refused("inet_interfaces = 192.0.2.0/24", "write \"192.0.2.0\"");
}

static void all_errors_of_a_file_are_told_with_their_lines(void **state)
{
    struct config *cfg =
        load_with("myhostnam = x\nqueue_run_delay = 1y\nmail_name = a+b\nlog_level = \"loud\"\n"
                  "listen x { port = 0 }\nsmtp_helo_name = $nothing\n",
                  CONFIG_ENV, 0600);
    (void)state;

    assert_null(cfg);
    assert_non_null(
        strstr(said.at, "error 1 myhostnam: there is no such parameter; did you mean myhostname?"));
    assert_non_null(strstr(said.at, "error 2 queue_run_delay: \"1y\" is not a time"));
    assert_non_null(strstr(said.at, "error 3 mail_name: \"*\" and \"+\""));
    assert_non_null(strstr(said.at, "error 4 log_level: it is \"error\" or \"warn\""));
    assert_non_null(strstr(said.at, "error 5 listen \"x\": port: \"0\" is not a port"));
    assert_non_null(strstr(said.at, "error 6 smtp_helo_name: there is no parameter $nothing"));
}

static void a_parameter_set_twice_is_a_contradiction_unless_both_are_the_same(void **state)
{
    (void)state;
    assert_refused("relayhost = a\n\nrelayhost = b\n",
                   "error 3 relayhost: it is set in line 1 already");
    struct config *cfg = good("relayhost = a\nrelayhost = \"a\"\n");
    assert_non_null(strstr(said.at, "warning 2"));
    config_free(cfg);
    assert_refused(
        "login h { user = a password_command = /x }\nlogin H { user = b password_command = /x }\n",
        "error 2 login \"H\": there is such a section in line 1 already");
}

static void times_and_sizes_take_suffixes(void **state)
{
    static const struct {
        const char *text;
        int64_t seconds;
    } times[] = { { "90", 90 }, { "90s", 90 }, { "2m", 120 }, { "1h", 3600 }, { "1d", 86400 } };
    (void)state;

    for (size_t i = 0; i < ARRAY_LEN(times); i++) {
        char *text = xasprintf("queue_run_delay = %s", times[i].text);
        struct config *cfg = good(text);
        assert_true(cfg->queue_run_delay == times[i].seconds * USEC_PER_SEC);
        config_free(cfg);
        free(text);
    }
    struct config *cfg =
        good("message_size_limit = 20M\nheader_size_limit = 64k\nmaximal_queue_lifetime = 2\n"
             "bounce_queue_lifetime = 1w\ndelay_warning_time = 4");
    assert_true(cfg->message_size_limit == 20u << 20);
    assert_true(cfg->header_size_limit == 64u << 10);
    assert_true(cfg->maximal_queue_lifetime == 2 * 86400 * USEC_PER_SEC); /* as in Postfix: days */
    assert_true(cfg->bounce_queue_lifetime == 7 * 86400 * USEC_PER_SEC);
    assert_true(cfg->delay_warning_time == 4 * 3600 * USEC_PER_SEC); /* hours */
    config_free(cfg);
    assert_refused("message_size_limit = 20MB", "is not a size");
    assert_refused("message_size_limit = 99999999999G", "is too large");
    assert_refused("message_size_limit = -1", "is not a size");
    assert_refused("hopcount_limit = 5k", "is not a number");
    assert_refused("queue_run_delay = 0", "out of range: it is 1 to 86400 seconds");
}

static void references_are_replaced_in_any_order(void **state)
{
    struct config *cfg = good(
        "smtp_helo_name = \"a.$mydomain\"\nmyorigin = ${mydomain}\nmydomain = example.org\n"
        "mail_name = \"$(mydomain) $$5 ${recipient_delimiter:-none}\"\nmyhostname = h.$mydomain\n");
    (void)state;

    assert_string_equal(cfg->smtp_helo_name, "a.example.org");
    assert_string_equal(cfg->myorigin, "example.org");
    assert_string_equal(cfg->mail_name, "example.org $5 none");
    assert_string_equal(cfg->myhostname, "h.example.org");
    assert_string_equal(cfg->smtpd_banner, "h.example.org ESMTP example.org $5 none");
    config_free(cfg);
    cfg = good("mail_name = '$mydomain'\nsmtp_helo_name = \"\\$x\"");
    assert_string_equal(cfg->mail_name, "$mydomain");
    assert_string_equal(cfg->smtp_helo_name, "$x");
    config_free(cfg);
    cfg = good("myhostname = mail.example.org");
    assert_string_equal(cfg->mydomain, "example.org");
    config_free(cfg);
    assert_refused("mail_name = $smtpd_banner",
                   "error 0 smtpd_banner: it refers to itself, by way of $mail_name");
    assert_refused("mail_name = $mail_name", "error 1 mail_name: it refers to itself");
    assert_refused("mail_name = $mydomian", "did you mean $mydomain?");
    assert_refused("mail_name = \"${mydomain\"", "without the bracket");
    assert_refused("mail_name = \"${mydomain?x}\"", "is not understood");
}

static void references_that_multiply_end_at_a_limit(void **state)
{
    struct buf text;
    (void)state;

    buf_init(&text, BUF_NO_MAX);
    static const char *const chain[] = { "mail_name", "smtp_helo_name", "recipient_delimiter",
                                         "smtpd_banner" };
    buf_adds(&text, "mail_owner = \"");
    for (int i = 0; i < 1000; i++)
        buf_adds(&text, "0123456789");
    buf_adds(&text, "\"\nmail_name = \"$mail_owner\"\n");
    for (size_t i = 1; i < ARRAY_LEN(chain); i++)
        buf_addf(&text, "%s = \"$%s$%s$%s$%s\"\n", chain[i], chain[i - 1], chain[i - 1],
                 chain[i - 1], chain[i - 1]);
    assert_refused(buf_cstr(&text), "longer than 65536 bytes");
    buf_fini(&text);
}

static void the_environment_counts_when_it_may(void **state)
{
    (void)state;
    setenv("BATON_RELAYHOST", "[env.example.com]:587", 1);
    setenv("BATON_RELAYHOTS", "x", 1);
    setenv("MAILHUB", "hub.example.com", 1);
    struct config *cfg = good(
        "relayhost = file.example.com\nmyorigin = ${MAILHUB}\nmydomain = \"${NONE:-d.example}\"");
    assert_string_equal(cfg->relayhost.at[0].host, "env.example.com");
    assert_string_equal(cfg->myorigin, "hub.example.com");
    assert_string_equal(cfg->mydomain, "d.example");
    assert_non_null(strstr(said.at, "there is no parameter relayhots; did you mean relayhost"));
    config_free(cfg);

    cfg = load_with(
        "relayhost = file.example.com\nmydomain = ${MAILHUB}\nmyorigin = \"${MAILHUB:-o.example}\"\n"
        "login ${MAILHUB} { }",
        0, 0600);
    assert_non_null(cfg);
    assert_string_equal(cfg->relayhost.at[0].host, "file.example.com");
    assert_string_not_equal(cfg->mydomain, "hub.example.com");
    assert_string_equal(cfg->myorigin, "o.example");
    assert_int_equal(cfg->n_logins, 0);
    config_free(cfg);

    setenv("BATON_MESSAGE_SIZE_LIMIT", "much", 1);
    assert_refused("", "message_size_limit: \"much\" is not a size");
    unsetenv("BATON_MESSAGE_SIZE_LIMIT");
    assert_refused("mail_name = ${NOT_SET}",
                   "${NOT_SET} is no parameter, and not set in the environment");
}

static void a_login_comes_from_the_environment_too(void **state)
{
    struct err e;
    (void)state;

    setenv("BATON_RELAYHOST", "[a.example]:587 b.example", 1);
    setenv("BATON_LOGIN_USER", "me", 1);
    assert_refused("", "go together");
    setenv("BATON_LOGIN_PASSWORD", "pa$$ \"w'ord", 1);
    struct config *cfg = good("");
    assert_int_equal(cfg->n_logins, 2);
    const struct login *l = config_login_for(cfg, &cfg->relayhost.at[1]);
    assert_non_null(l);
    assert_string_equal(l->user, "me");
    char *secret = config_login_secret(cfg, l, &e);
    assert_string_equal(secret, "pa$$ \"w'ord");
    config_secret_free(secret);
    config_free(cfg);
}

static void relayhosts_are_read_in_every_spelling(void **state)
{
    static const struct {
        const char *text, *host;
        int port;
        bool is_bracketed, is_address;
    } cases[] = {
        { "example.com", "example.com", 25, false, false },
        { "Example.COM.:submission", "example.com", 587, false, false },
        { "[smtp.example.com]", "smtp.example.com", 25, true, false },
        { "[smtp.example.com]:465", "smtp.example.com", 465, true, false },
        { "[192.0.2.1]:smtps", "192.0.2.1", 465, true, true },
        { "192.0.2.1", "192.0.2.1", 25, true, true },
        { "[2001:db8::1]:26", "2001:db8::1", 26, true, true },
        { "[IPv6:2001:db8::1]", "2001:db8::1", 25, true, true },
        { "b\xc3\xbc"
          "cher.example",
          "b\xc3\xbc"
          "cher.example",
          25, false, false },
    };
    static const struct {
        const char *text, *why;
    } bad[] = {
        { "[<ip_address_or_hostname>]", "blank to fill in" },
        { "<ip>", "blank to fill in" },
        { "[host", "lacks its ]" },
        { "host:", "a port is missing" },
        { "host:0", "is not a port" },
        { "host:99999", "is not a port" },
        { "[host]x", "behind the ]" },
        { "2001:db8::1", "stands in brackets" },
        { "smtp://host", "without a protocol" },
        { "smtp:host", "is not a port" },
        { "a..b", "is not understood" },
        { "", "is not understood" },
    };
    struct relayhost h;
    struct err e;
    (void)state;

    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        if (relayhost_parse(&h, span_str(cases[i].text), &e) < 0)
            fail_msg("%s: %s", cases[i].text, e.text);
        assert_string_equal(h.host, cases[i].host);
        assert_string_equal(h.text, cases[i].text);
        assert_int_equal(h.port, cases[i].port);
        assert_int_equal(h.is_bracketed, cases[i].is_bracketed);
        assert_int_equal(h.is_address, cases[i].is_address);
        relayhost_fini(&h);
    }
    for (size_t i = 0; i < ARRAY_LEN(bad); i++) {
        assert_int_equal(relayhost_parse(&h, span_str(bad[i].text), &e), -1);
        if (!strstr(e.text, bad[i].why))
            fail_msg("%s: %s", bad[i].text, e.text);
        relayhost_fini(&h);
    }
    struct config *cfg = good("relayhost = \"[a]:587, b\n c\"");
    assert_int_equal(cfg->relayhost.n, 3);
    assert_string_equal(cfg->relayhost.at[2].host, "c");
    config_free(cfg);
}

static void the_login_that_fits_best_is_taken(void **state)
{
    struct config *cfg = good("relayhost = \"[a]:587, [a]:465, a, [b]:2525\"\n"
                              "login \"[a]\" { user = u1 password_command = /x }\n"
                              "login \"[a]:465\" { user = u2 password_command = /x }\n"
                              "login \"[B]:2525\" { user = u3 password_command = \"/x y  z\" }\n");
    (void)state;

    assert_string_equal(config_login_for(cfg, &cfg->relayhost.at[0])->user, "u1");
    assert_string_equal(config_login_for(cfg, &cfg->relayhost.at[1])->user, "u2");
    assert_null(config_login_for(cfg, &cfg->relayhost.at[2]));
    assert_string_equal(config_login_for(cfg, &cfg->relayhost.at[3])->user, "u3");
    assert_int_equal(cfg->logins[2].password_command.n, 3);
    assert_int_equal(config_tls_level(cfg, &cfg->relayhost.at[0]), CONFIG_TLS_SECURE);
    assert_int_equal(config_tls_level(cfg, &cfg->relayhost.at[2]), CONFIG_TLS_MAY);
    assert_int_equal(config_tls_level(cfg, &cfg->relayhost.at[3]), CONFIG_TLS_SECURE);
    assert_true(config_tls_is_implicit(&cfg->relayhost.at[1]));
    config_free(cfg);
}

/* Nobody but this machine gets there: that is said, and taken. */
static void the_world_may_be_trusted_on_loopback(void **state)
{
    const char *const texts[] = {
        "mynetworks = 0.0.0.0/0",
        "mynetworks = 0.0.0.0/0\nlisten smtp { address = \"127.0.0.2, ::1\" }\nlisten local { path = /run/smtp }",
        "listen out { address = all }\nlisten in { address = loopback-only port = 2525 mynetworks = 0.0.0.0/0 }",
        "mynetworks = 0.0.0.0/0\nlisten out { address = all mynetworks = 192.0.2.0/24 }",
    };

    (void)state;
    for (size_t i = 0; i < sizeof texts / sizeof *texts; i++) {
        struct config *cfg = load_with(texts[i], CONFIG_ENV, 0600);
        if (!cfg || strstr(said.at, "error ") || !strstr(said.at, "mynetworks: it holds every address"))
            fail_msg("%s\nsaid: %s", texts[i], said.at);
        config_free(cfg);
    }
}

static void contradictions_are_refused_with_their_cure(void **state)
{
    (void)state;
    assert_refused("minimal_backoff_time = 2h\nmaximal_backoff_time = 1h",
                   "minimal_backoff_time: 2h is longer than");
    assert_refused("header_size_limit = 200k\nmessage_size_limit = 100k",
                   "larger than message_size_limit");
    assert_refused(
        "relayhost = h\nlogin h { user = u password_command = /x }\nsmtp_tls_security_level = may",
        "may send the password for h in the clear");
    assert_refused("relayhost = h:465\nsmtp_tls_security_level = none", "contradict each other");
    assert_refused("myhostname = h.example\nrelayhost = \"[h.example]\"", "is this machine itself");
    assert_refused("inet_interfaces = all\nmynetworks = 0.0.0.0/0", "holds every address");
    assert_refused("mynetworks = 0.0.0.0/0\nlisten smtp { address = all }", "mynetworks: it holds every address");
    assert_refused("mynetworks = 0.0.0.0/0\nlisten smtp { address = \"127.0.0.1, 192.0.2.1\" }", "mynetworks: it holds every address");
    assert_refused("mynetworks = 0.0.0.0/0\nlisten smtp { address = \"127.example.com\" }", "mynetworks: it holds every address");
    assert_refused("listen smtp { address = all mynetworks = 0.0.0.0/0 }", "listen smtp: mynetworks: it holds every address");
    assert_refused("relayhost = h\nlogin h { user = u }",
                   "none of password, password_file and password_command");
    assert_refused("relayhost = h\nlogin h { user = u password_file = /a password_command = /b }",
                   "more than one of");
    assert_refused("login h { password_command = /b }", "user: it may not be empty");
    assert_refused("smtp_tls_mandatory_protocols = \"!TLSv1.2, !TLSv1.3\"", "leaves no version");
    assert_refused("smtp_sasl_password_maps = \"hash:/etc/postfix/sasl\"",
                   "write a section instead: login");
    assert_refused("mydestination = \"a.example, !\"", "mydestination: \"!\" stands before a name");
    assert_refused("mydestination = \"a.example, hsah:/x\"", "mydestination: there is no type of table \"hsah\"");
    assert_refused("mydestination = \"hash:x\"", "mydestination: \"hash:x\" is no full file name");
    assert_refused("local_transport = maildrop", "there is no transport \"maildrop\"");
    assert_refused("local_transport = lmtp", "does not say where");
    assert_refused("local_transport = \"lmtp:/run/lmtp\"", "write lmtp:unix:/run/lmtp");
    assert_refused("local_transport = \"lmtp:unix:\"", "the name of a socket is missing");
    assert_refused("local_transport = \"lmtp:inet:h:0\"", "is not a port");
    assert_refused("default_transport = \"smtp:h/x\"", "is not understood");
    assert_refused("myorigin = \"a b\"", "takes one value");
    assert_refused("mail_name = { a, b }", "not a list");
    assert_refused("mail_name = \"a\\x07\"", "control character");
    assert_refused("queue_directory = spool", "no full file name");
    struct config *cfg = good("relayhost = h\nlogin \"[h]\" { user = u password_command = /x }");
    assert_non_null(
        strstr(said.at, "warning 2 login \"[h]\" is for none of the hosts in relayhost (\"h\")"));
    config_free(cfg);
}

static void transports_have_one_form(void **state)
{
    static const struct {
        const char *text, *name, *nexthop;
    } cases[] = {
        { "smtp", "smtp", "" },
        { "relay:[mx.example]:25 , mx2.example", "relay", "[mx.example]:25 mx2.example" },
        { "lmtp: unix: /run/lmtp", "lmtp", "unix:/run/lmtp" },
        { "lmtp:unix:private/lmtp, inet:a.example : 24 [2001:db8::1]:24", "lmtp",
          "unix:private/lmtp inet:a.example:24 [2001:db8::1]:24" },
        { "local:client.example", "local", "" },
        { "error: 5.1.1 nobody, here", "error", "5.1.1 nobody, here" },
        { "discard", "discard", "" },
    };
    struct transport t;
    struct err e;

    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        assert_int_equal(transport_parse(&t, span_str(cases[i].text), &e), 0);
        assert_string_equal(t.name, cases[i].name);
        assert_string_equal(t.nexthop, cases[i].nexthop);
        transport_fini(&t);
    }
}

static void assert_direct(bool is_direct, const char *text)
{
    struct config *cfg = good(text);
    assert_int_equal(config_delivers_directly(cfg), is_direct);
    config_free(cfg);
}

static void direct_delivery_is_somebodys_choice(void **state)
{
    (void)state;
    assert_direct(false, "");
    assert_direct(false, "relayhost = h");
    assert_direct(true, "relayhost = \"\"");
    assert_direct(true, "mydestination = example.com");
    assert_direct(false, "mydestination = example.com\nrelayhost = h");
    assert_direct(false, "mydestination = \"\"");
}

static void feedback_is_a_fraction_maybe_per_concurrency(void **state)
{
    static const struct {
        const char *text;
        struct feedback want;
    } cases[] = {
        { "1", { 1, FEEDBACK_FLAT } },
        { "0.25", { 0.25, FEEDBACK_FLAT } },
        { "1 / concurrency", { 1, FEEDBACK_PER_CONCURRENCY } },
        { ".5/sqrt_concurrency", { 0.5, FEEDBACK_PER_SQRT } },
    };
    static const char *const bad[] = { "2", "-1", "", "1/", "1/2", "0.1.2", ".", "x", "1/window" };
    (void)state;

    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        char *text = xasprintf("default_destination_concurrency_positive_feedback = \"%s\"", cases[i].text);
        struct config *cfg = good(text);
        const struct feedback *f = &cfg->default_destination_concurrency_positive_feedback;
        assert_true(f->number > cases[i].want.number - 1e-9 && f->number < cases[i].want.number + 1e-9);
        assert_int_equal(f->per, cases[i].want.per);
        config_free(cfg);
        free(text);
    }
    for (size_t i = 0; i < ARRAY_LEN(bad); i++) {
        char *text = xasprintf("default_destination_concurrency_negative_feedback = \"%s\"", bad[i]);
        assert_refused(text, "is no feedback");
        free(text);
    }
}

static void tls_versions_are_read_as_a_range(void **state)
{
    static const struct {
        const char *text;
        int min, max;
    } cases[] = {
        { ">=TLSv1.2", 12, 13 }, { ">=TLSv1.3", 13, 13 },
        { "TLSv1.2", 12, 12 },   { "!SSLv2, !SSLv3, !TLSv1, !TLSv1.1", 12, 13 },
        { "!TLSv1.3", 12, 12 },  { ">=TLSv1", 12, 13 },
        { "", 12, 13 },          { ">=TLSv1.2, <=TLSv1.2", 12, 12 },
    };
    (void)state;

    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        char *text = xasprintf("smtp_tls_mandatory_protocols = \"%s\"", cases[i].text);
        struct config *cfg = good(text);
        assert_int_equal(cfg->smtp_tls_mandatory_protocols.min, cases[i].min);
        assert_int_equal(cfg->smtp_tls_mandatory_protocols.max, cases[i].max);
        config_free(cfg);
        free(text);
    }
}

static void lists_are_appended_to_with_plus(void **state)
{
    struct config *cfg =
        good("mynetworks += 10.0.0.0/8\nmynetworks += { \"!192.168.1.1\", \"192.168.0.0/16\" }\n");
    (void)state;

    assert_int_equal(cfg->mynetworks.n, 5);
    assert_true(cfg->mynetworks.at[3].is_negated);
    config_free(cfg);
}

/* ---- secrets ---- */

static char *write_temp(const char *text, mode_t mode)
{
    char *name = xstrdup("/tmp/baton-test-XXXXXX");
    int fd = mkstemp(name);

    assert_int_equal(write(fd, text, strlen(text)), (ssize_t)strlen(text));
    fchmod(fd, mode);
    close(fd);
    return name;
}

static char *secret_of(const char *how, mode_t mode, struct err *e)
{
    struct config_report r = { 0 };
    char *text = xasprintf("relayhost = \"[h]:587\"\nlogin \"[h]:587\" { user = u\n %s }\n", how);
    char *file = write_temp(text, mode);
    struct config *cfg = config_load(file, CONFIG_ENV, &r);

    if (!cfg)
        fail_msg("%s: %s", how, r.at[0].text);
    char *secret = config_login_secret(cfg, &cfg->logins[0], e);
    config_report_fini(&r);
    config_free(cfg);
    unlink(file);
    free(file);
    free(text);
    return secret;
}

static void assert_secret(const char *how, const char *want)
{
    struct err e = { 0 };
    char *secret = secret_of(how, 0640, &e);

    if (!secret)
        fail_msg("%s: %s", how, e.text);
    assert_string_equal(secret, want);
    config_secret_free(secret);
}

static void assert_no_secret(const char *how, const char *why)
{
    struct err e = { 0 };
    char *secret = secret_of(how, 0640, &e);

    assert_null(secret);
    if (!strstr(e.text, why))
        fail_msg("%s: %s", how, e.text);
}

static void a_password_is_taken_as_it_was_meant(void **state)
{
    (void)state;
    setenv("SECRET", "from$env", 1);
    assert_secret("password = secret", "secret");
    assert_secret("password = 'a\"b\\c$d{e}*+#'", "a\"b\\c$d{e}*+#");
    assert_secret("password = \"a'b\\\\c$$d \"", "a'b\\c$d ");
    assert_secret("password = \"${SECRET}\"", "from$env");
    assert_no_secret("password = \"\"", "it is empty");
    assert_no_secret("password = \"${NOT_SET}\"", "not set in the environment");
}

static void a_password_comes_from_a_file_that_others_cannot_read(void **state)
{
    char *good_file = write_temp("s3cret word\nnot this\n", 0600),
         *open_file = write_temp("x\n", 0604);
    char *text;
    (void)state;

    text = xasprintf("password_file = \"%s\"", good_file);
    assert_secret(text, "s3cret word");
    free(text);
    text = xasprintf("password_file = \"%s\"", open_file);
    assert_no_secret(text, "everybody may read it; chmod o-r");
    free(text);
    assert_no_secret("password_file = /nonexistent/file", "No such file");
    unlink(good_file);
    unlink(open_file);
    free(good_file);
    free(open_file);
}

static void a_password_comes_from_a_program_without_a_shell(void **state)
{
    (void)state;
    assert_secret("password_command = { \"/bin/echo\", \"a  b;c $$x\" }", "a  b;c $x");
    assert_secret("password_command = \"/bin/echo one  two\"", "one two");
    assert_no_secret("password_command = /bin/false", "left with status 1");
    assert_no_secret("password_command = /bin/true", "it is empty");
    assert_no_secret("password_command = /nonexistent/program", "No such file");
    assert_no_secret("password_command = { \"/bin/head\", \"-c\", \"9999\", \"/dev/zero\" }",
                     "prints more than");
}

static void a_password_in_a_file_that_everybody_reads_is_refused(void **state)
{
    (void)state;
    struct config *cfg =
        load_with("relayhost = h\nlogin h { user = u password = p }", CONFIG_ENV, 0644);
    assert_null(cfg);
    assert_non_null(strstr(
        said.at,
        "error 2 password: everybody may read this file, and the password in it; chmod o-r"));
    cfg =
        load_with("relayhost = h\nlogin h { user = u password = \"${SECRET}\" }", CONFIG_ENV, 0644);
    assert_non_null(cfg); /* the secret is not in the file */
    config_free(cfg);
}

static void no_secret_is_printed(void **state)
{
    struct config *cfg = good("relayhost = h\nlogin h { user = u password = hunter2 }");
    struct buf out;
    struct err e;
    (void)state;

    buf_init(&out, BUF_NO_MAX);
    assert_int_equal(config_show(cfg, NULL, 0, &out, &e), 0);
    assert_non_null(strstr(buf_cstr(&out), "relayhost = h\n"));
    assert_non_null(strstr(buf_cstr(&out), "login \"h\" {\n"));
    assert_null(strstr(buf_cstr(&out), "hunter2"));
    buf_fini(&out);
    config_free(cfg);
}

static void what_needs_a_restart_is_named(void **state)
{
    struct config *a = good("relayhost = h\nlog = syslog"),
                  *b = good("relayhost = i\nlog = stderr\nqueue_directory = /x");
    struct buf names;
    (void)state;

    buf_init(&names, BUF_NO_MAX);
    assert_true(config_needs_restart(a, b, &names));
    assert_string_equal(buf_cstr(&names), "queue_directory log");
    assert_false(config_needs_restart(a, a, &names));
    buf_fini(&names);
    config_free(a);
    config_free(b);
}

static void a_file_that_cannot_be_read_is_told_apart(void **state)
{
    struct config_report r = { 0 };
    (void)state;

    assert_null(config_load("/nonexistent/baton.conf", CONFIG_ENV, &r));
    assert_int_equal(r.n_errors, 1);
    assert_false(r.is_unreadable);
    config_report_fini(&r);
    assert_null(config_load("/", CONFIG_ENV, &r));
    assert_non_null(strstr(r.at[0].text, "folder"));
    config_report_fini(&r);
    char *file = write_temp("relayhost = h\n", 0600);
    FILE *f = fopen(file, "a");
    fwrite("# \0\n", 1, 4, f);
    fclose(f);
    assert_null(config_load(file, CONFIG_ENV, &r));
    assert_non_null(strstr(r.at[0].text, "NUL byte"));
    config_report_fini(&r);
    unlink(file);
    free(file);
}

static int end(void **state)
{
    (void)state;
    buf_fini(&said);
    return 0;
}

#define TEST(name) cmocka_unit_test_setup(name, forget_environment)

static void lists_of_domains_hold_files_and_tables(void **state)
{
    (void)state;
    struct config *cfg = good("mydestination = \"a.example, !b.example, /etc/domains, proxy:inline:{ c.example = 1, d.example = 2 }\"\n"
                              "alias_maps = \"proxy:hash:/etc/virtual\"\n");
    assert_int_equal(cfg->mydestination.n, 4);
    assert_string_equal(cfg->mydestination.at[1], "!b.example");
    assert_string_equal(cfg->mydestination.at[3], "inline:{ c.example = 1, d.example = 2 }");
    assert_string_equal(cfg->alias_maps.at[0], "hash:/etc/virtual");
    assert_true(config_is_written(cfg, "alias_maps"));
    assert_false(config_is_written(cfg, "local_transport"));
    config_free(cfg);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(an_empty_file_has_safe_defaults),
        TEST(the_handbooks_null_client_works),
        TEST(the_handbooks_prefix_lengths_are_understood),
        TEST(all_errors_of_a_file_are_told_with_their_lines),
        TEST(a_parameter_set_twice_is_a_contradiction_unless_both_are_the_same),
        TEST(times_and_sizes_take_suffixes),
        TEST(references_are_replaced_in_any_order),
        TEST(references_that_multiply_end_at_a_limit),
        TEST(the_environment_counts_when_it_may),
        TEST(a_login_comes_from_the_environment_too),
        TEST(relayhosts_are_read_in_every_spelling),
        TEST(the_login_that_fits_best_is_taken),
        TEST(the_world_may_be_trusted_on_loopback),
        TEST(contradictions_are_refused_with_their_cure),
        TEST(transports_have_one_form),
        TEST(lists_of_domains_hold_files_and_tables),
        TEST(direct_delivery_is_somebodys_choice),
        TEST(feedback_is_a_fraction_maybe_per_concurrency),
        TEST(tls_versions_are_read_as_a_range),
        TEST(lists_are_appended_to_with_plus),
        TEST(a_password_is_taken_as_it_was_meant),
        TEST(a_password_comes_from_a_file_that_others_cannot_read),
        TEST(a_password_comes_from_a_program_without_a_shell),
        TEST(a_password_in_a_file_that_everybody_reads_is_refused),
        TEST(no_secret_is_printed),
        TEST(what_needs_a_restart_is_named),
        TEST(a_file_that_cannot_be_read_is_told_apart),
    };
    return cmocka_run_group_tests_name("config", tests, NULL, end);
}
