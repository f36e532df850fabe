/* SPDX-License-Identifier: Apache-2.0
 *
 * tls.c - what clients are to be shown, and what is asked of them. */
#include "config/config_int.h"

#include "base/mem.h"
#include "net/tls.h"

#include <string.h>

enum { PORT_SUBMISSIONS = 465 };

bool config_has_certificate(const struct config *cfg)
{
    return cfg->smtpd_tls_chain_files.n || cfg->smtpd_tls_cert_file[0] || cfg->smtpd_tls_eccert_file[0];
}

static enum config_listen_tls as_level_says(const struct config *cfg)
{
    switch (cfg->smtpd_tls_security_level) {
    case CONFIG_TLS_NONE: return CONFIG_LISTEN_TLS_NO;
    case CONFIG_TLS_ENCRYPT: return CONFIG_LISTEN_TLS_ENCRYPT;
    default: return CONFIG_LISTEN_TLS_MAY;
    }
}

enum config_listen_tls config_listen_tls(const struct config *cfg, const struct listen *l)
{
    enum config_listen_tls tls = as_level_says(config_view(cfg, l));

    if (l && l->tls != CONFIG_LISTEN_TLS_AUTO)
        tls = (enum config_listen_tls)l->tls;
    else if (l && l->path[0])
        tls = CONFIG_LISTEN_TLS_NO;
    else if (l && l->port == PORT_SUBMISSIONS && tls != CONFIG_LISTEN_TLS_NO)
        tls = CONFIG_LISTEN_TLS_IMPLICIT;
    /* There is nothing to offer: check.c has warned. Where it is demanded, that was an error. */
    return tls == CONFIG_LISTEN_TLS_MAY && !config_has_certificate(cfg) ? CONFIG_LISTEN_TLS_NO : tls;
}

enum config_ccert config_listen_ccert(const struct config *cfg, const struct listen *l)
{
    const struct config *view = config_view(cfg, l);
    enum config_listen_tls tls = config_listen_tls(cfg, l);

    if (tls == CONFIG_LISTEN_TLS_NO)
        return CONFIG_CCERT_NO;
    if (tls != CONFIG_LISTEN_TLS_MAY && view->smtpd_tls_req_ccert)
        return CONFIG_CCERT_REQUIRE;
    return view->smtpd_tls_ask_ccert ? CONFIG_CCERT_ASK : CONFIG_CCERT_NO;
}

bool config_asks_ccerts(const struct config *cfg)
{
    bool asks = !cfg->n_listens && config_listen_ccert(cfg, NULL);

    for (size_t i = 0; i < cfg->n_listens; i++)
        asks |= config_listen_ccert(cfg, &cfg->listens[i]) != CONFIG_CCERT_NO;
    return asks;
}

static bool is_below(const char *path, const char *folder)
{
    size_t len = strlen(folder);
    return strncmp(path, folder, len) == 0 && (path[len] == '\0' || path[len] == '/');
}

bool config_trusts_any_ccert(const struct config *cfg)
{
    static const char *const places[] = {
        "/etc/ssl/certs/ca-certificates.crt",
        "/etc/ssl/cert.pem",
        "/etc/ssl/ca-bundle.pem",
        "/etc/ssl/certs/ca-bundle.crt",
        "/etc/ssl/certs/ca-bundle.trust.crt", /* Red Hat's, by Debian's folder */
        "/etc/pki/tls",
        "/etc/pki/ca-trust",
        "/usr/share/ca-certificates",
        "/usr/lib/ssl/certs"
    };
    bool any = is_below(cfg->smtpd_tls_CApath, "/etc/ssl/certs");

    for (size_t i = 0; i < ARRAY_LEN(places); i++)
        any |= is_below(cfg->smtpd_tls_CAfile, places[i]) || is_below(cfg->smtpd_tls_CApath, places[i]);
    return any;
}

/* ---- rules ---- */

static void certificates_are_named_whole(const struct config *cfg, struct config_report *r)
{
    const struct strlist *chains = &cfg->smtpd_tls_chain_files;

    for (size_t i = 0; i < chains->n; i++)
        if (chains->at[i][0] != '/')
            remark_param(r, cfg, PARAM_smtpd_tls_chain_files, CONFIG_ERROR,
                         "\"%s\" is no full file name: it begins with /", chains->at[i]);
    if (chains->n && (cfg->smtpd_tls_cert_file[0] || cfg->smtpd_tls_eccert_file[0]))
        remark_param(r, cfg, PARAM_smtpd_tls_chain_files, CONFIG_WARNING,
                     "smtpd_tls_cert_file and smtpd_tls_eccert_file are not looked at: write those "
                     "certificates here too, or delete one or the other");
    if (cfg->smtpd_tls_key_file[0] && !cfg->smtpd_tls_cert_file[0])
        remark_param(r, cfg, PARAM_smtpd_tls_key_file, CONFIG_ERROR,
                     "a key without its certificate: set smtpd_tls_cert_file");
    if (cfg->smtpd_tls_eckey_file[0] && !cfg->smtpd_tls_eccert_file[0])
        remark_param(r, cfg, PARAM_smtpd_tls_eckey_file, CONFIG_ERROR,
                     "a key without its certificate: set smtpd_tls_eccert_file");
}

