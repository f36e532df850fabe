/* SPDX-License-Identifier: Apache-2.0
 *
 * tls_server.c - what we show to those who connect to us. Client certificates are not asked for. */
#include "base/mem.h"
#include "net/tls_int.h"

#include <stdlib.h>
#include <string.h>

struct tls_server {
    unsigned refs; /* the maker's, and one a connection */
    mbedtls_ssl_config conf;
    struct tls_certs certs;
    struct tls_tickets *own_tickets;
    struct tls_sealer sealer;
};

/* A name that a certificate could bear, and no pattern. */
static bool is_plain_name(const char *name)
{
    static const char fine[] = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-_.";
    return *name && *name != '.' && name[strspn(name, fine)] == '\0';
}

/* mbedTLS calls it with the configuration's argument; which connection it is, it finds in the context. */
static int on_name(void *arg, mbedtls_ssl_context *ssl, const unsigned char *name, size_t len)
{
    struct tls_server *t = arg;
    struct tls_link *k = container_of(ssl, struct tls_link, ssl);
    size_t n = 0;
    int code = 0;
    for (; n < len && n + 1 < sizeof(k->info.sni); n++) /* a stranger's bytes: they go to the log */
        k->info.sni[n] = name[n] > ' ' && name[n] < 127 ? (char)name[n] : '?';
    k->info.sni[n] = '\0';
    if (n < len || !is_plain_name(k->info.sni))
        return 0;
    for (size_t i = 0; i < t->certs.n && code == 0; i++)
        if (tls_cert_is_for(&t->certs.at[i]->chain, k->info.sni))
            code = mbedtls_ssl_set_hs_own_cert(ssl, &t->certs.at[i]->chain, &t->certs.at[i]->key);
    return code;
}

static int set_up_tickets(struct tls_server *t, const struct tls_server_options *o, struct err *e)
{
    t->sealer = (struct tls_sealer){
        .tickets = o->tickets,
        .bound_to = { (unsigned char)o->min_version, o->no_1_3, (unsigned char)o->grade },
    };
    if (!o->tickets)
        t->sealer.tickets = t->own_tickets = tls_tickets_new(e);
    if (!t->sealer.tickets)
        return -1;
    mbedtls_ssl_conf_session_tickets_cb(&t->conf, tls_ticket_write, tls_ticket_parse, &t->sealer);
    return 0;
}

/* For whoever asks for nobody that we have. */
static int set_up_default(struct tls_server *t, struct err *e)
{
    for (size_t i = 0; i < t->certs.n; i++) {
        struct tls_cert *c = t->certs.at[i];
        if (i > 0 && !tls_cert_is_for(&c->chain, t->certs.at[0]->names))
            continue;
        int code = mbedtls_ssl_conf_own_cert(&t->conf, &c->chain, &c->key);
        if (code)
            return err_tls(e, ERR_CONFIG, code, c->file);
    }
    return 0;
}

struct tls_server *tls_server_new(const struct tls_server_options *o, struct err *e)
{
    struct tls_server *t = xcalloc(1, sizeof(*t));
    t->refs = 1;
    mbedtls_ssl_config_init(&t->conf);
    for (size_t i = 0; i < o->certs->n; i++)
        tls_certs_add(&t->certs, tls_cert_keep(o->certs->at[i]));
    if (tls_config_init(&t->conf, MBEDTLS_SSL_IS_SERVER, o->min_version, o->grade, e) < 0)
        goto fail;
    if (o->no_1_3)
        tls_config_no_1_3(&t->conf);
    mbedtls_ssl_conf_authmode(&t->conf, MBEDTLS_SSL_VERIFY_NONE);
    if (set_up_default(t, e) < 0)
        goto fail;
    mbedtls_ssl_conf_sni(&t->conf, on_name, t);
    if (!o->no_tickets && set_up_tickets(t, o, e) < 0)
        goto fail;
    return t;
fail:
    tls_server_free(t);
    return NULL;
}

void tls_server_free(struct tls_server *t)
{
    if (!t || --t->refs)
        return;
    mbedtls_ssl_config_free(&t->conf);
    tls_tickets_free(t->own_tickets);
    tls_certs_fini(&t->certs);
    free(t);
}

/* ---- one connection's part ---------------------------------------- */

int tls_server_attach(struct tls_link *k, struct err *e)
{
    k->server->refs++;
    int code = mbedtls_ssl_setup(&k->ssl, &k->server->conf);
    return code ? err_tls(e, ERR_TEMPORARY, code, "TLS") : 0;
}

struct tls_link *tls_link_server(struct tls_server *t, struct err *e)
{
    struct tls_link *k = xcalloc(1, sizeof(*k));
    mbedtls_ssl_init(&k->ssl);
    k->server = t;
    if (tls_server_attach(k, e) < 0) {
        tls_link_free(k);
        return NULL;
    }
    return k;
}

void tls_server_detach(struct tls_link *k)
{
    tls_server_free(k->server);
}

void tls_server_before(struct tls_link *k)
{
    if (k->server)
        k->server->sealer.is_opened = false;
}

void tls_server_after(struct tls_link *k)
{
    if (k->server && k->server->sealer.is_opened)
        k->info.is_resumed = true;
}
