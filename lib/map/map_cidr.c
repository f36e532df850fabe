/* SPDX-License-Identifier: Apache-2.0
 *
 * map_cidr.c - cidr: networks as patterns (base/cidr.h). The key is an address; anything else is not found. */
#include "map/map_int.h"

#include "base/cidr.h"
#include "base/mem.h"

#include <arpa/inet.h>
#include <stdlib.h>

static bool prepare(struct map_subject *s)
{
    struct sockaddr_in *v4 = (struct sockaddr_in *)&s->address;
    struct sockaddr_in6 *v6 = (struct sockaddr_in6 *)&s->address;

    if (s->key.len >= INET6_ADDRSTRLEN || memchr(s->key.at, '\0', s->key.len))
        return false;
    if (inet_pton(AF_INET, s->key.at, &v4->sin_addr) == 1)
        s->address.ss_family = AF_INET;
    else if (inet_pton(AF_INET6, s->key.at, &v6->sin6_addr) == 1)
        s->address.ss_family = AF_INET6;
    else
        return false;
    return true;
}

static void *compile(struct span *rest, size_t *n_groups, struct err *e)
{
    struct cidr *c = xcalloc(1, sizeof *c);
    struct span word;
    char text[64];

    *n_groups = 0;
    if (!span_word(rest, "\r\n", &word)) {
        err_set(e, ERR_CONFIG, "there is no network");
    } else if (cidr_parse(c, word, e) == 0) {
        if (c->had_host_bits)
            err_set(e, ERR_CONFIG, "\"%.*s\" has bits behind its prefix; it is taken as %s", (int)word.len, word.at,
                    cidr_format(c, text, sizeof text));
        return c;
    }
    free(c);
    return NULL;
}

/* "!192.0.2.0/24" is any other IPv4 address, and says nothing of IPv6. */
static int match(const void *pattern, const struct map_subject *s, struct map_groups *g, struct err *e)
{
    const struct sockaddr *sa = (const struct sockaddr *)&s->address;
    const struct cidr *c = pattern;
    const struct cidr all = { .family = c->family };

    (void)g;
    (void)e;
    return !cidr_matches(&all, sa) ? 2 : cidr_matches(c, sa);
}

static const struct map_engine engine = { .compile = compile, .free = free, .match = match, .prepare = prepare };

static void *open_cidr(const struct map_source *src, struct err *e)
{
    return map_rules_open(src, &engine, e);
}

const struct map_kind map_kind_cidr = {
    .type = "cidr", .open = open_cidr, .close = map_rules_close, .lookup = map_rules_lookup,
};
