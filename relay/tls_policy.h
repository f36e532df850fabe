/* SPDX-License-Identifier: Apache-2.0
 *
 * tls_policy.h - what TLS a next hop gets: smtp_tls_policy_maps, whose rows are "level attribute=value ..." under the next hop as
 * it is written ("example.com", "[mx.example.com]:587") or ".example.com" for all below; then the policy that its domain has
 * published (mta_sts.h); then smtp_tls_security_level. */
#ifndef RELAY_TLS_POLICY_H
#define RELAY_TLS_POLICY_H

#include "base/runner.h"
#include "config/config.h"
#include "net/tls.h"

struct mta_sts;

struct tls_policy {
    enum config_tls_level level; /* never CONFIG_TLS_AUTO */
    const char *match;           /* names for tls_target.match, or its fingerprints; NULL: the host's name */
    struct tls_client *client;   /* borrowed */
    const char *by;              /* who says so: "smtp_tls_policy_maps", "smtp_tls_security_level", "MTA-STS" */
    bool is_testing;             /* a policy of MTA-STS says: deliver anyway, and tell what would have been refused */
};

struct tls_policies;

/* Opens the tables, before the jail. The contexts are borrowed. */
struct tls_policies *tls_policies_new(const struct config *cfg, struct tls_client *verified, struct tls_client *unverified,
                                      struct err *e);
void tls_policies_free(struct tls_policies *ps);
/* Tables that others serve are asked on its threads. */
void tls_policies_run_on(struct tls_policies *ps, struct runner *runner);
bool tls_policies_are_stale(const struct tls_policies *ps);

/* Reads a row. -1: what is wrong with it. `match` is NULL or the caller's to free. */
struct tls_policy_row {
    enum config_tls_level level;
    char *match;
    bool is_1_3_only, is_high;
    bool says_protocols, says_ciphers;
};
/* "secure" */
const char *tls_level_name(enum config_tls_level level);
int tls_policy_parse(struct span row, const struct relayhost *hop, const char *host, struct tls_policy_row *out, struct err *e);

/* What a level demands of a host's certificate, with the `match` of struct tls_policy (borrowed). */
void tls_policy_demand(const struct config *cfg, enum config_tls_level level, const char *match, struct tls_target *out);
/* The `match` of a level that no row and no domain has chosen. */
const char *tls_policies_match(const struct tls_policies *ps, enum config_tls_level level, const struct relayhost *hop);

/* From where the policies of domains come; borrowed. NULL: they do not count. */
void tls_policies_use_mta_sts(struct tls_policies *ps, struct mta_sts *sts);

/* For a host of a hop; `is_at_domain`: it is one of the recipients' domain itself. done() comes once, from inside (then NULL comes back) or later; `p` is valid in it, NULL: none can be told, or
 * its row is wrong, and `why` says so (ERR_CONFIG: it stays so). */
struct tls_policy_ask;
typedef void tls_policy_fn(void *arg, const struct tls_policy *p, const struct err *why);
struct tls_policy_ask *tls_policy_ask(struct tls_policies *ps, const struct relayhost *hop, const char *host, bool is_at_domain,
                                      tls_policy_fn *done, void *arg);
void tls_policy_cancel(struct tls_policy_ask *a);

#endif
