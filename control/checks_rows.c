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
    unsigned n_bad;
};

/* As server/ways.c takes it: parts that are empty stay as they are, so a next hop alone may be for any transport. */
static int check_value(const struct config *cfg, struct span value, struct err *e)
{
    struct transport t;

    value = span_trim(value);
    if (!value.len || value.at[0] == ':' || span_ieq(value, SPAN("DUNNO")))
        return 0;
    if (transport_parse(&t, value, e) < 0)
        return -1;
    int result = config_has_transport(cfg, span_str(t.name)) ? 0 : err_set(e, ERR_CONFIG, "there is no transport \"%s\"", t.name);
    transport_fini(&t);
    return result;
}

static int check_row(void *arg, const struct map_row *row)
{
    struct row_check *c = arg;
    char line[16] = "";
    struct err e;

    if (check_value(c->cfg, row->value, &e) == 0 || c->n_bad++ >= ROWS_TOLD)
        return 0;
    if (row->line)
        snprintf(line, sizeof line, ":%u", row->line);
    findings_add(c->f, FINDING_WARNING, "transports", "%s: %s%s: %s; mail for \"%.*s\" waits", c->name, c->spec, line, e.text,
                 (int)row->key.len, row->key.at);
    return 0;
}

static void check_rows(const struct config *cfg, struct findings *f, const char *name, const struct strlist *specs)
{
    struct map_options o = { .is_read_only = true };
    struct row_check c = { .cfg = cfg, .f = f, .name = name };
    struct err e = { 0 };

    for (size_t i = 0; i < specs->n; i++) {
        char *text = map_text_of(specs->at[i]);
        struct map *m = map_open(text ? text : specs->at[i], &o, &e); /* what cannot be opened check_maps() has told */
        c.spec = specs->at[i];
        c.n_bad = 0;
        if (m)
            map_each(m, check_row, &c, &e);
        if (c.n_bad > ROWS_TOLD)
            findings_add(f, FINDING_WARNING, "transports", "%s: %s: %u more rows of that kind", name, c.spec, c.n_bad - ROWS_TOLD);
        map_close(m);
        free(text);
    }
}

void check_transport_rows(const struct config *cfg, struct findings *f)
{
    check_rows(cfg, f, "transport_maps", &cfg->transport_maps);
    check_rows(cfg, f, "mailbox_transport_maps", &cfg->mailbox_transport_maps);
    check_rows(cfg, f, "fallback_transport_maps", &cfg->fallback_transport_maps);
    check_rows(cfg, f, "sender_dependent_default_transport_maps", &cfg->sender_dependent_default_transport_maps);
}
