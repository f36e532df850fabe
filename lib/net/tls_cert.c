/* SPDX-License-Identifier: Apache-2.0
 *
 * tls_cert.c - certificates: whom they are for, what is wrong with them, and our own.
 *
 * Names are compared here and not by mbedTLS, because 2.28 knows no addresses in certificates, because several names
 * may be acceptable, and because the answer shall name both sides. RFC 6125: subjectAltName decides where there is one;
 * the common name only without any; a wildcard stands for one whole leftmost label. */
#include "base/mem.h"
#include "net/tls_int.h"

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include <mbedtls/asn1.h>
#include <mbedtls/oid.h>

#define MAX_FILE ((size_t)4 * 1024 * 1024)

enum { SAN_DNS = 2, SAN_IP = 7 }; /* RFC 5280 4.2.1.6, context tags of GeneralName */

typedef bool name_fn(void *arg, int kind, struct span value); /* true: stop here */

/* ---- the names in a certificate ---------------------------------------- */

static bool each_general_name(unsigned char *p, unsigned char *end, name_fn *fn, void *arg)
{
    size_t len = 0;
    if (mbedtls_asn1_get_tag(&p, end, &len, MBEDTLS_ASN1_CONSTRUCTED | MBEDTLS_ASN1_SEQUENCE))
        return false;
    end = p + len; /* inside of what get_tag has checked */
    while (p < end) {
        unsigned char tag = *p++;
        if (mbedtls_asn1_get_len(&p, end, &len))
            return false;
        if ((tag & MBEDTLS_ASN1_TAG_CLASS_MASK) == MBEDTLS_ASN1_CONTEXT_SPECIFIC &&
            fn(arg, tag & MBEDTLS_ASN1_TAG_VALUE_MASK, span_of((char *)p, len)))
            return true;
        p += len;
    }
    return false;
}

/* Finds the extension's value in the certificate's list of them; each is SEQUENCE { OID, [BOOLEAN], OCTET STRING }. */
static bool find_san(const mbedtls_x509_crt *crt, unsigned char **at, unsigned char **to)
{
    unsigned char *p = crt->v3_ext.p;
    if (!p) /* a certificate of version 1 */
        return false;
    unsigned char *end = p + crt->v3_ext.len;
    size_t len = 0;
    if (mbedtls_asn1_get_tag(&p, end, &len, MBEDTLS_ASN1_CONSTRUCTED | MBEDTLS_ASN1_SEQUENCE))
        return false;
    while (p < end) {
        if (mbedtls_asn1_get_tag(&p, end, &len, MBEDTLS_ASN1_CONSTRUCTED | MBEDTLS_ASN1_SEQUENCE))
            return false;
        unsigned char *next = p + len;
        if (mbedtls_asn1_get_tag(&p, next, &len, MBEDTLS_ASN1_OID))
            return false;
        bool is_san = span_eq(span_of((char *)p, len), SPAN(MBEDTLS_OID_SUBJECT_ALT_NAME));
        p += len;
        int is_critical = 0;
        (void)mbedtls_asn1_get_bool(&p, next, &is_critical);
        if (is_san) {
            if (mbedtls_asn1_get_tag(&p, next, &len, MBEDTLS_ASN1_OCTET_STRING))
                return false;
            *at = p;
            *to = p + len;
            return true;
        }
        p = next;
    }
    return false;
}

/* True when `fn` has said so. */
static bool each_name(const mbedtls_x509_crt *crt, name_fn *fn, void *arg)
{
    unsigned char *at, *to;
    if (find_san(crt, &at, &to))
        return each_general_name(at, to, fn, arg);
    for (const mbedtls_x509_name *n = &crt->subject; n; n = n->next) {
        struct span oid = span_of((char *)n->oid.p, n->oid.len);
        if (span_eq(oid, SPAN(MBEDTLS_OID_AT_CN)) && fn(arg, SAN_DNS, span_of((char *)n->val.p, n->val.len)))
            return true;
    }
    return false;
}

/* ---- is it for this host? ---------------------------------------- */

struct wanted {
    struct span name;
    unsigned char ip[16];
    size_t ip_len; /* 0: a name */
};

