/* SPDX-License-Identifier: Apache-2.0
 *
 * suggest.c - what somebody probably meant who wrote a name that does not exist. */
#include "config/config_int.h"

#include "base/mem.h"

#define NAME_MAX_LEN SPAN_DISTANCE_MAX

const char *suggest_option(const struct config_option *table, size_t n, struct span name)
{
    const char *best = NULL;
    size_t best_distance = name.len / 3 + 1;

    if (name.len < 2 || name.len > NAME_MAX_LEN)
        return NULL;
    for (size_t i = 0; i < n; i++) {
        struct span candidate = span_str(table[i].name);
        size_t d = span_distance(name, candidate);
        if (d < best_distance) {
            best = table[i].name;
            best_distance = d;
        }
    }
    return best;
}

const char *suggest_param(struct span name)
{
    return suggest_option(config_params, N_PARAMS, name);
}

#define USE_LOGIN                                                                                  \
    "write a section instead: login \"[smtp.example.com]:587\" { user = \"NAME\" password_file = \"/FILE\" }"
#define NOT_NEEDED "Baton does not need it: delete the line"

#define NO_CHECKS "there are no checks of headers and content: let a filter do it (smtpd_milters)"

#define NOT_HERE "Baton has nothing like it: delete the line"

static const struct {
    const char *name, *cure;
} postfix_names[] = {
    { "alias_database", NOT_NEEDED " (indexes are made by themselves)" },
    { "append_dot_mydomain", NOT_NEEDED },
    { "body_checks", NO_CHECKS },
    { "command_directory", NOT_NEEDED },
    { "compatibility_level", NOT_NEEDED },
    { "daemon_directory", NOT_NEEDED },
    { "data_directory", NOT_NEEDED },
    { "debug_peer_level", "write log_level = \"debug\"" },
    { "generic_maps", "write smtp_generic_maps" },
    { "header_checks", NO_CHECKS },
    { "html_directory", NOT_NEEDED },
    { "include", "there is one configuration file, and none is included" },
    { "maillog_file", "write log = \"stderr\", \"syslog\" or a file's name" },
    { "mailq_path", NOT_NEEDED },
    { "manpage_directory", NOT_NEEDED },
    { "milter_header_checks", NO_CHECKS },
    { "mime_header_checks", NO_CHECKS },
    { "mynetworks_style",
      "write the networks themselves: mynetworks = \"127.0.0.0/8, [::1]/128\"" },
    { "nested_header_checks", NO_CHECKS },
    { "newaliases_path", NOT_NEEDED },
    { "readme_directory", NOT_NEEDED },
    { "sample_directory", NOT_NEEDED },
    { "sendmail_path", NOT_NEEDED },
    { "smtp_body_checks", NO_CHECKS },
    { "smtp_enforce_tls", "write smtp_tls_security_level = \"encrypt\" or \"secure\"" },
    { "smtp_header_checks", NO_CHECKS },
    { "smtp_mime_header_checks", NO_CHECKS },
    { "smtp_nested_header_checks", NO_CHECKS },
    { "smtp_sasl_auth_enable", USE_LOGIN },
    { "smtp_sasl_mechanism_filter", USE_LOGIN },
    { "smtp_sasl_password_maps", USE_LOGIN },
    { "smtp_sasl_security_options", USE_LOGIN },
    { "smtp_sasl_tls_security_options", USE_LOGIN },
    { "smtp_tls_eccert_file", "one certificate is shown to servers: write smtp_tls_cert_file" },
    { "smtp_tls_eckey_file", "write smtp_tls_key_file" },
    { "smtp_tls_mandatory_ciphers", "write smtp_tls_ciphers, which counts for all TLS" },
    { "smtp_tls_protocols", "write smtp_tls_mandatory_protocols, which counts for all TLS" },
    { "smtp_tls_session_cache_database", NOT_NEEDED },
    { "smtp_tls_wrappermode",
      "port 465 is spoken with TLS from the first byte: write it into relayhost" },
    { "smtp_use_tls", "write smtp_tls_security_level = \"may\" or \"secure\"" },
    { "smtpd_authorized_xforward_hosts", NOT_HERE },
    { "smtpd_enforce_tls", "write smtpd_tls_security_level = \"encrypt\"" },
    { "smtpd_restriction_classes", "write a section for each class: restriction_class NAME { restrictions = \"...\" }" },
    { "smtpd_tls_dh1024_param_file", NOT_NEEDED },
    { "smtpd_tls_mandatory_ciphers", "write smtpd_tls_ciphers, which counts for all TLS" },
    { "smtpd_tls_session_cache_database", NOT_NEEDED " (sessions are resumed by tickets)" },
    { "smtpd_tls_wrappermode", "write tls = implicit into a section listen NAME { port = 465 }" },
    { "smtpd_upstream_proxy_protocol", "write proxy = \"haproxy\" and proxy_networks in a listen section" },
    { "smtpd_use_tls", "write smtpd_tls_security_level = \"may\"" },
    { "syslog_facility", NOT_NEEDED " (it is mail)" },
    { "syslog_name", NOT_NEEDED },
    { "tls_server_sni_maps", "write all the files into smtpd_tls_chain_files: the certificate for the "
                             "name that a client asks for is found by itself" },
};

const char *suggest_postfix(struct span name)
{
    for (size_t i = 0; i < ARRAY_LEN(postfix_names); i++)
        if (span_eq(name, span_str(postfix_names[i].name)))
            return postfix_names[i].cure;
    return NULL;
}

const char *config_postfix_cure(struct span name)
{
#ifndef WITH_SERVER
    if (config_option_find(config_params, N_PARAMS, name))
        return "this Baton is built without the server module, which it belongs to";
#endif
    return suggest_postfix(name);
}
