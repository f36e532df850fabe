/* SPDX-License-Identifier: Apache-2.0
 *
 * checks_rows.c - rows of transport_maps and its kin that lead nowhere: mail for them would wait. */
#include "control/checks.h"

#include "base/mem.h"
#include "map/map.h"

#include <stdio.h>
#include <stdlib.h>

enum { ROWS_TOLD = 5 };

struct row_check {
    const struct config *cfg;
    struct findings *f;
    const char *name, *spec;
    bool are_hosts;  /* values are hosts as in relayhost, without a transport */
    bool is_default; /* a next hop alone is for default_transport */
    unsigned n_bad;
};

static int check_hop(const char *transport, struct span hop, struct err *e)
{
    char *text = xasprintf("%s:%.*s", transport, (int)hop.len, hop.at);
    struct transport t;
    int result = transport_parse(&t, span_str(text), e);

    if (result == 0)
        transport_fini(&t);
    free(text);
    return result;
}

/* A next hop alone is for the transport that an address has anyway: it is wrong when it fits none of them. */
static int check_hop_alone(const struct config *cfg, bool is_default, struct span hop, struct err *e)
{
    const struct transport *const all[] = {
        &cfg->default_transport,
        is_default || !cfg->relay_domains.n ? NULL : &cfg->relay_transport,
        is_default || !cfg->virtual_mailbox_domains.n ? NULL : &cfg->virtual_transport,
        is_default || !cfg->mydestination.n ? NULL : &cfg->local_transport,
    };
    struct err why;

    if (check_hop(all[0]->name, hop, e) == 0)
        return 0;
    for (size_t i = 1; i < ARRAY_LEN(all); i++)
        if (all[i] && check_hop(all[i]->name, hop, &why) == 0)
            return 0;
    return -1;
}

/* As server/ways.c takes it: parts that are empty stay as they are. */
static int check_transport(const struct row_check *c, struct span value, struct err *e)
{
    struct transport t;

    if (value.len && value.at[0] == ':')
        return check_hop_alone(c->cfg, c->is_default, span_trim(span_from(value, 1)), e);
    if (transport_parse(&t, value, e) < 0)
        return -1;
    int result = config_has_transport(c->cfg, span_str(t.name)) ? 0 : err_set(e, ERR_CONFIG, "there is no transport \"%s\"", t.name);
    transport_fini(&t);
    return result;
}

static int check_value(const struct row_check *c, struct span value, struct err *e)
{
    value = span_trim(value);
    if (!value.len || span_eq(value, SPAN(":")) || span_ieq(value, SPAN("DUNNO")))
        return 0;
    return c->are_hosts ? check_hop("smtp", value, e) : check_transport(c, value, e);
}

static int check_row(void *arg, const struct map_row *row)
{
    struct row_check *c = arg;
    char line[16] = "";
    struct err e;

    if (check_value(c, row->value, &e) == 0 || c->n_bad++ >= ROWS_TOLD)
        return 0;
    if (row->line)
        snprintf(line, sizeof line, ":%u", row->line);
    findings_add(c->f, FINDING_WARNING, "transports", "%s: %s%s: %s; mail for \"%.*s\" waits", c->name, c->spec, line, e.text,
                 (int)row->key.len, row->key.at);
    return 0;
}

static void check_rows(struct row_check c, const char *name, const struct strlist *specs)
{
    struct map_options o = { .is_read_only = true };
    struct err e = { 0 };

    c.name = name;
    for (size_t i = 0; i < specs->n; i++) {
        char *text = map_text_of(specs->at[i]);
        struct map *m = map_open(text ? text : specs->at[i], &o, &e); /* what cannot be opened check_maps() has told */
        c.spec = specs->at[i];
        c.n_bad = 0;
        if (m)
            map_each(m, check_row, &c, &e);
        if (c.n_bad > ROWS_TOLD)
            findings_add(c.f, FINDING_WARNING, "transports", "%s: %s: %u more rows of that kind", name, c.spec, c.n_bad - ROWS_TOLD);
        map_close(m);
        free(text);
    }
}

void check_transport_rows(const struct config *cfg, struct findings *f)
{
    const struct row_check ways = { .cfg = cfg, .f = f };
    const struct row_check defaults = { .cfg = cfg, .f = f, .is_default = true }, hosts = { .cfg = cfg, .f = f, .are_hosts = true };

    check_rows(ways, "transport_maps", &cfg->transport_maps);
    check_rows(ways, "mailbox_transport_maps", &cfg->mailbox_transport_maps);
    check_rows(ways, "fallback_transport_maps", &cfg->fallback_transport_maps);
    check_rows(defaults, "sender_dependent_default_transport_maps", &cfg->sender_dependent_default_transport_maps);
    check_rows(hosts, "sender_dependent_relayhost_maps", &cfg->sender_dependent_relayhost_maps);
}
