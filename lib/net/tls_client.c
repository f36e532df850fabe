/* SPDX-License-Identifier: Apache-2.0
 *
 * tls_client.c - whom we trust when we connect, and sessions to resume.
 *
 * The handshake itself accepts any certificate (VERIFY_OPTIONAL); what is wrong with it is gathered on the way, and the
 * judgement falls here, at its end and before a byte of ours is sent: so that also what need not be verified can be
 * told, and every refusal is a sentence. Authorities are kept packed, and unpacked while connections are there. */
#include "base/buf.h"
#include "base/list.h"
#include "base/mem.h"
#include "net/dns.h"
#include "net/tls_int.h"

#include <dirent.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>
#include <unistd.h>

#define MAX_SESSIONS 32
#define SESSION_LIFE 3600 /* seconds; a certificate is looked at anew at least that often */

static const char *const system_bundles[] = {
    "/etc/ssl/certs/ca-certificates.crt", /* Debian, Alpine, Arch */
    "/etc/pki/tls/certs/ca-bundle.crt",   /* Fedora, RHEL */
    "/etc/ssl/ca-bundle.pem",             /* SUSE */
    "/etc/ssl/cert.pem",                  /* BSD, Alpine */
};

struct session {
    struct list link;
    char *key;
    mbedtls_ssl_session tls;
    struct tls_info info;
    time_t born;
};

struct tls_client {
    unsigned refs; /* the maker's, and one a connection */
    mbedtls_ssl_config conf;
    struct buf packed; /* DER certificates one after another, each says how long it is */
    size_t n_authorities;
    char *from;
    size_t n_links;               /* connections that may want the authorities */
    mbedtls_x509_crt authorities; /* unpacked while n_links > 0 */
    struct tls_cert *cert;
    struct list sessions; /* the latest first */
    size_t n_sessions;
};

/* ---- authorities ---------------------------------------- */

/* Returns how many certificates it has found. */
static size_t pack(struct tls_client *t, const char *text, size_t size)
{
    mbedtls_x509_crt all;
    size_t n = 0;
    mbedtls_x509_crt_init(&all);
    if (mbedtls_x509_crt_parse(&all, (const unsigned char *)text, size + 1) >= 0) {
        for (const mbedtls_x509_crt *c = &all; c && c->raw.p; c = c->next, n++)
            buf_add(&t->packed, c->raw.p, c->raw.len);
    }
    mbedtls_x509_crt_free(&all);
    t->n_authorities += n;
    return n;
}

static int add_file(struct tls_client *t, const char *path, struct err *e)
{
    size_t size;
    char *text = tls_read_file(path, false, &size, e);
    if (!text)
        return -1;
    size_t n = pack(t, text, size);
    free(text);
    return n ? 0 : err_set(e, ERR_CONFIG, "%s holds no certificate in PEM form", path);
}

/* Files that are no certificates are passed over: such folders hold a README and other things too. */
static int add_folder(struct tls_client *t, const char *path, struct err *e)
{
    DIR *d = opendir(path);
    if (!d)
        return err_sys(e, "read the folder %s", path);
    for (struct dirent *f; (f = readdir(d));) {
        if (f->d_name[0] == '.')
            continue;
        char *file = xasprintf("%s/%s", path, f->d_name);
        add_file(t, file, NULL);
        free(file);
    }
    closedir(d);
    return t->n_authorities ? 0 : err_set(e, ERR_CONFIG, "no file in %s holds a certificate in PEM form", path);
}

static int load_authorities(struct tls_client *t, const struct tls_client_options *o, struct err *e)
{
    if (o->ca_file && add_file(t, o->ca_file, e) < 0)
        return -1;
    if (o->ca_path && add_folder(t, o->ca_path, e) < 0)
        return -1;
    if (o->ca_file || o->ca_path) {
        t->from = xstrdup(o->ca_file ? o->ca_file : o->ca_path);
        return 0;
    }
    for (size_t i = 0; !o->no_system_cas && !t->n_authorities && i < ARRAY_LEN(system_bundles); i++) {
        if (add_file(t, system_bundles[i], NULL) == 0)
            t->from = xstrdup(system_bundles[i]);
    }
    return 0;
}

static size_t der_size(const unsigned char *p, const unsigned char *end)
{
    unsigned char *at = (unsigned char *)p;
    size_t len;
    if (mbedtls_asn1_get_tag(&at, end, &len, MBEDTLS_ASN1_CONSTRUCTED | MBEDTLS_ASN1_SEQUENCE))
        bug("a packed certificate is broken");
    return (size_t)(at - p) + len;
}

