/* SPDX-License-Identifier: Apache-2.0
 *
 * The lists that belong to a question are gone through one after the other: a permit ends its list, a refusal ends all. What is
 * asked before the first recipient waits for it (smtpd_delay_reject). Behind the last list come what was put off till then
 * (defer_if_permit) and whether anybody has the address.
 *
 * run() is the only loop. A restriction that has to wait leaves it, and check_answer() enters it again; lists within lists are
 * frames on a stack of bounded depth, no recursion. */
#include "server/restrict_int.h"

#include "base/clock.h"
#include "base/log.h"
#include "base/mem.h"
#include "relay/worker.h"
#include "server/rbl.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

/* ---- what replies are about ---- */

struct subject about_client(const struct check *c)
{
    return (struct subject){ c->f.client, "Client host" };
}

struct subject about_helo(const struct check *c)
{
    return (struct subject){ c->f.helo ? c->f.helo : "", "Helo command" };
}

struct subject about_sender(const struct check *c)
{
    return (struct subject){ c->f.env ? c->f.env->sender : "", "Sender address" };
}

struct subject about_recipient(const struct check *c)
{
    const char *address = check_recipient(c);
    return (struct subject){ address ? address : "", "Recipient address" };
}

static struct subject subject_of(const struct check *c)
{
    switch (c->place) {
    case RESTRICT_CLIENT: return about_client(c);
    case RESTRICT_HELO: return about_helo(c);
    case RESTRICT_SENDER: return about_sender(c);
    case RESTRICT_RELAY:
    case RESTRICT_RECIPIENT: return about_recipient(c);
    case RESTRICT_DATA: return (struct subject){ "DATA", "Data command" };
    default: return (struct subject){ "END-OF-MESSAGE", "End-of-data" };
    }
}

const char *check_recipient(const struct check *c)
{
    if (c->f.rcpt)
        return c->f.rcpt->address;
    return c->at > GATE_RCPT && c->f.env && c->f.env->n_rcpts == 1 ? c->f.env->rcpts[0].address : NULL;
}

/* ---- what follows ---- */

static void set_no(struct check *c, struct refusal *out, int code, const char *status, const char *text)
{
    bool is_soft = c->f.cfg->soft_bounce && code >= 500;

    *out = (struct refusal){ .code = is_soft ? code - 100 : code };
    snprintf(out->status, sizeof out->status, "%s", status);
    if (out->status[0])
        out->status[0] = out->code >= 500 ? '5' : '4';
    snprintf(out->text, sizeof out->text, "%s", text);
}

static enum outcome refuse(struct check *c, int code, const char *status, const char *text)
{
    struct refusal no;

    set_no(c, &no, code, status, text);
    if (c->if_reject.code && no.code >= 500)
        no = c->if_reject;
    if (c->warns_at) {
        gate_log(c->gate, "reject_warning", &no);
        return GO_ON;
    }
    c->no = no;
    return REJECT;
}

enum outcome check_reject(struct check *c, int code, const char *status, const char *fmt, ...)
{
    char text[400];
    va_list ap;

    va_start(ap, fmt);
    vsnprintf(text, sizeof text, fmt, ap);
    va_end(ap);
    return refuse(c, code, status, text);
}

static void name_it(const struct subject *s, char *out, size_t size, const char *fmt, va_list ap)
{
    int n = snprintf(out, size, "<%s>: %s rejected: ", log_safe_str(s->name), s->what);

    if (n > 0 && (size_t)n < size)
        vsnprintf(out + n, size - (size_t)n, fmt, ap);
}

enum outcome check_reject_it(struct check *c, struct subject s, int code, const char *status, const char *fmt, ...)
{
    char text[400];
    va_list ap;

    va_start(ap, fmt);
    name_it(&s, text, sizeof text, fmt, ap);
    va_end(ap);
    return refuse(c, code, status, text);
}

enum outcome check_defer_if_permit(struct check *c, struct subject s, const char *status, const char *fmt, ...)
{
    char text[400];
    va_list ap;

    va_start(ap, fmt);
    name_it(&s, text, sizeof text, fmt, ap);
    va_end(ap);
    if (c->if_permit.code || c->warns_at) /* the first one counts */
        return GO_ON;
    set_no(c, &c->if_permit, 450, status, text);
    return GO_ON;
}

enum outcome check_defer_if_reject(struct check *c, struct subject s, const char *status, const char *fmt, ...)
{
    char text[400];
    va_list ap;

