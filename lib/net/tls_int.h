/* SPDX-License-Identifier: Apache-2.0
 *
 * tls_int.h - the inside of TLS, for lib/net. The one place where mbedTLS 2.28 and 3.6 are told apart is tls.c, with
 * the macros here. */
#ifndef NET_TLS_INT_H
#define NET_TLS_INT_H

#include "base/buf.h"
#include "net/addr.h"
#include "net/tls.h"

#include <sys/types.h>

#include <mbedtls/version.h>
#if MBEDTLS_VERSION_MAJOR >= 3
#define WITH_TLS_1_3 1
#define PRIV(field)  MBEDTLS_PRIVATE(field)
#else
#include <mbedtls/config.h>
#define WITH_TLS_1_3 0
#define PRIV(field)  field
#endif

#include <mbedtls/pk.h>
#include <mbedtls/ssl.h>
#include <mbedtls/x509_crt.h>

/* ---- tls.c: the library ---------------------------------------- */

/* Of the kernel: nothing to seed, nothing that a fork could duplicate. */
int tls_random(void *unused, unsigned char *out, size_t len);
/* "what: words", or, with what NULL, "words". Always -1. */
int err_tls(struct err *e, enum err_kind kind, int code, const char *what);
/* What client and server contexts have in common. */
int tls_config_init(mbedtls_ssl_config *conf, int endpoint, enum tls_version min, enum tls_grade grade, struct err *e);
void tls_config_no_1_3(mbedtls_ssl_config *conf);
void tls_config_tickets(mbedtls_ssl_config *conf, int endpoint);
bool tls_is_ticket(int code); /* not an error: the server has sent us a session ticket */
int tls_parse_key(mbedtls_pk_context *key, const unsigned char *pem, size_t size);
int tls_check_pair(const mbedtls_pk_context *pub, const mbedtls_pk_context *key);
/* A ticket that is written for it needs a byte at least, even if it is to open nothing. */
bool tls_session_is_1_3(const mbedtls_ssl_session *s);
void tls_describe_cipher(const mbedtls_ssl_context *ssl, struct tls_info *info);

/* ---- tls_cert.c: certificates ---------------------------------------- */

struct tls_cert {
    unsigned refs;
    mbedtls_x509_crt chain;
    mbedtls_pk_context key;
    char *file;
    char names[300];
};

/* From PEM, NUL-terminated; of the text of `key` nothing but a key is looked at, of `chain` nothing but certificates. */
struct tls_cert *tls_cert_make(struct span chain, const char *chain_file, struct span key, const char *key_file,
                               struct err *e);

/* "a.example.com b.example.com 192.0.2.1", cut where it does not fit. */
void tls_cert_list_names(const mbedtls_x509_crt *crt, char *out, size_t size);
/* `names`: blanks between; see tls_target.match. */
bool tls_cert_is_for(const mbedtls_x509_crt *crt, const char *names);
void tls_cert_describe(const mbedtls_x509_crt *crt, struct tls_info *info);
/* The first sentence that is true of a certificate which the library found these `flags` in. */
void tls_cert_complain(const mbedtls_x509_crt *crt, uint32_t flags, int depth, size_t n_authorities, char *out,
                       size_t size);
/* The whole file, NUL-terminated. `secret`: refused when others may read it. */
char *tls_read_file(const char *path, bool secret, size_t *size, struct err *e);
int tls_refuse_open_key(const char *path, struct err *e); /* -1: the words for it */

/* ---- tls_print.c: fingerprints ---------------------------------------- */

void tls_print_describe(const mbedtls_x509_crt *crt, enum tls_digest digest, struct tls_info *info);
/* `list`: see tls_target.fingerprints. */
bool tls_print_is_among(const struct tls_info *info, const char *list);

/* ---- tls_authorities.c ---------------------------------------- */

struct tls_authorities {
    struct buf packed; /* DER certificates one after another, each says how long it is */
    size_t n;
    char *from; /* the file or folder, or NULL */
};

/* `system`: those of the system, when neither of both is named. */
int tls_authorities_init(struct tls_authorities *a, const char *ca_file, const char *ca_path, bool system, struct err *e);
void tls_authorities_fini(struct tls_authorities *a);
/* Points into `a`. */
void tls_authorities_unpack(const struct tls_authorities *a, mbedtls_x509_crt *out);

/* ---- tls_ticket.c ---------------------------------------- */

struct tls_sealer { /* one for each tls_server: what it binds its tickets to, and what it has just opened */
    struct tls_tickets *tickets;
    unsigned char bound_to[4];
    bool is_opened;
    bool is_shut; /* whoever it is made for has shown a certificate: it is to open nothing */
};
int tls_ticket_write(void *sealer, const mbedtls_ssl_session *session, unsigned char *start, const unsigned char *end,
                     size_t *len, uint32_t *lifetime);
int tls_ticket_parse(void *sealer, mbedtls_ssl_session *session, unsigned char *buf, size_t len);

/* ---- tls_client.c, tls_server.c, tls_link.c: one connection's part ---------------------------------------- */

struct tls_client;
struct tls_server;

struct tls_link {
    mbedtls_ssl_context ssl;
    struct tls_client *client; /* one of both; counted */
    struct tls_server *server;
    enum tls_demand demand;
    char *host, *match, *fingerprints;
    enum tls_digest digest;
    uint16_t port;
    bool has_host_name; /* `host` is a name, not an address */
    bool saw_chain;     /* the peer has shown a certificate in this handshake: it was not resumed */
    bool is_open;
    uint32_t flags;
    struct tls_info info;
};

typedef int tls_send_fn(void *arg, const unsigned char *at, size_t len);
typedef int tls_recv_fn(void *arg, unsigned char *at, size_t len);

struct tls_link *tls_link_client(struct tls_client *t, const struct tls_target *target, struct err *e);
struct tls_link *tls_link_server(struct tls_server *t, struct err *e);
void tls_link_io(struct tls_link *k, void *arg, tls_send_fn *send, tls_recv_fn *recv);
void tls_link_free(struct tls_link *k);

enum tls_step { TLS_STEP_MORE, TLS_STEP_DONE, TLS_STEP_FAILED };
/* Goes on with the handshake as far as the bytes allow. When it is done, what the target demands has been checked. */
enum tls_step tls_link_handshake(struct tls_link *k, struct err *e);

enum { TLS_READ_MORE = 0, TLS_READ_END = -1, TLS_READ_FAILED = -2 };
/* Bytes, or one of the above. */
ssize_t tls_link_read(struct tls_link *k, char *at, size_t len, struct err *e);
int tls_link_write(struct tls_link *k, struct span bytes, struct err *e);
void tls_link_goodbye(struct tls_link *k);

/* The parts that differ between both ends. */
int tls_client_attach(struct tls_link *k, struct err *e);
void tls_client_detach(struct tls_link *k);
/* Says in info whether the peer is whom we wanted, and -1 when the target demands more. */
int tls_client_judge(struct tls_link *k, struct err *e);
void tls_client_keep_session(struct tls_link *k);
int tls_server_attach(struct tls_link *k, struct err *e);
void tls_server_detach(struct tls_link *k);
/* Around each step of a handshake: notes whether a ticket has been opened in it. */
void tls_server_before(struct tls_link *k);
void tls_server_after(struct tls_link *k);
/* At its end: what the certificate is worth, if there was one. */
void tls_server_judge(struct tls_link *k);

#endif