#define SET_A_CERTIFICATE "set smtpd_tls_cert_file and smtpd_tls_key_file"

static void tls_has_a_certificate(const struct config *cfg, struct config_report *r)
{
    int level = cfg->smtpd_tls_security_level;

    if (config_has_certificate(cfg))
        return;
    if (level == CONFIG_TLS_MAY)
        remark_param(r, cfg, PARAM_smtpd_tls_security_level, CONFIG_WARNING,
                     "TLS is not offered, for there is no certificate: " SET_A_CERTIFICATE);
    else if (level == CONFIG_TLS_ENCRYPT)
        remark_param(r, cfg, PARAM_smtpd_tls_security_level, CONFIG_ERROR,
                     "TLS is demanded, and there is no certificate: " SET_A_CERTIFICATE);
    for (size_t i = 0; i < cfg->n_listens && level != CONFIG_TLS_ENCRYPT; i++) {
        const struct listen *l = &cfg->listens[i];
        enum config_listen_tls tls = config_listen_tls(cfg, l);
        if (tls == CONFIG_LISTEN_TLS_ENCRYPT || tls == CONFIG_LISTEN_TLS_IMPLICIT)
            remark(r, CONFIG_ERROR, (struct place){ .file = cfg->file, .line = l->line },
                   "listen %s: TLS is demanded%s, and there is no certificate: " SET_A_CERTIFICATE, l->name,
                   l->tls == CONFIG_LISTEN_TLS_AUTO ? " at port 465" : "");
        else if (l->tls == CONFIG_LISTEN_TLS_MAY)
            remark(r, CONFIG_WARNING, (struct place){ .file = cfg->file, .line = l->line },
                   "listen %s: TLS is not offered, for there is no certificate: " SET_A_CERTIFICATE,
                   l->name);
    }
}

/* ---- rules about clients' certificates ---- */

static bool has_client_authorities(const struct config *cfg)
{
    return cfg->smtpd_tls_CAfile[0] || cfg->smtpd_tls_CApath[0];
}

#define NAME_AUTHORITIES "set smtpd_tls_CAfile to the certificates of the authorities that clients' certificates come from"

/* Nobody could ever get in. */
static void who_is_let_in_can_be_trusted(const struct config *cfg, struct config_report *r)
{
    if (has_client_authorities(cfg))
        return;
    if (!cfg->n_listens && config_listen_ccert(cfg, NULL) == CONFIG_CCERT_REQUIRE)
        remark_param(r, cfg, PARAM_smtpd_tls_req_ccert, CONFIG_ERROR,
                     "no certificate of a client can be trusted, so all are disconnected: " NAME_AUTHORITIES);
    for (size_t i = 0; i < cfg->n_listens; i++)
        if (config_listen_ccert(cfg, &cfg->listens[i]) == CONFIG_CCERT_REQUIRE)
            remark(r, CONFIG_ERROR, (struct place){ .file = cfg->file, .line = cfg->listens[i].line },
                   "listen %s: smtpd_tls_req_ccert: no certificate of a client can be trusted, so all are disconnected: " NAME_AUTHORITIES,
                   cfg->listens[i].name);
}

/* As in Postfix, where it is logged. */
static void what_is_required_counts(const struct config *cfg, struct config_report *r)
{
    const char *why = "TLS is not demanded there, so it is without effect: clients are not asked for certificates; write "
                      "smtpd_tls_security_level = \"encrypt\", or tls = encrypt in a listen section, or smtpd_tls_ask_ccert = yes";

    if (!cfg->n_listens && cfg->smtpd_tls_req_ccert && config_listen_ccert(cfg, NULL) == CONFIG_CCERT_NO)
        remark_param(r, cfg, PARAM_smtpd_tls_req_ccert, CONFIG_WARNING, "%s", why);
    for (size_t i = 0; i < cfg->n_listens; i++) {
        const struct listen *l = &cfg->listens[i];
        bool is_own = config_view(cfg, l)->smtpd_tls_req_ccert && !cfg->smtpd_tls_req_ccert; /* of all listeners some demand TLS, and some do not */
        if (is_own && config_listen_ccert(cfg, l) != CONFIG_CCERT_REQUIRE)
            remark(r, CONFIG_WARNING, (struct place){ .file = cfg->file, .line = l->line }, "listen %s: smtpd_tls_req_ccert: %s", l->name,
                   why);
    }
}

