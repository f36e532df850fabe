/* SPDX-License-Identifier: Apache-2.0
 *
 * A client has one question. Short answers are written at once; a list or a content goes out piece by piece, as fast as
 * the client reads, so that a long queue costs neither memory nor the time of others. */
#include "relay/control.h"

#include "base/clock.h"
#include "base/log.h"
#include "net/conn.h"
#include "net/listen.h"
#include "relay/operate.h"
#include "relay/peer.h"
#include "relay/relay_int.h"

#include <stdlib.h>
#include <unistd.h>

enum {
    LINE_MAX_BYTES = 64 * 1024,
    CLIENTS_MAX = 100,
    TIMEOUT_MS = 30000,
    LIST_SLICE = 100, /* messages in one turn of the loop */
    WORD_EVERY = 10000, /* messages: then the client hears that work goes on */
};

struct control {
    struct relay *relay;
    struct listener *listener;
    struct list clients;
    unsigned n_clients;
};

struct client {
    struct list link;
    struct control *control;
    struct conn *conn;
    struct buf line;
    uid_t uid;
    /* What goes out piece by piece: */
    bool (*more)(struct client *c); /* writes a piece; false: that was the last */
    uint64_t *ids;
    size_t n_ids, at_id, n_done;
    bool (*act)(struct relay *r, struct message *m);
    struct spool_body *body;
    uint64_t offset;
    struct later later;
};

static void free_client(struct client *c, bool ends_in_order)
{
    list_remove(&c->link);
    c->control->n_clients--;
    later_cancel(&c->later);
    if (ends_in_order)
        conn_end(c->conn);
    else
        conn_close(c->conn);
    spool_body_close(c->body);
    buf_fini(&c->line);
    free(c->ids);
    free(c);
}

static void say(struct client *c, struct buf *text)
{
    conn_write(c->conn, buf_span(text));
    buf_fini(text);
}

static void refuse(struct client *c, const char *fmt, ...) __attribute__((format(printf, 2, 3)));
static void refuse(struct client *c, const char *fmt, ...)
{
    struct buf text;
    va_list ap;

    buf_init(&text, BUF_NO_MAX);
    buf_adds(&text, "error ");
    va_start(ap, fmt);
    buf_vaddf(&text, fmt, ap);
    va_end(ap);
    buf_addc(&text, '\n');
    say(c, &text);
    free_client(c, true);
}

/* "ALL is for root" */
static void deny(struct client *c, const char *what, const char *why)
{
    struct buf text;

    buf_init(&text, BUF_NO_MAX);
    buf_addf(&text, "denied %s%s\n", what, why);
    say(c, &text);
    free_client(c, true);
}

/* ---- streaming ---- */

static void pour(void *arg)
{
    struct client *c = arg;

    if (!c->more(c))
        free_client(c, true);
    else if (conn_queued(c->conn) < CONN_HIGH_WATER)
        later_start(&c->later, c->control->relay->loop, pour, c);
}

static void on_drained(void *arg)
{
    struct client *c = arg;
    if (c->more)
        later_start(&c->later, c->control->relay->loop, pour, c);
}

static bool more_list(struct client *c)
{
    struct relay *r = c->control->relay;
    struct buf text;

    buf_init(&text, BUF_NO_MAX);
    for (int n = 0; n < LIST_SLICE && c->at_id < c->n_ids; n++) {
        struct message *m = queue_find(r->queue, c->ids[c->at_id++]);
        if (m)
            operate_describe(r, m, &text);
    }
    say(c, &text);
    return c->at_id < c->n_ids;
}

static bool more_content(struct client *c)
{
    char piece[32 * 1024];
    struct err e;
    long n = spool_body_read(c->body, c->offset, piece, sizeof piece, &e);

    if (n <= 0)
        return false;
    c->offset += (uint64_t)n;
    conn_write(c->conn, span_of(piece, (size_t)n));
    return true;
}

/* ---- questions ---- */

static void do_status(struct client *c, struct span rest)
{
    struct buf text;

    (void)rest;
    buf_init(&text, BUF_NO_MAX);
    buf_adds(&text, "ok\n");
    operate_status(c->control->relay, &text);
    say(c, &text);
    free_client(c, true);
}

static void do_list(struct client *c, struct span rest)
{
    struct span word;
    uint64_t id;

    if (span_word(&rest, "", &word)) {
        if (!spool_id_parse(word, &id) || !queue_find(c->control->relay->queue, id)) {
            refuse(c, "there is no message %s", log_safe(word));
            return;
        }
        c->ids = xmalloc(sizeof id);
        c->ids[0] = id;
        c->n_ids = 1;
    } else {
        c->ids = queue_ids(c->control->relay->queue, &c->n_ids);
    }
    conn_write(c->conn, SPAN("ok\n"));
    c->more = more_list;
    pour(c);
}

static void do_cat(struct client *c, struct span rest)
{
    struct relay *r = c->control->relay;
    struct span word;
    struct err e;
    uint64_t id;

    if (!span_word(&rest, "", &word) || !spool_id_parse(word, &id)) {
        refuse(c, "cat which message?");
    } else if (!operate_may(r, c->uid, id)) {
        deny(c, log_safe(word), ": not yours: root may do that");
    } else if (!(c->body = spool_body_open(r->spool, id, &e))) {
        refuse(c, "%s", log_safe_str(e.text));
    } else {
        conn_write(c->conn, SPAN("ok\n"));
        c->more = more_content;
        pour(c);
    }
}

