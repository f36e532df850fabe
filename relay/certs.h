/* SPDX-License-Identifier: Apache-2.0
 *
 * certs.h - the certificates that clients and servers are shown, and the authorities that clients' come from, by the files that the
 * configuration names; for batond, which shows them, and `baton check`, which looks. */
#ifndef RELAY_CERTS_H
#define RELAY_CERTS_H

#include "config/config.h"
#include "net/tls.h"

enum { CERTS_SOURCES = 3, CERTS_EXPIRY_WARNING_DAYS = 14 };

/* Adds what one of the parameters names: smtpd_tls_chain_files, or, without it, the pair of smtpd_tls_cert_file and that
 * of smtpd_tls_eccert_file. An error begins with the parameter's name and says what to do. */
int certs_load_source(const struct config *cfg, unsigned source, struct tls_certs *l, struct err *e);
/* All of them, or, with an error, none. */
int certs_load(const struct config *cfg, struct tls_certs *l, struct err *e);

/* Whose certificates of clients are trusted, by smtpd_tls_CAfile and smtpd_tls_CApath: *out stays NULL when neither is set. */
int certs_load_authorities(const struct config *cfg, struct tls_authorities **out, struct err *e);

/* What servers are shown that ask, by smtp_tls_chain_files or smtp_tls_cert_file; none when neither is set. */
int certs_load_own(const struct config *cfg, struct tls_certs *l, struct err *e);

/* What is wrong with the time of a certificate, in words; false when nothing is. `who` will refuse it: "clients". */
bool certs_complain(const struct tls_cert *c, const char *who, char *out, size_t size);

#endif
