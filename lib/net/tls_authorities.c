/* SPDX-License-Identifier: Apache-2.0
 *
 * tls_authorities.c - whom we trust, packed: the bytes of their certificates one after the other, without what mbedTLS makes of them
 * when it unpacks them. */
#include "base/mem.h"
#include "net/tls_int.h"

#include <dirent.h>
#include <stdlib.h>

#include <mbedtls/asn1.h>

static const char *const system_bundles[] = {
    "/etc/ssl/certs/ca-certificates.crt", /* Debian, Alpine, Arch */
    "/etc/pki/tls/certs/ca-bundle.crt",   /* Fedora, RHEL */
    "/etc/ssl/ca-bundle.pem",             /* SUSE */
    "/etc/ssl/cert.pem",                  /* BSD, Alpine */
};

/* Returns how many certificates it has found. */
static size_t pack(struct tls_authorities *a, const char *text, size_t size)
{
    mbedtls_x509_crt all;
    size_t n = 0;
    mbedtls_x509_crt_init(&all);
    if (mbedtls_x509_crt_parse(&all, (const unsigned char *)text, size + 1) >= 0) {
        for (const mbedtls_x509_crt *c = &all; c && c->raw.p; c = c->next, n++)
            buf_add(&a->packed, c->raw.p, c->raw.len);
    }
    mbedtls_x509_crt_free(&all);
    a->n += n;
    return n;
}

static int add_file(struct tls_authorities *a, const char *path, struct err *e)
{
    size_t size;
    char *text = tls_read_file(path, false, &size, e);
    if (!text)
        return -1;
    size_t n = pack(a, text, size);
    free(text);
    return n ? 0 : err_set(e, ERR_CONFIG, "%s holds no certificate in PEM form", path);
}

/* Files that are no certificates are passed over: such folders hold a README and other things too. */
static int add_folder(struct tls_authorities *a, const char *path, struct err *e)
{
    DIR *d = opendir(path);
    if (!d)
        return err_sys(e, "read the folder %s", path);
    for (struct dirent *f; (f = readdir(d));) {
        if (f->d_name[0] == '.')
            continue;
        char *file = xasprintf("%s/%s", path, f->d_name);
        add_file(a, file, NULL);
        free(file);
    }
    closedir(d);
    return a->n ? 0 : err_set(e, ERR_CONFIG, "no file in %s holds a certificate in PEM form", path);
}

int tls_authorities_init(struct tls_authorities *a, const char *ca_file, const char *ca_path, bool system, struct err *e)
{
    *a = (struct tls_authorities){ 0 };
    buf_init(&a->packed, BUF_NO_MAX);
    if (ca_file && add_file(a, ca_file, e) < 0)
        return -1;
    if (ca_path && add_folder(a, ca_path, e) < 0)
        return -1;
    if (ca_file || ca_path) {
        a->from = xstrdup(ca_file ? ca_file : ca_path);
        return 0;
    }
    for (size_t i = 0; system && !a->n && i < ARRAY_LEN(system_bundles); i++) {
        if (add_file(a, system_bundles[i], NULL) == 0)
            a->from = xstrdup(system_bundles[i]);
    }
    return 0;
}

void tls_authorities_fini(struct tls_authorities *a)
{
    buf_fini(&a->packed);
    free(a->from);
}

static size_t der_size(const unsigned char *p, const unsigned char *end)
{
    unsigned char *at = (unsigned char *)p;
    size_t len;
    if (mbedtls_asn1_get_tag(&at, end, &len, MBEDTLS_ASN1_CONSTRUCTED | MBEDTLS_ASN1_SEQUENCE))
        bug("a packed certificate is broken");
    return (size_t)(at - p) + len;
}

void tls_authorities_unpack(const struct tls_authorities *a, mbedtls_x509_crt *out)
{
    mbedtls_x509_crt_init(out);
    const unsigned char *p = (const unsigned char *)buf_span(&a->packed).at, *end = p + a->packed.len;
    for (size_t size; p < end; p += size) {
        size = der_size(p, end);
        mbedtls_x509_crt_parse_der_nocopy(out, p, size);
    }
}

/* ---- for servers ---------------------------------------- */

struct tls_authorities *tls_authorities_load(const char *ca_file, const char *ca_path, struct err *e)
{
    struct tls_authorities *a = xcalloc(1, sizeof(*a));
    if (tls_authorities_init(a, ca_file, ca_path, false, e) == 0)
        return a;
    tls_authorities_free(a);
    return NULL;
}

void tls_authorities_free(struct tls_authorities *a)
{
    if (!a)
        return;
    tls_authorities_fini(a);
    free(a);
}

size_t tls_authorities_count(const struct tls_authorities *a)
{
    return a ? a->n : 0;
}