static bool dns_matches(struct span pattern, struct span name)
{
    if (memchr(pattern.at, '\0', pattern.len))
        return false;
    if (pattern.len && pattern.at[pattern.len - 1] == '.')
        pattern.len--;
    if (name.len && name.at[0] == '.') { /* any name below */
        if (span_starts(pattern, "*."))
            pattern = span_from(pattern, 1);
        return pattern.len >= name.len && span_ieq(span_from(pattern, pattern.len - name.len), name);
    }
    if (!span_starts(pattern, "*."))
        return span_ieq(pattern, name);
    struct span below = span_from(name, span_find(name, '.'));
    struct span suffix = span_from(pattern, 1);
    /* "*.com" is for nobody */
    return span_find(span_from(suffix, 1), '.') < suffix.len - 1 && below.len < name.len && span_ieq(suffix, below);
}

static bool matches(void *arg, int kind, struct span value)
{
    const struct wanted *w = arg;
    if (w->ip_len)
        return kind == SAN_IP && span_eq(value, span_of((const char *)w->ip, w->ip_len));
    return kind == SAN_DNS && value.len && dns_matches(value, w->name);
}

bool tls_cert_is_for(const mbedtls_x509_crt *crt, const char *names)
{
    struct span rest = span_str(names), word;
    while (span_word(&rest, ",", &word)) {
        struct wanted w = { .name = word };
        union addr a;
        if (addr_parse(&a, word, 0)) {
            w.ip_len = a.sa.sa_family == AF_INET ? 4 : 16;
            const void *from = a.sa.sa_family == AF_INET ? (void *)&a.in4.sin_addr : (void *)&a.in6.sin6_addr;
            memcpy(w.ip, from, w.ip_len);
        } else if (word.len > 1 && word.at[word.len - 1] == '.') {
            w.name.len--;
        }
        if (each_name(crt, matches, &w))
            return true;
    }
    return false;
}

/* ---- words about it ---------------------------------------- */

struct text {
    char *out;
    size_t size;
};

static bool add_name(void *arg, int kind, struct span value)
{
    struct text *t = arg;
    char ip[INET6_ADDRSTRLEN];
    size_t have = strlen(t->out);
    if (kind == SAN_IP && (value.len == 4 || value.len == 16)) {
        if (!inet_ntop(value.len == 4 ? AF_INET : AF_INET6, value.at, ip, sizeof(ip)))
            return false;
        value = span_str(ip);
    } else if (kind != SAN_DNS) {
        return false;
    }
    if (have + value.len + 2 > t->size)
        return true;
    if (have)
        t->out[have++] = ' ';
    for (size_t i = 0; i < value.len; i++) /* a stranger's bytes: they go to the log */
        t->out[have++] = value.at[i] > ' ' && value.at[i] < 127 ? value.at[i] : '?';
    t->out[have] = '\0';
    return false;
}

void tls_cert_list_names(const mbedtls_x509_crt *crt, char *out, size_t size)
{
    struct text t = { out, size };
    *out = '\0';
    each_name(crt, add_name, &t);
}

static void format_name(const mbedtls_x509_name *name, char *out, size_t size)
{
    if (mbedtls_x509_dn_gets(out, size, name) < 0)
        snprintf(out, size, "(a name too long to show)");
    for (; *out; out++) {
        if (*out < ' ' || *out > '~')
            *out = '?';
    }
}

/* The first of that kind. One with a NUL or the like in it names nobody. */
static bool find_value(const mbedtls_x509_name *name, struct span oid, char *out, size_t size)
{
    *out = '\0';
    for (; name; name = name->next) {
        struct span value = span_of((char *)name->val.p, name->val.len);
        if (!span_eq(span_of((char *)name->oid.p, name->oid.len), oid))
            continue;
        for (size_t i = 0; i < value.len; i++)
            if ((unsigned char)value.at[i] < ' ' || value.at[i] == 0x7f)
                return false;
        snprintf(out, size, "%.*s", (int)value.len, value.len ? value.at : "");
        return *out != '\0';
    }
    return false;
}