static void unpack_authorities(struct tls_client *t)
{
    mbedtls_x509_crt_init(&t->authorities);
    const unsigned char *p = (const unsigned char *)buf_span(&t->packed).at, *end = p + t->packed.len;
    for (size_t size; p < end; p += size) {
        size = der_size(p, end);
        mbedtls_x509_crt_parse_der_nocopy(&t->authorities, p, size);
    }
    mbedtls_ssl_conf_ca_chain(&t->conf, t->n_authorities ? &t->authorities : NULL, NULL);
}

static void drop_authorities(struct tls_client *t)
{
    mbedtls_ssl_conf_ca_chain(&t->conf, NULL, NULL);
    mbedtls_x509_crt_free(&t->authorities);
    mem_give_back(); /* half a megabyte that an idle process would go on holding */
}

/* ---- sessions ---------------------------------------- */

static char *session_key(const struct tls_link *k)
{
    return xasprintf("%s %u %s", k->host, k->port, k->match ? k->match : "");
}

static void session_free(struct tls_client *t, struct session *s)
{
    list_remove(&s->link);
    t->n_sessions--;
    mbedtls_ssl_session_free(&s->tls);
    free(s->key);
    free(s);
}

static struct session *session_find(struct tls_client *t, const char *key)
{
    time_t now = time(NULL);
    list_each(it, &t->sessions) {
        struct session *s = list_entry(it, struct session, link);
        if (now - s->born > SESSION_LIFE || now < s->born)
            session_free(t, s);
        else if (strcmp(s->key, key) == 0)
            return s;
    }
    return NULL;
}

static bool satisfies(const struct tls_info *i, enum tls_demand demand)
{
    return demand == TLS_ENCRYPT || (demand == TLS_VERIFY_CHAIN ? i->is_trusted : i->is_verified);
}

static void resume_session(struct tls_link *k)
{
    char *key = session_key(k);
    struct session *s = session_find(k->client, key);
    if (s && satisfies(&s->info, k->demand) && mbedtls_ssl_set_session(&k->ssl, &s->tls) == 0) {
        k->info = s->info; /* if the server agrees; else learn_chain() starts from nothing */
        k->info.is_resumed = true;
    }
    free(key);
}

void tls_client_keep_session(struct tls_link *k)
{
    struct tls_client *t = k->client;
    struct session *s = xcalloc(1, sizeof(*s));
    mbedtls_ssl_session_init(&s->tls);
    list_init(&s->link);
    if (mbedtls_ssl_get_session(&k->ssl, &s->tls)) {
        mbedtls_ssl_session_free(&s->tls);
        free(s);
        return;
    }
    s->key = session_key(k);
    s->info = k->info;
    s->born = time(NULL);
    struct session *old = session_find(t, s->key);
    if (old) {
        if (k->info.is_resumed)
            s->born = old->born;
        session_free(t, old);
    }
    if (t->n_sessions >= MAX_SESSIONS)
        session_free(t, list_entry(t->sessions.prev, struct session, link));
    list_prepend(&t->sessions, &s->link);
    t->n_sessions++;
}

/* ---- a handshake ---------------------------------------- */

/* Called for each certificate of the chain, the authority's first. */
static int learn_chain(void *arg, mbedtls_x509_crt *crt, int depth, uint32_t *flags)
{
    struct tls_link *k = arg;
    if (!k->saw_chain)
        k->info = (struct tls_info){ 0 };
    k->saw_chain = true;
    *flags &= ~(uint32_t)MBEDTLS_X509_BADCERT_CN_MISMATCH; /* tls_cert_is_for() knows better */
    k->flags |= *flags;
    struct tls_info *i = &k->info;
    if (*flags && !*i->why_not)
        tls_cert_complain(crt, *flags, depth, k->client->n_authorities, i->why_not, sizeof(i->why_not));
    if (depth > 0)
        return 0;
    tls_cert_describe(crt, i);
    bool is_for_us = tls_cert_is_for(crt, k->match ? k->match : k->host);
    if (!is_for_us && !*i->why_not)
        snprintf(i->why_not, sizeof(i->why_not), "the certificate is for %s, not for %s",
                 *i->names ? i->names : "nobody", k->match ? k->match : k->host);
    i->is_trusted = k->flags == 0;
    i->is_verified = i->is_trusted && is_for_us;
    return 0;
}

