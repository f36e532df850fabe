/* SPDX-License-Identifier: Apache-2.0
 *
 * deliver_session.c - a connection of the relay's: LMTP (RFC 2033) between the engine and the deliveries. Each recipient has its own
 * answer; the last one that comes in ends the transaction. A relay that hangs up meanwhile gets no answers, and tries again: what was
 * delivered by then is delivered twice, never lost. */
#include "server/deliver.h"

#include "base/log.h"
#include "net/conn.h"
#include "smtp/server.h"

#include <stdlib.h>
#include <unistd.h>

enum { DELIVERY_SPARE_MS = 60000 };

struct deliver_session {
    struct list link;
    struct deliver *deliver;
    const struct deliver_service *service;
    const char *name; /* borrowed from the listener */
    struct conn *conn;
    struct smtp_server *server;
    struct mail *mail;        /* under way, or NULL */
    struct smtp_cmd *waiting; /* the end of its content, to be answered when all deliveries have ended */
    struct err *trouble;      /* NULL, or why the content cannot be kept */
    bool is_dead;
    struct later free_later;
};

/* ---- a mail ---- */

static void mail_free(struct mail *m)
{
    for (size_t i = 0; m->deliveries && i < m->env.n_rcpts; i++) {
        if (m->service->fini)
            m->service->fini(&m->deliveries[i]);
        lookup_fini(&m->deliveries[i].lookup);
        free(m->deliveries[i].path);
    }
    free(m->deliveries);
    free(m->nexthop);
    envelope_fini(&m->env);
    content_free(m->content);
    list_remove(&m->link);
    free(m);
}

static void pump(struct deliver_session *s);

static void answer(struct smtp_cmd *c, struct delivery *d)
{
    static const int codes[] = { [OUTCOME_DEFERRED] = 450, [OUTCOME_BOUNCED] = 550, [OUTCOME_SENT] = 250 };

    d->is_answered = true;
    d->mail->n_unanswered--;
    smtp_answer_rcpt(c, d->index, codes[d->outcome.kind], d->outcome.dsn, "%s", d->outcome.text);
}

/* The relay may have said more already: with the last answer the engine may begin the next mail. */
static void answer_last(struct mail *m)
{
    struct deliver_session *s = m->session;
    struct smtp_cmd *c = s->waiting;

    s->waiting = NULL;
    s->mail = NULL;
    for (size_t i = 0; i < m->env.n_rcpts; i++)
        if (!m->deliveries[i].is_answered)
            answer(c, &m->deliveries[i]);
    pump(s);
}

static void release(struct mail *m)
{
    if (--m->n_left)
        return;
    if (m->session)
        answer_last(m);
    else
        log_warn("%s: the relay has hung up before all results were in: it will try again", m->service->name);
    mail_free(m);
}

/* The answers go out as they come (in order: the engine sees to that), so that little is done twice if we should end before the last. */
void delivery_end(struct delivery *d, const struct outcome *o)
{
    struct mail *m = d->mail;

    d->outcome = *o;
    if (m->session && m->n_unanswered > 1) {
        answer(m->session->waiting, d);
        pump(m->session);
    }
    release(m);
}

static void errand_done(void *arg, const struct outcome *o)
{
    struct delivery *first = arg;
    errand_work_fn *then = first->then;

    first->then = NULL;
    if (then && o->wants_mailbox) {
        delivery_errand(first, NULL, then);
        return;
    }
    for (struct delivery *d = arg, *next; d; d = next) {
        next = d->next;
        delivery_end(d, o);
    }
}

void delivery_errand(struct delivery *d, const struct errand_terms *t, errand_work_fn *work)
{
    struct deliver *w = d->mail->deliver;
    struct errand_terms terms = t ? *t : (struct errand_terms){ 0 };

    terms.keep_fd = content_fd(d->mail->content);
    /* beyond what a command may take: for locks, a slow disk */
    terms.time_limit_ms = DELIVERY_SPARE_MS + (terms.time_limit_ms ? terms.time_limit_ms : w->cfg->command_time_limit / 1000);
    errand_start(d->mail->service->is_local ? &w->local_errands : &w->errands, &terms, work, errand_done, d);
}

/* ---- the engine's questions ---- */

static void forget(void *arg)
{
    struct deliver_session *s = arg;

    if (s->mail && !s->waiting)
        mail_free(s->mail);
    else if (s->mail)
        s->mail->session = NULL; /* its deliveries go on */
    s->mail = NULL;
    s->waiting = NULL;
    free(s->trouble);
    s->trouble = NULL;
}

static void on_mail(void *arg, struct smtp_cmd *c, struct envelope *env, uint64_t size)
{
    struct deliver_session *s = arg;
    struct deliver *w = s->deliver;
    struct mail *m = xcalloc(1, sizeof *m);

    (void)env;
    (void)size;
    m->deliver = w;
    m->service = s->service;
    m->session = s;
    m->name = s->name;
    if (strcmp(smtp_server_hello(s->server), "-") != 0)
        m->nexthop = xstrdup(smtp_server_hello(s->server));
    m->content = content_new(w->cfg->queue_directory, w->ids.uid, w->ids.gid);
    envelope_init(&m->env);
    list_append(&w->mails, &m->link);
    s->mail = m;
    smtp_answer(c, 250, "2.1.0", "Ok");
}

