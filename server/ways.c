/* SPDX-License-Identifier: Apache-2.0
 *
 * Where mail goes (HANDBOOK B1, B11). The class of an address has its transport; transport_maps comes before all of them; what
 * leaves by SMTP without a next hop of its own goes to the sender's relayhost, the relayhost, or the domain itself. */
#include "server/routing_int.h"

#include "base/log.h"
#include "base/mem.h"
#include "mail/address.h"
#include "relay/extension.h"

enum { LHLO_NAME_MAX = 255 }; /* lib/smtp/server_verb.c */

struct way {
    const char *name, *nexthop;
    bool to_domain; /* no relayhost: "smtp:" in transport_maps means the domain itself */
};

/* ---- what tables say ---- */

/* A table has "transport:nexthop". Parts that are empty stay as they are; with a transport alone the next hop goes. */
static bool take_value(struct routing *ro, struct lookup *l, const char *param, struct span value, struct way *way)
{
    value = span_trim(value);
    size_t colon = span_find(value, ':');
    struct span name = span_trim(span_of(value.at, colon)), nexthop = span_trim(span_from(value, colon + 1));

    if (name.len == 0 && nexthop.len == 0)
        return true;
    if (name.len == 0) /* another next hop for the transport that it has */
        value = span_str(lookup_printf(l, "%s:%.*s", way->name, (int)nexthop.len, nexthop.at));
    struct transport t;
    struct err e;
    if (transport_parse(&t, value, &e) == 0) {
        bool is_there = config_has_transport(ro->cfg, span_str(t.name));
        *way = (struct way){
            .name = lookup_strdup(l, span_str(t.name)), .nexthop = lookup_strdup(l, span_str(t.nexthop)), .to_domain = !nexthop.len,
        };
        transport_fini(&t);
        if (is_there)
            return true;
        err_set(&e, ERR_CONFIG, "there is no transport \"%s\"", way->name);
    }
    log_warn("%s: %s", param, e.text);
    lookup_fail(l);
    return false;
}

static bool has_parents(const struct config *cfg)
{
    for (size_t i = 0; i < cfg->parent_domain_matches_subdomains.n; i++)
        if (strcmp(cfg->parent_domain_matches_subdomains.at[i], "transport_maps") == 0)
            return true;
    return false;
}

/* The domain, its parents (with their dot, unless transport_maps is in parent_domain_matches_subdomains), "*". */
static enum map_result find_by_domain(struct routing *ro, struct lookup *l, struct span domain, struct span *value)
{
    enum map_result result = tables_find(ro->transport, l, domain, false, value);
    bool without_dot = has_parents(ro->cfg);

    while (result == MAP_NOT_FOUND && domain.len) {
        size_t dot = span_find(span_from(domain, 1), '.') + 1;
        domain = span_from(domain, dot);
        if (domain.len > 1)
            result = tables_find(ro->transport, l, without_dot ? span_from(domain, 1) : domain, false, value);
    }
    return result == MAP_NOT_FOUND ? tables_find(ro->transport, l, SPAN("*"), false, value) : result;
}

static enum map_result ask_transport_maps(struct routing *ro, struct lookup *l, const char *address, struct way *way)
{
    struct found f;

    if (tables_count(ro->transport) == 0)
        return MAP_NOT_FOUND;
    enum map_result result = keys_find(ro, l, ro->transport, address, 0, &f);
    if (result == MAP_NOT_FOUND)
        result = find_by_domain(ro, l, address_text_domain(address), &f.value);
    if (result == MAP_FOUND && !take_value(ro, l, "transport_maps", f.value, way))
        return MAP_CANNOT_TELL;
    return result;
}

/* Hosts as in relayhost, in the form of all next hops. */
static const char *take_hosts(struct lookup *l, const char *param, struct span value)
{
    char *text = lookup_printf(l, "smtp:%.*s", (int)value.len, value.at), *hosts;
    struct transport t;
    struct err e;

    if (transport_parse(&t, span_str(text), &e) < 0) {
        log_warn("%s: %s", param, e.text);
        lookup_fail(l);
        return NULL;
    }
    hosts = lookup_strdup(l, span_str(t.nexthop));
    transport_fini(&t);
    return hosts;
}

