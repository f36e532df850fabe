/* SPDX-License-Identifier: Apache-2.0
 *
 * Questions: each key becomes a search; all of them go out together, and what they find is collected. */
#include "server/map_ldap_int.h"

#include "base/clock.h"
#include "base/mem.h"
#include "server/map_ldap_expand.h"

#include <stdlib.h>

enum {
    QUERY_MAX = 64 * 1024, /* a filter or a base with a key of MAP_KEY_MAX bytes in it, quoted */
    PAUSE_S = 5,
};

struct asking {
    struct map_question *question;
    struct ldap_search search;
    struct buf base, filter;
};

/* False: the key lacks what the query asks for, and is not there. */
static bool prepare(struct ldap_map *m, struct asking *a)
{
    struct span key = a->question->key, none = { 0 };

    buf_init(&a->base, QUERY_MAX);
    buf_init(&a->filter, QUERY_MAX);
    if (!ldap_expand(m->table->search_base, key, none, LDAP_QUOTE_DN, &a->base) ||
        !ldap_expand(m->filter, key, none, LDAP_QUOTE_FILTER, &a->filter))
        return false;
    a->search = (struct ldap_search){
        .base = buf_cstr(&a->base),
        .filter = buf_cstr(&a->filter),
        .scope = (enum config_ldap_scope)m->table->scope,
        .attrs = m->attrs,
    };
    return true;
}

static enum map_result no_such_base(struct ldap_map *m, struct asking *a)
{
    if (!ldap_template_is_fixed(m->table->search_base))
        return MAP_NOT_FOUND;
    err_set(a->question->err, ERR_CONFIG, "the directory has no search_base \"%s\" (or does not show it to %s)", a->search.base,
            m->table->bind_dn[0] ? m->table->bind_dn : "those who do not log in; set bind_dn and bind_pw");
    return MAP_CANNOT_TELL;
}

/* It hangs: who asks next is told at once, for a while, instead of waiting as long. */
static void pause_asking(struct ldap_map *m, const struct err *why)
{
    m->paused_until_us = clock_mono_us() + PAUSE_S * USEC_PER_SEC;
    m->why_paused = *why;
}

static enum map_result answer(struct ldap_map *m, struct asking *a)
{
    struct map_question *q = a->question;

    switch (a->search.outcome) {
    case LDAP_ANSWERED: return ldap_collect(m, &a->search, q->key, q->value, q->err);
    case LDAP_NO_BASE: return no_such_base(m, a);
    default: break;
    }
    *q->err = a->search.err;
    if (a->search.is_hanging)
        pause_asking(m, q->err);
    return MAP_CANNOT_TELL;
}

void ldap_ask(struct ldap_map *m, struct map_question *const *questions, size_t n)
{
    struct asking *all = xcalloc(n, sizeof *all);
    struct ldap_search **searches = xcalloc(n, sizeof(struct ldap_search *));
    size_t n_searches = 0;

    for (size_t i = 0; i < n; i++) {
        all[i].question = questions[i];
        questions[i]->result = MAP_NOT_FOUND;
        if (prepare(m, &all[i]))
            searches[n_searches++] = &all[i].search;
    }
    if (n_searches)
        m->module->search(m->wire, searches, n_searches);
    for (size_t i = 0; i < n; i++) {
        if (all[i].search.base)
            questions[i]->result = answer(m, &all[i]);
        m->module->forget(&all[i].search);
        buf_fini(&all[i].base);
        buf_fini(&all[i].filter);
    }
    free(searches);
    free(all);
}
