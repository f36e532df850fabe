/* SPDX-License-Identifier: Apache-2.0 */
#include "control/checks.h"

#include "relay/certs.h"

#include <errno.h>
#include <unistd.h>

enum { DAY_S = 86400 };

static void tell(const struct tls_cert *c, struct findings *f)
{
    char text[600];

    if (certs_complain(c, "clients", text, sizeof text))
        findings_add(f, FINDING_WARNING, "certificate", "%s", text);
    else
        findings_add(f, FINDING_OK, "certificate", "%s, for %s, good for %lld days", tls_cert_file(c),
                     tls_cert_names(c), (long long)(tls_cert_seconds_left(c) / DAY_S));
}

/* Who connects to a server that has a name expects a certificate for it. */
static void check_fits(const struct config *cfg, const struct tls_certs *l, struct findings *f)
{
    for (size_t i = 0; i < l->n; i++)
        if (tls_cert_fits(l->at[i], cfg->myhostname))
            return;
    findings_add(f, FINDING_WARNING, "certificate",
                 "%s is for %s, and myhostname is %s: a client that verifies who we are, by that name, will refuse; get "
                 "one for it, or set myhostname",
                 tls_cert_file(l->at[0]), tls_cert_names(l->at[0]), cfg->myhostname);
}

static void check_versions(const char *param, const struct tls_range *r, struct findings *f)
{
    if (r->min > 12 && !tls_has_1_3())
        findings_add(f, FINDING_ERROR, "certificate",
                     "%s demands TLSv1.3, which %s cannot speak: write \">=TLSv1.2\"", param, tls_library());
}

/* ---- certificates of clients ---- */

enum { AUTHORITIES_MANY = 20 }; /* as many as nobody has of his own */

static bool has_permit_all(const struct restriction_list *l)
{
    for (size_t i = 0; i < l->n; i++)
        if (l->at[i].id == RESTRICTION_permit_tls_all_clientcerts)
            return true;
    return false;
}

/* Some client, wherever it comes in. */
static bool permits_all_trusted(const struct config *cfg)
{
    const struct config *view;
    bool any = false;

    for (size_t i = 0; (view = config_each_view(cfg, i)); i++)
        for (int p = 0; p < N_RESTRICT_PLACES; p++)
            any |= has_permit_all(config_restrictions(view, (enum restriction_place)p));
    for (size_t i = 0; i < cfg->n_restriction_classes; i++)
        any |= has_permit_all(&cfg->restriction_classes[i].restrictions);
    return any;
}

/* Where nobody is asked the files are not read by batond, and so no more than worth a word. */
static void check_client_authorities(const struct config *cfg, struct findings *f)
{
    struct tls_authorities *a = NULL;
    bool asks = config_asks_ccerts(cfg);
    struct err e;

    if (certs_load_authorities(cfg, &a, &e) < 0)
        findings_add(f, !asks ? FINDING_WARNING : e.sys == EACCES && geteuid() != 0 ? FINDING_NOTE : FINDING_ERROR, "client certs", "%s%s", e.text,
                     asks ? "" : "; clients are not asked for certificates, so it does not matter now");
    else if (asks && tls_authorities_count(a) > AUTHORITIES_MANY && permits_all_trusted(cfg))
        findings_add(f, FINDING_WARNING, "client certs",
                     "permit_tls_all_clientcerts permits whoever has a certificate of one of %zu authorities: are all of them yours? Public "
                     "ones give anybody a certificate",
                     tls_authorities_count(a));
    else if (asks)
        findings_add(f, FINDING_OK, "client certs", "asked for; %zu authorities to trust them by%s", tls_authorities_count(a),
                     a ? "" : ": clients are known by fingerprints alone");
    tls_authorities_free(a);
}

/* ---- our own, for servers ---- */

void check_own_certificate(const struct config *cfg, struct findings *f)
{
    struct tls_certs own = { 0 };
    char text[600];
    struct err e;

    if (tls_init_process(&e) < 0 || certs_load_own(cfg, &own, &e) < 0)
        findings_add(f, e.sys == EACCES && geteuid() != 0 ? FINDING_NOTE : FINDING_ERROR, "certificate", "%s", e.text);
    else if (own.n && certs_complain(own.at[0], "servers that ask for it", text, sizeof text))
        findings_add(f, FINDING_WARNING, "certificate", "%s", text);
    else if (own.n)
        findings_add(f, FINDING_OK, "certificate", "%s, shown to servers that ask for one, good for %lld days", tls_cert_file(own.at[0]),
                     (long long)(tls_cert_seconds_left(own.at[0]) / DAY_S));
    tls_certs_fini(&own);
}

void check_certificates(const struct config *cfg, struct findings *f)
{
    struct tls_certs all = { 0 };
    bool is_whole = true;
    struct err e;

    if (!config_has_certificate(cfg))
        return;
    if (tls_init_process(&e) < 0) {
        findings_add(f, FINDING_ERROR, "certificate", "%s", e.text);
        return;
    }
    for (unsigned i = 0; i < CERTS_SOURCES; i++) {
        if (certs_load_source(cfg, i, &all, &e) == 0)
            continue;
        is_whole = false;
        if (e.sys == EACCES && geteuid() != 0)
            findings_add(f, FINDING_NOTE, "certificate", "%s (this user may not read it; root may)", e.text);
        else
            findings_add(f, FINDING_ERROR, "certificate", "%s", e.text);
    }
    for (size_t i = 0; i < all.n; i++)
        tell(all.at[i], f);
    if (is_whole && all.n)
        check_fits(cfg, &all, f);
    check_versions("smtpd_tls_protocols", &cfg->smtpd_tls_protocols, f);
    check_versions("smtpd_tls_mandatory_protocols", &cfg->smtpd_tls_mandatory_protocols, f);
    check_client_authorities(cfg, f);
    tls_certs_fini(&all);
}
