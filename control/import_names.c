/* SPDX-License-Identifier: Apache-2.0
 *
 * import_names.c - what is known of Postfix's names beyond the table of parameters: under which heading they go, which need
 * nothing, and what to do instead of the others. A name that Baton has is looked for here first: what is here goes before. */
#include "control/import.h"

#include "base/mem.h"

#include <fnmatch.h>
#include <stdlib.h>

/* ---- subjects ---- */

static const char *const titles[] = {
    "who this machine is",
    "whom mail is taken from",
    "where mail goes",
    "domains and addresses of this machine",
    "aliases and mailboxes",
    "who may send what",
    "logging in",
    "TLS for clients",
    "TLS towards other hosts",
    "sending",
    "receiving and its limits",
    "filters",
    "the queue",
    "the log",
    "the rest",
};

enum { WHO, CLIENTS, GOES, DOMAINS, MAILBOXES, ACCESS, AUTH, TLS_IN, TLS_OUT, SENDING, RECEIVING, FILTERS, QUEUE, LOGGING, REST };

static const struct {
    const char *pattern; /* the first that matches counts */
    unsigned subject;
} subjects[] = {
    { "myhostname", WHO },
    { "mydomain", WHO },
    { "myorigin", WHO },
    { "mail_name", WHO },
    { "append_*", WHO },
    { "inet_*", CLIENTS },
    { "mynetworks*", CLIENTS },
    { "listen", CLIENTS },
    { "proxy_interfaces", CLIENTS },
    { "service", CLIENTS },
    { "smtpd_authorized_*", CLIENTS },
    { "relayhost", GOES },
    { "login", GOES },
    { "*_transport", GOES },
    { "transport_*", GOES },
    { "*_transport_maps", GOES },
    { "sender_dependent_*", GOES },
    { "fallback_*", GOES },
    { "pipe", GOES },
    { "smtp_sasl_*", GOES },
    { "lmtp_sasl_*", GOES },
    { "mydestination", DOMAINS },
    { "relay_domains", DOMAINS },
    { "relay_recipient_maps", DOMAINS },
    { "virtual_alias_*", DOMAINS },
    { "virtual_mailbox_domains", DOMAINS },
    { "*canonical*", DOMAINS },
    { "masquerade_*", DOMAINS },
    { "*generic_maps", DOMAINS },
    { "local_header_rewrite_clients", DOMAINS },
    { "recipient_delimiter", DOMAINS },
    { "ldap", DOMAINS },
    { "alias_*", MAILBOXES },
    { "allow_mail_to_*", MAILBOXES },
    { "virtual_*", MAILBOXES },
    { "local_*", MAILBOXES },
    { "mailbox_*", MAILBOXES },
    { "mail_spool_directory", MAILBOXES },
    { "home_mailbox", MAILBOXES },
    { "forward_path", MAILBOXES },
    { "luser_relay", MAILBOXES },
    { "smtpd_sender_login_maps", ACCESS },
    { "smtpd_*_restrictions", ACCESS },
    { "*restriction_class*", ACCESS },
    { "smtpd_reject_*", ACCESS },
    { "smtpd_delay_reject", ACCESS },
    { "reject_*", ACCESS },
    { "unknown_*", ACCESS },
    { "unverified_*", ACCESS },
    { "address_verify_*", ACCESS },
    { "smtpd_policy_*", ACCESS },
    { "smtpd_sasl_*", AUTH },
    { "*sasl_*", AUTH },
    { "smtpd_*tls*", TLS_IN },
    { "smtpd_starttls_*", TLS_IN },
    { "relay_clientcerts", TLS_IN },
    { "*tls*", TLS_OUT },
    { "milter_*", FILTERS },
    { "*_milters", FILTERS },
    { "*_checks", FILTERS },
    { "content_filter", FILTERS },
    { "receive_override_options", FILTERS },
    { "always_bcc", FILTERS },
    { "smtpd_*", RECEIVING },
    { "anvil_*", RECEIVING },
    { "default_process_limit", RECEIVING },
    { "message_size_limit", RECEIVING },
    { "header_size_limit", RECEIVING },
    { "postscreen_*", RECEIVING },
    { "smtp_*", SENDING },
    { "lmtp_*", SENDING },
    { "*destination_*", SENDING },
    { "queue_*", QUEUE },
    { "*_backoff_time", QUEUE },
    { "*_queue_lifetime", QUEUE },
    { "delay_warning_time", QUEUE },
    { "bounce_*", QUEUE },
    { "notify_classes", QUEUE },
    { "log*", LOGGING },
    { "maillog_*", LOGGING },
    { "syslog_*", LOGGING },
};