static int set_name(struct tls_link *k, const struct tls_target *target, struct err *e)
{
    union addr a;
    k->has_host_name = target->host && !addr_parse(&a, span_str(target->host), 0);
    k->demand = target->demand;
    k->port = target->port;
    k->match = target->match ? xstrdup(target->match) : NULL;
    k->host = k->has_host_name ? dns_ascii_name(span_str(target->host), e) : xstrdup(target->host ? target->host : "");
    if (!k->host)
        return -1;
    /* Always, also with NULL: RFC 6066 allows no addresses in SNI, and CVE-2025-27809 was about forgetting the call. */
    int code = mbedtls_ssl_set_hostname(&k->ssl, k->has_host_name ? k->host : NULL);
    return code ? err_tls(e, ERR_TEMPORARY, code, "TLS") : 0;
}

int tls_client_attach(struct tls_link *k, struct err *e)
{
    struct tls_client *t = k->client;
    t->refs++;
    if (t->n_links++ == 0)
        unpack_authorities(t);
    int code = mbedtls_ssl_setup(&k->ssl, &t->conf);
    if (code)
        return err_tls(e, ERR_TEMPORARY, code, "TLS");
    mbedtls_ssl_set_verify(&k->ssl, learn_chain, k);
    return 0;
}

struct tls_link *tls_link_client(struct tls_client *t, const struct tls_target *target, struct err *e)
{
    struct tls_link *k = xcalloc(1, sizeof(*k));
    mbedtls_ssl_init(&k->ssl);
    k->client = t;
    if (tls_client_attach(k, e) < 0 || set_name(k, target, e) < 0) {
        tls_link_free(k);
        return NULL;
    }
    resume_session(k);
    return k;
}

void tls_client_detach(struct tls_link *k)
{
    struct tls_client *t = k->client;
    if (--t->n_links == 0)
        drop_authorities(t);
    tls_client_free(t);
}

int tls_client_judge(struct tls_link *k, struct err *e)
{
    struct tls_info *i = &k->info;
    if (!k->saw_chain && !i->is_resumed)
        snprintf(i->why_not, sizeof(i->why_not), "the server has shown no certificate");
    else if (k->saw_chain)
        i->is_resumed = false;
    if (!satisfies(i, k->demand))
        return err_set(e, ERR_CONFIG, "%s", i->why_not);
    return 0;
}

/* ---- the context ---------------------------------------- */

struct tls_client *tls_client_new(const struct tls_client_options *o, struct err *e)
{
    struct tls_client *t = xcalloc(1, sizeof(*t));
    t->refs = 1;
    list_init(&t->sessions);
    buf_init(&t->packed, BUF_NO_MAX);
    mbedtls_ssl_config_init(&t->conf);
    if (tls_config_init(&t->conf, MBEDTLS_SSL_IS_CLIENT, o->min_version, o->grade, e) < 0)
        goto fail;
    mbedtls_ssl_conf_authmode(&t->conf, MBEDTLS_SSL_VERIFY_OPTIONAL);
    tls_config_tickets(&t->conf, MBEDTLS_SSL_IS_CLIENT);
    if (load_authorities(t, o, e) < 0)
        goto fail;
    if (o->cert_file) {
        t->cert = tls_cert_load(o->cert_file, o->key_file, e);
        if (!t->cert)
            goto fail;
        int code = mbedtls_ssl_conf_own_cert(&t->conf, &t->cert->chain, &t->cert->key);
        if (code) {
            err_tls(e, ERR_CONFIG, code, o->cert_file);
            goto fail;
        }
    }
    return t;
fail:
    tls_client_free(t);
    return NULL;
}

struct tls_client *tls_client_like(const struct tls_client *t, enum tls_version min_version, enum tls_grade grade, struct err *e)
{
    const struct tls_client_options o = { .min_version = min_version, .grade = grade, .no_system_cas = true };
    struct tls_client *other = tls_client_new(&o, e);

    if (other) {
        buf_addspan(&other->packed, buf_span(&t->packed));
        other->n_authorities = t->n_authorities;
        other->from = t->from ? xstrdup(t->from) : NULL;
    }
    return other;
}

void tls_client_free(struct tls_client *t)
{
    if (!t || --t->refs)
        return;
    list_each(it, &t->sessions)
        session_free(t, list_entry(it, struct session, link));
    mbedtls_ssl_config_free(&t->conf);
    tls_cert_free(t->cert);
    buf_fini(&t->packed);
    free(t->from);
    free(t);
}

size_t tls_client_n_authorities(const struct tls_client *t)
{
    return t->n_authorities;
}

const char *tls_client_authorities_from(const struct tls_client *t)
{
    return t->from ? t->from : "";
}
