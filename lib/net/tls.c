/* SPDX-License-Identifier: Apache-2.0
 *
 * tls.c - the library: ciphers, versions, errors as words, and all that differs between mbedTLS 2.28 and 3.6. */
#include "net/tls.h"

#include "base/mem.h"
#include "net/tls_int.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/random.h>

#include <mbedtls/error.h>
#include <mbedtls/net_sockets.h>
#if WITH_TLS_1_3
#include <psa/crypto.h>
#define BAD_VERSION MBEDTLS_ERR_SSL_BAD_PROTOCOL_VERSION
#define MALFORMED   MBEDTLS_ERR_SSL_DECODE_ERROR
#else
#define BAD_VERSION MBEDTLS_ERR_SSL_BAD_HS_PROTOCOL_VERSION
#define MALFORMED   MBEDTLS_ERR_SSL_BAD_HS_CLIENT_HELLO
#endif

/* ---- ciphers ---------------------------------------- */

/* In the order of preference. Names are those of OpenSSL, which the logs of mail servers are full of. */
static const struct cipher {
    int id;
    const char *name;
    unsigned bits;
    enum tls_grade grade; /* the highest that has it */
} ciphers[] = {
#if WITH_TLS_1_3
    { MBEDTLS_TLS1_3_AES_256_GCM_SHA384, "TLS_AES_256_GCM_SHA384", 256, TLS_GRADE_HIGH },
    { MBEDTLS_TLS1_3_CHACHA20_POLY1305_SHA256, "TLS_CHACHA20_POLY1305_SHA256", 256, TLS_GRADE_HIGH },
    { MBEDTLS_TLS1_3_AES_128_GCM_SHA256, "TLS_AES_128_GCM_SHA256", 128, TLS_GRADE_HIGH },
#endif
#define TLS12(id, name, bits, grade) { MBEDTLS_TLS_##id, name, bits, TLS_GRADE_##grade }
    TLS12(ECDHE_ECDSA_WITH_AES_256_GCM_SHA384, "ECDHE-ECDSA-AES256-GCM-SHA384", 256, HIGH),
    TLS12(ECDHE_RSA_WITH_AES_256_GCM_SHA384, "ECDHE-RSA-AES256-GCM-SHA384", 256, HIGH),
    TLS12(ECDHE_ECDSA_WITH_CHACHA20_POLY1305_SHA256, "ECDHE-ECDSA-CHACHA20-POLY1305", 256, HIGH),
    TLS12(ECDHE_RSA_WITH_CHACHA20_POLY1305_SHA256, "ECDHE-RSA-CHACHA20-POLY1305", 256, HIGH),
    TLS12(ECDHE_ECDSA_WITH_AES_128_GCM_SHA256, "ECDHE-ECDSA-AES128-GCM-SHA256", 128, HIGH),
    TLS12(ECDHE_RSA_WITH_AES_128_GCM_SHA256, "ECDHE-RSA-AES128-GCM-SHA256", 128, HIGH),
    TLS12(DHE_RSA_WITH_AES_256_GCM_SHA384, "DHE-RSA-AES256-GCM-SHA384", 256, HIGH),
    TLS12(DHE_RSA_WITH_CHACHA20_POLY1305_SHA256, "DHE-RSA-CHACHA20-POLY1305", 256, HIGH),
    TLS12(DHE_RSA_WITH_AES_128_GCM_SHA256, "DHE-RSA-AES128-GCM-SHA256", 128, HIGH),
    TLS12(ECDHE_ECDSA_WITH_AES_256_CBC_SHA384, "ECDHE-ECDSA-AES256-SHA384", 256, MEDIUM),
    TLS12(ECDHE_RSA_WITH_AES_256_CBC_SHA384, "ECDHE-RSA-AES256-SHA384", 256, MEDIUM),
    TLS12(ECDHE_ECDSA_WITH_AES_128_CBC_SHA256, "ECDHE-ECDSA-AES128-SHA256", 128, MEDIUM),
    TLS12(ECDHE_RSA_WITH_AES_128_CBC_SHA256, "ECDHE-RSA-AES128-SHA256", 128, MEDIUM),
    TLS12(ECDHE_ECDSA_WITH_AES_256_CBC_SHA, "ECDHE-ECDSA-AES256-SHA", 256, MEDIUM),
    TLS12(ECDHE_RSA_WITH_AES_256_CBC_SHA, "ECDHE-RSA-AES256-SHA", 256, MEDIUM),
    TLS12(ECDHE_ECDSA_WITH_AES_128_CBC_SHA, "ECDHE-ECDSA-AES128-SHA", 128, MEDIUM),
    TLS12(ECDHE_RSA_WITH_AES_128_CBC_SHA, "ECDHE-RSA-AES128-SHA", 128, MEDIUM),
    TLS12(DHE_RSA_WITH_AES_256_CBC_SHA256, "DHE-RSA-AES256-SHA256", 256, MEDIUM),
    TLS12(DHE_RSA_WITH_AES_128_CBC_SHA256, "DHE-RSA-AES128-SHA256", 128, MEDIUM),
    TLS12(DHE_RSA_WITH_AES_256_CBC_SHA, "DHE-RSA-AES256-SHA", 256, MEDIUM),
    TLS12(DHE_RSA_WITH_AES_128_CBC_SHA, "DHE-RSA-AES128-SHA", 128, MEDIUM),
    TLS12(RSA_WITH_AES_256_GCM_SHA384, "AES256-GCM-SHA384", 256, MEDIUM),
    TLS12(RSA_WITH_AES_128_GCM_SHA256, "AES128-GCM-SHA256", 128, MEDIUM),
    TLS12(RSA_WITH_AES_256_CBC_SHA256, "AES256-SHA256", 256, MEDIUM),
    TLS12(RSA_WITH_AES_128_CBC_SHA256, "AES128-SHA256", 128, MEDIUM),
    TLS12(RSA_WITH_AES_256_CBC_SHA, "AES256-SHA", 256, MEDIUM),
    TLS12(RSA_WITH_AES_128_CBC_SHA, "AES128-SHA", 128, MEDIUM),
#undef TLS12
};

