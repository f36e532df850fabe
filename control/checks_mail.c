/* SPDX-License-Identifier: Apache-2.0 */
#include "control/checks.h"

#include "base/mem.h"
#include "net/tls.h"
#include "relay/alias.h"

#include <errno.h>
#include <stdlib.h>
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
    [CONFIG_TLS_FINGERPRINT] = "with TLS and a certificate known by its fingerprint",
};

void check_relayhost(const struct config *cfg, struct findings *f)
{
    if (config_delivers_directly(cfg)) {
        findings_add(f, FINDING_OK, "relayhost", "none: mail goes to the MX hosts of its domain");
        return;
    }
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
        if (config_tls_level(cfg, &cfg->relayhost.at[i]) == CONFIG_TLS_VERIFY ||
            config_tls_level(cfg, &cfg->relayhost.at[i]) == CONFIG_TLS_SECURE)
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

/* ---- lookup tables ---- */

static void on_complaint(void *arg, const char *text)
{
    findings_add(arg, FINDING_WARNING, "tables", "%s", text);
}

static void tell_of_table(struct findings *f, const char *name, const char *spec, const struct err *e)
{
    if (e->sys == ENOENT)
        findings_add(f, FINDING_ERROR, "tables", "%s: %s does not exist: make it (it may be empty), or take it out of %s", name,
                     spec, name);
    else if (e->sys == EACCES && geteuid() != 0)
        findings_add(f, FINDING_NOTE, "tables", "%s: %s (this user may not read it; root may)", name, e->text);
    else
        findings_add(f, FINDING_ERROR, "tables", "%s: %s", name, e->text);
}

/* Those of alias_maps, also where another parameter names them (local_recipient_maps). */
static bool is_alias_table(const struct config *cfg, const char *spec)
{
    for (size_t i = 0; i < cfg->alias_maps.n; i++)
        if (strcmp(cfg->alias_maps.at[i], spec) == 0)
            return true;
    return false;
}

struct map_check {
    const struct config *cfg;
    struct findings *f;
};

/* Its answer is wanted at once. */
static bool waits_for_nobody(const char *name)
{
    return strcmp(name, "rbl_reply_maps") == 0 || strcmp(name, "smtpd_milter_maps") == 0;
}

static bool is_written(const struct config *cfg, const char *name)
{
    const struct config *view;

    for (size_t i = 0; (view = config_each_view(cfg, i)); i++)
        if (config_is_written(view, name))
            return true;
    return false;
}

/* Opened as the programs do, but nothing is written. What is wrong with a text is told, whether there is an index of it or
 * not. */
static void check_map(void *arg, const char *name, const char *spec)
{
    const struct map_check *c = arg;
    struct findings *f = c->f;
    struct map_options o = { .is_read_only = true, .is_aliases = is_alias_table(c->cfg, spec) };
    struct err e = { 0 };

    if (strcmp(name, "alias_maps") != 0 && strcmp(name, "restriction_class") != 0 && !is_written(c->cfg, name))
        return; /* a default refers to what is told elsewhere */
    struct map *m = map_open(spec, &o, &e);
    bool may_block = m && map_may_block(m);
    map_close(m);
    if (!m && o.is_aliases && e.sys == ENOENT)
        return; /* nobody is in it; check_aliases() says so */
    if (!m) {
        tell_of_table(f, name, spec, &e);
        return;
    }
    if (may_block && waits_for_nobody(name))
        findings_add(f, FINDING_ERROR, "tables", "%s: %s may keep clients waiting, and batond does not start with it: write a table that is "
                     "a file, as hash: or cidr:", name, spec);
    char *text = map_text_of(spec);
    o.complain = on_complaint;
    o.arg = f;
    m = o.is_aliases ? NULL : map_open(text ? text : spec, &o, &e); /* aliases tell of theirs themselves */
    map_close(m);
    free(text);
    findings_add(f, FINDING_OK, "tables", "%s: %s", name, spec);
}

/* Whether those who serve a table answer, and let us in. */
static void try_map(void *arg, const char *name, const char *spec)
{
    const struct map_options o = { .is_read_only = true };
    struct findings *f = arg;
    struct err e = { 0 };

    struct map *m = map_open(spec, &o, &e); /* what is wrong with it check_map() has told */
    if (m && map_may_block(m)) {
        if (map_try(m, &e) < 0)
            findings_add(f, FINDING_ERROR, "tables", "%s: %s", name, e.text);
        else
            findings_add(f, FINDING_OK, "tables", "%s: %s answers", name, spec);
    }
    map_close(m);
}

void check_maps_live(const struct config *cfg, struct findings *f)
{
    config_each_map(cfg, try_map, f);
}

void check_maps(const struct config *cfg, struct findings *f)
{
    struct map_check c = { cfg, f };

    config_each_map(cfg, check_map, &c);
}

static void on_alias_complaint(void *arg, const char *text)
{
    findings_add(arg, FINDING_WARNING, "aliases", "%s", text);
}

/* The text, for its rows are looked through; what cannot be opened check_maps() has told. */
static bool read_aliases(struct aliases *a, const struct config *cfg, const char *spec, struct findings *f)
{
    char *text = map_text_of(spec);
    struct err e;
    bool is_read = aliases_add(a, text ? text : spec, on_alias_complaint, f, &e) == 0;

    if (!is_read && e.sys == ENOENT)
        findings_add(f, config_is_written(cfg, "alias_maps") ? FINDING_WARNING : FINDING_NOTE, "aliases",
                     "%s does not exist: nobody has an alias in it", spec);
    else if (!is_read && !e.sys)
        findings_add(f, e.kind == ERR_TEMPORARY ? FINDING_NOTE : FINDING_ERROR, "aliases", "%s", e.text);
    free(text);
    return is_read;
}

void check_aliases(const struct config *cfg, struct findings *f)
{
    struct aliases *a = aliases_new();
    struct alias_values v = { 0 };
    bool is_read = false;
    struct err e;

#ifdef WITH_SERVER
    if (cfg->mydestination.n)
        aliases_have_local(a);
#endif
    for (size_t i = 0; i < cfg->alias_maps.n; i++)
        is_read |= read_aliases(a, cfg, cfg->alias_maps.at[i], f);
    if (is_read && aliases_find(a, SPAN("root"), &v, &e) == MAP_FOUND)
        findings_add(f, FINDING_OK, "aliases", "root's mail goes to %s", v.at[0]);
    else if (cfg->mydestination.n)
        findings_add(f, FINDING_NOTE, "aliases",
                     "root's mail stays on this machine; \"root: you@example.com\" in /etc/aliases sends it to a person");
    else
        findings_add(
            f, FINDING_NOTE, "aliases",
            "root's mail goes to root@%s at the relayhost; \"root: you@example.com\" in /etc/aliases sends it to a "
            "person",
            cfg->myorigin);
    alias_values_fini(&v);
    aliases_free(a);
}
