/* SPDX-License-Identifier: Apache-2.0
 *
 * tls.h - who we trust, what we show, and what became of a handshake. By mbedTLS 2.28 (TLS 1.2) or 3.6 (1.2 and 1.3).
 *
 * A context is made before the jail is entered, from files, and used by many connections (conn.h drives the
 * handshakes). Certificates of authorities are held as bytes and unpacked while a connection wants them: an idle
 * process does not pay for 140 roots. All errors are words, such as an administrator can act on. */
#ifndef NET_TLS_H
#define NET_TLS_H

#include "base/err.h"
#include "base/span.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* Once in each process that speaks TLS, after the fork. */
int tls_init_process(struct err *e);
/* "mbedTLS 3.6.2" */
const char *tls_library(void);
/* Whether this library can do TLS 1.3. */
bool tls_has_1_3(void);

enum tls_version { TLS_1_2, TLS_1_3 }; /* older ones are not spoken */

enum tls_grade {
    TLS_GRADE_MEDIUM, /* all that is not broken: also CBC and RSA key exchange, for old servers */
    TLS_GRADE_HIGH,   /* forward secrecy and AEAD only */
};

/* What fingerprints are made with. */
enum tls_digest { TLS_SHA256, TLS_SHA384, TLS_SHA512, TLS_SHA1, TLS_MD5 };
#define TLS_PRINT_SIZE 192 /* SHA-512: 64 times "AB:" */

/* How a handshake ended. */
struct tls_info {
    char protocol[12];    /* "TLSv1.3" */
    char cipher[48];      /* as OpenSSL and Postfix call it: "ECDHE-RSA-AES256-GCM-SHA384" */
    unsigned cipher_bits; /* 256 */
    bool is_resumed;
    bool is_trusted;  /* the chain leads to an authority we trust, and is in time */
    bool is_verified; /* trusted, and the certificate is for the host we wanted */
    char why_not[400]; /* in words, when not verified: "the certificate has expired on 2026-01-01"; "the certificate
                        * is for mail.example.com, not for smtp.example.com"; else "" */
    bool has_certificate; /* the peer has shown one, in this handshake or, of a server, in that which was resumed */
    char subject[200]; /* the peer's certificate, "" without one */
    char issuer[200];
    char common_name[100]; /* of its subject, and of its issuer (or whose organization it is); "" where there is none */
    char issuer_name[100];
    char fingerprint[TLS_PRINT_SIZE]; /* "AB:CD:..." of the certificate, and of its key (SubjectPublicKeyInfo), where */
    char key_fingerprint[TLS_PRINT_SIZE]; /* somebody goes by them: server, TLS_FINGERPRINT; else "" */
    char names[300];    /* the names it is for, with blanks between */
    char not_after[24]; /* "2026-12-31 23:59:59" */
    char sni[256];      /* server: what the client asked for, "" if nothing */
};

/* Postfix's word for the log: "Verified", "Trusted", "Untrusted", "Anonymous". */
const char *tls_trust_word(const struct tls_info *i);

/* ---- client ---------------------------------------- */

struct tls_client_options {
    const char *ca_file; /* PEM, several allowed; NULL: none of our own */
    const char *ca_path; /* a folder of such files, or NULL */
    bool no_system_cas;  /* otherwise the system's authorities are trusted when neither of both is given */
    enum tls_version min_version;
    enum tls_grade grade;
    const struct tls_certs *certs; /* for servers that want to know us; kept. NULL: none */
};

struct tls_client;

/* NULL with an error that names the file. No authorities at all: an error only when they were asked for by name. */
struct tls_client *tls_client_new(const struct tls_client_options *o, struct err *e);
/* Another with the same authorities, without reading a file. */
struct tls_client *tls_client_like(const struct tls_client *t, enum tls_version min_version, enum tls_grade grade, struct err *e);
/* Connections that use it go on. NULL is fine. */
void tls_client_free(struct tls_client *t);
/* How many authorities it trusts, and whose file that is ("" when none was found). */
size_t tls_client_n_authorities(const struct tls_client *t);
const char *tls_client_authorities_from(const struct tls_client *t);

enum tls_demand {
    TLS_ENCRYPT,     /* any certificate will do; `info` says what is wrong with it */
    TLS_VERIFY_CHAIN, /* from an authority we trust; for whomever */
    TLS_VERIFY,      /* from an authority we trust, for this host name or address */
    TLS_FINGERPRINT, /* one of those named, or one with a key of those named, whoever has made it and for whomever */
};