static void digest_is_strong(const struct config *cfg, enum config_param param, int digest, struct config_report *r)
{
    if (digest == TLS_SHA1 || digest == TLS_MD5)
        remark_param(r, cfg, param, CONFIG_NOTICE,
                     "%s is weak by today's measure: write the fingerprints anew with sha256 when you can (openssl x509 -noout "
                     "-fingerprint -sha256 -in FILE)",
                     cfg->values[param].shown);
}

/* ---- rules about servers ---- */

/* "AB:CD:...", as long as the digest makes it. */
static bool is_print(struct span s, size_t bytes)
{
    if (s.len != 3 * bytes - 1)
        return false;
    for (size_t i = 0; i < s.len; i++)
        if (i % 3 == 2 ? s.at[i] != ':' : !strchr("0123456789abcdefABCDEF", s.at[i]))
            return false;
    return true;
}

static void prints_are_of_their_digest(const struct config *cfg, struct config_report *r)
{
    static const size_t bytes[] = { [TLS_SHA256] = 32, [TLS_SHA384] = 48, [TLS_SHA512] = 64, [TLS_SHA1] = 20, [TLS_MD5] = 16 };
    const struct strlist *l = &cfg->smtp_tls_fingerprint_cert_match;
    size_t n = bytes[cfg->smtp_tls_fingerprint_digest];

    for (size_t i = 0; i < l->n; i++) {
        struct span rest = span_str(l->at[i]), word;
        while (span_word(&rest, "|", &word))
            if (!is_print(word, n))
                remark_param(r, cfg, PARAM_smtp_tls_fingerprint_cert_match, CONFIG_ERROR,
                             "\"%.*s\" is no fingerprint by %s: %zu pairs of hexadecimal digits with colons between, as openssl x509 -noout "
                             "-fingerprint -%s shows it (smtp_tls_fingerprint_digest)",
                             (int)(word.len > 200 ? 200 : word.len), word.at, cfg->values[PARAM_smtp_tls_fingerprint_digest].shown, n,
                             cfg->values[PARAM_smtp_tls_fingerprint_digest].shown);
    }
    if (!l->n && (cfg->smtp_tls_security_level == CONFIG_TLS_FINGERPRINT || cfg->lmtp_tls_security_level == CONFIG_TLS_FINGERPRINT))
        remark_param(r, cfg, PARAM_smtp_tls_fingerprint_cert_match, CONFIG_ERROR,
                     "the level is fingerprint, and there is none: write those of the hosts that mail goes to");
}

static void own_certificate_is_named_whole(const struct config *cfg, struct config_report *r)
{
    const struct strlist *chains = &cfg->smtp_tls_chain_files;

    for (size_t i = 0; i < chains->n; i++)
        if (chains->at[i][0] != '/')
            remark_param(r, cfg, PARAM_smtp_tls_chain_files, CONFIG_ERROR, "\"%s\" is no full file name: it begins with /", chains->at[i]);
    if (chains->n && cfg->smtp_tls_cert_file[0])
        remark_param(r, cfg, PARAM_smtp_tls_chain_files, CONFIG_WARNING, "smtp_tls_cert_file is not looked at: delete one or the other");
    if (cfg->smtp_tls_key_file[0] && !cfg->smtp_tls_cert_file[0])
        remark_param(r, cfg, PARAM_smtp_tls_key_file, CONFIG_ERROR, "a key without its certificate: set smtp_tls_cert_file");
}

void check_tls(const struct config *cfg, struct config_report *r)
{
    certificates_are_named_whole(cfg, r);
    tls_has_a_certificate(cfg, r);
    who_is_let_in_can_be_trusted(cfg, r);
    what_is_required_counts(cfg, r);
    digest_is_strong(cfg, PARAM_smtpd_tls_fingerprint_digest, cfg->smtpd_tls_fingerprint_digest, r);
    digest_is_strong(cfg, PARAM_smtp_tls_fingerprint_digest, cfg->smtp_tls_fingerprint_digest, r);
    prints_are_of_their_digest(cfg, r);
    own_certificate_is_named_whole(cfg, r);
}
