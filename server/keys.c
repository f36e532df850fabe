/* SPDX-License-Identifier: Apache-2.0
 *
 * Under which keys an address stands in a table, in Postfix's order, each asked of all tables before the next one (HANDBOOK B2):
 * user+ext@domain, user@domain, user+ext, user, @domain. */
#include "server/routing_int.h"

#include "base/log.h"
#include "base/mem.h"
#include "mail/address.h"
#include "relay/extension.h"

/* myorigin, mydestination, or an address of this machine in brackets. */
static enum map_result is_ours(struct routing *ro, struct lookup *l, struct span domain)
{
    return span_ieq_str(domain, ro->cfg->myorigin) ? MAP_FOUND : class_is_local(ro, l, domain);
}

/* The local part as it stands in an address, and, if that is something else, without its quotes. */
static enum map_result find_form(struct lookup *l, struct tables *t, struct span local, const char *rest, bool is_whole,
                                 struct span *value)
{
    char *key = lookup_printf(l, "%.*s%s", (int)local.len, local.at, rest);
    enum map_result result = tables_find(t, l, span_str(key), is_whole, value);
    struct buf plain;

    if (result != MAP_NOT_FOUND || local.len == 0 || local.at[0] != '"')
        return result;
    buf_init(&plain, ADDRESS_MAX);
    if (address_local_unquoted(local, &plain) == 0) {
        key = lookup_printf(l, "%.*s%s", (int)plain.len, plain.at, rest);
        result = tables_find(t, l, span_str(key), is_whole, value);
    }
    buf_fini(&plain);
    return result;
}

struct query {
    struct lookup *l;
    struct tables *t;
    struct span local, bare; /* with and without extension */
    bool has_extension;
};

/* With the extension, then without it. */
static enum map_result find_both(const struct query *q, const char *rest, bool is_whole, struct found *out)
{
    enum map_result result = find_form(q->l, q->t, q->local, rest, is_whole, &out->value);

    if (result != MAP_NOT_FOUND || !q->has_extension)
        return result;
    result = find_form(q->l, q->t, q->bare, rest, false, &out->value);
    if (result == MAP_FOUND)
        out->extension = span_from(q->local, q->bare.len);
    return result;
}

enum map_result keys_find(struct routing *ro, struct lookup *l, struct tables *t, const char *address, unsigned keys,
                          struct found *out)
{
    struct span domain = address_text_domain(address);
    struct query q = { .l = l, .t = t, .local = address_text_local(address) };

    *out = (struct found){ .extension = { "", 0 } };
    if (tables_count(t) == 0)
        return MAP_NOT_FOUND;
    q.bare = span_of(q.local.at, extension_at(q.local, ro->cfg->recipient_delimiter));
    q.has_extension = q.bare.len < q.local.len;
    const char *at_domain = domain.len ? lookup_printf(l, "@%.*s", (int)domain.len, domain.at) : "";
    enum map_result result = find_both(&q, at_domain, true, out);
    if (result == MAP_NOT_FOUND && keys & KEYS_LOCAL && domain.len) {
        result = is_ours(ro, l, domain);
        if (result == MAP_FOUND)
            result = find_both(&q, "", false, out);
    }
    if (result == MAP_NOT_FOUND && keys & KEYS_DOMAIN && domain.len)
        result = tables_find(t, l, span_str(at_domain), false, &out->value);
    return result;
}

bool keys_propagates(const struct config *cfg, const char *what)
{
    for (size_t i = 0; i < cfg->propagate_unmatched_extensions.n; i++)
        if (span_ieq_str(span_str(what), cfg->propagate_unmatched_extensions.at[i]))
            return true;
    return false;
}

/* ---- values ---- */

static const char *complete(struct routing *ro, struct lookup *l, const struct address *a, struct span extension)
{
    struct span local = address_local(a), domain = a->has_domain ? address_domain(a) : span_str(ro->cfg->myorigin);
    const char *quote = "";

    if (extension.len && local.len && local.at[local.len - 1] == '"') {
        local.len--;
        quote = "\"";
    }
    return lookup_printf(l, "%.*s%.*s%s@%.*s", (int)local.len, local.at, (int)extension.len, extension.at, quote, (int)domain.len,
                         domain.at);
}

static bool complain(const char *param, const char *address, const char *why)
{
    log_warn("%s: what it has for %s cannot be used: %s", param, log_safe_str(address), why);
    return false;
}

static void add_value(struct lookup *l, struct route_values *v, size_t *cap, const char *address)
{
    if (v->n == *cap) {
        const char **more = lookup_alloc(l, (*cap ? *cap * 2 : 4) * sizeof *more);
        if (v->n)
            memcpy(more, v->at, v->n * sizeof *more);
        v->at = more;
        *cap = *cap ? *cap * 2 : 4;
    }
    v->at[v->n++] = address;
}

bool keys_addresses(struct routing *ro, struct lookup *l, const char *param, const char *address, const struct found *f,
                    bool with_extension, struct route_values *out)
{
    struct span text = span_trim(f->value), extension = with_extension ? f->extension : span_of("", 0);
    struct address_list list;
    struct address_item item;
    struct err e = { 0 };
    size_t cap = 0;
    int rc;

    *out = (struct route_values){ 0 };
    if (text.len > 1 && text.at[0] == '@') {
        struct span local = address_text_local(address);
        add_value(l, out, &cap, lookup_printf(l, "%.*s%.*s", (int)local.len, local.at, (int)text.len, text.at));
        return true;
    }
    if (text.len && (text.at[0] == '/' || text.at[0] == '|' || span_istarts(text, ":include:")))
        return complain(param, address, "files, commands and :include: belong into alias_maps");
    address_list_init(&list, text, ADDRESS_UTF8);
    while ((rc = address_list_next(&list, &item, &e)) > 0)
        add_value(l, out, &cap, complete(ro, l, &item.address, extension));
    if (rc < 0)
        return complain(param, address, e.text);
    return out->n || complain(param, address, "it is no address");
}
