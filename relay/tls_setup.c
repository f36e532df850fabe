/* SPDX-License-Identifier: Apache-2.0 */
#include "relay/tls_setup.h"

#include "base/log.h"
#include "base/mem.h"
#include "relay/certs.h"

#include <stdlib.h>

struct tls_setup {
    struct tls_certs certs;
    struct tls_server *offered, *demanded;
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
                                      struct tls_tickets *tickets, struct err *e)
{
    const struct tls_server_options o = {
        .certs = &t->certs,
        .min_version = versions->min >= 13 ? TLS_1_3 : TLS_1_2,
        .no_1_3 = versions->max < 13,
        .grade = cfg->smtpd_tls_ciphers == CONFIG_CIPHERS_HIGH ? TLS_GRADE_HIGH : TLS_GRADE_MEDIUM,
        .tickets = tickets,
    };
    return tls_server_new(&o, e);
}

struct tls_setup *tls_setup_new(const struct config *cfg, struct tls_tickets *tickets, const struct tls_setup *old,
                                struct err *e)
{
    struct tls_setup *t = xcalloc(1, sizeof *t);

    if (!config_has_certificate(cfg))
        return t;
    if (get_certificates(t, cfg, old, e) < 0)
        goto fail;
    t->offered = make_server(t, cfg, &cfg->smtpd_tls_protocols, tickets, e);
    if (!t->offered) {
        err_prefix(e, "smtpd_tls_protocols");
        goto fail;
    }
    t->demanded = make_server(t, cfg, &cfg->smtpd_tls_mandatory_protocols, tickets, e);
    if (!t->demanded) {
        err_prefix(e, "smtpd_tls_mandatory_protocols");
        goto fail;
    }
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
    tls_server_free(t->offered);
    tls_server_free(t->demanded);
    tls_certs_fini(&t->certs);
    free(t);
}

void tls_setup_warn(const struct tls_setup *t)
{
    char text[600];

    for (size_t i = 0; t && i < t->certs.n; i++)
        if (certs_complain(t->certs.at[i], text, sizeof text))
            log_warn("%s", text);
}

struct tls_server *tls_setup_server(const struct tls_setup *t, bool is_demanded)
{
    return is_demanded ? t->demanded : t->offered;
}