/* mbedTLS keeps the pointer. */
static const int *cipher_ids(enum tls_grade grade)
{
    static int ids[2][ARRAY_LEN(ciphers) + 1];
    size_t n = 0;
    for (size_t i = 0; i < ARRAY_LEN(ciphers); i++) {
        if (ciphers[i].grade >= grade)
            ids[grade == TLS_GRADE_HIGH][n++] = ciphers[i].id;
    }
    return ids[grade == TLS_GRADE_HIGH];
}

void tls_describe_cipher(const mbedtls_ssl_context *ssl, struct tls_info *info)
{
    const char *name = mbedtls_ssl_get_ciphersuite(ssl);
    int id = name ? mbedtls_ssl_get_ciphersuite_id(name) : 0;
    snprintf(info->protocol, sizeof(info->protocol), "%s", mbedtls_ssl_get_version(ssl));
    snprintf(info->cipher, sizeof(info->cipher), "%s", name ? name : "none");
    for (size_t i = 0; i < ARRAY_LEN(ciphers); i++) {
        if (ciphers[i].id == id) {
            snprintf(info->cipher, sizeof(info->cipher), "%s", ciphers[i].name);
            info->cipher_bits = ciphers[i].bits;
        }
    }
}

/* ---- what differs between the versions ---------------------------------------- */

int tls_init_process(struct err *e)
{
#if WITH_TLS_1_3
    /* Its generator must be seeded after the fork (CVE-2026-25835). */
    psa_status_t status = psa_crypto_init();
    if (status != PSA_SUCCESS)
        return err_set(e, ERR_TEMPORARY, "the cryptographic library does not start (error %d)", (int)status);
#else
    (void)e;
#endif
    return 0;
}

bool tls_has_1_3(void)
{
    return WITH_TLS_1_3;
}

static void set_min_version(mbedtls_ssl_config *conf, enum tls_version min)
{
#if WITH_TLS_1_3
    mbedtls_ssl_conf_min_tls_version(conf, min == TLS_1_3 ? MBEDTLS_SSL_VERSION_TLS1_3 : MBEDTLS_SSL_VERSION_TLS1_2);
#else
    (void)min; /* tls_config_init() has refused 1.3 */
    mbedtls_ssl_conf_min_version(conf, MBEDTLS_SSL_MAJOR_VERSION_3, MBEDTLS_SSL_MINOR_VERSION_3);
#endif
}

/* mbedTLS 2.28 prefers the longest curve, at twice the price of a handshake; 3.6 has this order by itself. The list also says which
 * curves a certificate may be on, so all are there. mbedTLS keeps the pointer. */
static void prefer_fast_curves(mbedtls_ssl_config *conf)
{
#if !WITH_TLS_1_3
    static const mbedtls_ecp_group_id curves[] = {
        MBEDTLS_ECP_DP_CURVE25519, MBEDTLS_ECP_DP_SECP256R1, MBEDTLS_ECP_DP_SECP384R1, MBEDTLS_ECP_DP_SECP521R1,
        MBEDTLS_ECP_DP_BP256R1,    MBEDTLS_ECP_DP_BP384R1,   MBEDTLS_ECP_DP_BP512R1,   MBEDTLS_ECP_DP_NONE,
    };
    mbedtls_ssl_conf_curves(conf, curves);
#else
    (void)conf;
#endif
}

