/* SPDX-License-Identifier: Apache-2.0
 *
 * tls_client.c - whom we trust when we connect, and sessions to resume.
 *
 * The handshake itself accepts any certificate (VERIFY_OPTIONAL); what is wrong with it is gathered on the way, and the
 * judgement falls here, at its end and before a byte of ours is sent: so that also what need not be verified can be
 * told, and every refusal is a sentence. Authorities are kept packed, and unpacked while connections are there. */
#include "base/list.h"
#include "base/mem.h"
#include "net/dns.h"
#include "net/tls_int.h"

#include <stdio.h>
#include <stdlib.h>
#include <time.h>

#define MAX_SESSIONS 32
#define SESSION_LIFE 3600 /* seconds; a certificate is looked at anew at least that often */

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
    struct tls_authorities trusted;
    size_t n_links;               /* connections that may want the authorities */
    mbedtls_x509_crt authorities; /* unpacked while n_links > 0 */
    struct tls_certs certs;       /* ours */
    struct list sessions; /* the latest first */
    size_t n_sessions;
};

/* ---- authorities ---------------------------------------- */

static void unpack_authorities(struct tls_client *t)
{
    tls_authorities_unpack(&t->trusted, &t->authorities);
    mbedtls_ssl_conf_ca_chain(&t->conf, t->trusted.n ? &t->authorities : NULL, NULL);
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
    return xasprintf("%s %u %s %s", k->host, k->port, k->match ? k->match : "", k->fingerprints ? k->fingerprints : "");
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

/* Who has made it, when, and for whom: of no concern. */
static void judge_print(struct tls_link *k, const mbedtls_x509_crt *crt)
{
    struct tls_info *i = &k->info;
    tls_print_describe(crt, k->digest, i);
    i->is_trusted = i->is_verified = tls_print_is_among(i, k->fingerprints);
    i->why_not[0] = '\0';
    if (!i->is_verified)
        snprintf(i->why_not, sizeof(i->why_not), "neither the certificate's fingerprint (%.95s) nor its key's (%.95s) is one that we accept",
                 i->fingerprint, i->key_fingerprint);
}

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
        tls_cert_complain(crt, *flags, depth, k->client->trusted.n, i->why_not, sizeof(i->why_not));
    if (depth > 0)
        return 0;
    tls_cert_describe(crt, i);
    if (k->demand == TLS_FINGERPRINT) {
        judge_print(k, crt);
        return 0;
    }
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
    k->digest = target->digest;
    k->fingerprints = target->demand == TLS_FINGERPRINT ? xstrdup(target->fingerprints ? target->fingerprints : "") : NULL;
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

/* Each is counted, so that one may be shown by several contexts. */
static int show(struct tls_client *t, const struct tls_certs *certs, struct err *e)
{
    for (size_t i = 0; i < certs->n; i++) {
        struct tls_cert *c = tls_cert_keep(certs->at[i]);
        tls_certs_add(&t->certs, c);
        int code = mbedtls_ssl_conf_own_cert(&t->conf, &c->chain, &c->key);
        if (code)
            return err_tls(e, ERR_CONFIG, code, c->file);
    }
    return 0;
}

struct tls_client *tls_client_new(const struct tls_client_options *o, struct err *e)
{
    struct tls_client *t = xcalloc(1, sizeof(*t));
    t->refs = 1;
    list_init(&t->sessions);
    mbedtls_ssl_config_init(&t->conf);
    if (tls_config_init(&t->conf, MBEDTLS_SSL_IS_CLIENT, o->min_version, o->grade, e) < 0)
        goto fail;
    mbedtls_ssl_conf_authmode(&t->conf, MBEDTLS_SSL_VERIFY_OPTIONAL);
    tls_config_tickets(&t->conf, MBEDTLS_SSL_IS_CLIENT);
    if (tls_authorities_init(&t->trusted, o->ca_file, o->ca_path, !o->no_system_cas, e) < 0)
        goto fail;
    if (o->certs && show(t, o->certs, e) < 0)
        goto fail;
    return t;
fail:
    tls_client_free(t);
    return NULL;
}

struct tls_client *tls_client_like(const struct tls_client *t, enum tls_version min_version, enum tls_grade grade, struct err *e)
{
    const struct tls_client_options o = {
        .min_version = min_version,
        .grade = grade,
        .no_system_cas = true,
        .certs = &t->certs,
    };
    struct tls_client *other = tls_client_new(&o, e);

    if (other) {
        buf_addspan(&other->trusted.packed, buf_span(&t->trusted.packed));
        other->trusted.n = t->trusted.n;
        other->trusted.from = t->trusted.from ? xstrdup(t->trusted.from) : NULL;
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
    tls_certs_fini(&t->certs);
    tls_authorities_fini(&t->trusted);
    free(t);
}

size_t tls_client_n_authorities(const struct tls_client *t)
{
    return t->trusted.n;
}

const char *tls_client_authorities_from(const struct tls_client *t)
{
    return t->trusted.from ? t->trusted.from : "";
}
