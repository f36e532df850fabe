/* SPDX-License-Identifier: Apache-2.0
 *
 * loop.c - one libuv loop.
 *
 * Timers are our own heap behind one uv_timer_t: so they are small, live inside their owners, and vanish with them,
 * where a uv_timer_t would have to be closed first. Later calls hang on an idle handle, which libuv runs just before it
 * would sleep; what is to be done last of all, on a prepare handle, which it runs behind those. */
#include "net/loop.h"

#include "base/log.h"
#include "net/conn_int.h"
#include "net/loop_int.h"

#include <errno.h>
#include <stdlib.h>

#define LATER_ROUNDS 4

struct loop_signal {
    uv_signal_t uv;
    struct loop_signal *next;
    loop_signal_fn *fn;
    void *arg;
};

struct watch_poll {
    uv_poll_t uv;
    struct watch *w; /* borrowed; NULL once it has stopped */
};

int err_uv(struct err *e, int code, const char *what)
{
    errno = -code;
    return err_sys(e, "%s", what);
}

char *loop_buf(struct loop *l)
{
    if (!l->buf)
        l->buf = xmalloc(LOOP_BUF);
    return l->buf;
}

/* ---- timers ---------------------------------------- */

static void heap_put(struct loop *l, size_t at, struct timer *t)
{
    l->heap[at] = t;
    t->place = at;
}

static void heap_up(struct loop *l, size_t at)
{
    struct timer *t = l->heap[at];
    for (; at > 1 && l->heap[at / 2]->due_ms > t->due_ms; at /= 2)
        heap_put(l, at, l->heap[at / 2]);
    heap_put(l, at, t);
}

static void heap_down(struct loop *l, size_t at)
{
    struct timer *t = l->heap[at];
    for (size_t child; (child = 2 * at) <= l->n_heap; at = child) {
        if (child < l->n_heap && l->heap[child + 1]->due_ms < l->heap[child]->due_ms)
            child++;
        if (l->heap[child]->due_ms >= t->due_ms)
            break;
        heap_put(l, at, l->heap[child]);
    }
    heap_put(l, at, t);
}

static void on_alarm(uv_timer_t *uv);

static void set_alarm(struct loop *l)
{
    if (!l->n_heap) {
        uv_timer_stop(&l->alarm);
        return;
    }
    int64_t wait = l->heap[1]->due_ms - loop_now_ms(l);
    uv_timer_start(&l->alarm, on_alarm, wait > 0 ? (uint64_t)wait : 0, 0);
}

static void heap_remove(struct loop *l, struct timer *t)
{
    size_t at = t->place;
    struct timer *last = l->heap[l->n_heap--];
    t->place = 0;
    if (last == t)
        return;
    heap_put(l, at, last);
    heap_down(l, at);
    heap_up(l, last->place);
}

static void on_alarm(uv_timer_t *uv)
{
    struct loop *l = uv->data;
    int64_t now = loop_now_ms(l);
    /* A timer that arms itself anew at 0 ms is not called twice in one turn. */
    for (size_t most = l->n_heap; most > 0 && l->n_heap && l->heap[1]->due_ms <= now; most--) {
        struct timer *t = l->heap[1];
        heap_remove(l, t);
        t->fn(t->arg);
    }
    set_alarm(l);
}

void timer_start(struct timer *t, struct loop *l, int64_t ms, loop_fn *fn, void *arg)
{
    timer_stop(t);
    if (l->n_heap + 1 >= l->cap_heap) {
        l->cap_heap = l->cap_heap ? 2 * l->cap_heap : 16;
        l->heap = xreallocarray(l->heap, l->cap_heap, sizeof(*l->heap));
    }
    /* The loop's clock stands still during a turn, and a turn may have been long. */
    uv_update_time(&l->uv);
    *t = (struct timer){ .loop = l, .fn = fn, .arg = arg, .due_ms = loop_now_ms(l) + (ms > 0 ? ms : 0) };
    heap_put(l, ++l->n_heap, t);
    heap_up(l, l->n_heap);
    if (t->place == 1)
        set_alarm(l);
}

void timer_stop(struct timer *t)
{
    if (!t->place)
        return;
    bool was_first = t->place == 1;
    heap_remove(t->loop, t);
    if (was_first)
        set_alarm(t->loop);
}

int64_t loop_now_ms(const struct loop *l)
{
    return (int64_t)uv_now(&l->uv);
}

/* ---- later ---------------------------------------- */

static void run_laters(struct loop *l)
{
    struct list now;
    list_init(&now);
    list_move(&now, &l->laters);
    while (!list_is_empty(&now)) {
        struct later *d = list_entry(now.next, struct later, link);
        list_remove(&d->link);
        d->is_queued = false;
        d->fn(d->arg);
    }
}

/* What such a call asks for runs in the same turn, so that it costs no look at the sockets; but not for ever. */
static void run_all_laters(struct loop *l)
{
    for (int round = 0; round < LATER_ROUNDS && !list_is_empty(&l->laters); round++) {
        log_flush(); /* who gets our answer finds in the log what led to it */
        run_laters(l);
    }
}

static void on_idle(uv_idle_t *uv)
{
    struct loop *l = uv->data;
    run_all_laters(l);
    if (list_is_empty(&l->laters))
        uv_idle_stop(&l->idle);
}

void later_start(struct later *d, struct loop *l, loop_fn *fn, void *arg)
{
    d->fn = fn;
    d->arg = arg;
    if (d->is_queued)
        return;
    d->is_queued = true;
    list_append(&l->laters, &d->link);
    uv_idle_start(&l->idle, on_idle);
}

