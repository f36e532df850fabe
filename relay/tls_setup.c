/* SPDX-License-Identifier: Apache-2.0 */
#include "relay/tls_setup.h"

#include "base/log.h"
#include "base/mem.h"
#include "relay/certs.h"

#include <stdlib.h>

struct tls_setup {
    struct tls_certs certs;
    struct tls_authorities *authorities;
    struct tls_server *servers[2][2]; /* [it is demanded][clients are asked for certificates]; those that a listener wants */
};

static int get_certificates(struct tls_setup *t, const struct config *cfg, const struct tls_setup *old, struct err *e)
{
    if (certs_load(cfg, &t->certs, e) == 0)
        return 0;
    if (!old || !old->certs.n)
        return -1;
    log_error("%s; the old certificates stay in use", e->text);
    for (size_t i = 0; i < old->certs.n; i++)
        tls_certs_add(&t->certs, tls_cert_keep(old->certs.at[i]));
    return 0;
}

static struct tls_server *make_server(const struct tls_setup *t, const struct config *cfg, const struct tls_range *versions,
                                      struct tls_tickets *tickets, bool asks, struct err *e)
{
    const struct tls_server_options o = {
        .certs = &t->certs,
        .min_version = versions->min >= 13 ? TLS_1_3 : TLS_1_2,
        .no_1_3 = versions->max < 13,
        .grade = cfg->smtpd_tls_ciphers == CONFIG_CIPHERS_HIGH ? TLS_GRADE_HIGH : TLS_GRADE_MEDIUM,
        .tickets = tickets,
        .asks = asks,
        .authorities = t->authorities,
        .names_authorities = cfg->smtpd_tls_CAfile[0] != '\0',
        .max_depth = (unsigned)cfg->smtpd_tls_ccert_verifydepth,
        .digest = (enum tls_digest)cfg->smtpd_tls_fingerprint_digest,
    };
    return tls_server_new(&o, e);
}

/* For listeners that offer TLS, and for those that demand it. */
static int make_both(struct tls_setup *t, const struct config *cfg, struct tls_tickets *tickets, bool asks, struct err *e)
{
    const struct {
        const char *name;
        const struct tls_range *versions;
    } terms[2] = {
        { "smtpd_tls_protocols", &cfg->smtpd_tls_protocols },
        { "smtpd_tls_mandatory_protocols", &cfg->smtpd_tls_mandatory_protocols },
    };

    for (int demanded = 0; demanded < 2; demanded++) {
        t->servers[demanded][asks] = make_server(t, cfg, terms[demanded].versions, tickets, asks, e);
        if (!t->servers[demanded][asks])
            return err_prefix(e, "%s", terms[demanded].name);
    }
    return 0;
}

static int get_authorities(struct tls_setup *t, const struct config *cfg, struct err *e)
{
    return config_asks_ccerts(cfg) ? certs_load_authorities(cfg, &t->authorities, e) : 0;
}

struct tls_setup *tls_setup_new(const struct config *cfg, struct tls_tickets *tickets, const struct tls_setup *old,
                                struct err *e)
{
    struct tls_setup *t = xcalloc(1, sizeof *t);

    if (!config_has_certificate(cfg))
        return t;
    if (get_certificates(t, cfg, old, e) < 0)
        goto fail;
    if (get_authorities(t, cfg, e) < 0)
        goto fail;
    for (int asks = 0; asks < (config_asks_ccerts(cfg) ? 2 : 1); asks++)
        if (make_both(t, cfg, tickets, asks, e) < 0)
            goto fail;
    tls_setup_warn(t);
    return t;
fail:
    tls_setup_free(t);
    return NULL;
}

void tls_setup_free(struct tls_setup *t)
{
    if (!t)
        return;
    for (int i = 0; i < 4; i++)
        tls_server_free(t->servers[i >> 1][i & 1]);
    tls_authorities_free(t->authorities);
    tls_certs_fini(&t->certs);
    free(t);
}

void tls_setup_warn(const struct tls_setup *t)
{
    char text[600];

    for (size_t i = 0; t && i < t->certs.n; i++)
        if (certs_complain(t->certs.at[i], "clients", text, sizeof text))
            log_warn("%s", text);
}

struct tls_server *tls_setup_server(const struct tls_setup *t, bool is_demanded, bool asks)
{
    return t->servers[is_demanded][asks];
}
