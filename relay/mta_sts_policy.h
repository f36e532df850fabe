/* SPDX-License-Identifier: Apache-2.0
 *
 * mta_sts_policy.h - the two texts of MTA-STS (RFC 8461): the TXT record that says which policy is in force, and the policy. */
#ifndef RELAY_MTA_STS_POLICY_H
#define RELAY_MTA_STS_POLICY_H

#include "base/err.h"
#include "base/span.h"

#include <stddef.h>

enum mta_sts_mode { MTA_STS_NONE, MTA_STS_TESTING, MTA_STS_ENFORCE };

struct mta_sts_policy { /* zeroes: none */
    enum mta_sts_mode mode;
    int64_t max_age_s;
    char **mx; /* patterns: "mx.example.com", "*.example.com" */
    size_t n_mx;
};

enum { MTA_STS_ID_MAX = 32 };

/* "v=STSv1; id=20240131;" False: the record is another, or broken. */
bool mta_sts_record(const char *text, char id[MTA_STS_ID_MAX + 1]);

/* -1: what is wrong with it. `out` is the caller's to mta_sts_policy_fini(). */
int mta_sts_policy_parse(struct span text, struct mta_sts_policy *out, struct err *e);
void mta_sts_policy_fini(struct mta_sts_policy *p);
bool mta_sts_policy_names(const struct mta_sts_policy *p, const char *host);
const char *mta_sts_mode_name(enum mta_sts_mode mode);

#endif
