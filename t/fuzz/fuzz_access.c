/* SPDX-License-Identifier: Apache-2.0
 *
 * What a policy server answers, byte by byte as it may come, and what its action is. It must say the same of the whole, and all that
 * it points at lies within. */
#include "config/access.h"
#include "server/policy_service.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

/* policy_request.c writes requests, too, which nobody does here. */
const char *check_recipient(const struct check *c)
{
    (void)c;
    return NULL;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static bool lies_in(struct span part, struct span whole)
{
    return !part.len || (part.at >= whole.at && part.at + part.len <= whole.at + whole.len);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    char *copy = malloc(size ? size : 1); /* of just that size, so that a byte too far is noticed */
    struct span whole = span_of(copy, size), action = { NULL, 0 };
    struct access_action a;
    struct err e;

    memcpy(copy, data, size);
    enum policy_reply first = POLICY_MORE;
    for (size_t n = 0; n <= size && size < 4096 && first == POLICY_MORE; n++)
        first = policy_reply_parse(span_of(copy, n), &action);
    if (first == POLICY_ACTION || policy_reply_parse(whole, &action) == POLICY_ACTION) {
        assert(lies_in(action, whole));
        access_parse(action, &a);
        assert(lies_in(a.text, whole));
        assert(a.verb != ACCESS_CODE || (a.code >= 400 && a.code <= 599));
        static const struct config none;
        if (size < 1000)
            access_check(&none, action, &e);
    }
    free(copy);
    return 0;
}