void tls_config_no_1_3(mbedtls_ssl_config *conf)
{
#if WITH_TLS_1_3
    mbedtls_ssl_conf_max_tls_version(conf, MBEDTLS_SSL_VERSION_TLS1_2);
#else
    (void)conf;
#endif
}

bool tls_session_is_1_3(const mbedtls_ssl_session *s)
{
#if WITH_TLS_1_3
    return s->PRIV(tls_version) == MBEDTLS_SSL_VERSION_TLS1_3;
#else
    (void)s;
    return false;
#endif
}

void tls_config_tickets(mbedtls_ssl_config *conf, int endpoint)
{
#if WITH_TLS_1_3
    if (endpoint == MBEDTLS_SSL_IS_CLIENT)
        mbedtls_ssl_conf_tls13_enable_signal_new_session_tickets(
            conf, MBEDTLS_SSL_TLS1_3_SIGNAL_NEW_SESSION_TICKETS_ENABLED);
#else
    (void)conf;
    (void)endpoint;
#endif
}

bool tls_is_ticket(int code)
{
#if WITH_TLS_1_3
    return code == MBEDTLS_ERR_SSL_RECEIVED_NEW_SESSION_TICKET;
#else
    (void)code;
    return false;
#endif
}

int tls_parse_key(mbedtls_pk_context *key, const unsigned char *pem, size_t size)
{
#if WITH_TLS_1_3
    return mbedtls_pk_parse_key(key, pem, size, NULL, 0, tls_random, NULL);
#else
    return mbedtls_pk_parse_key(key, pem, size, NULL, 0);
#endif
}

int tls_check_pair(const mbedtls_pk_context *pub, const mbedtls_pk_context *key)
{
#if WITH_TLS_1_3
    return mbedtls_pk_check_pair(pub, key, tls_random, NULL);
#else
    return mbedtls_pk_check_pair(pub, key);
#endif
}

/* ---- the rest ---------------------------------------- */

int tls_random(void *unused, unsigned char *out, size_t len)
{
    (void)unused;
    while (len) {
        ssize_t n = getrandom(out, len, 0);
        if (n < 0 && errno == EINTR)
            continue;
        if (n < 0)
            return MBEDTLS_ERR_SSL_INTERNAL_ERROR;
        out += n;
        len -= (size_t)n;
    }
    return 0;
}

const char *tls_library(void)
{
    static char text[32];
    if (!*text)
        mbedtls_version_get_string_full(text); /* at most 18 bytes */
    return text;
}

int tls_config_init(mbedtls_ssl_config *conf, int endpoint, enum tls_version min, enum tls_grade grade, struct err *e)
{
    if (min == TLS_1_3 && !tls_has_1_3())
        return err_set(e, ERR_CONFIG, "TLS 1.3 is demanded, and %s cannot speak it", tls_library());
    int code = mbedtls_ssl_config_defaults(conf, endpoint, MBEDTLS_SSL_TRANSPORT_STREAM, MBEDTLS_SSL_PRESET_DEFAULT);
    if (code)
        return err_tls(e, ERR_TEMPORARY, code, "TLS");
    set_min_version(conf, min);
    mbedtls_ssl_conf_rng(conf, tls_random, NULL);
    mbedtls_ssl_conf_ciphersuites(conf, cipher_ids(grade));
    prefer_fast_curves(conf);
    mbedtls_ssl_conf_cert_profile(conf, &mbedtls_x509_crt_profile_next);
    return 0;
}

static const char *words(int code)
{
    switch (code) {
    case MBEDTLS_ERR_SSL_INVALID_RECORD:
        return "what the other side sends is not TLS (does it want STARTTLS on this port, or no TLS at all?)";
    case MALFORMED: return "what the other side sends is not TLS, or a message of it that makes no sense";
    case BAD_VERSION: return "protocol version: the other side speaks only such as we do not allow";
    case MBEDTLS_ERR_SSL_CONN_EOF: return "the other side closed the connection";
    case MBEDTLS_ERR_SSL_PEER_CLOSE_NOTIFY: return "the other side ended TLS";
    case MBEDTLS_ERR_X509_CERT_VERIFY_FAILED: return "the certificate could not be verified";
    case MBEDTLS_ERR_PK_TYPE_MISMATCH: return "the key is of another kind than the certificate";
    case MBEDTLS_ERR_PK_PASSWORD_REQUIRED: return "the key is encrypted; Baton needs it without a pass phrase";
    default: return NULL;
    }
}

int err_tls(struct err *e, enum err_kind kind, int code, const char *what)
{
    char text[160];
    const char *w = words(code);
    if (!w) {
        mbedtls_strerror(code, text, sizeof(text));
        w = text;
    }
    return err_set(e, kind, "%s%s%s", what ? what : "", what ? ": " : "", w);
}
