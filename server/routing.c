/* SPDX-License-Identifier: Apache-2.0
 *
 * What the server module adds to the resolver (relay/route_hooks.h): opened, when the configuration asks for any of it. */
#include "server/routing_int.h"

#include "base/mem.h"
#include "relay/own.h"

#include <stdlib.h>

/* ---- opening ---- */

static bool is_null_client(const struct config *cfg)
{
    const size_t asked[] = {
        cfg->mydestination.n, cfg->virtual_alias_maps.n, cfg->virtual_alias_domains.n, cfg->virtual_mailbox_maps.n,
        cfg->virtual_mailbox_domains.n, cfg->relay_domains.n, cfg->transport_maps.n, cfg->sender_dependent_relayhost_maps.n,
        cfg->sender_dependent_default_transport_maps.n, cfg->canonical_maps.n, cfg->sender_canonical_maps.n,
        cfg->recipient_canonical_maps.n, cfg->masquerade_domains.n, cfg->smtp_generic_maps.n,
    };

    for (size_t i = 0; i < ARRAY_LEN(asked); i++)
        if (asked[i])
            return false;
    return !config_delivers_directly(cfg);
}

static bool has_parents(const struct config *cfg, const char *param)
{
    for (size_t i = 0; i < cfg->parent_domain_matches_subdomains.n; i++)
        if (strcmp(cfg->parent_domain_matches_subdomains.at[i], param) == 0)
            return true;
    return false;
}

struct field {
    struct tables **at;
    const char *param;
    const struct strlist *specs;
};

static int open_field(struct routing *ro, const struct field *f, struct err *e)
{
    const struct tables_options o = { .aliases = &ro->cfg->alias_maps };

    *f->at = tables_open(f->param, f->specs, &o, e);
    if (!*f->at)
        return -1;
    return 0;
}

static int open_all_tables(struct routing *ro, struct err *e)
{
    const struct config *cfg = ro->cfg;
    const struct field fields[] = {
        { &ro->virtual_alias, "virtual_alias_maps", &cfg->virtual_alias_maps },
        { &ro->virtual_mailbox, "virtual_mailbox_maps", &cfg->virtual_mailbox_maps },
        { &ro->local_rcpt, "local_recipient_maps", &cfg->local_recipient_maps },
        { &ro->relay_rcpt, "relay_recipient_maps", &cfg->relay_recipient_maps },
        { &ro->transport, "transport_maps", &cfg->transport_maps },
        { &ro->sender_relayhost, "sender_dependent_relayhost_maps", &cfg->sender_dependent_relayhost_maps },
        { &ro->sender_transport, "sender_dependent_default_transport_maps", &cfg->sender_dependent_default_transport_maps },
        { &ro->mailbox_transport, "mailbox_transport_maps", &cfg->mailbox_transport_maps },
        { &ro->fallback_transport, "fallback_transport_maps", &cfg->fallback_transport_maps },
        { &ro->canonical, "canonical_maps", &cfg->canonical_maps },
        { &ro->sender_canonical, "sender_canonical_maps", &cfg->sender_canonical_maps },
        { &ro->rcpt_canonical, "recipient_canonical_maps", &cfg->recipient_canonical_maps },
        { &ro->generic, "smtp_generic_maps", &cfg->smtp_generic_maps },
    };

    for (size_t i = 0; i < ARRAY_LEN(fields); i++) {
        bool is_asked = fields[i].at != &ro->local_rcpt || cfg->mydestination.n;
        if (is_asked && open_field(ro, &fields[i], e) < 0)
            return -1;
    }
    return 0;
}

/* Who has a ~/.forward, only the worker that delivers can see. */
static int open_forward(struct routing *ro, struct err *e)
{
    const struct tables_options o = { 0 };
    char *spec = xasprintf("socketmap:unix:%s/private/forward:forward", ro->cfg->queue_directory);
    const struct strlist one = { &spec, 1 };

    if (config_asks_for_forwards(ro->cfg))
        ro->forward = tables_open("forward_path", &one, &o, e);
    free(spec);
    return ro->forward || !config_asks_for_forwards(ro->cfg) ? 0 : -1;
}

static int open_lists(struct routing *ro, struct err *e)
{
    const struct config *cfg = ro->cfg;

    ro->alias_domains = match_open("virtual_alias_domains", &cfg->virtual_alias_domains, has_parents(cfg, "virtual_alias_domains"), e);
    if (!ro->alias_domains)
        return -1;
    ro->mailbox_domains =
        match_open("virtual_mailbox_domains", &cfg->virtual_mailbox_domains, has_parents(cfg, "virtual_mailbox_domains"), e);
    if (!ro->mailbox_domains)
        return -1;
    ro->relay_domains = match_open("relay_domains", &cfg->relay_domains, has_parents(cfg, "relay_domains"), e);
    return ro->relay_domains ? 0 : -1;
}

