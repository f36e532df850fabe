/* SPDX-License-Identifier: Apache-2.0
 *
 * One filter, for one session: a connection, made when it is first asked, and kept till the session goes.
 *
 * A question of the gate is one or more events of the protocol, said one after the other (milter_say.c). After each of them the
 * filter is waited for, when it answers to that event at all, and when our queue to it is full. What goes wrong is answered by the
 * default action, from then on till the message is over. */
#include "server/milter_link_int.h"

#include "base/clock.h"
#include "base/log.h"
#include "base/mem.h"
#include "relay/draft.h"

#include <stdio.h>
#include <stdlib.h>

static void advance(struct milter_link *l);

struct milter_link *milter_link_new(const struct milter_spec *spec, milter_link_fn *fn, void *arg)
{
    struct milter_link *l = xcalloc(1, sizeof *l);

    l->spec = spec;
    l->fn = fn;
    l->arg = arg;
    return l;
}

static void hang_up(struct milter_link *l, bool says_so)
{
    dns_cancel(l->query);
    dial_cancel(l->dial);
    l->query = NULL;
    l->dial = NULL;
    if (l->conn && says_so) {
        milter_quit(l->proto);
        conn_write(l->conn, milter_output(l->proto));
        conn_end_last(l->conn);
    } else {
        conn_close(l->conn);
    }
    l->conn = NULL;
    milter_free(l->proto);
    l->proto = NULL;
    l->said_connect = l->said_helo = false;
}

void milter_link_free(struct milter_link *l)
{
    if (!l)
        return;
    later_cancel(&l->answer);
    hang_up(l, l->state == LINK_OPEN && (!l->q || l->is_answered));
    free(l);
}

/* A question waits for its answer. */
static bool is_asked(const struct milter_link *l)
{
    return l->q && !l->is_answered;
}

/* ---- answers ---- */

static void deliver(void *arg)
{
    struct milter_link *l = arg;

    l->q = NULL;
    l->fn(l->arg, &l->outcome);
}

static void finish(struct milter_link *l, const struct milter_outcome *o)
{
    if (l->conn)
        conn_set_timeout(l->conn, 0);
    l->is_answered = true;
    l->outcome = *o;
    if (!l->is_asking)
        later_start(&l->answer, l->q->facts.loop, deliver, l);
}

static void go_on(struct milter_link *l)
{
    finish(l, &(struct milter_outcome){ .does = MILTER_GOES_ON });
}

static void refuse(struct milter_link *l, int code, const char *status, const char *text)
{
    struct milter_outcome o = { .does = MILTER_REFUSES };

    refusal_set(&o.no, code, status, "%s", text);
    o.no.is_milters = true;
    finish(l, &o);
}

static int default_action(const struct milter_link *l)
{
    return l->spec->default_action >= 0 ? l->spec->default_action : l->q->facts.cfg->milter_default_action;
}

static bool is_early(const struct milter_link *l)
{
    return l->q->at < GATE_MAIL || l->q->at == GATE_UNKNOWN;
}

/* A filter that is away is no reason to turn a client off before it has said what it wants: MAIL is answered. */
static void answer_by_default(struct milter_link *l)
{
    switch (is_early(l) ? CONFIG_MILTER_ACCEPT : (enum config_milter_action)default_action(l)) {
    case CONFIG_MILTER_REJECT: refuse(l, 550, "5.5.0", "Service unavailable"); break;
    case CONFIG_MILTER_TEMPFAIL: refuse(l, 451, "4.7.1", "Service unavailable - try again later"); break;
    case CONFIG_MILTER_SHUTDOWN: refuse(l, 421, "4.7.0", "Server closing connection"); break;
    case CONFIG_MILTER_QUARANTINE:
        if (l->q->at == GATE_END) {
            gate_wishes(l->q->gate)->is_held = true;
            milter_log_action(l->q, "hold", "the filter failed");
        }
        go_on(l);
        break;
    case CONFIG_MILTER_ACCEPT: go_on(l); break;
    }
}

void milter_link_fail(struct milter_link *l, const char *what, const char *why)
{
    log_warn("milter %s: %s%s", l->spec->name, what, log_safe_str(why));
    hang_up(l, false);
    l->state = LINK_FAILED;
    l->failed_early = l->q && is_early(l);
    if (is_asked(l))
        answer_by_default(l);
}

/* ---- connecting ---- */

static int64_t ms_of(int64_t own_us, int64_t param_us)
{
    return (own_us ? own_us : param_us) / 1000;
}

static void limit_time(struct milter_link *l)
{
    const struct config *cfg = l->q->facts.cfg;
    const struct milter_spec *m = l->spec;

    if (l->state == LINK_OPENING)
        conn_set_timeout(l->conn, ms_of(m->connect_timeout, cfg->milter_connect_timeout));
    else if (l->q->at == GATE_END)
        conn_set_timeout(l->conn, ms_of(m->content_timeout, cfg->milter_content_timeout));
    else
        conn_set_timeout(l->conn, ms_of(m->command_timeout, cfg->milter_command_timeout));
}