/* What a table says for a sender; DUNNO is nothing. */
static enum map_result ask_for_sender(struct routing *ro, struct lookup *l, struct tables *t, const char *sender, const char *empty_key,
                                      struct span *value)
{
    struct found f = { .value = { "", 0 } };
    enum map_result result = !tables_count(t) ? MAP_NOT_FOUND
                             : sender[0]      ? keys_find(ro, l, t, sender, KEYS_DOMAIN, &f)
                                              : tables_find(t, l, span_str(empty_key), true, &f.value);

    *value = span_trim(f.value);
    return result == MAP_FOUND && (span_ieq(*value, SPAN("DUNNO")) || !value->len) ? MAP_NOT_FOUND : result;
}

/* ---- a way that leaves ---- */

static void to_domain(struct lookup *l, const char *name, struct span domain, struct route *out)
{
    char *lower = lookup_strdup(l, domain);

    ascii_lower_str(lower);
    route_by(l, name, lower, out);
}

/* Each user is a destination of his own (local_destination_concurrency_limit): his slow programs hold up nobody else's mail. */
static void to_user(struct routing *ro, struct lookup *l, const char *address, struct route *out)
{
    struct span local = address_text_local(address), domain = address_text_domain(address);
    size_t n = extension_at(local, ro->cfg->recipient_delimiter);
    char *user = lookup_printf(l, "%.*s@%.*s", (int)n, local.at, (int)domain.len, domain.at);

    ascii_lower_str(user);
    /* What LHLO could not say is no user's name, and local tells so (server/deliver.h). */
    route_by(l, "local", strlen(user) <= LHLO_NAME_MAX ? user : "", out);
}

static enum map_result leave(struct routing *ro, struct lookup *l, const char *sender, struct span domain, const struct way *way,
                             struct route *out)
{
    const char *hosts = NULL;
    struct span value;

    if (way->to_domain) {
        to_domain(l, way->name, domain, out);
        return MAP_FOUND;
    }
    enum map_result result = ask_for_sender(ro, l, ro->sender_relayhost, sender,
                                            ro->cfg->empty_address_relayhost_maps_lookup_key, &value);
    if (result == MAP_CANNOT_TELL || (result == MAP_FOUND && !(hosts = take_hosts(l, "sender_dependent_relayhost_maps", value))))
        return MAP_CANNOT_TELL;
    if (hosts)
        route_by(l, way->name, hosts, out);
    else if (resolver_relayhost(ro->resolver)[0])
        route_by(l, way->name, resolver_relayhost(ro->resolver), out);
    else if (ro->is_direct)
        to_domain(l, way->name, domain, out);
    else
        *out = (struct route){ .kind = ROUTE_NOWHERE, .nexthop = "" };
    return MAP_FOUND;
}

static enum map_result follow(struct routing *ro, struct lookup *l, const char *sender, const char *address, const struct way *way,
                              struct route *out)
{
    struct span domain = address_text_domain(address);

    if (way->nexthop[0] || strcmp(way->name, "error") == 0 || strcmp(way->name, "retry") == 0 ||
        strcmp(way->name, "discard") == 0)
        route_by(l, way->name, way->nexthop, out);
    else if (strcmp(way->name, "smtp") == 0 || strcmp(way->name, "relay") == 0)
        return leave(ro, l, sender, domain, way, out);
    else if (strcmp(way->name, "lmtp") == 0)
        to_domain(l, way->name, domain, out);
    else if (strcmp(way->name, "local") == 0 && ro->cfg->local_destination_recipient_limit == 1)
        to_user(ro, l, address, out);
    else
        route_by(l, way->name, "", out);
    return MAP_FOUND;
}

/* ---- classes ---- */

static struct way of(const struct transport *t)
{
    return (struct way){ .name = t->name, .nexthop = t->nexthop };
}

/* MAP_FOUND: a table names a transport for the user, or else `t` does. */
static enum map_result transport_for(struct routing *ro, struct lookup *l, const char *param, struct tables *tables,
                                     const struct transport *t, const char *address, struct way *way)
{
    struct found f;
    enum map_result result = keys_find(ro, l, tables, address, KEYS_LOCAL, &f);

    if (result == MAP_FOUND)
        return take_value(ro, l, param, f.value, way) ? MAP_FOUND : MAP_CANNOT_TELL;
    if (result == MAP_NOT_FOUND && t->name[0]) {
        *way = of(t);
        return MAP_FOUND;
    }
    return result;
}

