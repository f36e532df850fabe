/* SPDX-License-Identifier: Apache-2.0 */
#include "relay/rewriting.h"
#include "relay/resolve_int.h"

#include "base/mem.h"

#include <stdlib.h>

struct rewriting {
    struct list link; /* of the resolver's, while it waits */
    struct resolver *r;
    struct lookup l;
    rewriting_fn *pass;
    rewriting_done_fn *done;
    void *arg;
};

bool resolver_rewrites(const struct resolver *r, unsigned where)
{
    return r->server && route_hooks->rewrites(r->server, where);
}

int rewriting_address(struct rewriting *w, const char *address, enum rewrite_where where, struct buf *out)
{
    const char *now = NULL;

    if (!w->r->server)
        return 0;
    enum map_result result = route_hooks->rewrite(w->r->server, &w->l, address, where, &now);
    if (result == MAP_CANNOT_TELL)
        return -1;
    if (!now || strcmp(now, address) == 0)
        return 0;
    buf_clear(out);
    buf_adds(out, now);
    return 1;
}

static struct rewriting *new_rewriting(struct resolver *r)
{
    struct rewriting *w = xcalloc(1, sizeof *w);

    w->r = r;
    list_init(&w->link);
    w->l.runner = r->runner;
    w->l.cache = r->cache;
    return w;
}

void rewriting_cancel(struct rewriting *w)
{
    if (!w)
        return;
    list_remove(&w->link);
    lookup_fini(&w->l);
    free(w);
}

bool rewriting_now(struct resolver *r, rewriting_fn *pass, void *arg, bool *cannot_tell)
{
    if (!r->rewriting)
        r->rewriting = new_rewriting(r);
    struct rewriting *w = r->rewriting;
    w->l.runner = r->runner;
    lookup_forget(&w->l);
    pass(arg, w);
    *cannot_tell = lookup_has_failed(&w->l);
    return !lookup_waits(&w->l);
}

/* Whether all is known. */
static bool run(struct rewriting *w)
{
    lookup_begin(&w->l);
    w->pass(w->arg, w);
    if (lookup_waits(&w->l) && w->l.n_under_way)
        return false;
    BUG_IF(lookup_waits(&w->l));
    return true;
}

static void finish(struct rewriting *w)
{
    bool cannot_tell = lookup_has_failed(&w->l);
    rewriting_done_fn *done = w->done;
    void *arg = w->arg;

    rewriting_cancel(w);
    done(arg, cannot_tell);
}

static void go_on(void *arg)
{
    if (run(arg))
        finish(arg);
}

struct rewriting *rewriting_start(struct resolver *r, rewriting_fn *pass, rewriting_done_fn *done, void *arg)
{
    struct rewriting *w = new_rewriting(r);

    list_append(&r->rewritings, &w->link);
    w->l.may_ask = true;
    w->l.when_told = go_on;
    w->l.arg = w;
    w->pass = pass;
    w->done = done;
    w->arg = arg;
    if (!run(w))
        return w;
    finish(w);
    return NULL;
}

void rewritings_end(struct resolver *r)
{
    while (!list_is_empty(&r->rewritings))
        rewriting_cancel(list_entry(r->rewritings.next, struct rewriting, link));
    rewriting_cancel(r->rewriting);
    r->rewriting = NULL;
}
