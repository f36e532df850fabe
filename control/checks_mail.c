/* SPDX-License-Identifier: Apache-2.0 */
#include "control/checks.h"

#include "base/mem.h"
#include "net/tls.h"
#include "relay/alias.h"

#include <errno.h>
#include <string.h>
#include <unistd.h>

void check_name(const struct config *cfg, struct findings *f)
{
    struct span name = span_str(cfg->myhostname);

    if (span_iends(name, ".localdomain") || span_eq(name, SPAN("localhost")))
        findings_add(
            f, FINDING_WARNING, "name",
            "%s: no name that others know; many relayhosts refuse it in EHLO. Set myhostname, or smtp_helo_name",
            cfg->myhostname);
    else
        findings_add(f, FINDING_OK, "name", "%s; addresses without a domain get @%s",
                     cfg->myhostname, cfg->myorigin);
}

static const char *const levels[] = {
    [CONFIG_TLS_NONE] = "without TLS",
    [CONFIG_TLS_MAY] = "with TLS if it is offered",
    [CONFIG_TLS_ENCRYPT] = "with TLS, whoever it is",
    [CONFIG_TLS_VERIFY] = "with TLS and a verified certificate",
    [CONFIG_TLS_SECURE] = "with TLS and a verified certificate",
};

void check_relayhost(const struct config *cfg, struct findings *f)
{
    if (cfg->relayhost.n == 0) {
        findings_add(
            f, FINDING_WARNING, "relayhost",
            "there is none: mail is taken and kept, and leaves when one is set: relayhost = "
            "\"[smtp.example.com]:587\"");
        return;
    }
    for (size_t i = 0; i < cfg->relayhost.n; i++) {
        const struct relayhost *h = &cfg->relayhost.at[i];
        const struct login *l = config_login_for(cfg, h);
        findings_add(f, FINDING_OK, "relayhost", "%s, %s%s%s", h->text,
                     levels[config_tls_level(cfg, h)], l ? ", as user " : ", without login",
                     l ? l->user : "");
    }
}

static bool wants_authorities(const struct config *cfg)
{
    for (size_t i = 0; i < cfg->relayhost.n; i++)
        if (config_tls_level(cfg, &cfg->relayhost.at[i]) >= CONFIG_TLS_VERIFY)
            return true;
    return false;
}

void check_authorities(const struct config *cfg, struct findings *f)
{
    const struct tls_client_options o = {
        .ca_file = cfg->smtp_tls_CAfile[0] ? cfg->smtp_tls_CAfile : NULL,
        .ca_path = cfg->smtp_tls_CApath[0] ? cfg->smtp_tls_CApath : NULL,
    };
    struct err e;

    if (!wants_authorities(cfg) && !o.ca_file && !o.ca_path)
        return;
    struct tls_client *t = tls_init_process(&e) < 0 ? NULL : tls_client_new(&o, &e);
    if (!t)
        findings_add(f, FINDING_ERROR, "authorities", "%s", e.text);
    else if (tls_client_n_authorities(t) == 0)
        findings_add(
            f, FINDING_ERROR, "authorities",
            "none: no certificate can be verified. Install ca-certificates, or set smtp_tls_CAfile");
    else
        findings_add(f, FINDING_OK, "authorities", "%zu, from %s; %s", tls_client_n_authorities(t),
                     tls_client_authorities_from(t), tls_library());
    tls_client_free(t);
}

/* A program is not run by a check: it might ask somebody, or count as a use. */
static void check_program(const struct login *l, struct findings *f)
{
    const char *program = l->password_command.at[0];

    if (access(program, X_OK) < 0)
        findings_add(f, FINDING_ERROR, "login", "%s: password_command %s: %s", l->host.text,
                     program, strerror(errno));
    else
        findings_add(f, FINDING_OK, "login",
                     "%s: user %s, the password comes from %s (check --live runs it)", l->host.text,
                     l->user, program);
}

void check_logins(const struct config *cfg, struct findings *f)
{
    struct err e;

    for (size_t i = 0; i < cfg->n_logins; i++) {
        const struct login *l = &cfg->logins[i];
        if (l->password_command.n) {
            check_program(l, f);
            continue;
        }
        char *secret = config_login_secret(cfg, l, &e);
        if (secret)
            findings_add(f, FINDING_OK, "login", "%s: user %s, and a password", l->host.text,
                         l->user);
        else if (e.sys == EACCES && geteuid() != 0)
            findings_add(f, FINDING_NOTE, "login", "%s: %s (this user may not read it; root may)",
                         l->host.text, e.text);
        else
            findings_add(f, FINDING_ERROR, "login", "%s: %s", l->host.text, e.text);
        config_secret_free(secret);
    }
}

static void on_alias_complaint(void *arg, const char *text)
{
    findings_add(arg, FINDING_WARNING, "aliases", "%s", text);
}

void check_aliases(const struct config *cfg, struct findings *f)
{
    struct aliases *a = aliases_new();
    bool has_root = false, is_read = false;
    struct err e;

    for (size_t i = 0; i < cfg->alias_maps.n; i++) {
        if (aliases_read(a, cfg->alias_maps.at[i], on_alias_complaint, f, &e) == 0)
            is_read = true;
        else if (e.sys == ENOENT)
            findings_add(f, FINDING_NOTE, "aliases", "%s does not exist: nobody has an alias in it",
                         cfg->alias_maps.at[i]);
        else
            findings_add(f, FINDING_ERROR, "aliases", "%s", e.text);
    }
    has_root = aliases_find(a, SPAN("root")) != NULL;
    if (is_read && has_root)
        findings_add(f, FINDING_OK, "aliases", "root's mail goes to %s",
                     aliases_find(a, SPAN("root"))->at[0]);
    else
        findings_add(
            f, FINDING_NOTE, "aliases",
            "root's mail goes to root@%s at the relayhost; \"root: you@example.com\" in /etc/aliases sends it to a "
            "person",
            cfg->myorigin);
    aliases_free(a);
}
