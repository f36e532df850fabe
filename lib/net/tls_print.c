/* SPDX-License-Identifier: Apache-2.0
 *
 * tls_print.c - fingerprints of certificates and of their keys, as "openssl x509 -fingerprint" shows them: a digest of the
 * certificate's DER form, or of its SubjectPublicKeyInfo, in capital hexadecimal with colons. */
#include "net/tls_int.h"

#include <stdio.h>

#include <mbedtls/md.h>

static mbedtls_md_type_t type_of(enum tls_digest digest)
{
    switch (digest) {
    case TLS_SHA384: return MBEDTLS_MD_SHA384;
    case TLS_SHA512: return MBEDTLS_MD_SHA512;
    case TLS_SHA1: return MBEDTLS_MD_SHA1;
    case TLS_MD5: return MBEDTLS_MD_MD5;
    default: return MBEDTLS_MD_SHA256;
    }
}

/* Without one that the library lacks there is no fingerprint, and nobody is known by it. */
static void print(enum tls_digest digest, const mbedtls_x509_buf *of, char out[TLS_PRINT_SIZE])
{
    const mbedtls_md_info_t *md = mbedtls_md_info_from_type(type_of(digest));
    unsigned char sum[MBEDTLS_MD_MAX_SIZE];
    *out = '\0';
    if (!md || !of->p || mbedtls_md(md, of->p, of->len, sum))
        return;
    size_t n = mbedtls_md_get_size(md);
    for (size_t i = 0; i < n && 3 * i + 3 <= TLS_PRINT_SIZE; i++)
        snprintf(out + 3 * i, 4, i + 1 < n ? "%02X:" : "%02X", sum[i]);
}

void tls_print_describe(const mbedtls_x509_crt *crt, enum tls_digest digest, struct tls_info *info)
{
    print(digest, &crt->raw, info->fingerprint);
    print(digest, &crt->pk_raw, info->key_fingerprint);
}

bool tls_print_is_among(const struct tls_info *info, const char *list)
{
    struct span rest = span_str(list), word;
    while (span_word(&rest, ",|", &word)) {
        if ((*info->fingerprint && span_ieq_str(word, info->fingerprint)) ||
            (*info->key_fingerprint && span_ieq_str(word, info->key_fingerprint)))
            return true;
    }
    return false;
}