/* False: the queue is full, drained() will come. */
static bool flush(struct milter_link *l)
{
    struct span out = milter_output(l->proto);
    bool has_room = true;

    if (out.len) {
        has_room = conn_write(l->conn, out);
        milter_sent(l->proto, out.len);
    }
    return has_room;
}

static void got_news(struct milter_link *l);

static void on_data(void *arg, struct span bytes)
{
    struct milter_link *l = arg;

    milter_input(l->proto, bytes);
    got_news(l);
}

static void on_drained(void *arg)
{
    struct milter_link *l = arg;

    if (is_asked(l) && l->state == LINK_OPEN && l->said == MILTER_EVENTS)
        advance(l);
}

static void on_closed(void *arg, const struct err *why)
{
    struct milter_link *l = arg;
    const char *text = why->kind == ERR_NONE ? "it has closed the connection" : why->text;
    char what[80] = "";

    if (!is_asked(l) && !l->in_message) { /* idle for too long, for its taste */
        hang_up(l, false);
        l->state = LINK_CLOSED;
        return;
    }
    if (l->state == LINK_OPENING)
        snprintf(what, sizeof what, "no answer to SMFIC_OPTNEG: ");
    else if (is_asked(l) && l->said < MILTER_EVENTS)
        snprintf(what, sizeof what, "no answer to %s: ", milter_event_name(l->said));
    milter_link_fail(l, what, text);
}

static const struct conn_ops ops = { on_data, on_drained, on_closed };

static void connected(void *arg, struct conn *c, const struct err *why)
{
    struct milter_link *l = arg;

    l->dial = NULL;
    if (!c) {
        milter_link_fail(l, "", why->text);
        return;
    }
    l->conn = c;
    int version = l->spec->protocol ? l->spec->protocol : l->q->facts.cfg->milter_protocol;
    l->proto = milter_new((unsigned)version);
    conn_open(c, &ops, l);
    limit_time(l);
    flush(l);
}

static void dial_to(struct milter_link *l, const struct addr_list *to)
{
    const struct gate_facts *f = &l->q->facts;
    const struct dial_options o = {
        .to = to,
        .timeout_ms = ms_of(l->spec->connect_timeout, f->cfg->milter_connect_timeout),
        .no_ipv4 = !(f->cfg->inet_protocols & CONFIG_IPV4),
        .no_ipv6 = !(f->cfg->inet_protocols & CONFIG_IPV6),
    };
    l->dial = dial_start(f->loop, &o, connected, l);
}

static void found_host(void *arg, enum dns_outcome outcome, const struct addr_list *found, const struct err *why)
{
    struct milter_link *l = arg;

    l->query = NULL;
    if (outcome != DNS_FOUND)
        milter_link_fail(l, "", why->text);
    else
        dial_to(l, found);
}

static void open_link(struct milter_link *l)
{
    const struct gate_facts *f = &l->q->facts;
    const struct milter_spec *m = l->spec;
    struct addr_list to = { 0 };
    union addr a;

    l->state = LINK_OPENING;
    if (m->path) {
        l->dial = dial_unix(f->loop, m->path, ms_of(m->connect_timeout, f->cfg->milter_connect_timeout), connected, l);
    } else if (addr_parse(&a, span_str(m->host), m->port)) {
        addr_list_add(&to, &a);
        dial_to(l, &to);
        addr_list_fini(&to);
    } else if (f->dns) {
        l->query = dns_hosts(f->dns, m->host, m->port, DNS_ANY | DNS_SEARCH, found_host, l);
    } else {
        milter_link_fail(l, "", "its name cannot be looked up");
    }
}

/* ---- saying ---- */

/* Says events till one waits for its answer, the queue is full, or all is said. */
static void advance(struct milter_link *l)
{
    limit_time(l);
    while (l->next != NEXT_NOTHING) {
        bool waits = milter_say_next(l);
        if (l->is_answered)
            return;
        bool has_room = flush(l);
        if (waits)
            return;
        l->said = MILTER_EVENTS;
        if (!has_room)
            return;
    }
    go_on(l);
}

/* ---- hearing ---- */

static void accept_all(struct milter_link *l)
{
    if (l->said <= MILTER_HELO) {
        hang_up(l, true);
        l->state = LINK_DONE;
    } else {
        l->skips_message = true;
    }
    go_on(l);
}

static void skip(struct milter_link *l)
{
    if (l->said == MILTER_BODY)
        l->next = NEXT_END;
    else if (l->said == MILTER_HEADER)
        l->next = NEXT_EOH;
    advance(l);
}

static void refuse_as_told(struct milter_link *l, const struct milter_news *news)
{
    char text[400];

    snprintf(text, sizeof text, "%.*s", (int)(news->text.len < sizeof text ? news->text.len : sizeof text - 1), news->text.at);
    refuse(l, news->code, news->status, text);
}

