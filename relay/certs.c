/* SPDX-License-Identifier: Apache-2.0 */
#include "relay/certs.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

enum { DAY_S = 86400 };

static int load_pair(struct tls_certs *l, const char *cert_file, const char *key_file, struct err *e)
{
    struct tls_cert *c = tls_cert_load(cert_file, key_file, e);

    if (!c)
        return -1;
    tls_certs_add(l, c);
    return 0;
}

/* The rest of the cures stand in the text already: whose key it is, and chmod. */
static int blame(const char *param, struct err *e)
{
    size_t len;

    err_prefix(e, "%s", param);
    e->kind = ERR_CONFIG;
    len = strlen(e->text);
    if (e->sys == ENOENT)
        snprintf(e->text + len, sizeof e->text - len, ": put it there, or name the file that has it");
    else if (e->sys == EACCES)
        snprintf(e->text + len, sizeof e->text - len, ": start batond as root, or let its user or group read it");
    return -1;
}

int certs_load_source(const struct config *cfg, unsigned source, struct tls_certs *l, struct err *e)
{
    const struct strlist *chains = &cfg->smtpd_tls_chain_files;

    if (source == 0 && chains->n)
        return tls_certs_load(l, chains->at, chains->n, e) < 0 ? blame("smtpd_tls_chain_files", e) : 0;
    if (source == 1 && !chains->n && cfg->smtpd_tls_cert_file[0])
        return load_pair(l, cfg->smtpd_tls_cert_file, cfg->smtpd_tls_key_file, e) < 0 ? blame("smtpd_tls_cert_file", e) : 0;
    if (source == 2 && !chains->n && cfg->smtpd_tls_eccert_file[0])
        return load_pair(l, cfg->smtpd_tls_eccert_file, cfg->smtpd_tls_eckey_file, e) < 0 ? blame("smtpd_tls_eccert_file", e)
                                                                                        : 0;
    return 0;
}

int certs_load(const struct config *cfg, struct tls_certs *l, struct err *e)
{
    for (unsigned i = 0; i < CERTS_SOURCES; i++) {
        if (certs_load_source(cfg, i, l, e) < 0) {
            tls_certs_fini(l);
            return -1;
        }
    }
    return 0;
}

int certs_load_authorities(const struct config *cfg, struct tls_authorities **out, struct err *e)
{
    const char *file = cfg->smtpd_tls_CAfile[0] ? cfg->smtpd_tls_CAfile : NULL;
    const char *path = cfg->smtpd_tls_CApath[0] ? cfg->smtpd_tls_CApath : NULL;

    if (!file && !path)
        return 0;
    *out = tls_authorities_load(file, path, e);
    return *out ? 0 : blame(file && (!path || strstr(e->text, file)) ? "smtpd_tls_CAfile" : "smtpd_tls_CApath", e);
}

int certs_load_own(const struct config *cfg, struct tls_certs *l, struct err *e)
{
    const struct strlist *chains = &cfg->smtp_tls_chain_files;

    if (chains->n)
        return tls_certs_load(l, chains->at, chains->n, e) < 0 ? blame("smtp_tls_chain_files", e) : 0;
    if (!cfg->smtp_tls_cert_file[0])
        return 0;
    return load_pair(l, cfg->smtp_tls_cert_file, cfg->smtp_tls_key_file, e) < 0 ? blame("smtp_tls_cert_file", e) : 0;
}

bool certs_complain(const struct tls_cert *c, const char *who, char *out, size_t size)
{
    int64_t left = tls_cert_seconds_left(c);

    if (left < 0)
        snprintf(out, size, "the certificate in %s has expired %lld days ago: %s will refuse it; renew it, then baton reload",
                 tls_cert_file(c), (long long)(-left / DAY_S), who);
    else if (left < CERTS_EXPIRY_WARNING_DAYS * DAY_S)
        snprintf(out, size, "the certificate in %s expires in %lld days: renew it, then baton reload", tls_cert_file(c),
                 (long long)(left / DAY_S));
    else
        return false;
    return true;
}