    va_start(ap, fmt);
    name_it(&s, text, sizeof text, fmt, ap);
    va_end(ap);
    set_no(c, &c->if_reject, 450, status, text);
    return GO_ON;
}

enum outcome check_trouble(struct check *c, int code, const char *status, const char *fmt, ...)
{
    char text[400];
    va_list ap;

    va_start(ap, fmt);
    vsnprintf(text, sizeof text, fmt, ap);
    va_end(ap);
    set_no(c, &c->no, code, status, text);
    return REJECT;
}

enum outcome check_go_into(struct check *c, const struct restriction_list *list, struct restriction_list *own, struct subject s)
{
    if (c->depth == CHECK_DEPTH_MAX) {
        log_warn("access restrictions: lists lie deeper in each other than %d: a table names itself", CHECK_DEPTH_MAX);
        if (own)
            restrictions_fini(own);
        return check_trouble(c, 451, "4.3.5", "Server configuration error");
    }
    struct frame *fr = &c->frames[c->depth++];
    *fr = (struct frame){ .list = list, .subject = s };
    if (own) {
        fr->own = *own;
        fr->list = &fr->own;
    }
    return GO_ON;
}

static void leave(struct check *c)
{
    restrictions_fini(&c->frames[--c->depth].own);
}

/* ---- going through ---- */

static enum outcome ask_one(struct check *c, const struct restriction *r)
{
    if (r->id == RESTRICTION_CLASS) {
        const struct restriction_list *l = config_restriction_class(c->f.cfg, r->arg);
        return l ? check_go_into(c, l, NULL, c->subject) : check_trouble(c, 451, "4.3.5", "Server configuration error");
    }
    return restriction_fns[r->id](c, r);
}

/* Behind a list: GO_ON when the next one follows. */
static enum outcome ask_behind(struct check *c)
{
    const struct config *cfg = c->f.cfg;

    bool checks_unknown = !(cfg->receive_override_options & CONFIG_NO_UNKNOWN_RECIPIENT_CHECKS);
    if (c->place == RESTRICT_SENDER && checks_unknown && cfg->smtpd_reject_unlisted_sender && !c->sender_was_looked_up)
        return reject_unlisted_sender(c);
    if (c->place < RESTRICT_RECIPIENT)
        return GO_ON;
    if (c->if_permit.code) {
        c->no = c->if_permit;
        return REJECT;
    }
    if (c->place == RESTRICT_RECIPIENT && checks_unknown && cfg->smtpd_reject_unlisted_recipient && !c->rcpt_was_looked_up)
        return reject_unlisted_recipient(c);
    return GO_ON;
}

static void begin_list(struct check *c)
{
    c->is_behind = false;
    c->warns_at = 0;
    c->warns_next = false;
    c->if_reject.code = 0;
    /* Programs of this machine are nobody's clients. */
    if (!c->f.is_local)
        check_go_into(c, config_restrictions(c->f.cfg, (enum restriction_place)c->place), NULL, subject_of(c));
}

/* The next restriction of the innermost list that has one; NULL: the lists are through. */
static const struct restriction *next(struct check *c)
{
    while (c->depth) {
        struct frame *fr = &c->frames[c->depth - 1];
        if (c->warns_at >= c->depth && !c->warns_next)
            c->warns_at = 0;
        c->warns_next = false;
        c->subject = fr->subject;
        if (fr->next < fr->list->n)
            return &fr->list->at[fr->next++];
        leave(c);
    }
    return NULL;
}

static void end_list(struct check *c)
{
    while (c->depth)
        leave(c);
}

static void finish(struct check *c)
{
    end_list(c);
    if (c->at < GATE_RCPT && c->if_permit.code && !c->early.code) {
        c->early = c->if_permit;
        c->early_at = c->first_place == RESTRICT_CLIENT ? GATE_CONNECT : c->at;
    }
    if (c->at < GATE_RCPT && c->no.code && c->place <= RESTRICT_HELO) {
        c->denied = c->no;
        c->denied_by = c->place;
    }
    if (resolver_is_stale(c->f.resolver) || restrictions_are_stale(c->all))
        worker_is_stale(c->f.worker);
    gate_answer(c->gate, &c->no);
}

/* LATER may be answered from inside. */
static enum outcome ask(struct check *c)
{
    c->has_answer = false;
    c->is_asking = true;
    enum outcome o = c->current ? ask_one(c, c->current) : ask_behind(c);
    c->is_asking = false;
    return o == LATER && c->has_answer ? c->answer : o;
}