void later_cancel(struct later *d)
{
    if (!d->is_queued)
        return;
    d->is_queued = false;
    list_remove(&d->link);
}

/* ---- before it sleeps ---------------------------------------- */

static void on_prepare(uv_prepare_t *uv)
{
    struct loop *l = uv->data;
    l->before_sleep(l->before_sleep_arg);
}

void loop_before_sleep(struct loop *l, loop_fn *fn, void *arg)
{
    l->before_sleep = fn;
    l->before_sleep_arg = arg;
    if (!fn) {
        uv_prepare_stop(&l->prepare);
        return;
    }
    uv_prepare_start(&l->prepare, on_prepare);
    uv_unref((uv_handle_t *)&l->prepare);
}

/* ---- watches ---------------------------------------- */

static void on_watch(uv_poll_t *uv, int status, int events)
{
    (void)status; /* whoever reads the fd sees the error himself */
    (void)events;
    struct watch_poll *p = uv->data;
    if (p->w)
        p->w->fn(p->w->arg);
}

static void free_handle_data(uv_handle_t *h)
{
    free(h->data);
}

int watch_start(struct watch *w, struct loop *l, int fd, loop_fn *fn, void *arg, struct err *e)
{
    watch_stop(w);
    struct watch_poll *p = xcalloc(1, sizeof(*p));
    p->uv.data = p;
    int code = uv_poll_init(&l->uv, &p->uv, fd);
    if (code < 0) {
        free(p);
        return err_uv(e, code, "watch a file descriptor");
    }
    *w = (struct watch){ .poll = p, .fn = fn, .arg = arg };
    p->w = w;
    code = uv_poll_start(&p->uv, UV_READABLE, on_watch);
    if (code < 0) {
        watch_stop(w);
        return err_uv(e, code, "watch a file descriptor");
    }
    return 0;
}

void watch_stop(struct watch *w)
{
    if (!w->poll)
        return;
    w->poll->w = NULL;
    uv_close((uv_handle_t *)&w->poll->uv, free_handle_data);
    w->poll = NULL;
}

/* ---- signals ---------------------------------------- */

static void on_signal(uv_signal_t *uv, int signum)
{
    struct loop_signal *s = uv->data;
    s->fn(s->arg, signum);
}

int loop_signal(struct loop *l, int signum, loop_signal_fn *fn, void *arg, struct err *e)
{
    struct loop_signal *s = xcalloc(1, sizeof(*s));
    s->fn = fn;
    s->arg = arg;
    s->uv.data = s;
    int code = uv_signal_init(&l->uv, &s->uv);
    if (code < 0) {
        free(s);
        return err_uv(e, code, "catch a signal");
    }
    s->next = l->signals;
    l->signals = s;
    code = uv_signal_start(&s->uv, on_signal, signum);
    if (code < 0)
        return err_uv(e, code, "catch a signal");
    uv_unref((uv_handle_t *)&s->uv);
    return 0;
}

/* ---- the loop itself ---------------------------------------- */

struct loop *loop_new(struct err *e)
{
    struct loop *l = xcalloc(1, sizeof(*l));
    int code = uv_loop_init(&l->uv);
    if (code < 0) {
        err_uv(e, code, "make an event loop");
        free(l);
        return NULL;
    }
    uv_timer_init(&l->uv, &l->alarm);
    l->alarm.data = l;
    uv_idle_init(&l->uv, &l->idle);
    l->idle.data = l;
    uv_prepare_init(&l->uv, &l->prepare);
    l->prepare.data = l;
    list_init(&l->laters);
    list_init(&l->ending);
    return l;
}

/* libuv stops behind its sockets and timers; what they asked for is part of the turn. */
void loop_run(struct loop *l)
{
    uv_run(&l->uv, UV_RUN_DEFAULT);
    run_all_laters(l);
}

void loop_stop(struct loop *l)
{
    uv_stop(&l->uv);
}

bool loop_turn(struct loop *l, bool wait)
{
    return uv_run(&l->uv, wait ? UV_RUN_ONCE : UV_RUN_NOWAIT) != 0;
}

static void count_open(uv_handle_t *h, void *arg)
{
    if (!uv_is_closing(h))
        ++*(int *)arg;
}

void loop_free(struct loop *l)
{
    if (!l)
        return;
    while (!list_is_empty(&l->ending))
        conn_close_ending(l->ending.next);
    while (l->n_heap)
        timer_stop(l->heap[1]);
    patient_end(l);
    uv_close((uv_handle_t *)&l->alarm, NULL);
    uv_close((uv_handle_t *)&l->idle, NULL);
    uv_close((uv_handle_t *)&l->prepare, NULL);
    while (l->signals) {
        struct loop_signal *s = l->signals;
        l->signals = s->next;
        uv_close((uv_handle_t *)&s->uv, free_handle_data);
    }
    int n_open = 0;
    uv_walk(&l->uv, count_open, &n_open);
    if (n_open) { /* running on would wait for them for ever */
        log_debug("the event loop ends with %d things still open", n_open);
        return;
    }
    do /* twice when somebody has called loop_stop() in vain */
        uv_run(&l->uv, UV_RUN_DEFAULT);
    while (uv_loop_alive(&l->uv));
    if (uv_loop_close(&l->uv) < 0)
        bug("the event loop does not close");
    free(l->heap);
    free(l->buf);
    free(l);
}
