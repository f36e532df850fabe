/* SPDX-License-Identifier: Apache-2.0 */
#include "relay/ours.h"

#include "base/log.h"
#include "base/mem.h"
#include "net/tls.h"
#include "relay/own.h"

#include <stdlib.h>
#include <string.h>

#define PARAM_NAME "local_header_rewrite_clients"

struct ours {
    const struct restriction_list *list; /* the configuration's */
    struct map **maps;                   /* as many as there are restrictions; NULL where one has no table */
    struct ccerts { /* relay_clientcerts of all listeners, when they are asked */
        const char *spec; /* the configuration's */
        struct map *map;
    } *ccerts;
    size_t n_ccerts;
    struct addr_list own;
};

static void complain(void *arg, const char *text)
{
    (void)arg;
    log_warn("%s: %s", PARAM_NAME, text);
}

static struct map *open_table(const char *spec, struct err *e)
{
    const struct map_options o = { .complain = complain };
    struct map *m = map_open(spec, &o, e);

    if (!m) {
        err_prefix(e, "%s", PARAM_NAME);
    } else if (map_may_block(m)) { /* a message waits for nobody */
        map_close(m);
        m = NULL;
        err_set(e, ERR_CONFIG, "%s: %s may keep clients waiting: write a table that is a file", PARAM_NAME, spec);
    }
    return m;
}

static struct map *find_ccerts(const struct ours *o, const char *spec)
{
    for (size_t i = 0; i < o->n_ccerts; i++)
        if (strcmp(o->ccerts[i].spec, spec) == 0)
            return o->ccerts[i].map;
    return NULL;
}

static int open_ccerts_of(struct ours *o, const struct strlist *specs, struct err *e)
{
    for (size_t i = 0; i < specs->n; i++) {
        if (find_ccerts(o, specs->at[i]))
            continue;
        struct map *m = open_table(specs->at[i], e);
        if (!m)
            return -1;
        o->ccerts = xreallocarray(o->ccerts, o->n_ccerts + 1, sizeof *o->ccerts);
        o->ccerts[o->n_ccerts++] = (struct ccerts){ specs->at[i], m };
    }
    return 0;
}

static int open_ccerts(struct ours *o, const struct config *cfg, struct err *e)
{
    const struct config *view;

    for (size_t i = 0; (view = config_each_view(cfg, i)); i++)
        if (open_ccerts_of(o, &view->relay_clientcerts, e) < 0)
            return -1;
    return 0;
}

struct ours *ours_open(const struct config *cfg, struct err *e)
{
    struct ours *o = xcalloc(1, sizeof *o);

    o->list = &cfg->local_header_rewrite_clients;
    o->maps = xcalloc(o->list->n ? o->list->n : 1, sizeof(struct map *));
    own_addresses_or_all(cfg, &o->own);
    for (size_t i = 0; i < o->list->n; i++) {
        enum restriction_id id = o->list->at[i].id;
        if (id == RESTRICTION_check_address_map)
            o->maps[i] = open_table(o->list->at[i].arg, e);
        if (id == RESTRICTION_check_address_map ? !o->maps[i] : id == RESTRICTION_permit_tls_clientcerts && open_ccerts(o, cfg, e) < 0) {
            ours_close(o);
            return NULL;
        }
    }
    return o;
}

void ours_close(struct ours *o)
{
    if (!o)
        return;
    for (size_t i = 0; i < o->list->n; i++)
        if (o->maps[i])
            map_close(o->maps[i]);
    free(o->maps);
    for (size_t i = 0; i < o->n_ccerts; i++)
        map_close(o->ccerts[i].map);
    free(o->ccerts);
    addr_list_fini(&o->own);
    free(o);
}

static enum map_result ask(struct map *m, const char *address)
{
    struct buf value;
    struct err e;

    buf_init(&value, 4096);
    enum map_result result = map_lookup(m, span_str(address), &value, &e);
    buf_fini(&value);
    if (result == MAP_CANNOT_TELL)
        map_log_trouble(m, PARAM_NAME, &e);
    return result;
}

/* Each fingerprint in all tables before the next. */
static enum map_result ask_ccerts(struct ours *o, const struct strlist *specs, const struct tls_info *certificate)
{
    const char *prints[] = { certificate ? certificate->fingerprint : "", certificate ? certificate->key_fingerprint : "" };
    enum map_result result = MAP_NOT_FOUND;

    for (size_t p = 0; p < ARRAY_LEN(prints); p++)
        for (size_t i = 0; *prints[p] && i < specs->n && result == MAP_NOT_FOUND; i++)
            result = ask(find_ccerts(o, specs->at[i]), prints[p]);
    return result;
}

enum map_result ours_has(struct ours *o, const struct ours_client *c)
{
    enum map_result result = c->is_local ? MAP_FOUND : MAP_NOT_FOUND;

    for (size_t i = 0; i < o->list->n && result == MAP_NOT_FOUND; i++) {
        bool is_one = false;
        switch (o->list->at[i].id) {
        case RESTRICTION_permit_inet_interfaces: is_one = addr_list_has_host(&o->own, c->peer); break;
        case RESTRICTION_permit_mynetworks: is_one = c->is_trusted; break;
        case RESTRICTION_permit_sasl_authenticated: is_one = c->is_logged_in; break;
        case RESTRICTION_permit_tls_all_clientcerts: is_one = c->certificate && c->certificate->is_trusted; break;
        case RESTRICTION_permit_tls_clientcerts: result = ask_ccerts(o, c->ccerts, c->certificate); break;
        default: result = ask(o->maps[i], c->address);
        }
        if (is_one)
            result = MAP_FOUND;
    }
    return result;
}

bool ours_are_stale(const struct ours *o)
{
    for (size_t i = 0; i < o->list->n; i++)
        if (o->maps[i] && map_is_stale(o->maps[i]))
            return true;
    for (size_t i = 0; i < o->n_ccerts; i++)
        if (map_is_stale(o->ccerts[i].map))
            return true;
    return false;
}
