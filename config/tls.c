/* SPDX-License-Identifier: Apache-2.0
 *
 * tls.c - what clients are to be shown, and what is asked of them. */
#include "config/config_int.h"

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

void check_tls(const struct config *cfg, struct config_report *r)
{
    certificates_are_named_whole(cfg, r);
    tls_has_a_certificate(cfg, r);
}
