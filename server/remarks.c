/* SPDX-License-Identifier: Apache-2.0
 *
 * What `baton check` says of domains: which ones were understood without being written, and what cannot be meant. */
#include "server/routing_int.h"

#include "base/mem.h"

#include <stdlib.h>

typedef void remark_fn(void *arg, bool is_fault, const char *text);

struct remarks {
    struct routing *ro;
    remark_fn *fn;
    void *arg;
    struct lookup l;
    const char *first; /* the parameter whose names are walked through */
    size_t place;      /* of it among the classes */
    struct strlist told;
};

static void say(struct remarks *k, bool is_fault, char *text)
{
    k->fn(k->arg, is_fault, text);
    free(text);
}

static const char *const params[] = { "mydestination", "virtual_alias_domains", "virtual_mailbox_domains", "relay_domains" };

static const struct match *list_at(const struct routing *ro, size_t i)
{
    const struct match *lists[] = { resolver_destinations(ro->resolver), ro->alias_domains, ro->mailbox_domains, ro->relay_domains };
    return lists[i];
}

/* ---- two classes ---- */

struct literal {
    struct span name;
    bool is_there;
};

static void compare(void *arg, struct span name)
{
    struct literal *x = arg;
    x->is_there |= span_ieq(name, x->name);
}

/* A name below one of relay_domains may well be of another class; only the same name twice is told. */
static bool is_in(struct remarks *k, size_t i, struct span name)
{
    struct match *list = (struct match *)(uintptr_t)list_at(k->ro, i);
    struct literal x = { .name = name };

    if (list == k->ro->relay_domains) {
        match_each(list, compare, &x);
        return x.is_there;
    }
    lookup_begin(&k->l);
    return match_find(list, &k->l, name) == MAP_FOUND;
}

static void look_in_others(void *arg, struct span name)
{
    struct remarks *k = arg;

    for (size_t i = k->place + 1; i < ARRAY_LEN(params) && name.len && name.at[0] != '.'; i++)
        if (is_in(k, i, name))
            say(k, true, xasprintf("%.*s is in %s and in %s: a domain belongs to one class; the first counts", (int)name.len, name.at,
                                   params[k->place], params[i]));
}

/* ---- virtual aliases that nobody reaches ---- */

static bool was_told(struct remarks *k, struct span domain)
{
    for (size_t i = 0; i < k->told.n; i++)
        if (span_ieq_str(domain, k->told.at[i]))
            return true;
    strlist_add(&k->told, domain);
    return false;
}

static void tell_inferred(void *arg, const char *domain)
{
    struct remarks *k = arg;
    enum address_class class;
    char *address = xasprintf("x@%s", domain);

    lookup_begin(&k->l);
    if (class_of(k->ro, &k->l, address, &class) == MAP_FOUND && class == CLASS_INFERRED)
        say(k, false,
            xasprintf("%s has addresses in virtual_alias_maps, so anybody may write to those; to its other addresses only who may "
                      "relay. If it is a domain of this machine, write it into virtual_alias_domains (virtual_alias_infer_domains)",
                      domain));
    free(address);
}

/* With virtual_alias_domains written, or nothing inferred. */
static int look_at_key(void *arg, const struct map_row *row)
{
    struct remarks *k = arg;
    size_t at = span_rfind(row->key, '@');
    struct span domain = span_from(row->key, at + 1);
    enum address_class class;

    if (at >= row->key.len || domain.len == 0 || row->key.at[0] == '/' || k->told.n > 1000 || was_told(k, domain))
        return 0;
    char *address = xasprintf("x@%.*s", (int)domain.len, domain.at);
    lookup_begin(&k->l);
    if (class_of(k->ro, &k->l, address, &class) == MAP_FOUND && class == CLASS_DEFAULT)
        say(k, true,
            xasprintf("%.*s has an alias in virtual_alias_maps, but %.*s is in no class: mail for it is refused (Relay access denied). "
                      "Write it into virtual_alias_domains",
                      (int)(row->key.len > 200 ? 200 : row->key.len), row->key.at, (int)domain.len, domain.at));
    free(address);
    return 0;
}

static void look_at_aliases(struct remarks *k)
{
    struct routing *ro = k->ro;

    if (!ro->inferred) {
        tables_each(ro->virtual_alias, look_at_key, k);
        return;
    }
    infer_each(ro, tell_inferred, k);
    if (infer_is_partial(ro) && !config_is_written(ro->cfg, "virtual_alias_domains"))
        say(k, false,
            xstrdup("virtual_alias_maps has a table that cannot list its keys: addresses that it knows are taken, others of their "
                    "domains get \"Relay access denied\". Write virtual_alias_domains"));
}

/* ---- who gets the mail of names that nobody has ---- */

static void look_at_unknown(struct remarks *k)
{
    const struct config *cfg = k->ro->cfg;
    bool has_fallback = cfg->fallback_transport.name[0] || cfg->fallback_transport_maps.n;
    const char *name = cfg->fallback_transport.name[0] ? "fallback_transport" : has_fallback ? "fallback_transport_maps" : "luser_relay";

    if (!has_fallback && !cfg->luser_relay[0])
        return;
    if (!cfg->mydestination.n || strcmp(k->ro->to_local.name, "local") != 0)
        say(k, true, xasprintf("%s has no effect: it is `local` that asks it, and %s", name,
                               cfg->mydestination.n ? "local_transport is another" : "mydestination names nothing"));
    else if (cfg->mailbox_transport.name[0])
        say(k, true, xasprintf("%s has no effect: mailbox_transport gets the mail of all names", name));
    else if (tables_count(k->ro->local_rcpt) && strcmp(name, "fallback_transport_maps") != 0)
        say(k, true, xasprintf("%s gets no mail of clients for names that are not in local_recipient_maps: they are refused. To take "
                               "mail for any name, write local_recipient_maps = \"\"", name));
}

void routing_remarks(void *self, remark_fn *fn, void *arg)
{
    struct remarks k = { .ro = self, .fn = fn, .arg = arg };

    for (k.place = 0; k.place < ARRAY_LEN(params); k.place++)
        match_each(list_at(k.ro, k.place), look_in_others, &k);
    look_at_aliases(&k);
    look_at_unknown(&k);
    strlist_clear(&k.told);
    lookup_fini(&k.l);
}