/* "ALL", or ids; each that is not there or not theirs is an error, said before anything is done. */
static uint64_t *which(struct client *c, struct span rest, bool needs_right, size_t *n)
{
    struct relay *r = c->control->relay;
    struct span word;
    uint64_t *ids = NULL;

    *n = 0;
    if (span_word(&rest, "", &word) && span_eq(word, SPAN("ALL"))) {
        ids = queue_ids(r->queue, n);
        if (needs_right && c->uid != 0 && c->uid != geteuid()) {
            deny(c, "ALL", " is for root");
            free(ids);
            return NULL;
        }
        return ids;
    }
    for (; word.len; span_word(&rest, "", &word)) {
        uint64_t id;
        if (!spool_id_parse(word, &id) || !queue_find(r->queue, id)) {
            refuse(c, "there is no message %s", log_safe(word));
            goto fail;
        }
        if (needs_right && !operate_may(r, c->uid, id)) {
            deny(c, log_safe(word), ": not yours: root may do that");
            goto fail;
        }
        ids = xreallocarray(ids, *n + 1, sizeof(*ids));
        ids[(*n)++] = id;
    }
    if (*n)
        return ids;
    refuse(c, "which messages? Name their ids, or ALL");
fail:
    free(ids);
    return NULL;
}

/* A slice at a time: a million messages cost the others nothing but time. */
static bool more_each(struct client *c)
{
    struct relay *r = c->control->relay;
    struct buf text;

    for (int n = 0; n < LIST_SLICE && c->at_id < c->n_ids; n++) {
        struct message *m = queue_find(r->queue, c->ids[c->at_id++]);
        c->n_done += m && c->act(r, m);
    }
    schedule_run(r);
    bool is_more = c->at_id < c->n_ids;
    if (!is_more)
        operate_finish(r);
    if (is_more && c->at_id % WORD_EVERY)
        return true;
    buf_init(&text, BUF_NO_MAX);
    buf_addf(&text, "%s\t%zu\n", is_more ? "sofar" : "n", c->n_done);
    say(c, &text);
    conn_set_timeout(c->conn, TIMEOUT_MS);
    return is_more;
}

static void do_each(struct client *c, struct span rest, bool needs_right, bool (*act)(struct relay *, struct message *))
{
    size_t n;
    uint64_t *ids = which(c, rest, needs_right, &n);

    if (!ids)
        return; /* refused, and the client is gone */
    c->ids = ids;
    c->n_ids = n;
    c->act = act;
    c->more = more_each;
    conn_write(c->conn, SPAN("ok\n"));
    pour(c);
}

static void do_hold(struct client *c, struct span rest)
{
    do_each(c, rest, true, operate_hold);
}

static void do_release(struct client *c, struct span rest)
{
    do_each(c, rest, true, operate_release);
}

static void do_delete(struct client *c, struct span rest)
{
    do_each(c, rest, true, operate_delete);
}

static void do_retry(struct client *c, struct span rest)
{
    do_each(c, rest, false, operate_retry);
}

static const struct question {
    const char *first, *second;
    void (*answer)(struct client *c, struct span rest);
} questions[] = {
    { "status", NULL, do_status },       { "queue", "list", do_list },       { "queue", "cat", do_cat },
    { "queue", "hold", do_hold },        { "queue", "release", do_release }, { "queue", "delete", do_delete },
    { "queue", "retry", do_retry },
};

static void answer(struct client *c, struct span line)
{
    struct span first, second, rest = line;

    span_word(&rest, "", &first);
    for (size_t i = 0; i < ARRAY_LEN(questions); i++) {
        struct span after = rest;
        if (!span_ieq_str(first, questions[i].first))
            continue;
        if (questions[i].second && (!span_word(&after, "", &second) || !span_ieq_str(second, questions[i].second)))
            continue;
        questions[i].answer(c, after);
        return;
    }
    refuse(c, "unknown request: %s", log_safe(line));
}

/* ---- clients ---- */

static void on_data(void *arg, struct span bytes)
{
    struct client *c = arg;
    size_t end = span_find(bytes, '\n');

    if (c->more)
        return;
    if (buf_add(&c->line, bytes.at, end) < 0) {
        refuse(c, "the request is too long");
        return;
    }
    if (end < bytes.len) {
        conn_set_timeout(c->conn, TIMEOUT_MS);
        answer(c, span_trim(buf_span(&c->line)));
    }
}

static void on_closed(void *arg, const struct err *why)
{
    struct client *c = arg;
    /* One that has only stopped writing may still be reading its list. */
    if (why->kind != ERR_NONE || !c->more)
        free_client(c, false);
}

static const struct conn_ops conn_ops = { on_data, on_drained, on_closed };

static void accepted(void *arg, struct conn *conn)
{
    struct control *control = arg;

    if (control->n_clients >= CLIENTS_MAX) {
        conn_close(conn);
        return;
    }
    struct client *c = xcalloc(1, sizeof *c);
    c->control = control;
    c->conn = conn;
    buf_init(&c->line, LINE_MAX_BYTES);
    c->uid = ENVELOPE_NO_UID;
    conn_peer_uid(conn, &c->uid, NULL);
    list_append(&control->clients, &c->link);
    control->n_clients++;
    conn_open(conn, &conn_ops, c);
    conn_set_timeout(conn, TIMEOUT_MS);
}

struct control *control_new(struct relay *relay, int listen_fd, struct err *e)
{
    struct control *control = xcalloc(1, sizeof *control);

    control->relay = relay;
    list_init(&control->clients);
    control->listener = listen_start(relay->loop, listen_fd, accepted, control, e);
    if (!control->listener) {
        free(control);
        return NULL;
    }
    return control;
}

void control_free(struct control *control)
{
    if (!control)
        return;
    listen_stop(control->listener);
    list_each(it, &control->clients)
        free_client(list_entry(it, struct client, link), false);
    free(control);
}
