/* SPDX-License-Identifier: Apache-2.0
 *
 * params.h - the parameters of MAIL and RCPT: read by the server (SIZE=, BODY=, RET=, ...),
 * written by the client. Stays in this folder. */
#ifndef SMTP_PARAMS_H
#define SMTP_PARAMS_H

#include "base/envelope.h"
#include "base/span.h"

struct mail_params {
    uint64_t size_bytes;
    bool has_size, has_body, has_ret, has_envid;
    bool takes_auth; /* the server has AUTH: AUTH= is known (RFC 4954 5) */
    bool takes_origin; /* the client is Baton's relay, the server one of its own: XCLIENT= and XLOGIN= are known */
    bool smtputf8;
    enum body_type body;
    enum dsn_ret ret;
    char *envid; /* decoded; the caller's to free, after an error too, as what follows */
    char *client, *login;
    char *submitter; /* AUTH=; "" is <> */
};

struct rcpt_params {
    bool has_notify;
    unsigned char notify;
    bool utf8;   /* SMTPUTF8 was said with MAIL */
    char *orcpt; /* as above */
};

/* NULL, or the reply that refuses them: "501 5.5.4 Bad RET parameter syntax". `unknown` (size >
 * 0) then may hold the reply. Starts from zeroes, but for
 * mail_params.takes_auth, .takes_origin and rcpt_params.utf8. */
const char *mail_params_parse(struct mail_params *p, struct span args, char *reply, size_t size);
const char *rcpt_params_parse(struct rcpt_params *p, struct span args, char *reply, size_t size);

/* " NOTIFY=SUCCESS,FAILURE ORCPT=rfc822;a+2Bb@c"; nothing when nothing was asked. */
void rcpt_params_format(const struct rcpt *r, bool utf8, struct buf *out);
/* " XCLIENT=host[192.0.2.1] XLOGIN=joe" */
void origin_params_format(const struct envelope *env, struct buf *out);
/* " AUTH=a+2Bb@c", " AUTH=<>"; nothing when who submitted it is NULL. */
void auth_param_format(const char *submitter, struct buf *out);
/* " RET=HDRS ENVID=x". */
void dsn_params_format(const struct envelope *env, struct buf *out);

#endif