/* Whom to ask after that answer; false: all is said. */
static bool go_on(struct check *c, enum outcome o)
{
    if (o == REJECT || c->is_discarded)
        return false;
    if (o == AGAIN)
        return true;
    if (o == PERMIT)
        end_list(c);
    if (c->is_behind) {
        if (c->place >= c->last_place)
            return false;
        c->place++;
        begin_list(c);
    }
    c->current = next(c);
    if (!c->current) {
        c->is_behind = true;
        c->warns_at = 0;
    }
    return true;
}

static void run(struct check *c, enum outcome o)
{
    while (go_on(c, o)) {
        o = ask(c);
        if (o == LATER)
            return;
    }
    finish(c);
}

void check_answer(struct check *c, enum outcome answer)
{
    c->job = NULL;
    c->stop = NULL;
    c->answer = answer;
    c->has_answer = true;
    if (!c->is_asking)
        run(c, answer);
}

/* ---- the step ---- */

/* The first and last list for a question; false: none. */
static bool places_of(const struct config *cfg, enum gate_at at, int *first, int *last)
{
    static const struct {
        int first, last;
    } at_once[] = {
        [GATE_CONNECT] = { RESTRICT_CLIENT, RESTRICT_CLIENT }, [GATE_HELLO] = { RESTRICT_HELO, RESTRICT_HELO },
        [GATE_MAIL] = { RESTRICT_SENDER, RESTRICT_SENDER },    [GATE_RCPT] = { RESTRICT_RELAY, RESTRICT_RECIPIENT },
        [GATE_DATA] = { RESTRICT_DATA, RESTRICT_DATA },        [GATE_END] = { RESTRICT_END, RESTRICT_END },
    };

    *first = at_once[at].first;
    *last = at_once[at].last;
    if (!cfg->smtpd_delay_reject)
        return true;
    if (at == GATE_RCPT)
        *first = RESTRICT_CLIENT;
    return at >= GATE_RCPT;
}

static unsigned n_instances;

static void start(struct check *c, enum gate_at at, const struct gate_facts *f)
{
    c->f = *f;
    c->at = at;
    c->is_behind = false;
    c->no.code = c->if_permit.code = 0;
    c->rcpt.is_known = c->sender_was_looked_up = c->rcpt_was_looked_up = false;
    if (c->early.code && c->early_at >= at)
        c->early.code = 0;
    if (c->early.code)
        c->if_permit = c->early;
    if (!c->instance[0])
        snprintf(c->instance, sizeof c->instance, "%lx.%llx.%x", (long)getpid(), (long long)clock_real_us(), ++n_instances);
}

/* A client that was refused may go on talking (only 5xx and 421 end a session at its start): it hears the same again. */
static bool is_denied(struct check *c, enum gate_at at)
{
    if (at == GATE_HELLO && c->denied_by == RESTRICT_HELO)
        c->denied.code = 0;
    return c->denied.code;
}

static void ask_lists(struct gate *g, enum gate_at at, const struct gate_facts *f)
{
    struct check *c = *gate_slot(g);
    int first, last;

    if (c && is_denied(c, at)) {
        gate_answer(g, &c->denied);
        return;
    }
    if ((c && c->is_discarded) || !places_of(f->cfg, at, &first, &last)) {
        gate_answer(g, NULL);
        return;
    }
    if (!c) {
        c = *gate_slot(g) = xcalloc(1, sizeof *c);
        c->gate = g;
        c->all = f->restrictions;
        first = RESTRICT_CLIENT; /* XCLIENT: another client, that nobody has asked about */
    }
    start(c, at, f);
    c->place = c->first_place = first;
    c->last_place = last;
    begin_list(c);
    run(c, GO_ON);
}

static void cancel(struct gate *g)
{
    struct check *c = *gate_slot(g);

    if (c && c->stop)
        c->stop(c);
    if (!c)
        return;
    c->stop = NULL;
    timer_stop(&c->timer);
    end_list(c);
}

static void forget(struct gate *g, bool is_session)
{
    struct check *c = *gate_slot(g);

    if (!c)
        return;
    c->is_discarded = false;
    c->sender.is_known = false;
    c->instance[0] = '\0';
    if (c->early.code && c->early_at >= GATE_MAIL)
        c->early.code = 0;
    if (!is_session)
        return;
    timer_stop(&c->timer);
    rbl_forget(c->rbl);
    free(c);
    *gate_slot(g) = NULL;
}

const struct gate_step restrict_step = { .ask = ask_lists, .cancel = cancel, .forget = forget };