static void got_answer(struct milter_link *l, const struct milter_news *news)
{
    struct err e;

    if (l->said == MILTER_END && l->q->facts.draft && draft_end_body(l->q->facts.draft, &e) < 0) {
        milter_link_fail(l, "the new body: ", e.text);
        return;
    }
    switch (news->verdict) {
    case MILTER_CONTINUE: advance(l); break;
    case MILTER_ACCEPT: accept_all(l); break;
    case MILTER_SKIP: skip(l); break;
    case MILTER_REJECT: refuse(l, 550, "5.7.1", "Command rejected"); break;
    case MILTER_TEMPFAIL: refuse(l, 451, "4.7.1", "Service unavailable - try again later"); break;
    case MILTER_REPLY: refuse_as_told(l, news); break;
    case MILTER_SHUTDOWN: refuse(l, 421, "4.7.0", "Server closing connection"); break;
    case MILTER_DISCARD: finish(l, &(struct milter_outcome){ .does = MILTER_DISCARDS }); break;
    case MILTER_CONNFAIL: milter_link_fail(l, "", "it says that it cannot do its work"); break;
    }
}

static void got_change(struct milter_link *l, const struct milter_news *news)
{
    struct err e;

    if (milter_make_change(l->q, news, &e) < 0)
        milter_link_fail(l, "its change cannot be made: ", e.text);
}

static void got_news(struct milter_link *l)
{
    struct milter_news news;

    while (l->proto && milter_next(l->proto, &news)) {
        switch (news.kind) {
        case MILTER_NEGOTIATED:
            l->state = LINK_OPEN;
            advance(l);
            break;
        case MILTER_ANSWER: got_answer(l, &news); break;
        case MILTER_CHANGE: got_change(l, &news); break;
        case MILTER_PROGRESS:
            if (is_asked(l))
                limit_time(l);
            break;
        case MILTER_FAULT: {
            char why[300];
            snprintf(why, sizeof why, "%.*s", (int)news.text.len, news.text.at);
            milter_link_fail(l, "", why);
            break;
        }
        case MILTER_NOTHING: break;
        }
    }
}

/* ---- asked ---- */

static void begin_message(struct milter_link *l)
{
    l->skips_message = false;
    if (l->state == LINK_OPEN)
        milter_abort(l->proto); /* if the one before has come to nothing */
    if (l->state == LINK_FAILED && !l->failed_early)
        l->state = LINK_CLOSED;
    l->failed_early = false;
    l->in_message = true;
}

static void begin(struct milter_link *l)
{
    if (l->q->at == GATE_MAIL)
        begin_message(l);
    if (l->q->at == GATE_END && l->q->facts.draft) {
        header_scan_init(&l->scan, buf_span(&l->q->facts.draft->header));
        l->body_at = 0;
    }
    l->said = MILTER_EVENTS;
    l->next = l->said_connect ? NEXT_HELO : NEXT_CONNECT;
    switch (l->state) {
    case LINK_CLOSED: open_link(l); break;
    case LINK_OPEN: advance(l); break;
    case LINK_FAILED: answer_by_default(l); break;
    case LINK_DONE: go_on(l); break;
    case LINK_OPENING: bug("a milter is asked twice");
    }
}

bool milter_link_ask(struct milter_link *l, const struct milter_question *q, struct milter_outcome *now)
{
    *now = (struct milter_outcome){ .does = MILTER_GOES_ON };
    if (l->state == LINK_DONE || (l->skips_message && q->at > GATE_MAIL && l->state != LINK_FAILED))
        return false;
    BUG_IF(l->q);
    l->q = q;
    l->is_answered = false;
    l->is_asking = true;
    begin(l);
    l->is_asking = false;
    if (!l->is_answered)
        return true;
    *now = l->outcome;
    l->q = NULL;
    return false;
}

void milter_link_cancel(struct milter_link *l)
{
    if (!l->q)
        return;
    later_cancel(&l->answer);
    if (!l->is_answered) {
        hang_up(l, false);
        l->state = LINK_CLOSED;
    }
    l->q = NULL;
}

void milter_link_forget(struct milter_link *l)
{
    milter_link_cancel(l);
    l->skips_message = l->in_message = false;
    if (l->state == LINK_FAILED)
        l->state = LINK_CLOSED;
    if (l->state == LINK_OPEN) {
        milter_abort(l->proto);
        flush(l);
    } else if (l->state == LINK_OPENING) {
        hang_up(l, false);
        l->state = LINK_CLOSED;
    }
}

bool milter_link_wants_content(const struct milter_link *l)
{
    return l->state == LINK_OPEN && !l->skips_message;
}

bool milter_link_wants_refused(const struct milter_link *l)
{
    return l->state == LINK_OPEN && !l->skips_message && milter_wants_refused(l->proto);
}

size_t milter_link_memory(const struct milter_link *l)
{
    return sizeof *l + (l->conn ? conn_memory(l->conn) + milter_memory(l->proto) : 0);
}
