/* SPDX-License-Identifier: Apache-2.0 */
#include "relay/own.h"

#include "net/interfaces.h"

#include <string.h>

static void add_text(struct addr_list *out, const char *text)
{
    union addr a;

    if (addr_parse(&a, span_str(text), 0))
        addr_list_add(out, &a);
}

void own_addresses(const struct config *cfg, struct addr_list *out)
{
    for (size_t i = 0; i < cfg->inet_interfaces.n; i++) {
        const char *text = cfg->inet_interfaces.at[i];
        if (strcmp(text, "all") == 0)
            interfaces_addresses(out, NULL); /* without them what is known of the loopback still counts */
        if (strcmp(text, "all") == 0 || strcmp(text, "loopback-only") == 0) {
            add_text(out, "127.0.0.1");
            add_text(out, "::1");
        } else {
            add_text(out, text);
        }
    }
}

void own_addresses_or_all(const struct config *cfg, struct addr_list *out)
{
    if (cfg->inet_interfaces.n)
        own_addresses(cfg, out);
    else
        interfaces_addresses(out, NULL);
}

bool own_has_one_of(const struct addr_list *own, const struct addr_list *these)
{
    for (size_t i = 0; i < these->n; i++)
        if (addr_list_has_host(own, &these->at[i]))
            return true;
    return false;
}
