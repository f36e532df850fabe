/* SPDX-License-Identifier: Apache-2.0
 *
 * deliver.c - what of the configuration is about delivery on this machine: which services there are to be. */
#include "config/config_int.h"

#include "base/mem.h"

/* Tables of transports may name any of them, and nobody knows before they are asked. */
static bool has_transport_table(const struct config *cfg)
{
    for (int p = 0; p < N_PARAMS; p++) {
        const struct config_option *o = &config_params[p];
        const void *field = (const char *)cfg + o->offset;
        if (o->type == TYPE_MAPS && span_iends(span_str(o->name), "transport_maps") && ((const struct strlist *)field)->n)
            return true;
    }
    return false;
}

static bool is_named(const struct config *cfg, const char *service)
{
    for (int p = 0; p < N_PARAMS; p++) {
        const struct config_option *o = &config_params[p];
        const struct transport *t = (const void *)((const char *)cfg + o->offset);
        if (o->type == TYPE_TRANSPORT && t->name && strcmp(t->name, service) == 0)
            return true;
    }
    return false;
}

void config_deliveries(const struct config *cfg, struct strlist *names)
{
    static const char *const services[] = { "local", "virtual" };
    bool is_any = has_transport_table(cfg);

    for (size_t i = 0; i < ARRAY_LEN(services); i++)
        if (is_any || is_named(cfg, services[i]))
            strlist_add(names, span_str(services[i]));
}
