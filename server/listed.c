/* SPDX-License-Identifier: Apache-2.0
 *
 * Who there is: a recipient of ours that no table knows is refused at RCPT, not taken and returned (HANDBOOK B1). Whoever has an
 * alias is there; that has been found out before. */
#include "server/routing_int.h"

#include "base/mem.h"
#include "mail/address.h"
#include "relay/extension.h"

/* Anybody is taken when somebody gets the mail of those who are not there. */
static bool takes_strangers(const struct config *cfg)
{
    return cfg->luser_relay[0] || cfg->fallback_transport.name[0];
}

static enum map_result is_in(struct routing *ro, struct lookup *l, struct tables *t, const char *address, unsigned keys)
{
    struct found f;
    return keys_find(ro, l, t, address, keys, &f);
}

/* One whose address is rewritten on the way in is not yet whom the tables know. */
static enum map_result is_rewritten(struct routing *ro, struct lookup *l, const char *address)
{
    enum map_result result = is_in(ro, l, ro->rcpt_canonical, address, KEYS_LOCAL | KEYS_DOMAIN);

    return result == MAP_NOT_FOUND ? is_in(ro, l, ro->canonical, address, KEYS_LOCAL | KEYS_DOMAIN) : result;
}

enum map_result listed_why_not(void *self, struct lookup *l, const char *address, enum address_class class, const char **why)
{
    struct routing *ro = self;
    struct tables *t = NULL;
    const char *text = NULL;
    bool has_aliases_only = class == CLASS_VIRTUAL_ALIAS || class == CLASS_INFERRED;

    *why = NULL;
    switch (class) {
    case CLASS_LOCAL:
        t = takes_strangers(ro->cfg) ? NULL : ro->local_rcpt;
        text = "User unknown in local recipient table";
        break;
    case CLASS_INFERRED:
    case CLASS_VIRTUAL_ALIAS: text = "User unknown in virtual alias table"; break;
    case CLASS_VIRTUAL_MAILBOX:
        t = ro->virtual_mailbox;
        text = "User unknown in virtual mailbox table";
        break;
    case CLASS_RELAY:
        t = ro->relay_rcpt;
        text = "User unknown in relay recipient table";
        break;
    default: return MAP_FOUND;
    }
    if (!has_aliases_only && tables_count(t) == 0)
        return MAP_FOUND;
    unsigned keys = class == CLASS_LOCAL ? KEYS_LOCAL | KEYS_DOMAIN : KEYS_DOMAIN;
    enum map_result result = has_aliases_only ? MAP_NOT_FOUND : is_in(ro, l, t, address, keys);
    if (result == MAP_NOT_FOUND && class == CLASS_LOCAL)
        result = is_in(ro, l, ro->fallback_transport, address, KEYS_LOCAL);
    if (result == MAP_NOT_FOUND)
        result = is_rewritten(ro, l, address);
    if (result == MAP_NOT_FOUND)
        *why = text;
    return result == MAP_CANNOT_TELL ? result : MAP_FOUND;
}

/* ---- luser_relay ---- */

/* $local, $user, $extension, $recipient, $domain: what stands for one of these in the text, whose name is at `name`. */
static bool part_of(const char *address, const char *delimiters, struct span name, struct span *out)
{
    struct span local = address_text_local(address);
    size_t plain = extension_at(local, delimiters);

    if (span_eq(name, SPAN("local")))
        *out = local;
    else if (span_eq(name, SPAN("user")))
        *out = span_of(local.at, plain);
    else if (span_eq(name, SPAN("extension")))
        *out = span_from(local, plain + (plain < local.len));
    else if (span_eq(name, SPAN("recipient")))
        *out = span_str(address);
    else if (span_eq(name, SPAN("domain")))
        *out = address_text_domain(address);
    else
        return false;
    return true;
}

static char *fill_in(struct routing *ro, struct lookup *l, const char *text, const char *address)
{
    struct span part;
    struct buf b;

    buf_init(&b, ADDRESS_MAX);
    while (*text) {
        const char *name = text + 1 + (text[0] == '$' && text[1] == '{');
        size_t n = text[0] == '$' ? strspn(name, "abcdefghijklmnopqrstuvwxyz") : 0;
        if (n && part_of(address, ro->cfg->recipient_delimiter, span_of(name, n), &part)) {
            buf_addspan(&b, part);
            text = name + n + (text[1] == '{' && name[n] == '}');
        } else {
            buf_addc(&b, *text++);
        }
    }
    char *out = lookup_strdup(l, buf_span(&b));
    buf_fini(&b);
    return out;
}

enum map_result listed_unknown_local(void *self, struct lookup *l, const char *address, const char **out)
{
    struct routing *ro = self;
    struct route_values v;

    if (!ro->cfg->luser_relay[0] || tables_count(ro->local_rcpt) == 0)
        return MAP_NOT_FOUND;
    enum map_result result = class_is_local(ro, l, address_text_domain(address));
    if (result != MAP_FOUND)
        return result;
    result = is_in(ro, l, ro->local_rcpt, address, KEYS_LOCAL | KEYS_DOMAIN);
    if (result != MAP_NOT_FOUND)
        return result == MAP_FOUND ? MAP_NOT_FOUND : result;
    const struct found f = { .value = span_str(fill_in(ro, l, ro->cfg->luser_relay, address)) };
    if (!keys_addresses(ro, l, "luser_relay", address, &f, false, &v))
        return MAP_NOT_FOUND;
    *out = v.at[0];
    return MAP_FOUND;
}
