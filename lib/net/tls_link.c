/* SPDX-License-Identifier: Apache-2.0
 *
 * tls_link.c - TLS for one connection: handshake, records, goodbye. Whose bytes they are, conn_tls.c knows. */
#include "base/mem.h"
#include "net/tls_int.h"

#include <mbedtls/net_sockets.h>
#include <stdio.h>
#include <stdlib.h>

#define PLAINTEXT_MAX ((size_t)16384)

/* RFC 5246 7.2, RFC 8446 6.2: those that tell an administrator something. */
static const struct {
    unsigned char number;
    const char *words;
} alerts[] = {
    { 40, "handshake failure: no cipher, curve or version in common with us, or it has no certificate" },
    { 42, "it takes our certificate for bad" },
    { 45, "it takes our certificate for expired" },
    { 46, "it does not like our certificate" },
    { 48, "it does not know the authority of our certificate" },
    { 49, "access denied" },
    { 70, "protocol version: it speaks none of the versions that we allow" },
    { 71, "insufficient security" },
    { 80, "internal error" },
    { 112, "unrecognized name: it has no certificate for the name we asked for" },
    { 116, "it demands a certificate of ours" },
};

static int err_alert(struct err *e, unsigned char number)
{
    for (size_t i = 0; i < ARRAY_LEN(alerts); i++) {
        if (alerts[i].number == number)
            return err_set(e, ERR_TEMPORARY, "the other side refused (alert %u, %s)", number, alerts[i].words);
    }
    return err_set(e, ERR_TEMPORARY, "the other side refused (alert %u)", number);
}

/* Of a handshake everybody knows that it is about TLS; later on it has to be said. */
static int err_link(struct tls_link *k, int code, struct err *e)
{
    if (code == MBEDTLS_ERR_SSL_FATAL_ALERT_MESSAGE && k->ssl.PRIV(in_msg))
        err_alert(e, k->ssl.PRIV(in_msg)[1]);
    else
        err_tls(e, ERR_TEMPORARY, code, NULL);
    return k->is_open ? err_prefix(e, "TLS") : -1;
}

const char *tls_trust_word(const struct tls_info *i)
{
    if (i->is_verified)
        return "Verified";
    if (i->is_trusted)
        return "Trusted";
    return *i->subject || *i->issuer ? "Untrusted" : "Anonymous";
}

void tls_link_io(struct tls_link *k, void *arg, tls_send_fn *send, tls_recv_fn *recv)
{
    mbedtls_ssl_set_bio(&k->ssl, arg, send, recv, NULL);
}

void tls_link_free(struct tls_link *k)
{
    if (!k)
        return;
    mbedtls_ssl_free(&k->ssl);
    if (k->client)
        tls_client_detach(k);
    if (k->server)
        tls_server_detach(k);
    free(k->host);
    free(k->match);
    free(k->fingerprints);
    free(k);
}

static bool wants_more(int code)
{
    return code == MBEDTLS_ERR_SSL_WANT_READ || code == MBEDTLS_ERR_SSL_WANT_WRITE;
}

static bool is_tls_1_3(const struct tls_link *k)
{
    return strcmp(k->info.protocol, "TLSv1.3") == 0;
}

enum tls_step tls_link_handshake(struct tls_link *k, struct err *e)
{
    int code;
    tls_server_before(k);
    do
        code = mbedtls_ssl_handshake(&k->ssl);
    while (tls_is_ticket(code));
    tls_server_after(k);
    if (wants_more(code))
        return TLS_STEP_MORE;
    if (code) {
        err_link(k, code, e);
        return TLS_STEP_FAILED;
    }
    tls_describe_cipher(&k->ssl, &k->info);
    if (k->server)
        tls_server_judge(k);
    if (k->client && tls_client_judge(k, e) < 0) {
        mbedtls_ssl_send_alert_message(&k->ssl, MBEDTLS_SSL_ALERT_LEVEL_FATAL, MBEDTLS_SSL_ALERT_MSG_BAD_CERT);
        return TLS_STEP_FAILED;
    }
    if (k->client && !is_tls_1_3(k)) /* in 1.3 the tickets come after the handshake */
        tls_client_keep_session(k);
    k->is_open = true;
    return TLS_STEP_DONE;
}

ssize_t tls_link_read(struct tls_link *k, char *at, size_t len, struct err *e)
{
    for (;;) {
        int n = mbedtls_ssl_read(&k->ssl, (unsigned char *)at, len);
        if (n > 0)
            return n;
        if (tls_is_ticket(n)) {
            if (k->client)
                tls_client_keep_session(k);
            continue;
        }
        if (wants_more(n))
            return TLS_READ_MORE;
        if (n == MBEDTLS_ERR_SSL_PEER_CLOSE_NOTIFY)
            return TLS_READ_END;
        if (n == 0 || n == MBEDTLS_ERR_SSL_CONN_EOF)
            err_set(e, ERR_TEMPORARY, "the other side closed the connection without ending TLS");
        else
            err_link(k, n, e);
        return TLS_READ_FAILED;
    }
}

/* The send function takes all, so a record is never left half-written. */
int tls_link_write(struct tls_link *k, struct span bytes, struct err *e)
{
    while (bytes.len) {
        size_t len = bytes.len < PLAINTEXT_MAX ? bytes.len : PLAINTEXT_MAX;
        int n = mbedtls_ssl_write(&k->ssl, (const unsigned char *)bytes.at, len);
        if (n <= 0)
            return err_link(k, n, e);
        bytes = span_from(bytes, (size_t)n);
    }
    return 0;
}

void tls_link_goodbye(struct tls_link *k)
{
    if (k->is_open)
        mbedtls_ssl_close_notify(&k->ssl);
}
