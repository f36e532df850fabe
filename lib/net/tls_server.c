/* SPDX-License-Identifier: Apache-2.0
 *
 * tls_server.c - what we show to those who connect to us, and what they show to us.
 *
 * A client's certificate counts in the handshake in which it was shown, with the proof that the client has its key; never from a
 * ticket. */
#include "base/mem.h"
#include "net/tls_int.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct tls_server {
    unsigned refs; /* the maker's, and one a connection */
    mbedtls_ssl_config conf;
    struct tls_certs certs;
    struct tls_tickets *own_tickets;
    struct tls_sealer sealer;
    /* who is asked for a certificate */
    bool asks;
    mbedtls_x509_crt authorities;
    size_t n_authorities;
    unsigned max_depth;
    enum tls_digest digest;
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
        .bound_to = { (unsigned char)o->min_version, o->no_1_3, (unsigned char)o->grade, o->asks },
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

static void set_up_asking(struct tls_server *t, const struct tls_server_options *o)
{
    mbedtls_ssl_conf_authmode(&t->conf, o->asks ? MBEDTLS_SSL_VERIFY_OPTIONAL : MBEDTLS_SSL_VERIFY_NONE);
    if (!o->asks)
        return;
    t->asks = true;
    t->max_depth = o->max_depth;
    t->digest = o->digest;
    t->n_authorities = tls_authorities_count(o->authorities);
    if (t->n_authorities)
        tls_authorities_unpack(o->authorities, &t->authorities);
    mbedtls_ssl_conf_ca_chain(&t->conf, t->n_authorities ? &t->authorities : NULL, NULL);
    mbedtls_ssl_conf_cert_req_ca_list(&t->conf, o->names_authorities ? MBEDTLS_SSL_CERT_REQ_CA_LIST_ENABLED
                                                                      : MBEDTLS_SSL_CERT_REQ_CA_LIST_DISABLED);
}

struct tls_server *tls_server_new(const struct tls_server_options *o, struct err *e)
{
    struct tls_server *t = xcalloc(1, sizeof(*t));
    t->refs = 1;
    mbedtls_ssl_config_init(&t->conf);
    mbedtls_x509_crt_init(&t->authorities);
    for (size_t i = 0; i < o->certs->n; i++)
        tls_certs_add(&t->certs, tls_cert_keep(o->certs->at[i]));
    if (tls_config_init(&t->conf, MBEDTLS_SSL_IS_SERVER, o->min_version, o->grade, e) < 0)
        goto fail;
    if (o->no_1_3)
        tls_config_no_1_3(&t->conf);
    set_up_asking(t, o);
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
    mbedtls_x509_crt_free(&t->authorities);
    tls_tickets_free(t->own_tickets);
    tls_certs_fini(&t->certs);
    free(t);
}

/* ---- one connection's part ---------------------------------------- */

/* Called for each certificate of the client's chain, the authority's first. */
static int learn_client(void *arg, mbedtls_x509_crt *crt, int depth, uint32_t *flags)
{
    struct tls_link *k = arg;
    struct tls_info *i = &k->info;
    k->saw_chain = true;
    k->server->sealer.is_shut = true;
    if (depth > 0 && (unsigned)depth > k->server->max_depth)
        *flags |= MBEDTLS_X509_BADCERT_OTHER;
    k->flags |= *flags;
    if (*flags && !*i->why_not)
        tls_cert_complain(crt, *flags, depth, k->server->n_authorities, i->why_not, sizeof(i->why_not));
    if (depth > 0)
        return 0;
    tls_cert_describe(crt, i);
    tls_print_describe(crt, k->server->digest, i);
    return 0;
}

int tls_server_attach(struct tls_link *k, struct err *e)
{
    k->server->refs++;
    int code = mbedtls_ssl_setup(&k->ssl, &k->server->conf);
    if (code)
        return err_tls(e, ERR_TEMPORARY, code, "TLS");
    if (k->server->asks)
        mbedtls_ssl_set_verify(&k->ssl, learn_client, k);
    return 0;
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
    if (!k->server)
        return;
    k->server->sealer.is_opened = false;
    k->server->sealer.is_shut = k->saw_chain;
}

void tls_server_after(struct tls_link *k)
{
    if (k->server && k->server->sealer.is_opened)
        k->info.is_resumed = true;
}

void tls_server_judge(struct tls_link *k)
{
    struct tls_info *i = &k->info;
    if (!k->saw_chain)
        return;
    i->is_resumed = false; /* a ticket may be opened and found not to fit */
    k->flags |= mbedtls_ssl_get_verify_result(&k->ssl); /* what it may be used for is found behind learn_client() */
    i->is_trusted = k->flags == 0 && k->server->n_authorities > 0;
    if (!i->is_trusted && !*i->why_not)
        snprintf(i->why_not, sizeof(i->why_not), "the certificate was not made for clients, or there are too many authorities above it");
}
