/* SPDX-License-Identifier: Apache-2.0
 *
 * A PROXY header in two ways: as it is asked for (proxy_wants), and all at once. Both come to the same, and neither takes a
 * byte behind the header; asked for, no byte that is not the header's is ever read. */
#include "base/mem.h"
#include "smtp/proxy.h"

#include <stdlib.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static bool is_equal(const union proxy_address *a, const union proxy_address *b)
{
    return memcmp(a, b, sizeof *a) == 0;
}

static void check_result(enum proxy_result result, const struct proxy_header *h, const struct err *e)
{
    BUG_IF(result == PROXY_BROKEN && !*e->text);
    BUG_IF(result == PROXY_DONE && h->version != 1 && h->version != 2);
    BUG_IF(h->is_known && (h->is_own || result != PROXY_DONE));
    BUG_IF(h->is_known && h->client.sa.sa_family != AF_INET && h->client.sa.sa_family != AF_INET6);
}

static enum proxy_result read_as_asked(struct span in, struct proxy_header *h, size_t *taken)
{
    struct proxy_reader r = { 0 };
    enum proxy_result result = PROXY_MORE;
    struct err e = { 0 };

    *taken = 0;
    while (result == PROXY_MORE && *taken < in.len) {
        size_t n = proxy_wants(&r);
        BUG_IF(n == 0);
        n = n < in.len - *taken ? n : in.len - *taken;
        char *piece = xmalloc(n);
        memcpy(piece, in.at + *taken, n);
        struct span left = span_of(piece, n);
        result = proxy_read(&r, &left, h, &e);
        BUG_IF(result != PROXY_BROKEN && left.len);
        *taken += n - left.len;
        free(piece);
    }
    check_result(result, h, &e);
    return result;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct span in = span_of((const char *)data, size), left = in;
    struct proxy_header once = { 0 }, asked = { 0 };
    struct proxy_reader r = { 0 };
    struct err e = { 0 };
    size_t taken;

    enum proxy_result result = proxy_read(&r, &left, &once, &e);
    check_result(result, &once, &e);
    BUG_IF(read_as_asked(in, &asked, &taken) != result || taken != in.len - left.len);
    BUG_IF(once.version != asked.version || once.is_own != asked.is_own || once.is_known != asked.is_known);
    BUG_IF(!is_equal(&once.client, &asked.client) || !is_equal(&once.server, &asked.server));
    return 0;
}
