/* SPDX-License-Identifier: Apache-2.0
 *
 * A policy of MTA-STS, and the same bytes as its record. */
#include "base/mem.h"
#include "relay/mta_sts_policy.h"

#include <stdlib.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct span text = { (const char *)data, size };
    struct mta_sts_policy p;
    char id[MTA_STS_ID_MAX + 1];
    struct err e;

    if (mta_sts_policy_parse(text, &p, &e) == 0) {
        BUG_IF(p.mode != MTA_STS_NONE && p.n_mx == 0);
        for (size_t i = 0; i < p.n_mx; i++)
            BUG_IF(p.mx[i][0] != '*' && !mta_sts_policy_names(&p, p.mx[i]));
        mta_sts_policy_names(&p, "a.example.com");
        mta_sts_policy_fini(&p);
    }
    char *record = span_dup(text);
    if (mta_sts_record(record, id))
        BUG_IF(strlen(id) == 0 || strlen(id) > MTA_STS_ID_MAX);
    free(record);
    return 0;
}
