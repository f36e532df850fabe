/* SPDX-License-Identifier: Apache-2.0
 *
 * tls_handshakes client HOST:PORT N     - makes N new TLS connections, one after the other, none of them resumed
 * tls_handshakes alone CERT KEY N       - N handshakes between two contexts of this process: prints how many a second of CPU
 *                                         the server's side makes, which is what mbedTLS by itself can do
 *
 * TLS 1.2, so that both do the same whatever the version of the library. */
#include <mbedtls/ctr_drbg.h>
#include <mbedtls/entropy.h>
#include <mbedtls/net_sockets.h>
#include <mbedtls/ssl.h>
#include <mbedtls/version.h>
#if MBEDTLS_VERSION_MAJOR >= 3
#include <psa/crypto.h>
#endif

#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

static mbedtls_entropy_context entropy;
static mbedtls_ctr_drbg_context rng;

static void need(int rc, const char *what)
{
    if (rc >= 0)
        return;
    fprintf(stderr, "tls_handshakes: %s: -0x%04x\n", what, (unsigned)-rc);
    exit(1);
}

/* As Baton sets it: 2.28 by itself prefers the longest, at twice the price. */
static void prefer_fast_curves(mbedtls_ssl_config *c)
{
#if MBEDTLS_VERSION_MAJOR < 3
    static const mbedtls_ecp_group_id curves[] = { MBEDTLS_ECP_DP_CURVE25519, MBEDTLS_ECP_DP_SECP256R1, MBEDTLS_ECP_DP_NONE };
    mbedtls_ssl_conf_curves(c, curves);
#else
    (void)c;
#endif
}

static void init_config(mbedtls_ssl_config *c, int side)
{
    mbedtls_ssl_config_init(c);
    need(mbedtls_ssl_config_defaults(c, side, MBEDTLS_SSL_TRANSPORT_STREAM, MBEDTLS_SSL_PRESET_DEFAULT), "config");
    mbedtls_ssl_conf_rng(c, mbedtls_ctr_drbg_random, &rng);
    mbedtls_ssl_conf_authmode(c, MBEDTLS_SSL_VERIFY_NONE);
    prefer_fast_curves(c);
#if MBEDTLS_VERSION_MAJOR >= 3
    mbedtls_ssl_conf_min_tls_version(c, MBEDTLS_SSL_VERSION_TLS1_2);
    mbedtls_ssl_conf_max_tls_version(c, MBEDTLS_SSL_VERSION_TLS1_2);
#else
    mbedtls_ssl_conf_min_version(c, MBEDTLS_SSL_MAJOR_VERSION_3, MBEDTLS_SSL_MINOR_VERSION_3);
    mbedtls_ssl_conf_max_version(c, MBEDTLS_SSL_MAJOR_VERSION_3, MBEDTLS_SSL_MINOR_VERSION_3);
#endif
}

static void connect_once(const mbedtls_ssl_config *c, const char *host, const char *port)
{
    mbedtls_ssl_context ssl;
    mbedtls_net_context net;
    unsigned char byte;
    int rc;

    mbedtls_ssl_init(&ssl);
    mbedtls_net_init(&net);
    need(mbedtls_net_connect(&net, host, port, MBEDTLS_NET_PROTO_TCP), "connect");
    need(mbedtls_ssl_setup(&ssl, c), "setup");
    mbedtls_ssl_set_hostname(&ssl, NULL);
    mbedtls_ssl_set_bio(&ssl, &net, mbedtls_net_send, mbedtls_net_recv, NULL);
    while ((rc = mbedtls_ssl_handshake(&ssl)) == MBEDTLS_ERR_SSL_WANT_READ || rc == MBEDTLS_ERR_SSL_WANT_WRITE)
        ;
    need(rc, "handshake");
    while ((rc = mbedtls_ssl_read(&ssl, &byte, 1)) == MBEDTLS_ERR_SSL_WANT_READ) /* the greeting has begun */
        ;
    need(rc, "greeting");
    mbedtls_net_free(&net);
    mbedtls_ssl_free(&ssl);
}

/* ---- both sides in here ---- */

struct pipe {
    unsigned char at[65536];
    size_t len;
};

struct ends {
    struct pipe *in, *out;
};

static int put(void *arg, const unsigned char *bytes, size_t len)
{
    struct pipe *p = ((struct ends *)arg)->out;
    if (len > sizeof p->at - p->len)
        return MBEDTLS_ERR_SSL_WANT_WRITE;
    memcpy(p->at + p->len, bytes, len);
    p->len += len;
    return (int)len;
}

