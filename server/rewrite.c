/* SPDX-License-Identifier: Apache-2.0
 *
 * Addresses as the rest of the world shall see them: canonical_maps and its kin and masquerade_domains on the way in,
 * smtp_generic_maps on the way out. */
#include "server/routing_int.h"

#include "base/log.h"
#include "base/mem.h"
#include "mail/address.h"

enum { NESTING_MAX = 10 };

struct mapping {
    const char *param;
    struct tables *tables;
    const char *extensions; /* the word of propagate_unmatched_extensions */
    bool is_recursive;
};

static enum map_result map_once(struct routing *ro, struct lookup *l, const struct mapping *m, const char **address)
{
    struct route_values v;
    struct found f;
    enum map_result result = keys_find(ro, l, m->tables, *address, KEYS_LOCAL | KEYS_DOMAIN, &f);

    if (result != MAP_FOUND)
        return result;
    if (!keys_addresses(ro, l, m->param, *address, &f, keys_propagates(ro->cfg, m->extensions), &v)) {
        lookup_fail(l);
        return MAP_CANNOT_TELL;
    }
    if (v.n > 1)
        log_warn("%s: %s has more than one address: the first counts", m->param, log_safe_str(*address));
    *address = v.at[0];
    return MAP_FOUND;
}

static enum map_result map_through(struct routing *ro, struct lookup *l, const struct mapping *m, const char **address)
{
    for (int i = 0; i < NESTING_MAX; i++) {
        const char *was = *address;
        enum map_result result = map_once(ro, l, m, address);
        if (result == MAP_CANNOT_TELL)
            return result;
        if (result == MAP_NOT_FOUND || !m->is_recursive || span_ieq(span_str(was), span_str(*address)))
            return MAP_FOUND;
    }
    log_warn("unreasonable %s map nesting for %s", m->param, log_safe_str(*address));
    return MAP_FOUND;
}

/* ---- masquerade_domains ---- */

static bool is_exception(const struct config *cfg, struct span local)
{
    for (size_t i = 0; i < cfg->masquerade_exceptions.n; i++)
        if (span_ieq_str(local, cfg->masquerade_exceptions.at[i]))
            return true;
    return false;
}

static const char *masquerade(struct routing *ro, struct lookup *l, const char *address)
{
    const struct strlist *domains = &ro->cfg->masquerade_domains;
    struct span local = address_text_local(address), domain = address_text_domain(address);

    if (is_exception(ro->cfg, local))
        return address;
    for (size_t i = 0; i < domains->n; i++) {
        const char *parent = domains->at[i] + strspn(domains->at[i], "!");
        size_t n = strlen(parent);
        bool is_below = domain.len > n && span_iends(domain, parent) && domain.at[domain.len - n - 1] == '.';
        if (!is_below && !span_ieq_str(domain, parent))
            continue;
        return is_below && domains->at[i][0] != '!' ? lookup_printf(l, "%.*s@%s", (int)local.len, local.at, parent) : address;
    }
    return address;
}

/* ---- an address ---- */

static bool counts(const struct tables *t, unsigned classes, unsigned where)
{
    return tables_count(t) && (classes & where);
}

bool rewrite_is_needed(const void *self, unsigned where)
{
    const struct routing *ro = self;
    const struct config *cfg = ro->cfg;

    if (where & REWRITE_GENERIC)
        return tables_count(ro->generic) > 0;
    return counts(ro->sender_canonical, cfg->sender_canonical_classes, where) ||
           counts(ro->rcpt_canonical, cfg->recipient_canonical_classes, where) ||
           counts(ro->canonical, cfg->canonical_classes, where) || (cfg->masquerade_domains.n && (cfg->masquerade_classes & where));
}

enum map_result rewrite_address(void *self, struct lookup *l, const char *address, unsigned where, const char **out)
{
    struct routing *ro = self;
    const struct config *cfg = ro->cfg;
    const struct {
        struct mapping m;
        unsigned classes;
    } all[] = {
        { { "sender_canonical_maps", ro->sender_canonical, "canonical", true }, cfg->sender_canonical_classes },
        { { "recipient_canonical_maps", ro->rcpt_canonical, "canonical", true }, cfg->recipient_canonical_classes },
        { { "canonical_maps", ro->canonical, "canonical", true }, cfg->canonical_classes },
        { { "smtp_generic_maps", ro->generic, "generic", false }, REWRITE_GENERIC },
    };

    *out = address;
    if (!*address)
        return MAP_FOUND;
    for (size_t i = 0; i < ARRAY_LEN(all); i++)
        if (counts(all[i].m.tables, all[i].classes, where) && map_through(ro, l, &all[i].m, out) == MAP_CANNOT_TELL)
            return MAP_CANNOT_TELL;
    if (cfg->masquerade_classes & where)
        *out = masquerade(ro, l, *out);
    return MAP_FOUND;
}