unsigned import_subject(const char *name)
{
    for (size_t i = 0; i < ARRAY_LEN(subjects); i++)
        if (fnmatch(subjects[i].pattern, name, 0) == 0)
            return subjects[i].subject;
    return REST;
}

const char *import_subject_title(unsigned subject)
{
    return subject < ARRAY_LEN(titles) ? titles[subject] : NULL;
}

/* ---- names ---- */

#define NOTHING NULL, NULL
#define IS(name) name, NULL

static const struct import_name names[] = { /* the first that fits; * stands for anything */
    { "2bounce_notice_recipient", "postmaster", NOTHING },
    { "alias_database", "*", NOTHING },
    { "allow_percent_hack", "no", NULL, "user%domain@here is an address like any other with Baton" },
    { "append_at_myorigin", "yes", NULL, "addresses without a domain always get myorigin" },
    { "append_dot_mydomain", "no", NULL, "a domain without a dot is left as it is: write whole domains" },
    { "biff", "no", NULL, "nobody is told of new mail" },
    { "command_directory", "*", NOTHING },
    { "compatibility_level", "*", NOTHING },
    { "daemon_directory", "*", NOTHING },
    { "data_directory", "*", NOTHING },
    { "debug_peer_level", "*", NOTHING },
    { "debug_peer_list", "", NULL, "log_level = \"debug\" tells more, of all hosts" },
    { "debugger_command", "*", NOTHING },
    { "default_database_type", "*", NOTHING },
    { "default_privs", "nobody", NULL, "see default_privs in baton.conf(5), if this version has it" },
    { "disable_dns_lookups", "no", NULL, "write the relayhost in brackets, [host]: then no MX records are asked for" },
    { "html_directory", "*", NOTHING },
    { "import_environment", "*", NOTHING },
    { "export_environment", "*", NOTHING },
    { "lmtp_tls_session_cache_database", "*", NOTHING },
    { "local_destination_concurrency_limit", "2", NOTHING },
    { "mail_owner", "*", NOTHING },
    { "mailq_path", "*", NOTHING },
    { "manpage_directory", "*", NOTHING },
    { "master_service_disable", "", NULL, "delete the listen section of a service that is not wanted" },
    { "max_idle", "*", NOTHING },
    { "max_use", "*", NOTHING },
    { "meta_directory", "*", NOTHING },
    { "multi_instance_directories", "", NULL, "run a second batond with a configuration of its own: batond -c FILE" },
    { "multi_instance_enable", "*", NOTHING },
    { "multi_instance_group", "*", NOTHING },
    { "multi_instance_name", "*", NOTHING },
    { "multi_instance_wrapper", "*", NOTHING },
    { "newaliases_path", "*", NOTHING },
    { "process_id_directory", "*", NOTHING },
    { "proxy_read_maps", "*", NOTHING },
    { "queue_directory", "*", NOTHING },
    { "readme_directory", "*", NOTHING },
    { "sample_directory", "*", NOTHING },
    { "sendmail_path", "*", NOTHING },
    { "setgid_group", "*", NOTHING },
    { "shlib_directory", "*", NOTHING },
    { "smtp_tls_note_starttls_offer", "*", NOTHING },
    { "smtp_tls_session_cache_database", "*", NOTHING },
    { "smtp_tls_session_cache_timeout", "*", NOTHING },
    { "smtpd_peername_lookup", "no", NULL, "names of clients are not looked up unless a restriction asks for them" },
    { "smtpd_tls_dh1024_param_file", "*", NOTHING },
    { "smtpd_tls_dh512_param_file", "*", NOTHING },
    { "smtpd_tls_session_cache_database", "*", NOTHING },
    { "smtpd_tls_session_cache_timeout", "*", NOTHING },
    /* What a build without the server module does anyway */
    { "smtpd_relay_restrictions",
      "permit_mynetworks permit_sasl_authenticated defer_unauth_destination|permit_mynetworks, permit_sasl_authenticated, "
      "defer_unauth_destination|permit_mynetworks permit_sasl_authenticated reject_unauth_destination|permit_mynetworks, "
      "permit_sasl_authenticated, reject_unauth_destination|permit_mynetworks, reject_unauth_destination",
      NULL, "who is not in mynetworks may send to nowhere" },
    { "swap_bangpath", "no", NULL, "host!user is no address with Baton" },
    { "syslog_facility", "mail", NULL, "with log = \"syslog\" it is mail" },
    { "syslog_name", "*", NOTHING },
    { "*_time_limit", "*", NOTHING },
    { "tls_preempt_cipherlist", "*", NOTHING },
    { "tls_random_source", "*", NOTHING },
    { "unknown_local_recipient_reject_code", "550", NULL, "it is 550" },

    { "smtp_tls_mandatory_ciphers", NULL, IS("smtp_tls_ciphers") },
    { "smtp_tls_protocols", NULL, IS("smtp_tls_mandatory_protocols") },
    { "smtpd_tls_mandatory_ciphers", NULL, IS("smtpd_tls_ciphers") },
    { "smtp_tls_eccert_file", "", NULL, "one certificate is shown to servers: name it in smtp_tls_cert_file" },
    { "smtp_tls_eckey_file", "|$smtp_tls_eccert_file", NULL, "its key belongs into smtp_tls_key_file" },
    { "lmtp_tls_loglevel", NULL, IS("smtp_tls_loglevel") },
    { "maillog_file", NULL, IS("log") },

    { "postscreen_*", "*", NOTHING },
    { "*_destination_rate_delay", "0|0s", NULL, "the number of deliveries at a time adapts to what a destination takes" },
    { "smtp_dns_support_level", "|enabled", NULL, "DNSSEC is not asked for" },
    { "empty_address_recipient", "MAILER-DAEMON", NULL, "no mail has an empty recipient: RCPT TO:<> is refused, and bounces do not bounce" },
    { "always_bcc", "", NULL, "Baton sends no copies" },
    { "body_checks", "", NULL, "there are no checks of content: a milter (rspamd) does it" },
    { "header_checks", "", NULL, "there are no checks of headers: a milter (rspamd) does it" },
    { "mime_header_checks", "", NULL, "there are no checks of headers: a milter (rspamd) does it" },
    { "nested_header_checks", "", NULL, "there are no checks of headers: a milter (rspamd) does it" },
    { "milter_header_checks", "", NULL, "there are no checks of the headers that filters add: let the filter itself leave them out" },
    { "smtp_*header_checks", "", NULL, "headers are not changed on the way out" },
    { "lmtp_*header_checks", "", NULL, "headers are not changed on the way out" },
    { "smtp_body_checks", "", NULL, "there are no checks of content: a milter (rspamd) does it" },
    { "lmtp_body_checks", "", NULL, "there are no checks of content: a milter (rspamd) does it" },
    { "mailbox_size_limit", "0|51200000", NULL, "Baton does not limit mailboxes: the quota of Dovecot or of the file system does" },
    { "smtp_sasl_auth_enable", "*", NOTHING },
    { "smtp_sender_dependent_authentication", "*", NOTHING }, /* import_login.c goes by it */
    { "smtp_sasl_security_options", "|noanonymous|noanonymous, noplaintext|noplaintext, noanonymous", NULL,
      "a password goes over verified TLS only, whatever the mechanism" },
    { "smtp_sasl_tls_security_options", "*", NOTHING },
    { "smtp_sasl_mechanism_filter", "", NULL, "the best mechanism that the relayhost offers is taken" },
    { "smtp_sasl_type", "cyrus", NULL, "the mechanisms are Baton's own" },
    { "tls_server_sni_maps", "", NULL,
      "name all the files in smtpd_tls_chain_files: the one for the name that a client asks for is found by itself" },
};

const struct import_name *import_find_name(const char *name)
{
    bool is_known = config_shape_of(span_str(name)) != CONFIG_SHAPE_NONE;

    for (size_t i = 0; i < ARRAY_LEN(names); i++) {
        if (is_known ? strcmp(names[i].name, name) != 0 : fnmatch(names[i].name, name, 0) != 0)
            continue;
        /* What Baton has goes by its own rules, but for what is its own affair: its spool, its user. No pattern
         * is meant for it: "*_time_limit" is that of a service, and command_time_limit another thing. */
        bool is_own = names[i].harmless && strcmp(names[i].harmless, "*") == 0;
        return !is_known || is_own ? &names[i] : NULL;
    }
    return NULL;
}

bool import_is_harmless(const struct import_name *n, const char *value)
{
    struct span rest = span_str(n->harmless);

    if (!n->harmless)
        return false;
    if (strcmp(n->harmless, "*") == 0)
        return true;
    for (;;) {
        size_t bar = span_find(rest, '|');
        if (span_ieq(span_of(rest.at, bar), span_str(value)))
            return true;
        if (bar == rest.len)
            return false;
        rest = span_from(rest, bar + 1);
    }
}
