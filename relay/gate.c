/* SPDX-License-Identifier: Apache-2.0
 *
 * A question goes from step to step. A step that answers from inside ask() is followed by the next one in the same loop, so that
 * a long chain of answers at hand is no deep recursion. */
#include "relay/gate.h"

#include "base/log.h"
#include "base/mem.h"
#include "relay/draft.h"
#include "relay/hooks.h"
#include "relay/policy.h"
#include "relay/session_int.h"
#include "relay/worker.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

enum { STEPS_MAX = 2 };

struct gate {
    struct session *session;
    enum gate_at at;
    gate_fn *then; /* NULL: no question is under way */
    size_t step;
    bool is_asking; /* inside ask() of that step */
    bool has_answer;
    struct refusal no;
    void *slots[STEPS_MAX];
    bool has_wishes;
    struct wishes wishes;
};

void refusal_set(struct refusal *out, int code, const char *status, const char *fmt, ...)
{
    va_list ap;

    out->code = code;
    out->is_milters = false;
    snprintf(out->status, sizeof out->status, "%s", status);
    va_start(ap, fmt);
    vsnprintf(out->text, sizeof out->text, fmt, ap);
    va_end(ap);
}

void gate_log(const struct gate *g, const char *event, const struct refusal *no)
{
    static const char *const verbs[] = {
        [GATE_CONNECT] = "CONNECT", [GATE_HELLO] = "HELO", [GATE_MAIL] = "MAIL",
        [GATE_RCPT] = "RCPT",       [GATE_DATA] = "DATA",  [GATE_END] = "END-OF-MESSAGE",
        [GATE_UNKNOWN] = "UNKNOWN",
    };
    session_log_refusal(g->session, event, verbs[g->at], no);
}

/* ---- the null client's step ---- */

struct policy_ask {
    struct gate *gate;
    struct resolve_ask *resolve;
    bool is_trusted;
    char *address;
};

static void end_policy(struct gate *g)
{
    struct policy_ask *p = *gate_slot(g);

    if (!p)
        return;
    resolve_cancel(p->resolve);
    free(p->address);
    free(p);
    *gate_slot(g) = NULL;
}

static void got_verdict(void *arg, const struct resolve_verdict *v)
{
    struct policy_ask *p = arg;
    struct gate *g = p->gate;
    const struct receiver *r = g->session->receiver;
    struct refusal no;

    p->resolve = NULL;
    policy_rcpt(r->resolver, v, p->is_trusted, p->address, &no);
    if (resolver_is_stale(r->resolver))
        worker_is_stale(r->env);
    end_policy(g);
    gate_answer(g, &no);
}

static void ask_policy(struct gate *g, enum gate_at at, const struct gate_facts *f)
{
    if (at != GATE_RCPT) {
        gate_answer(g, NULL);
        return;
    }
    struct policy_ask *p = xcalloc(1, sizeof *p);
    *p = (struct policy_ask){ .gate = g, .is_trusted = f->is_trusted || f->login, .address = xstrdup(f->rcpt->address) };
    *gate_slot(g) = p;
    struct resolve_ask *a = resolve_rcpt(f->resolver, f->env->sender, p->address, got_verdict, p);
    if (a)
        p->resolve = a;
}

static const struct gate_step policy = { .ask = ask_policy, .cancel = end_policy };

static const struct gate_step *step_at(size_t i)
{
    const struct gate_step *restrictions = server_hooks ? server_hooks->restrictions : NULL;

    if (i == 0)
        return restrictions ? restrictions : &policy;
    return i == 1 && server_hooks ? server_hooks->milters : NULL;
}

/* ---- asking ---- */

static void tell_facts(const struct session *s, struct gate_facts *f)
{
    *f = (struct gate_facts){
        .cfg = s->cfg,
        .worker = s->receiver->env,
        .loop = s->receiver->loop,
        .restrictions = s->receiver->restrictions,
        .resolver = s->receiver->resolver,
        .peer = &s->peer,
        .client = s->client,
        .client_name = s->name,
        .reverse_name = s->reverse_name,
        .name_status = s->name_status,
        .client_address = s->address,
        .listen = s->on->name,
        .protocol = session_protocol(s),
        .helo = smtp_server_hello(s->server),
        .login = smtp_server_login(s->server),
        .auth_method = smtp_server_login(s->server) ? session_auth_method(s) : NULL,
        .is_encrypted = smtp_server_is_encrypted(s->server),
        .is_trusted = s->is_trusted,
        .is_local = s->is_local,
        .has_more = smtp_server_has_more(s->server),
        .id = s->id,
        .env = s->env,
        .size = s->size,
        .rcpt = s->gate->at == GATE_RCPT && s->env && s->env->n_rcpts ? &s->env->rcpts[s->env->n_rcpts - 1] : NULL,
        .refused = s->gate->no.code ? &s->gate->no : NULL,
        .draft = s->gate->at == GATE_END && s->draft && s->draft->is_shown ? s->draft : NULL,
        .tls = s->conn ? conn_tls(s->conn) : NULL,
        .certificate = session_certificate(s),
        .local = s->conn ? conn_local(s->conn) : NULL,
        .dns = s->receiver->dns,
        .command = s->command,
    };
}

