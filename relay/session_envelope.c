/* SPDX-License-Identifier: Apache-2.0
 *
 * The envelope that a message is kept with, where it is not the one that the client gave: a filter has changed it, an access table
 * redirects it or adds a copy, and canonical_maps and its kin rewrite the addresses that result. */
#include "relay/session_int.h"

#include "base/mem.h"
#include "relay/worker.h"

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

static int rewrite_one(struct session *s, char **address, enum resolve_where where, struct err *e)
{
    struct buf now;

    buf_init(&now, BUF_NO_MAX);
    int rc = resolve_rewrite(s->receiver->resolver, *address, where, &now);
    if (rc > 0) {
        free(*address);
        buf_cstr(&now);
        *address = buf_take(&now);
    }
    buf_fini(&now);
    return rc < 0 ? err_set(e, ERR_CONFIG, "Temporary lookup failure") : rc;
}

/* canonical_maps and its kin. What a recipient was before is kept for delivery reports. */
static int rewrite_envelope(struct session *s, struct envelope *env, struct err *e)
{
    if (rewrite_one(s, &env->sender, REWRITE_ENVELOPE_SENDER, e) < 0)
        return -1;
    for (size_t i = 0; i < env->n_rcpts; i++) {
        struct rcpt *r = &env->rcpts[i];
        char *was = xstrdup(r->address);
        int rc = rewrite_one(s, &r->address, REWRITE_ENVELOPE_RCPT, e);
        if (rc > 0 && !r->original)
            r->original = was;
        else
            free(was);
        if (rc < 0)
            return -1;
    }
    return 0;
}

int session_write_envelope(struct session *s, const struct wishes *w, struct err *e)
{
    bool rewrites = resolver_rewrites(s->receiver->resolver, REWRITE_ENVELOPE_SENDER | REWRITE_ENVELOPE_RCPT);
    struct envelope env;

    if (!rewrites && !s->changed && !(w && (w->is_held || w->redirect || w->bcc.n)))
        return 0;
    envelope_copy(&env, s->changed ? s->changed : s->env);
    if (w) {
        env.is_held = w->is_held;
        if (w->redirect)
            redirect(&env, w->redirect);
        for (size_t i = 0; i < w->bcc.n; i++)
            envelope_add(&env, w->bcc.at[i])->notify = NOTIFY_NEVER;
    }
    int rc = rewrites ? rewrite_envelope(s, &env, e) : 0;
    if (rc == 0)
        rc = spool_msg_envelope(s->msg, &env, e);
    envelope_fini(&env);
    return rc;
}

bool session_is_for_nobody(const struct session *s, const struct wishes *w)
{
    if (w && w->is_discarded)
        return true;
    return s->changed && !s->changed->n_rcpts && !(w && (w->redirect || w->bcc.n));
}
