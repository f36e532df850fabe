/* SPDX-License-Identifier: Apache-2.0
 *
 * mta_sts.h - what the domains that we deliver to have published of themselves (MTA-STS, RFC 8461): which hosts take their mail,
 * and that they do it with TLS and a certificate that can be verified.
 *
 * A policy is fetched when its TXT record says that there is a new one, kept in queue_directory/mta-sts for as long as it says, and
 * counts for that long whatever happens to the record and the server. */
#ifndef RELAY_MTA_STS_H
#define RELAY_MTA_STS_H

#include "config/config.h"
#include "net/dns.h"
#include "relay/mta_sts_policy.h"

#include <sys/types.h>

struct mta_sts;

/* Before the jail. NULL with *e: without baton-fetch there is none; what is said of it is for the log, and all else goes on. */
struct mta_sts *mta_sts_new(const struct config *cfg, uid_t uid, gid_t gid, struct err *e);
/* For somebody who only wants to know, and need not be the relay's user: nothing is kept on disk. */
struct mta_sts *mta_sts_look(const struct config *cfg, uid_t uid, gid_t gid, struct err *e);
int mta_sts_start(struct mta_sts *s, struct loop *l, struct dns *dns, struct err *e);
void mta_sts_free(struct mta_sts *s); /* before the dns */

/* The policy of a domain, or NULL when it has none; valid in the call. done() comes once, from inside, and NULL comes back, or later. */
struct mta_sts_ask;
typedef void mta_sts_fn(void *arg, const struct mta_sts_policy *p);
struct mta_sts_ask *mta_sts_ask(struct mta_sts *s, const char *domain, mta_sts_fn *done, void *arg);
void mta_sts_cancel(struct mta_sts_ask *a);

#endif
