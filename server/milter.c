/* SPDX-License-Identifier: Apache-2.0
 *
 * A session's filters, asked one behind the other: the next one hears of what those before it have let pass, and at the end of the
 * message sees what they have made of it. */
#include "server/milter.h"

#include "base/log.h"
#include "base/mem.h"
#include "map/map.h"
#include "server/milter_int.h"

#include <stdlib.h>

struct filters { /* of a session */
    struct milter_question q;
    struct milter_list from_map; /* what smtpd_milter_maps said, if it did */
    struct milter_link **links;
    size_t n;
    size_t at; /* who is asked */
};

static void go_on(struct filters *f);

/* ---- which ---- */

static struct { /* smtpd_milter_maps of this process */
    struct map **at;
    size_t n;
} maps;

bool milters_are_used(const struct config *cfg)
{
    bool are_used = cfg->smtpd_milters.n || cfg->non_smtpd_milters.n || cfg->smtpd_milter_maps.n;

    for (size_t i = 0; i < cfg->n_listens; i++)
        are_used |= cfg->listens[i].milters.n > 0;
    return are_used;
}

int milters_open(const struct config *cfg, struct err *e)
{
    maps.at = xcalloc(cfg->smtpd_milter_maps.n + 1, sizeof *maps.at);
    for (size_t i = 0; i < cfg->smtpd_milter_maps.n; i++) {
        struct map *m = map_open(cfg->smtpd_milter_maps.at[i], NULL, e);
        if (!m)
            return err_prefix(e, "smtpd_milter_maps");
        maps.at[maps.n++] = m;
        if (map_may_block(m))
            return err_set(e, ERR_CONFIG, "smtpd_milter_maps: %s: only tables that are files can be asked here", map_spec(m));
    }
    return 0;
}

void milters_close(void)
{
    while (maps.n)
        map_close(maps.at[--maps.n]);
    free(maps.at);
    maps.at = NULL;
}

/* What the tables say of a client. False: nothing. */
static bool look_up(struct milter_list *to, const char *address)
{
    struct buf value;
    struct err e;
    enum map_result found = MAP_NOT_FOUND;

    buf_init(&value, 65536);
    for (size_t i = 0; i < maps.n && found == MAP_NOT_FOUND; i++) {
        found = map_lookup(maps.at[i], span_str(address), &value, &e);
        if (found == MAP_CANNOT_TELL)
            log_warn("smtpd_milter_maps: %s: %s", map_spec(maps.at[i]), e.text);
    }
    if (found == MAP_FOUND && !span_ieq_str(span_trim(buf_span(&value)), "DISABLE") &&
        milter_list_parse(buf_span(&value), to, &e) < 0) {
        log_warn("smtpd_milter_maps: what it says of %s: %s", address, e.text);
        found = MAP_NOT_FOUND;
    }
    buf_fini(&value);
    return found == MAP_FOUND;
}

static const struct milter_list *list_for(struct filters *f, const struct gate_facts *facts)
{
    const struct config *cfg = facts->cfg;

    if (facts->is_local)
        return &cfg->non_smtpd_milters;
    for (size_t i = 0; i < cfg->n_listens; i++)
        if (strcmp(cfg->listens[i].name, facts->listen) == 0)
            return look_up(&f->from_map, facts->client_address) ? &f->from_map : &cfg->listens[i].milters;
    return look_up(&f->from_map, facts->client_address) ? &f->from_map : &facts->cfg->smtpd_milters;
}

static void answered(void *arg, const struct milter_outcome *o);

static struct filters *filters_of(struct gate *g, const struct gate_facts *facts)
{
    void **slot = gate_slot(g);
    struct filters *f = *slot;

    if (f)
        return f;
    f = *slot = xcalloc(1, sizeof *f);
    f->q.gate = g;
    const struct milter_list *list = list_for(f, facts);
    f->n = list->n;
    f->links = xcalloc(list->n ? list->n : 1, sizeof *f->links);
    for (size_t i = 0; i < list->n; i++)
        f->links[i] = milter_link_new(&list->at[i], answered, f);
    return f;
}

/* ---- asking ---- */

