/* SPDX-License-Identifier: Apache-2.0
 *
 * forward_service.c - who has a ~/.forward? Where another transport has the mailboxes (mailbox_transport) most mail goes to it straight
 * from the relay; that of users who have one comes to local first. The relay cannot see into homes, so it asks here, by sendmail's
 * socketmap protocol (lib/map/map_socket.c), and keeps an answer for two seconds (relay/lookup.c).
 *
 *     17:forward joe@a.test,      ->  2:OK,  or  9:NOTFOUND ,
 *
 * A child that has become the user looks. When it cannot tell, or is slow, the answer is yes: local sees more, and can say why. */
#include "server/local_int.h"

#include "base/log.h"
#include "net/conn.h"

#include <stdlib.h>

enum { QUESTION_MAX = 2000, LOOK_MS = 2000, LOOKS_OF_ONE = 2 };

struct asker {
    struct list link;
    struct deliver *deliver;
    struct conn *conn; /* NULL: it is gone, and `mail` waits for its errand */
    struct buf in;
    bool is_asking;
    struct later free_later;
    /* The question, as if it were a delivery, for what is known by names */
    struct mail mail;
    struct delivery delivery;
    struct rcpt rcpt;
};

static void asker_free(void *arg)
{
    struct asker *a = arg;

    list_remove(&a->link);
    buf_fini(&a->in);
    local_plan_free(a->delivery.plan);
    free(a->rcpt.address);
    free(a);
}

/* From inside of the connection's callbacks, too. */
static void bury(struct asker *a)
{
    conn_close(a->conn);
    a->conn = NULL;
    if (!a->is_asking)
        later_start(&a->free_later, a->deliver->loop, asker_free, a);
}

/* ---- one question ---- */

static void look(void *arg, struct outcome *out)
{
    outcome_set(out, local_may_have_forward(arg) ? "2.0.0" : "5.0.0", "%s", "");
}

static void next(struct asker *a);

static void answer(void *arg, const struct outcome *o)
{
    struct asker *a = container_of(arg, struct asker, delivery);

    a->is_asking = false;
    if (!a->conn) {
        asker_free(a);
        return;
    }
    conn_write(a->conn, o->kind == OUTCOME_BOUNCED ? SPAN("9:NOTFOUND ,") : SPAN("6:OK yes,"));
    next(a);
}

static void ask(struct asker *a, struct span address)
{
    static char nobody[] = "";

    local_plan_free(a->delivery.plan);
    free(a->rcpt.address);
    a->rcpt = (struct rcpt){ .address = span_dup(address) };
    a->mail = (struct mail){ .deliver = a->deliver, .env = { .sender = nobody } };
    a->delivery = (struct delivery){ .mail = &a->mail, .rcpt = &a->rcpt };
    a->delivery.plan = local_plan_new(&a->delivery);
    const struct errand_terms terms = {
        .keep_fd = -1, .time_limit_ms = LOOK_MS, .group = a->delivery.plan->user, .group_limit = LOOKS_OF_ONE,
    };
    a->is_asking = true;
    errand_start(&a->deliver->looks, &terms, look, answer, &a->delivery);
}

/* ---- the connection ---- */

/* 1: *question is a whole netstring's, and *len what it takes; 0: more has to come; -1: nonsense. */
static int read_netstring(struct span in, struct span *question, size_t *len)
{
    uint64_t n;
    size_t colon = span_find(in, ':');

    if (colon == in.len)
        return in.len > 6 ? -1 : 0;
    if (!span_u64(span_of(in.at, colon), &n) || n > QUESTION_MAX)
        return -1;
    *len = colon + 1 + (size_t)n + 1;
    if (in.len < *len)
        return 0;
    *question = span_of(in.at + colon + 1, (size_t)n);
    return in.at[*len - 1] == ',' ? 1 : -1;
}

static void next(struct asker *a)
{
    struct span question = { 0 };
    size_t len = 0;
    int rc = a->is_asking ? 0 : read_netstring(buf_span(&a->in), &question, &len);

    if (rc > 0 && span_starts(question, "forward ")) {
        ask(a, span_from(question, strlen("forward ")));
        buf_drop(&a->in, len);
    } else if (rc != 0) {
        bury(a);
    }
}

static void on_bytes(void *arg, struct span bytes)
{
    struct asker *a = arg;

    if (buf_addspan(&a->in, bytes) < 0)
        bury(a);
    else
        next(a);
}

static void on_closed(void *arg, const struct err *why)
{
    (void)why;
    bury(arg);
}

static const struct conn_ops conn_ops = { on_bytes, NULL, on_closed };

static void serve(struct deliver *w, struct conn *c)
{
    if (!deliver_peer_is_ours(w, c)) {
        log_warn("forward: somebody else than the relay has connected: turned away");
        conn_close(c);
        return;
    }
    struct asker *a = xcalloc(1, sizeof *a);
    a->deliver = w;
    a->conn = c;
    buf_init(&a->in, QUESTION_MAX + 16);
    list_append(&w->askers, &a->link);
    conn_open(c, &conn_ops, a);
}

void forward_drop_all(struct deliver *w, bool for_good)
{
    list_each(it, &w->askers) {
        struct asker *a = list_entry(it, struct asker, link);
        if (a->conn)
            bury(a);
        if (for_good) { /* its errand has been ended, and calls nobody back */
            later_cancel(&a->free_later);
            asker_free(a);
        }
    }
}

const struct deliver_service deliver_forward = { .name = "forward", .serve = serve };