static int get(void *arg, unsigned char *bytes, size_t len)
{
    struct pipe *p = ((struct ends *)arg)->in;
    if (!p->len)
        return MBEDTLS_ERR_SSL_WANT_READ;
    if (len > p->len)
        len = p->len;
    memcpy(bytes, p->at, len);
    memmove(p->at, p->at + len, p->len - len);
    p->len -= len;
    return (int)len;
}

static double cpu_s(void)
{
    struct timespec t;
    clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &t);
    return (double)t.tv_sec + (double)t.tv_nsec / 1e9;
}

static bool is_done(int rc, const char *side)
{
    if (rc == MBEDTLS_ERR_SSL_WANT_READ || rc == MBEDTLS_ERR_SSL_WANT_WRITE)
        return false;
    need(rc, side);
    return true;
}

/* Returns the server's CPU seconds. */
static double shake_hands(const mbedtls_ssl_config *server_config, const mbedtls_ssl_config *client_config)
{
    static struct pipe up, down;
    struct ends at_server = { &up, &down }, at_client = { &down, &up };
    mbedtls_ssl_context server, client;
    bool server_done = false, client_done = false;
    double used = 0, t;

    up.len = down.len = 0;
    mbedtls_ssl_init(&client);
    need(mbedtls_ssl_setup(&client, client_config), "setup");
    mbedtls_ssl_set_hostname(&client, NULL);
    mbedtls_ssl_set_bio(&client, &at_client, put, get, NULL);
    t = cpu_s();
    mbedtls_ssl_init(&server);
    need(mbedtls_ssl_setup(&server, server_config), "setup");
    mbedtls_ssl_set_bio(&server, &at_server, put, get, NULL);
    used += cpu_s() - t;
    while (!server_done || !client_done) {
        if (!client_done)
            client_done = is_done(mbedtls_ssl_handshake(&client), "the client");
        t = cpu_s();
        if (!server_done)
            server_done = is_done(mbedtls_ssl_handshake(&server), "the server");
        used += cpu_s() - t;
    }
    t = cpu_s();
    mbedtls_ssl_free(&server);
    used += cpu_s() - t;
    mbedtls_ssl_free(&client);
    return used;
}

static void load(mbedtls_ssl_config *c, mbedtls_x509_crt *cert, mbedtls_pk_context *key, const char *cert_file, const char *key_file)
{
    mbedtls_x509_crt_init(cert);
    mbedtls_pk_init(key);
    need(mbedtls_x509_crt_parse_file(cert, cert_file), cert_file);
#if MBEDTLS_VERSION_MAJOR >= 3
    need(mbedtls_pk_parse_keyfile(key, key_file, NULL, mbedtls_ctr_drbg_random, &rng), key_file);
#else
    need(mbedtls_pk_parse_keyfile(key, key_file, NULL), key_file);
#endif
    need(mbedtls_ssl_conf_own_cert(c, cert, key), "certificate");
}

static void run_alone(const mbedtls_ssl_config *client, const char *cert_file, const char *key_file, int n)
{
    mbedtls_ssl_config server;
    mbedtls_x509_crt cert;
    mbedtls_pk_context key;
    double used = 0;

    init_config(&server, MBEDTLS_SSL_IS_SERVER);
    load(&server, &cert, &key, cert_file, key_file);
    for (int i = 0; i < n; i++)
        used += shake_hands(&server, client);
    printf("%.1f\n", n / used);
    mbedtls_ssl_config_free(&server);
    mbedtls_x509_crt_free(&cert);
    mbedtls_pk_free(&key);
}

int main(int argc, char **argv)
{
    mbedtls_ssl_config client;

    mbedtls_entropy_init(&entropy);
    mbedtls_ctr_drbg_init(&rng);
    need(mbedtls_ctr_drbg_seed(&rng, mbedtls_entropy_func, &entropy, NULL, 0), "random numbers");
#if MBEDTLS_VERSION_MAJOR >= 3
    need(psa_crypto_init(), "PSA");
#endif
    init_config(&client, MBEDTLS_SSL_IS_CLIENT);
    mbedtls_ssl_conf_session_tickets(&client, MBEDTLS_SSL_SESSION_TICKETS_DISABLED);
    char *colon = argc == 4 ? strrchr(argv[2], ':') : NULL;
    if (argc == 5 && strcmp(argv[1], "alone") == 0) {
        run_alone(&client, argv[2], argv[3], atoi(argv[4]));
    } else if (colon && strcmp(argv[1], "client") == 0) {
        *colon = '\0';
        for (int i = 0; i < atoi(argv[3]); i++)
            connect_once(&client, argv[2], colon + 1);
    } else {
        fprintf(stderr, "usage: tls_handshakes client HOST:PORT N | alone CERT KEY N\n");
        return 2;
    }
    return 0;
}
