/* SPDX-License-Identifier: Apache-2.0
 *
 * The envelope that a message is kept with, where it is not the one that the client gave: a filter has changed it, an access table
 * redirects it or adds a copy, and canonical_maps and its kin rewrite the addresses that result. */
#include "relay/session_int.h"

#include "base/mem.h"
#include "relay/rewriting.h"

#include <stdlib.h>

/* Its recipients become the one. The first keeps what was asked about delivery reports. */
static void redirect(struct envelope *env, const char *address)
{
    struct envelope one = *env;

    one.rcpts = NULL;
    one.n_rcpts = one.cap_rcpts = 0;
    struct rcpt *r = envelope_add(&one, address);
    if (env->n_rcpts) {
        r->notify = env->rcpts[0].notify;
        r->original = env->n_rcpts == 1 ? xstrdup(env->rcpts[0].address) : NULL;
    }
    for (size_t i = 0; i < env->n_rcpts; i++) {
        free(env->rcpts[i].address);
        free(env->rcpts[i].orcpt);
        free(env->rcpts[i].original);
    }
    free(env->rcpts);
    *env = one;
}

/* ---- what becomes of it ---- */

struct enveloping {
    struct session *session;
    const struct wishes *wishes; /* borrowed; or NULL */
    struct rewriting *rewriting; /* NULL: nothing is waited for */
    struct envelope env;
    bool is_made;                /* `env` is something */
    session_envelope_fn *then;
};

static bool is_unmapped(const struct session *s)
{
    return s->cfg->receive_override_options & CONFIG_NO_ADDRESS_MAPPINGS;
}

/* "transport:nexthop", or NULL; to be freed. */
static char *filter_for(const struct session *s, const struct wishes *w)
{
    const struct transport *t = &s->cfg->content_filter;

    if (w && w->filter)
        return xstrdup(w->filter);
    return t->name[0] ? xasprintf("%s:%s", t->name, t->nexthop) : NULL;
}

static void make(struct enveloping *en)
{
    const struct session *s = en->session;
    const struct wishes *w = en->wishes;

    if (en->is_made)
        envelope_fini(&en->env);
    en->is_made = true;
    envelope_copy(&en->env, s->changed ? s->changed : s->env);
    en->env.is_unmapped = is_unmapped(s);
    en->env.filter = filter_for(s, w);
    if (!w)
        return;
    en->env.is_held = w->is_held;
    if (w->redirect)
        redirect(&en->env, w->redirect);
    for (size_t i = 0; i < w->bcc.n; i++)
        envelope_add(&en->env, w->bcc.at[i])->notify = NOTIFY_NEVER;
}

/* What a recipient was before is kept for delivery reports: `original`, or NULL. */
static void rewrite_one(struct rewriting *w, char **address, char **original, enum rewrite_where where)
{
    struct buf now;

    buf_init(&now, BUF_NO_MAX);
    if (rewriting_address(w, *address, where, &now) > 0) {
        if (original && !*original)
            *original = *address;
        else
            free(*address);
        buf_cstr(&now);
        *address = buf_take(&now);
    }
    buf_fini(&now);
}

/* canonical_maps and its kin. */
static void make_rewritten(void *arg, struct rewriting *w)
{
    struct enveloping *en = arg;
    struct envelope *env = &en->env;

    make(en);
    rewrite_one(w, &env->sender, NULL, REWRITE_ENVELOPE_SENDER);
    for (size_t i = 0; i < env->n_rcpts; i++)
        rewrite_one(w, &env->rcpts[i].address, &env->rcpts[i].original, REWRITE_ENVELOPE_RCPT);
}

static int put(struct enveloping *en, bool cannot_tell, struct err *e)
{
    int rc = cannot_tell ? err_set(e, ERR_CONFIG, "Temporary lookup failure") : spool_msg_envelope(en->session->msg, &en->env, e);

    envelope_fini(&en->env);
    return rc;
}

static void rewritten(void *arg, bool cannot_tell)
{
    struct enveloping *en = arg;
    struct session *s = en->session;
    session_envelope_fn *then = en->then;
    struct err e;
    int rc = put(en, cannot_tell, &e);

    s->enveloping = NULL;
    free(en);
    then(s, rc, &e);
}

static void rewrite_later(const struct enveloping *first)
{
    struct enveloping *en = xcalloc(1, sizeof *en);

    en->session = first->session;
    en->wishes = first->wishes;
    en->then = first->then;
    en->session->enveloping = en;
    struct rewriting *w = rewriting_start(en->session->receiver->resolver, make_rewritten, rewritten, en);
    if (w)
        en->rewriting = w;
}

void session_envelope_cancel(struct session *s)
{
    struct enveloping *en = s->enveloping;

    if (!en)
        return;
    rewriting_cancel(en->rewriting);
    if (en->is_made)
        envelope_fini(&en->env);
    free(en);
    s->enveloping = NULL;
}

void session_write_envelope(struct session *s, const struct wishes *w, session_envelope_fn *then)
{
    struct resolver *r = s->receiver->resolver;
    bool is_as_it_is = is_unmapped(s), cannot_tell = false;
    bool rewrites = !is_as_it_is && resolver_rewrites(r, REWRITE_ENVELOPE_SENDER | REWRITE_ENVELOPE_RCPT);
    struct enveloping en = { .session = s, .wishes = w, .then = then };
    struct err e = { 0 };

    if (!rewrites && !s->changed && !is_as_it_is && !s->cfg->content_filter.name[0] &&
        !(w && (w->is_held || w->filter || w->redirect || w->bcc.n))) {
        then(s, 0, &e);
        return;
    }
    if (!rewrites) {
        make(&en);
    } else if (!rewriting_now(r, make_rewritten, &en, &cannot_tell)) {
        envelope_fini(&en.env);
        rewrite_later(&en);
        return;
    }
    int rc = put(&en, cannot_tell, &e);
    then(s, rc, &e);
}

bool session_is_for_nobody(const struct session *s, const struct wishes *w)
{
    if (w && w->is_discarded)
        return true;
    return s->changed && !s->changed->n_rcpts && !(w && (w->redirect || w->bcc.n));
}
