/* SPDX-License-Identifier: Apache-2.0
 *
 * tls_server.c - what we show to those who connect to us. Client certificates are not asked for.
 *
 * Session tickets are sealed with a key of this process; another worker cannot open them, and then the handshake is a
 * full one. */
#include "base/mem.h"
#include "net/tls_int.h"

#include <stdlib.h>
#include <string.h>

#define TICKET_LIFE 86400 /* seconds; half of it a key lives */

struct tls_server {
    unsigned refs; /* the maker's, and one a connection */
    mbedtls_ssl_config conf;
    mbedtls_ssl_ticket_context tickets;
    struct tls_cert *cert;
    struct tls_cert *(*by_name)(void *arg, struct span name);
    void *arg;
};

/* mbedTLS calls it with the configuration's argument; which connection it is, it finds in the context. */
static int on_name(void *arg, mbedtls_ssl_context *ssl, const unsigned char *name, size_t len)
{
    struct tls_server *t = arg;
    struct tls_link *k = container_of(ssl, struct tls_link, ssl);
    struct tls_cert *c = t->cert;
    size_t n = 0;
    for (; n < len && n + 1 < sizeof(k->info.sni); n++) /* a stranger's bytes: they go to the log */
        k->info.sni[n] = name[n] > ' ' && name[n] < 127 ? (char)name[n] : '?';
    k->info.sni[n] = '\0';
    if (t->by_name) {
        struct tls_cert *special = t->by_name(t->arg, span_of((const char *)name, len));
        c = special ? special : c;
    }
    return mbedtls_ssl_set_hs_own_cert(ssl, &c->chain, &c->key);
}

static int set_up_tickets(struct tls_server *t, struct err *e)
{
    int code = mbedtls_ssl_ticket_setup(&t->tickets, tls_random, NULL, MBEDTLS_CIPHER_AES_256_GCM, TICKET_LIFE);
    if (code)
        return err_tls(e, ERR_TEMPORARY, code, "TLS session tickets");
    mbedtls_ssl_conf_session_tickets_cb(&t->conf, mbedtls_ssl_ticket_write, mbedtls_ssl_ticket_parse, &t->tickets);
    return 0;
}

struct tls_server *tls_server_new(const struct tls_server_options *o, struct err *e)
{
    struct tls_server *t = xcalloc(1, sizeof(*t));
    t->refs = 1;
    t->cert = o->cert;
    t->by_name = o->by_name;
    t->arg = o->arg;
    mbedtls_ssl_config_init(&t->conf);
    mbedtls_ssl_ticket_init(&t->tickets);
    if (tls_config_init(&t->conf, MBEDTLS_SSL_IS_SERVER, o->min_version, o->grade, e) < 0)
        goto fail;
    mbedtls_ssl_conf_authmode(&t->conf, MBEDTLS_SSL_VERIFY_NONE);
    int code = mbedtls_ssl_conf_own_cert(&t->conf, &t->cert->chain, &t->cert->key);
    if (code) {
        err_tls(e, ERR_CONFIG, code, "the server's certificate");
        goto fail;
    }
    mbedtls_ssl_conf_sni(&t->conf, on_name, t);
    if (!o->no_tickets && set_up_tickets(t, e) < 0)
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
    mbedtls_ssl_ticket_free(&t->tickets);
    tls_cert_free(t->cert);
    free(t);
}

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