static void format_time(const mbedtls_x509_time *t, char *out, size_t size)
{
    snprintf(out, size, "%04d-%02d-%02d %02d:%02d:%02d", t->year % 10000, t->mon % 100, t->day % 100, t->hour % 100,
             t->min % 100, t->sec % 100);
}

void tls_cert_describe(const mbedtls_x509_crt *crt, struct tls_info *info)
{
    format_name(&crt->subject, info->subject, sizeof(info->subject));
    format_name(&crt->issuer, info->issuer, sizeof(info->issuer));
    find_value(&crt->subject, SPAN(MBEDTLS_OID_AT_CN), info->common_name, sizeof(info->common_name));
    if (!find_value(&crt->issuer, SPAN(MBEDTLS_OID_AT_CN), info->issuer_name, sizeof(info->issuer_name)))
        find_value(&crt->issuer, SPAN(MBEDTLS_OID_AT_ORGANIZATION), info->issuer_name, sizeof(info->issuer_name));
    info->has_certificate = true;
    format_time(&crt->valid_to, info->not_after, sizeof(info->not_after));
    tls_cert_list_names(crt, info->names, sizeof(info->names));
}

static bool is_self_signed(const mbedtls_x509_crt *crt)
{
    return crt->issuer_raw.len == crt->subject_raw.len &&
           memcmp(crt->issuer_raw.p, crt->subject_raw.p, crt->subject_raw.len) == 0;
}

void tls_cert_complain(const mbedtls_x509_crt *crt, uint32_t flags, int depth, size_t n_authorities, char *out,
                       size_t size)
{
    char subject[200], issuer[200], when[32];
    char which[sizeof(subject) + 40] = "the certificate";
    format_name(&crt->subject, subject, sizeof(subject));
    format_name(&crt->issuer, issuer, sizeof(issuer));
    if (depth > 0)
        snprintf(which, sizeof(which), "the authority's certificate (%s)", subject);
    if (flags & MBEDTLS_X509_BADCERT_EXPIRED) {
        format_time(&crt->valid_to, when, sizeof(when));
        snprintf(out, size, "%s has expired on %s UTC", which, when);
    } else if (flags & MBEDTLS_X509_BADCERT_FUTURE) {
        format_time(&crt->valid_from, when, sizeof(when));
        snprintf(out, size, "%s is not valid before %s UTC (is the clock right?)", which, when);
    } else if ((flags & MBEDTLS_X509_BADCERT_NOT_TRUSTED) && n_authorities == 0) {
        snprintf(out, size,
                 "there are no authorities to check the certificate with (install ca-certificates, or name a file)");
    } else if ((flags & MBEDTLS_X509_BADCERT_NOT_TRUSTED) && is_self_signed(crt)) {
        snprintf(out, size, depth ? "%s is not one we trust" : "%s is self-signed", which);
    } else if (flags & MBEDTLS_X509_BADCERT_NOT_TRUSTED) {
        snprintf(out, size,
                 "the certificate comes from an authority that we do not trust, or its chain is incomplete: %s",
                 issuer);
    } else if (flags & (MBEDTLS_X509_BADCERT_BAD_MD | MBEDTLS_X509_BADCERT_BAD_PK | MBEDTLS_X509_BADCERT_BAD_KEY)) {
        snprintf(out, size, "%s is weak: a short key, or signed with SHA-1 or MD5", which);
    } else if (flags & (MBEDTLS_X509_BADCERT_KEY_USAGE | MBEDTLS_X509_BADCERT_EXT_KEY_USAGE |
                        MBEDTLS_X509_BADCERT_NS_CERT_TYPE)) {
        snprintf(out, size, "%s was not made for this use", which);
    } else {
        snprintf(out, size, "%s is not valid", which);
    }
}

/* ---- our own ---------------------------------------- */

int tls_refuse_open_key(const char *path, struct err *e)
{
    return err_set(e, ERR_CONFIG, "%s holds a key and everybody may read it: chmod o= %s", path, path);
}

