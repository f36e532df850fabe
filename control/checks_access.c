/* SPDX-License-Identifier: Apache-2.0
 *
 * checks_access.c - what a client would be told of by 451: rows of access tables that are no action, and policy servers that nobody
 * serves. */
#include "control/checks.h"

#include "base/mem.h"
#include "config/access.h"
#include "control/reach.h"
#include "map/map.h"

#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { ROWS_TOLD = 5 };

/* ---- rows ---- */

struct row_check {
    const struct config *cfg;
    struct findings *f;
    const char *spec;
    unsigned n_bad;
};

static int check_row(void *arg, const struct map_row *row)
{
    struct row_check *c = arg;
    char line[16] = "";
    struct err e;

    if (access_check(c->cfg, row->value, &e) == 0 || c->n_bad++ >= ROWS_TOLD)
        return 0;
    if (row->line)
        snprintf(line, sizeof line, ":%u", row->line);
    findings_add(c->f, FINDING_WARNING, "access", "%s%s: %s; clients get 451 there", c->spec, line, e.text);
    return 0;
}

static void check_rows(void *arg, const char *name, const char *spec)
{
    struct row_check *c = arg;
    struct map_options o = { .is_read_only = true };
    struct err e = { 0 };
    char *text = map_text_of(spec);
    struct map *m = map_open(text ? text : spec, &o, &e); /* what cannot be opened check_maps() has told */

    (void)name;
    c->spec = spec;
    c->n_bad = 0;
    if (m)
        map_each(m, check_row, c, &e);
    if (c->n_bad > ROWS_TOLD)
        findings_add(c->f, FINDING_WARNING, "access", "%s: %u more rows of that kind", spec, c->n_bad - ROWS_TOLD);
    map_close(m);
    free(text);
}

/* ---- policy servers ---- */

/* "unix:/path", "unix:path" below the queue's folder, "inet:host:port", "inet:port" */
static int connect_to(const struct config *cfg, struct span place, struct err *e)
{
    struct span at = span_from(place, 5);
    size_t colon = span_rfind(at, ':');
    char *host, *port;

    if (span_starts(place, "unix:")) {
        host = at.len && at.at[0] == '/' ? span_dup(at) : xasprintf("%s/%.*s", cfg->queue_directory, (int)at.len, at.at);
        int fd = reach_unix(host, e);
        free(host);
        return fd;
    }
    host = colon > 0 && colon < at.len ? span_dup(span_of(at.at, colon)) : xstrdup("127.0.0.1");
    port = span_dup(colon < at.len ? span_from(at, colon + 1) : at);
    int fd = reach_inet(host, port, e);
    free(host);
    free(port);
    return fd;
}

static void check_service(const struct config *cfg, struct findings *f, const char *arg)
{
    struct span rest = span_str(arg), place = rest;
    struct err e;

    if (rest.len > 1 && rest.at[0] == '{') {
        rest = span_of(rest.at + 1, rest.len - 2);
        map_next_spec(&rest, &place);
    }
    int fd = connect_to(cfg, place, &e);
    if (fd >= 0) {
        findings_add(f, FINDING_OK, "access", "policy server %.*s serves", (int)place.len, place.at);
        close(fd);
        return;
    }
    findings_add(f, FINDING_WARNING, "access", "policy server %.*s: %s: clients get %s till it serves", (int)place.len, place.at,
                 e.sys ? strerror(e.sys) : e.text, cfg->smtpd_policy_service_default_action);
}

static void check_services(const struct config *cfg, struct findings *f, const struct restriction_list *l)
{
    for (size_t i = 0; i < l->n; i++)
        if (l->at[i].id == RESTRICTION_check_policy_service)
            check_service(cfg, f, l->at[i].arg);
}

void check_access(const struct config *cfg, struct findings *f)
{
    struct row_check c = { .cfg = cfg, .f = f };
    const struct config *view;

    config_each_access_table(cfg, check_rows, &c);
    for (size_t i = 0; (view = config_each_view(cfg, i)); i++)
        for (int p = 0; p < N_RESTRICT_PLACES; p++) {
            const struct restriction_list *l = config_restrictions(view, (enum restriction_place)p);
            if (i == 0 || l->at != config_restrictions(cfg, (enum restriction_place)p)->at)
                check_services(cfg, f, l);
        }
    for (size_t i = 0; i < cfg->n_restriction_classes; i++)
        check_services(cfg, f, &cfg->restriction_classes[i].restrictions);
}