/* What is not the network's comes from this machine itself. */
static void show_as_localhost(struct gate_facts *facts)
{
    static union addr nowhere;

    facts->peer = &nowhere;
    facts->client_name = "localhost";
    facts->client_address = "127.0.0.1";
    facts->helo = facts->helo ? "localhost" : NULL;
}

static void ask(struct gate *g, enum gate_at at, const struct gate_facts *facts)
{
    if (facts->cfg->receive_override_options & CONFIG_NO_MILTERS ||
        (facts->is_local ? !facts->cfg->non_smtpd_milters.n : !milters_are_used(facts->cfg))) {
        gate_answer(g, NULL);
        return;
    }
    struct filters *f = filters_of(g, facts);
    f->q.at = at;
    f->q.facts = *facts;
    if (facts->is_local)
        show_as_localhost(&f->q.facts);
    f->at = 0;
    go_on(f);
}

static void discard(struct filters *f)
{
    milter_log_action(&f->q, "discard", "milter triggers DISCARD action");
    gate_wishes(f->q.gate)->is_discarded = true;
}

/* What one has said. False: the question is answered. */
static bool take_outcome(struct filters *f, const struct milter_outcome *o)
{
    switch (f->q.facts.refused ? MILTER_GOES_ON : o->does) {
    case MILTER_REFUSES: gate_answer(f->q.gate, &o->no); return false;
    case MILTER_DISCARDS:
        if (f->q.at != GATE_UNKNOWN) /* no message is under way, or none that this is about */
            discard(f);
        gate_answer(f->q.gate, NULL);
        return false;
    case MILTER_GOES_ON: break;
    }
    f->at++;
    return true;
}

/* Once a message is discarded nobody needs to look at it. */
static bool is_discarded(const struct filters *f)
{
    return f->q.at > GATE_MAIL && gate_wishes(f->q.gate)->is_discarded;
}

static void go_on(struct filters *f)
{
    struct milter_outcome o;

    while (f->at < f->n && !is_discarded(f)) {
        if (f->q.at == GATE_END)
            f->q.facts.env = gate_has_changed(f->q.gate) ? gate_envelope(f->q.gate) : f->q.facts.env;
        if (f->q.facts.refused && !milter_link_wants_refused(f->links[f->at])) {
            f->at++;
            continue;
        }
        if (milter_link_ask(f->links[f->at], &f->q, &o))
            return;
        if (!take_outcome(f, &o))
            return;
    }
    gate_answer(f->q.gate, NULL);
}

static void answered(void *arg, const struct milter_outcome *o)
{
    struct filters *f = arg;

    if (take_outcome(f, o))
        go_on(f);
}

/* ---- the end ---- */

static void cancel(struct gate *g)
{
    struct filters *f = *gate_slot(g);

    for (size_t i = 0; f && i < f->n; i++)
        milter_link_cancel(f->links[i]);
}

static void forget(struct gate *g, bool is_session)
{
    struct filters *f = *gate_slot(g);

    if (!f)
        return;
    for (size_t i = 0; i < f->n; i++)
        if (is_session)
            milter_link_free(f->links[i]);
        else
            milter_link_forget(f->links[i]);
    if (!is_session)
        return;
    milter_list_clear(&f->from_map);
    free(f->links);
    free(f);
    *gate_slot(g) = NULL;
}

static size_t memory(struct gate *g)
{
    const struct filters *f = *gate_slot(g);
    size_t sum = 0;

    for (size_t i = 0; f && i < f->n; i++)
        sum += milter_link_memory(f->links[i]);
    return sum;
}

static bool wants_refused(struct gate *g)
{
    const struct filters *f = *gate_slot(g);

    for (size_t i = 0; f && i < f->n; i++)
        if (milter_link_wants_refused(f->links[i]))
            return true;
    return false;
}

static bool wants_content(struct gate *g)
{
    const struct filters *f = *gate_slot(g);

    for (size_t i = 0; f && i < f->n; i++)
        if (milter_link_wants_content(f->links[i]))
            return true;
    return false;
}

const struct gate_step milter_step = { .ask = ask, .cancel = cancel, .forget = forget, .wants_refused = wants_refused,
                                       .wants_content = wants_content, .memory = memory };