struct tls_target {
    enum tls_demand demand;
    const char *host;   /* name or address; goes into SNI when it is a name */
    const char *match;  /* names the certificate may be for, blanks between; ".example.com": any name below; NULL: `host` */
    uint16_t port;      /* with the host, the key of the session to resume */
    const char *fingerprints; /* for TLS_FINGERPRINT: "AB:CD:...", blanks, commas or | between, in either case */
    enum tls_digest digest;   /* that they were made with */
};

/* ---- server ---------------------------------------- */

/* A certificate with its chain, and its key. Counted: whoever keeps one frees it. */
struct tls_cert;

/* `key_file` NULL: the key is in `cert_file`. An error says whether a file is missing, unreadable, of another form, or
 * the key belongs to another certificate. A key that others may read is refused. */
struct tls_cert *tls_cert_load(const char *cert_file, const char *key_file, struct err *e);
struct tls_cert *tls_cert_keep(struct tls_cert *c);
void tls_cert_free(struct tls_cert *c);
/* Seconds until it expires; negative when it has. */
int64_t tls_cert_seconds_left(const struct tls_cert *c);
/* The names it is for, blanks between. */
const char *tls_cert_names(const struct tls_cert *c);
/* Whether it is for one of those names or addresses (see tls_target.match). */
bool tls_cert_fits(const struct tls_cert *c, const char *names);
/* The file its certificate came from. */
const char *tls_cert_file(const struct tls_cert *c);

struct tls_certs { /* zeroes: none */
    struct tls_cert **at;
    size_t n;
};

void tls_certs_add(struct tls_certs *l, struct tls_cert *c); /* takes it */
void tls_certs_fini(struct tls_certs *l);
/* Files that hold keys and chains one after the other, the key before its chain or behind it; a chain may begin in one
 * file (its key) and go on in the next. Adds all or nothing. */
int tls_certs_load(struct tls_certs *l, char *const *files, size_t n_files, struct err *e);

/* The keys that session tickets are sealed with (RFC 5077, RFC 8446 4.6.1): in memory that this process shares with those
 * it forks, so that a session which began with one of them is resumed by any. */
struct tls_tickets;

struct tls_tickets *tls_tickets_new(struct err *e);
/* A new key from now on. Two before it still open what they have sealed: with a rotation each TLS_TICKET_TURN_S seconds a
 * ticket is good for a day, and the past can't be read by somebody who finds today's keys in two. Only by the maker. */
#define TLS_TICKET_TURN_S 43200
void tls_tickets_rotate(struct tls_tickets *t);
/* In a child: it will look and not write. */
void tls_tickets_only_read(struct tls_tickets *t);
/* For this process; others keep theirs. */
void tls_tickets_free(struct tls_tickets *t);

/* Whom clients' certificates may come from. */
struct tls_authorities;

/* A PEM file, and a folder of such; each may be NULL. An error names what is missing, or holds no certificate. */
struct tls_authorities *tls_authorities_load(const char *ca_file, const char *ca_path, struct err *e);
/* NULL is fine. */
void tls_authorities_free(struct tls_authorities *a);
size_t tls_authorities_count(const struct tls_authorities *a);

struct tls_server_options {
    /* At least one. Whom the client asks for (SNI) chooses among them, of each kind of key one; nobody, or a name that none
     * is for: the first, and such of the others as share a name with it. */
    const struct tls_certs *certs;
    enum tls_version min_version;
    bool no_1_3;
    enum tls_grade grade;
    bool no_tickets;
    struct tls_tickets *tickets; /* borrowed; NULL: keys of its own */
    /* Clients are asked for certificates. One that has none, or one that nobody knows, gets through all the same: `info` says
     * what there is. Who has shown one is given no ticket: it is looked at anew in each session, and a session that is resumed
     * has none. */
    bool asks;
    const struct tls_authorities *authorities; /* borrowed for the life of the server; NULL: none are trusted */
    bool names_authorities;  /* to the client, who may choose by them */
    unsigned max_depth;      /* authorities above the client's certificate at most */
    enum tls_digest digest;
};

struct tls_server;

struct tls_server *tls_server_new(const struct tls_server_options *o, struct err *e);
void tls_server_free(struct tls_server *t);

#endif