/* Whether the step has answered by the time it returns. */
static bool ask_step(struct gate *g, const struct gate_step *step)
{
    struct gate_facts f;

    tell_facts(g->session, &f);
    g->has_answer = false;
    g->is_asking = true;
    step->ask(g, g->at, &f);
    g->is_asking = false;
    return g->has_answer;
}

/* After a refusal nobody is, but who wants to hear of refused recipients. */
static bool is_asked(struct gate *g, const struct gate_step *step)
{
    if (g->at == GATE_UNKNOWN && step != (server_hooks ? server_hooks->milters : NULL))
        return false;
    return !g->no.code || (g->at == GATE_RCPT && step->wants_refused && step->wants_refused(g));
}

static void go_on(struct gate *g)
{
    while (g->step < STEPS_MAX) {
        const struct gate_step *step = step_at(g->step);
        if (step && is_asked(g, step) && !ask_step(g, step))
            return;
        g->step++;
    }
    gate_fn *then = g->then;
    g->then = NULL;
    then(g->session, &g->no);
}

static void forget_wishes(struct gate *g)
{
    free(g->wishes.filter);
    free(g->wishes.redirect);
    strlist_clear(&g->wishes.bcc);
    buf_fini(&g->wishes.prepend);
    g->wishes = (struct wishes){ 0 };
    g->has_wishes = false;
}

void gate_ask(struct session *s, enum gate_at at, gate_fn *then)
{
    struct gate *g = s->gate;

    if (!g) {
        g = s->gate = xcalloc(1, sizeof *g);
        g->session = s;
    }
    g->at = at;
    g->then = then;
    g->step = 0;
    g->no = (struct refusal){ 0 };
    if (at == GATE_MAIL && g->has_wishes) /* of one that was refused before it began */
        forget_wishes(g);
    go_on(g);
}

void gate_answer(struct gate *g, const struct refusal *no)
{
    if (no && !g->no.code)
        g->no = *no;
    g->has_answer = true;
    if (g->is_asking)
        return;
    g->step++;
    go_on(g);
}

void **gate_slot(struct gate *g)
{
    return &g->slots[g->step < STEPS_MAX ? g->step : 0];
}

/* ---- what else is asked for ---- */

struct wishes *gate_wishes(struct gate *g)
{
    if (!g->has_wishes)
        buf_init(&g->wishes.prepend, g->session->receiver->cfg->header_size_limit);
    g->has_wishes = true;
    return &g->wishes;
}

const struct wishes *gate_wanted(const struct session *s)
{
    return s->gate && s->gate->has_wishes ? &s->gate->wishes : NULL;
}

struct envelope *gate_envelope(struct gate *g)
{
    struct session *s = g->session;

    if (!s->changed) {
        s->changed = xcalloc(1, sizeof *s->changed);
        envelope_copy(s->changed, s->env);
    }
    return s->changed;
}

bool gate_has_changed(const struct gate *g)
{
    return g->session->changed != NULL;
}

/* ceiling.c asks it at any time, so the step under way stays as it is. */
size_t gate_memory(const struct session *s)
{
    struct gate *g = s->gate;
    size_t sum = sizeof *g, at = g->step;

    for (g->step = 0; g->step < STEPS_MAX; g->step++) {
        const struct gate_step *step = step_at(g->step);
        if (step && step->memory)
            sum += step->memory(g);
    }
    g->step = at;
    return sum;
}

bool gate_wants_content(struct session *s)
{
    struct gate *g = s->gate;

    for (g->step = 0; g->step < STEPS_MAX; g->step++) {
        const struct gate_step *step = step_at(g->step);
        if (step && step->wants_content && step->wants_content(g))
            return true;
    }
    return false;
}

static void forget(struct gate *g, bool is_session)
{
    if (g->has_wishes)
        forget_wishes(g);
    for (g->step = 0; g->step < STEPS_MAX; g->step++) {
        const struct gate_step *step = step_at(g->step);
        if (step && step->forget)
            step->forget(g, is_session);
    }
}

/* What is under way is not: the session answers no more. */
static void cancel(struct gate *g)
{
    const struct gate_step *step = g->then ? step_at(g->step) : NULL;

    if (step && step->cancel)
        step->cancel(g);
    g->then = NULL;
}

void gate_forget_message(struct session *s)
{
    if (!s->gate)
        return;
    cancel(s->gate);
    forget(s->gate, false);
}

void gate_close(struct session *s)
{
    if (!s->gate)
        return;
    cancel(s->gate);
    forget(s->gate, true);
    free(s->gate);
    s->gate = NULL;
}