static void on_rcpt(void *arg, struct smtp_cmd *c, struct envelope *env, struct rcpt *r)
{
    (void)arg;
    (void)env;
    (void)r;
    smtp_answer(c, 250, "2.1.5", "Ok");
}

static void on_data_begin(void *arg, struct smtp_cmd *c, struct envelope *env)
{
    struct deliver_session *s = arg;

    envelope_fini(&s->mail->env);
    envelope_copy(&s->mail->env, env);
    smtp_answer(c, 354, NULL, "End data with <CR><LF>.<CR><LF>");
}

static bool on_data(void *arg, struct span bytes)
{
    struct deliver_session *s = arg;
    struct err e;

    if (content_add(s->mail->content, bytes, &e) == 0)
        return true;
    s->trouble = xmalloc(sizeof *s->trouble);
    *s->trouble = e;
    return false;
}

static void on_data_end(void *arg, struct smtp_cmd *c, const struct smtp_data_info *info)
{
    struct deliver_session *s = arg;
    struct mail *m = s->mail;

    (void)info;
    if (s->trouble) {
        log_error("%s: %s", s->service->name, s->trouble->text);
        struct err e = *s->trouble;
        forget(s);
        smtp_answer(c, 452, "4.3.1", "%s", e.text);
        return;
    }
    s->waiting = c;
    m->deliveries = xcalloc(m->env.n_rcpts, sizeof *m->deliveries);
    m->n_unanswered = m->env.n_rcpts;
    m->n_left = m->env.n_rcpts + 1; /* the one is ours: some may end inside of start() */
    for (size_t i = 0; i < m->env.n_rcpts; i++)
        m->deliveries[i] = (struct delivery){ .mail = m, .index = i, .rcpt = &m->env.rcpts[i] };
    for (size_t i = 0; i < m->env.n_rcpts; i++)
        m->service->start(&m->deliveries[i]);
    release(m);
}

static const struct smtp_server_ops server_ops = {
    .mail = on_mail,
    .rcpt = on_rcpt,
    .data_begin = on_data_begin,
    .data = on_data,
    .data_end = on_data_end,
    .reset = forget,
};

/* ---- the connection ---- */

static void session_free(void *arg)
{
    struct deliver_session *s = arg;

    smtp_server_free(s->server);
    conn_close(s->conn);
    free(s->trouble);
    free(s);
}

static void bury(struct deliver_session *s)
{
    if (s->is_dead)
        return;
    s->is_dead = true;
    forget(s);
    list_remove(&s->link);
    later_start(&s->free_later, s->deliver->loop, session_free, s);
}

static void pump(struct deliver_session *s)
{
    struct span out;

    if (s->is_dead)
        return;
    while ((out = smtp_server_output(s->server)).len) {
        conn_write(s->conn, out);
        smtp_server_sent(s->server, out.len);
    }
    if (smtp_server_is_closing(s->server)) {
        conn_end_last(s->conn);
        s->conn = NULL;
        bury(s);
    } else if (smtp_server_wants_input(s->server)) {
        conn_resume(s->conn);
    } else {
        conn_pause(s->conn);
    }
}

static void on_bytes(void *arg, struct span bytes)
{
    struct deliver_session *s = arg;

    smtp_server_input(s->server, bytes);
    pump(s);
}

static void on_closed(void *arg, const struct err *why)
{
    (void)why;
    bury(arg);
}

static const struct conn_ops conn_ops = { on_bytes, NULL, on_closed };

bool deliver_peer_is_ours(const struct deliver *w, const struct conn *c)
{
    uid_t uid;
    return conn_peer_uid(c, &uid, NULL) && (uid == 0 || uid == w->ids.uid || uid == geteuid());
}

void deliver_session_start(struct deliver *w, const struct deliver_service *service, const char *name, struct conn *c)
{
    const struct smtp_server_config sc = {
        .is_lmtp = true,
        .may_talk_early = true,
        .takes_origin = true,
        .hostname = w->cfg->myhostname,
        .banner = name,
        .has_no_vrfy = true,
        .limits = { .line_length = 65536, .message_size = 0, .recipients = 100000, .soft_errors = 100000, .hard_errors = 100000,
                    .junk_commands = 1000000 },
    };

    if (!deliver_peer_is_ours(w, c)) {
        log_warn("%s: somebody else than the relay has connected: turned away", name);
        conn_close(c);
        return;
    }
    struct deliver_session *s = xcalloc(1, sizeof *s);
    s->deliver = w;
    s->service = service;
    s->name = name;
    s->conn = c;
    s->server = smtp_server_new(&sc, &server_ops, s);
    list_append(&w->sessions, &s->link);
    conn_open(c, &conn_ops, s);
    pump(s);
}

void deliver_session_stop_all(struct deliver *w)
{
    list_each(it, &w->sessions) {
        struct deliver_session *s = list_entry(it, struct deliver_session, link);
        if (smtp_server_is_busy(s->server) || (deliver_is_handing_over(w) && !s->service->is_local))
            continue;
        smtp_server_shut(s->server, 421, "4.3.2", "Service shutting down");
        pump(s);
    }
}

void deliver_session_drop_all(struct deliver *w)
{
    list_each(it, &w->sessions) {
        struct deliver_session *s = list_entry(it, struct deliver_session, link);
        bury(s);
        later_cancel(&s->free_later);
        session_free(s);
    }
    list_each(it, &w->mails) /* their errands have been ended, and call nobody back */
        mail_free(list_entry(it, struct mail, link));
}
