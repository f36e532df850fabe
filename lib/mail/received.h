/* SPDX-License-Identifier: Apache-2.0
 *
 * received.h - the Received: field (RFC 5321 4.4), in Postfix's shape.
 *
 *     Received: from helo (name [192.0.2.1])
 *     	by mail.example.com (Baton) with ESMTPSA id 4cQxABCDEFG
 *     	for <user@example.com>; Sun, 22 Nov 2026 18:49:00 +0100 (CET)
 *
 *     Received: by mail.example.com (Baton, from userid 1000)
 *     	id 4cQxABCDEFG; Sun, 22 Nov 2026 18:49:00 +0100 (CET) */
#ifndef MAIL_RECEIVED_H
#define MAIL_RECEIVED_H

#include "base/buf.h"

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

struct received { /* all borrowed; a stranger's text (helo, names) is made harmless here */
    const char *myhostname;
    const char *id;        /* the spool's id, as text */
    const char *rcpt;      /* the only recipient, or NULL when there are several (they must not learn of each other) */
    int64_t now_us;
    uid_t uid;             /* local submission, or ENVELOPE_NO_UID: then the next ones count */
    const char *helo;      /* NULL when it said none */
    const char *client_name, *client_address; /* "unknown", "192.0.2.1" or "2001:db8::1" (gets "IPv6:" here) */
    const char *tls;       /* "TLSv1.3 with cipher NAME (256/256 bits)", our own words, or NULL: becomes a comment */
    bool asks_certificate, has_certificate, cert_is_trusted; /* with `tls`: of the client, and what came of it */
    const char *cert_name, *cert_issuer; /* the common names */
    const char *login;     /* the authenticated user, named in a comment, or NULL */
    bool is_esmtp, is_lmtp, is_tls, is_authenticated, is_utf8; /* "with" (RFC 3848, RFC 6531 4.3) */
};

/* "ESMTPSA", "UTF8SMTP", "LMTP", ... */
const char *received_protocol(const struct received *r);
/* Appends the field with its CRLF. No line is longer than 998 bytes. */
void received_format(const struct received *r, struct buf *out);

#endif