char *tls_read_file(const char *path, bool secret, size_t *size, struct err *e)
{
    struct stat st;
    char *text = NULL;
    size_t have = 0;
    ssize_t n = 1;
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    if (fd < 0 || fstat(fd, &st) < 0) {
        err_sys(e, "read %s", path);
        goto fail;
    }
    if (secret && (st.st_mode & S_IRWXO)) {
        tls_refuse_open_key(path, e);
        goto fail;
    }
    if (!S_ISREG(st.st_mode) || (size_t)st.st_size > MAX_FILE) {
        err_set(e, ERR_CONFIG, "%s is not a file of certificates or keys", path);
        goto fail;
    }
    text = xmalloc((size_t)st.st_size + 1);
    while (have < (size_t)st.st_size && (n = read(fd, text + have, (size_t)st.st_size - have)) > 0)
        have += (size_t)n;
    if (n < 0) {
        err_sys(e, "read %s", path);
        goto fail;
    }
    close(fd);
    text[have] = '\0';
    *size = have;
    return text;
fail:
    free(text);
    if (fd >= 0)
        close(fd);
    return NULL;
}

/* PEM wants the NUL counted in. */
struct tls_cert *tls_cert_make(struct span chain, const char *chain_file, struct span key, const char *key_file,
                               struct err *e)
{
    struct tls_cert *c = xcalloc(1, sizeof(*c));
    c->refs = 1;
    c->file = xstrdup(chain_file);
    mbedtls_x509_crt_init(&c->chain);
    mbedtls_pk_init(&c->key);
    int code = mbedtls_x509_crt_parse(&c->chain, (const unsigned char *)chain.at, chain.len + 1);
    if (code > 0)
        err_set(e, ERR_CONFIG, "%s: %d of its certificates cannot be read", chain_file, code);
    else if (code < 0)
        err_tls(e, ERR_CONFIG, code, chain_file);
    else if ((code = tls_parse_key(&c->key, (const unsigned char *)key.at, key.len + 1)) != 0)
        err_tls(e, ERR_CONFIG, code, key_file);
    else if ((code = tls_check_pair(&c->chain.pk, &c->key)) != 0)
        err_set(e, ERR_CONFIG, "the key in %s does not belong to the (first) certificate in %s", key_file, chain_file);
    if (code) {
        tls_cert_free(c);
        return NULL;
    }
    tls_cert_list_names(&c->chain, c->names, sizeof(c->names));
    return c;
}

struct tls_cert *tls_cert_load(const char *cert_file, const char *key_file, struct err *e)
{
    struct tls_cert *c = NULL;
    size_t chain_len, key_len;
    if (!key_file)
        key_file = cert_file;
    char *chain = tls_read_file(cert_file, false, &chain_len, e);
    char *key = chain ? tls_read_file(key_file, true, &key_len, e) : NULL;
    if (key) {
        c = tls_cert_make(span_of(chain, chain_len), cert_file, span_of(key, key_len), key_file, e);
        wipe(key, key_len);
    }
    if (chain)
        wipe(chain, chain_len); /* the key may be in it */
    free(key);
    free(chain);
    return c;
}

struct tls_cert *tls_cert_keep(struct tls_cert *c)
{
    c->refs++;
    return c;
}

void tls_cert_free(struct tls_cert *c)
{
    if (!c || --c->refs)
        return;
    mbedtls_x509_crt_free(&c->chain);
    mbedtls_pk_free(&c->key);
    free(c->file);
    free(c);
}

int64_t tls_cert_seconds_left(const struct tls_cert *c)
{
    const mbedtls_x509_time *t = &c->chain.valid_to;
    struct tm tm = { .tm_year = t->year - 1900,
                     .tm_mon = t->mon - 1,
                     .tm_mday = t->day,
                     .tm_hour = t->hour,
                     .tm_min = t->min,
                     .tm_sec = t->sec };
    return (int64_t)timegm(&tm) - (int64_t)time(NULL);
}

const char *tls_cert_names(const struct tls_cert *c)
{
    return c->names;
}

bool tls_cert_fits(const struct tls_cert *c, const char *names)
{
    return tls_cert_is_for(&c->chain, names);
}

const char *tls_cert_file(const struct tls_cert *c)
{
    return c->file;
}
