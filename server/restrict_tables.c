/* SPDX-License-Identifier: Apache-2.0
 *
 * restrict_tables.c - what a receive worker opens for its restrictions, before it may open no more: each table once, however many
 * lists name it. */
#include "base/log.h"
#include "base/mem.h"
#include "relay/own.h"
#include "server/policy_service.h"
#include "server/restrict_int.h"

#include <stdlib.h>
#include <string.h>

static void complain(void *arg, const char *text)
{
    (void)arg;
    log_warn("access restrictions: %s", text);
}

static struct table *find(const struct restrictions *r, const char *spec)
{
    for (size_t i = 0; i < r->n_tables; i++)
        if (strcmp(r->tables[i].spec, spec) == 0)
            return &r->tables[i];
    return NULL;
}

static int open_table(struct restrictions *r, const char *spec, struct err *e)
{
    const struct map_options o = { .complain = complain };

    if (find(r, spec))
        return 0;
    struct map *m = map_open(spec, &o, e);
    if (!m)
        return err_prefix(e, "access restrictions");
    r->tables = xreallocarray(r->tables, r->n_tables + 1, sizeof *r->tables);
    r->tables[r->n_tables++] = (struct table){ xstrdup(spec), m };
    return 0;
}

static int open_list(struct restrictions *r, const struct restriction_list *l, struct err *e)
{
    for (size_t i = 0; i < l->n; i++)
        if (l->at[i].id != RESTRICTION_CLASS && restriction_kinds[l->at[i].id].argument == RESTRICTION_TAKES_TABLE &&
            open_table(r, l->at[i].arg, e) < 0)
            return -1;
    return 0;
}

static int open_maps(struct restrictions *r, const struct strlist *specs, struct err *e)
{
    for (size_t i = 0; i < specs->n; i++)
        if (open_table(r, specs->at[i], e) < 0)
            return -1;
    return 0;
}

/* What one listener's clients may meet. */
static int open_view(struct restrictions *r, const struct config *view, struct err *e)
{
    for (int p = 0; p < N_RESTRICT_PLACES; p++)
        if (open_list(r, config_restrictions(view, (enum restriction_place)p), e) < 0)
            return -1;
    if (open_maps(r, &view->rbl_reply_maps, e) < 0)
        return -1;
    for (size_t i = 0; i < view->rbl_reply_maps.n; i++) /* a reply waits for nobody */
        if (map_may_block(restrictions_table(r, view->rbl_reply_maps.at[i])))
            return err_set(e, ERR_CONFIG, "rbl_reply_maps: %s may keep clients waiting: write a table that is a file",
                           view->rbl_reply_maps.at[i]);
    if (open_maps(r, &view->relay_clientcerts, e) < 0)
        return -1;
    return open_maps(r, &view->smtpd_sender_login_maps, e);
}

static int open_all(struct restrictions *r, struct err *e)
{
    const struct config *cfg = r->cfg, *view;

    for (size_t i = 0; (view = config_each_view(cfg, i)); i++)
        if (open_view(r, view, e) < 0)
            return -1;
    for (size_t i = 0; i < cfg->n_restriction_classes; i++)
        if (open_list(r, &cfg->restriction_classes[i].restrictions, e) < 0)
            return -1;
    return 0;
}

/* ---- policy servers ---- */

static int make_services(struct restrictions *r, const struct restriction_list *l, struct err *e)
{
    for (size_t i = 0; i < l->n; i++) {
        if (l->at[i].id != RESTRICTION_check_policy_service || restrictions_service(r, l->at[i].arg))
            continue;
        struct policy_service *p = policy_service_new(r, l->at[i].arg, e);
        if (!p)
            return -1;
        r->services = xreallocarray(r->services, r->n_services + 1, sizeof *r->services);
        r->services[r->n_services++] = p;
    }
    return 0;
}

static int make_all_services(struct restrictions *r, struct err *e)
{
    const struct config *view;

    for (size_t i = 0; (view = config_each_view(r->cfg, i)); i++)
        for (int p = 0; p < N_RESTRICT_PLACES; p++)
            if (make_services(r, config_restrictions(view, (enum restriction_place)p), e) < 0)
                return -1;
    for (size_t i = 0; i < r->cfg->n_restriction_classes; i++)
        if (make_services(r, &r->cfg->restriction_classes[i].restrictions, e) < 0)
            return -1;
    return 0;
}

struct policy_service *restrictions_service(const struct restrictions *r, const char *spec)
{
    for (size_t i = 0; i < r->n_services; i++)
        if (strcmp(policy_service_spec(r->services[i]), spec) == 0)
            return r->services[i];
    return NULL;
}

/* ---- the whole ---- */

struct restrictions *restrictions_open(const struct config *cfg, struct err *e)
{
    struct restrictions *r = xcalloc(1, sizeof *r);

    r->cfg = cfg;
    own_addresses_or_all(cfg, &r->own);
    if (open_all(r, e) == 0 && make_all_services(r, e) == 0)
        return r;
    restrictions_close(r);
    return NULL;
}

void restrictions_start(struct restrictions *r, struct loop *l, struct dns *dns)
{
    r->loop = l;
    r->dns = dns;
}

void restrictions_close(struct restrictions *r)
{
    if (!r)
        return;
    for (size_t i = 0; i < r->n_tables; i++) {
        free(r->tables[i].spec);
        map_close(r->tables[i].map);
    }
    free(r->tables);
    for (size_t i = 0; i < r->n_services; i++)
        policy_service_free(r->services[i]);
    free(r->services);
    addr_list_fini(&r->own);
    free(r);
}

struct map *restrictions_table(const struct restrictions *r, const char *spec)
{
    struct table *t = find(r, spec);
    return t ? t->map : NULL;
}

bool restrictions_are_stale(const struct restrictions *r)
{
    for (size_t i = 0; i < r->n_tables; i++)
        if (map_is_stale(r->tables[i].map))
            return true;
    return false;
}

char *restrictions_rbl_reply(const struct check *c, const char *arg, const char *domain)
{
    const struct strlist *tables = &c->f.cfg->rbl_reply_maps;
    char *text = NULL;
    struct buf value;
    struct err e;

    buf_init(&value, 4096);
    for (size_t i = 0; i < tables->n && !text; i++) {
        struct map *m = restrictions_table(c->all, tables->at[i]);
        if (map_lookup(m, span_str(arg), &value, &e) == MAP_FOUND || map_lookup(m, span_str(domain), &value, &e) == MAP_FOUND)
            text = xstrdup(buf_cstr(&value));
    }
    buf_fini(&value);
    return text;
}