/* At RCPT it is all the same; and whoever has no time to wait for an answer is told the way of most. */
static enum map_result has_forward(struct routing *ro, struct lookup *l, const char *address)
{
    struct span value;

    if (!ro->forward || !l->runner || resolver_is_rcpt(l))
        return MAP_NOT_FOUND;
    return tables_find(ro->forward, l, span_str(address), true, &value);
}

/* Mailboxes that another server has: for those whose alias does not need us, and who have no ~/.forward. */
static enum map_result mailbox_way(struct routing *ro, struct lookup *l, const char *address, struct way *way)
{
    struct way other = *way;
    enum map_result result =
        transport_for(ro, l, "mailbox_transport_maps", ro->mailbox_transport, &ro->cfg->mailbox_transport, address, &other);

    if (result != MAP_FOUND)
        return result;
    result = has_forward(ro, l, address);
    if (result == MAP_NOT_FOUND)
        *way = other;
    return result == MAP_CANNOT_TELL ? result : MAP_FOUND;
}

static enum map_result local_way(struct routing *ro, struct lookup *l, const char *address, struct way *way)
{
    const struct config *cfg = ro->cfg;
    struct found f;
    enum map_result result;

    if (strcmp(way->name, "local") != 0)
        return MAP_FOUND;
    way->nexthop = ""; /* "local:$myhostname" is Postfix's */
    if (!tables_count(ro->mailbox_transport) && !tables_count(ro->fallback_transport) && !cfg->mailbox_transport.name[0] &&
        !cfg->fallback_transport.name[0])
        return MAP_FOUND;
    result = resolver_alias_needs_local(ro->resolver, l, address);
    if (result != MAP_NOT_FOUND)
        return result;
    result = mailbox_way(ro, l, address, way);
    /* Who has an account only `local` knows; unless the list of those who are there is that of the accounts. */
    if (result != MAP_NOT_FOUND || tables_count(ro->local_rcpt) == 0 || config_is_written(cfg, "local_recipient_maps"))
        return result;
    result = keys_find(ro, l, ro->local_rcpt, address, KEYS_LOCAL | KEYS_DOMAIN, &f);
    if (result == MAP_NOT_FOUND)
        result = transport_for(ro, l, "fallback_transport_maps", ro->fallback_transport, &cfg->fallback_transport, address, way);
    return result;
}

static enum map_result default_way(struct routing *ro, struct lookup *l, const char *sender, struct way *way)
{
    struct span value;
    enum map_result result = ask_for_sender(ro, l, ro->sender_transport, sender,
                                            ro->cfg->empty_address_default_transport_maps_lookup_key, &value);

    *way = of(&ro->cfg->default_transport);
    if (result == MAP_FOUND) {
        bool is_read = take_value(ro, l, "sender_dependent_default_transport_maps", value, way);
        way->to_domain = false;
        return is_read ? MAP_FOUND : MAP_CANNOT_TELL;
    }
    return result == MAP_CANNOT_TELL ? result : MAP_FOUND;
}

enum map_result ways_route(void *self, struct lookup *l, const char *sender, const char *address, struct route *out)
{
    struct routing *ro = self;
    enum address_class class;
    enum map_result result = class_of(ro, l, address, &class);
    struct way way = { "", "", false };

    if (result != MAP_FOUND)
        return result;
    switch (class) {
    case CLASS_VIRTUAL_ALIAS: route_by(l, "error", "5.1.1 User unknown in virtual alias table", out); return MAP_FOUND;
    case CLASS_LOCAL: way = of(&ro->to_local); break;
    case CLASS_VIRTUAL_MAILBOX: way = of(&ro->cfg->virtual_transport); break;
    case CLASS_RELAY: way = of(&ro->cfg->relay_transport); break;
    default: result = default_way(ro, l, sender, &way);
    }
    if (result == MAP_FOUND)
        result = ask_transport_maps(ro, l, address, &way);
    if (result != MAP_CANNOT_TELL && class == CLASS_LOCAL)
        result = local_way(ro, l, address, &way);
    return result == MAP_CANNOT_TELL ? result : follow(ro, l, sender, address, &way, out);
}
