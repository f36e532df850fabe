/* SPDX-License-Identifier: Apache-2.0
 *
 * postfix_defaults.c - what Postfix takes for a parameter that is not set: for those that values refer to, and those whose
 * default is not Baton's. All others have Baton's default, as params.h says. */
#include "config/config_int.h"
#include "config/postfix.h"

#include "base/mem.h"

#include <stdlib.h>

static const struct {
    const char *name, *value;
} defaults[] = {
    { "alias_database", "hash:/etc/aliases" },
    { "alias_maps", "hash:/etc/aliases" },
    { "command_directory", "/usr/sbin" },
    { "daemon_directory", "/usr/lib/postfix/sbin" },
    { "data_directory", "/var/lib/postfix" },
    { "default_database_type", "hash" },
    { "default_privs", "nobody" },
    { "default_transport", "smtp" },
    { "inet_interfaces", "all" },
    { "local_header_rewrite_clients", "permit_inet_interfaces" },
    { "local_transport", "local:$myhostname" },
    { "mail_name", "Postfix" },
    { "mail_owner", "postfix" },
    { "mydestination", "$myhostname, localhost.$mydomain, localhost" },
    { "mydomain", "" },
    { "myhostname", "" },
    { "process_name", "" },
    { "queue_directory", "/var/spool/postfix" },
    { "relay_transport", "relay" },
    { "relayhost", "" },
    { "setgid_group", "postdrop" },
    { "smtp_tls_fingerprint_digest", "md5" },
    { "smtp_tls_mandatory_protocols", ">=TLSv1" },
    { "smtp_tls_security_level", "" },
    { "smtpd_helo_required", "no" },
    { "smtpd_per_request_deadline", "no" },
    { "smtpd_relay_restrictions", "permit_mynetworks, permit_sasl_authenticated, defer_unauth_destination" },
    { "smtpd_tls_auth_only", "no" },
    { "smtpd_tls_fingerprint_digest", "md5" },
    { "smtpd_tls_mandatory_protocols", ">=TLSv1" },
    { "smtpd_tls_protocols", ">=TLSv1" },
    { "smtpd_tls_security_level", "" },
    { "syslog_name", "postfix" },
    { "virtual_alias_infer_domains", "no" }, /* what it would be */
};

/* By gethostname(2), as a configuration of ours finds it. */
static char *own_name(const char *domain)
{
    char *line = *domain ? xasprintf("mydomain = \"%s\"\n", domain) : xstrdup("");
    struct config_report r = { 0 };
    struct config *cfg = config_load_text(span_str(line), "main.cf", &r);
    char *name = xstrdup(cfg ? cfg->myhostname : "localhost.localdomain");

    config_free(cfg);
    config_report_fini(&r);
    free(line);
    return name;
}

/* Each is asked for the other one only where that is set. */
static char *own(struct postfix_main *m, bool is_domain)
{
    const char *other = is_domain ? "myhostname" : "mydomain";
    char *set = postfix_find(m, other) ? postfix_value(m, other, NULL) : NULL;
    char *host = is_domain && set ? xstrdup(set) : own_name(!is_domain && set && hostname_is_sane(span_str(set)) ? set : "");

    free(set);
    if (!is_domain)
        return host;
    const char *dot = strchr(host, '.');
    char *domain = xstrdup(dot && dot[1] ? dot + 1 : "localdomain");
    free(host);
    return domain;
}

const char *postfix_default(struct postfix_main *m, const char *name)
{
    if (strcmp(name, "config_directory") == 0)
        return m->folder ? m->folder : "/etc/postfix";
    if (strcmp(name, "myhostname") == 0 || strcmp(name, "mydomain") == 0) {
        static char text[256];
        char *found = own(m, name[2] == 'd');
        snprintf(text, sizeof text, "%s", found);
        free(found);
        return text;
    }
    for (size_t i = 0; i < ARRAY_LEN(defaults); i++)
        if (strcmp(defaults[i].name, name) == 0)
            return defaults[i].value;
    const struct config_option *o = config_option_find(config_params, N_PARAMS, span_str(name));
    return o ? o->def : NULL;
}