/* Where mailboxes are meant, as mydestination says, they are there; unless somebody has written otherwise. */
static void choose_local(struct routing *ro)
{
    static char local[] = "local", nothing[] = "";

    ro->to_local = ro->cfg->local_transport;
    if (ro->cfg->mydestination.n && !config_is_written(ro->cfg, "local_transport"))
        ro->to_local = (struct transport){ .name = local, .nexthop = nothing };
}

static void close_it(void *self)
{
    struct routing *ro = self;
    struct tables *const tables[] = {
        ro->virtual_alias, ro->virtual_mailbox, ro->local_rcpt, ro->relay_rcpt, ro->transport, ro->sender_relayhost,
        ro->sender_transport, ro->mailbox_transport, ro->fallback_transport, ro->forward, ro->canonical, ro->sender_canonical,
        ro->rcpt_canonical, ro->generic,
    };

    infer_free(ro->inferred);
    for (size_t i = 0; i < ARRAY_LEN(tables); i++)
        tables_close(tables[i]);
    match_close(ro->alias_domains);
    match_close(ro->mailbox_domains);
    match_close(ro->relay_domains);
    addr_list_fini(&ro->own);
    free(ro);
}

static int open_it(struct resolver *r, const struct config *cfg, void **self, struct err *e)
{
    if (is_null_client(cfg))
        return 0;
    struct routing *ro = xcalloc(1, sizeof *ro);
    *self = ro;
    ro->resolver = r;
    ro->cfg = cfg;
    ro->is_direct = config_delivers_directly(cfg);
    choose_local(ro);
    if (cfg->mydestination.n)
        own_addresses_or_all(cfg, &ro->own);
    /* The lists name the tables by default: what is wrong is told of the parameter that somebody has written. */
    if (open_all_tables(ro, e) < 0 || open_lists(ro, e) < 0 || open_forward(ro, e) < 0)
        return -1;
    if (cfg->virtual_alias_infer_domains && cfg->virtual_alias_maps.n && !config_is_written(cfg, "virtual_alias_domains"))
        ro->inferred = infer_new(ro);
    return 0;
}

/* ---- about it ---- */

static bool may_block(const void *self)
{
    const struct routing *ro = self;
    return match_may_block(ro->alias_domains) || match_may_block(ro->mailbox_domains) || match_may_block(ro->relay_domains) ||
           tables_may_block(ro->virtual_alias) || tables_may_block(ro->virtual_mailbox) || tables_may_block(ro->local_rcpt) ||
           tables_may_block(ro->relay_rcpt) || tables_may_block(ro->transport) || tables_may_block(ro->sender_relayhost) ||
           tables_may_block(ro->sender_transport) || tables_may_block(ro->mailbox_transport) ||
           tables_may_block(ro->fallback_transport) || tables_may_block(ro->canonical) || tables_may_block(ro->sender_canonical) ||
           tables_may_block(ro->rcpt_canonical) || tables_may_block(ro->generic) || tables_may_block(ro->forward);
}

static bool is_stale(const void *self)
{
    const struct routing *ro = self;
    return match_is_stale(ro->alias_domains) || match_is_stale(ro->mailbox_domains) || match_is_stale(ro->relay_domains) ||
           tables_are_stale(ro->virtual_alias) || tables_are_stale(ro->virtual_mailbox) || tables_are_stale(ro->local_rcpt) ||
           tables_are_stale(ro->relay_rcpt) || tables_are_stale(ro->transport) || tables_are_stale(ro->sender_relayhost) ||
           tables_are_stale(ro->sender_transport) || tables_are_stale(ro->mailbox_transport) ||
           tables_are_stale(ro->fallback_transport) || tables_are_stale(ro->canonical) || tables_are_stale(ro->sender_canonical) ||
           tables_are_stale(ro->rcpt_canonical) || tables_are_stale(ro->generic);
}

/* An address that virtual_alias_maps has is ours, whatever its domain. */
static bool infers(const void *self)
{
    const struct routing *ro = self;
    return ro->inferred != NULL;
}

static const struct route_hooks hooks = {
    .open = open_it,
    .close = close_it,
    .may_block = may_block,
    .is_stale = is_stale,
    .infers = infers,
    .classify = class_of,
    .virtual_alias = virtual_alias,
    .unlisted = listed_why_not,
    .route = ways_route,
    .rewrites = rewrite_is_needed,
    .rewrite = rewrite_address,
    .remarks = routing_remarks,
};

const struct route_hooks *const route_hooks = &hooks;
