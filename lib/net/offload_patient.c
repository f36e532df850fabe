/* SPDX-License-Identifier: Apache-2.0
 *
 * offload_patient.c - threads for work that may wait long for others: a directory that hangs takes none of those that sync the
 * spool. They are started as they are needed, and stay. */
#include "net/offload.h"

#include "base/mem.h"
#include "net/loop_int.h"

#include <stdlib.h>

enum { THREADS_MAX = 16 };

struct patient_job {
    struct list link;
    runner_fn *work, *done;
    void *arg;
};

struct patient {
    uv_async_t wake; /* something is done */
    size_t n_jobs;   /* not called back yet: they keep the loop going */
    uv_mutex_t lock; /* of all that follows */
    uv_cond_t wanted;
    struct list waiting, finished;
    unsigned n_waiting;
    uv_thread_t threads[THREADS_MAX];
    unsigned n_threads, n_idle; /* idle: also those that were called and have not come yet */
    bool is_ending;
};

static void work_on(void *arg)
{
    struct patient *p = arg;

    uv_mutex_lock(&p->lock);
    for (;;) {
        while (list_is_empty(&p->waiting) && !p->is_ending) {
            p->n_idle++;
            uv_cond_wait(&p->wanted, &p->lock);
            p->n_idle--;
        }
        if (list_is_empty(&p->waiting))
            break;
        struct patient_job *j = list_entry(p->waiting.next, struct patient_job, link);
        list_remove(&j->link);
        p->n_waiting--;
        uv_mutex_unlock(&p->lock);
        j->work(j->arg);
        uv_mutex_lock(&p->lock);
        list_append(&p->finished, &j->link);
        uv_async_send(&p->wake);
    }
    uv_mutex_unlock(&p->lock);
}

static void tell(struct patient *p)
{
    for (;;) {
        uv_mutex_lock(&p->lock);
        bool is_none = list_is_empty(&p->finished);
        struct patient_job *j = list_entry(p->finished.next, struct patient_job, link);
        if (!is_none)
            list_remove(&j->link);
        uv_mutex_unlock(&p->lock);
        if (is_none)
            return;
        struct patient_job job = *j;
        free(j);
        if (--p->n_jobs == 0)
            uv_unref((uv_handle_t *)&p->wake);
        job.done(job.arg);
    }
}

static void on_wake(uv_async_t *uv)
{
    tell(uv->data);
}

static struct patient *patient_of(struct loop *l)
{
    if (l->patient)
        return l->patient;
    struct patient *p = xcalloc(1, sizeof *p);
    if (uv_async_init(&l->uv, &p->wake, on_wake) < 0 || uv_mutex_init(&p->lock) < 0 || uv_cond_init(&p->wanted) < 0)
        bug("no means to wake the loop");
    p->wake.data = p;
    uv_unref((uv_handle_t *)&p->wake);
    list_init(&p->waiting);
    list_init(&p->finished);
    l->patient = p;
    return p;
}

void loop_run_patiently(struct runner *r, runner_fn *work, runner_fn *done, void *arg)
{
    struct loop *l = container_of(r, struct loop, runner);
    struct patient *p = patient_of(l);
    struct patient_job *j = xcalloc(1, sizeof *j);

    *j = (struct patient_job){ .work = work, .done = done, .arg = arg };
    if (p->n_jobs++ == 0)
        uv_ref((uv_handle_t *)&p->wake);
    uv_mutex_lock(&p->lock);
    list_append(&p->waiting, &j->link);
    /* A thread for each: behind one that hangs nobody waits, as long as there are more. */
    if (++p->n_waiting > p->n_idle && p->n_threads < THREADS_MAX) {
        if (uv_thread_create(&p->threads[p->n_threads], work_on, p) == 0)
            p->n_threads++;
        else if (p->n_threads == 0)
            bug("no thread for work that waits");
    }
    uv_cond_signal(&p->wanted);
    uv_mutex_unlock(&p->lock);
}

static void closed(uv_handle_t *uv)
{
    free(uv->data);
}

void patient_end(struct loop *l)
{
    struct patient *p = l->patient;

    if (!p)
        return;
    uv_mutex_lock(&p->lock);
    p->is_ending = true;
    uv_cond_broadcast(&p->wanted);
    uv_mutex_unlock(&p->lock);
    for (unsigned i = 0; i < p->n_threads; i++)
        uv_thread_join(&p->threads[i]);
    p->n_threads = 0;
    tell(p);
    uv_cond_destroy(&p->wanted);
    uv_mutex_destroy(&p->lock);
    l->patient = NULL;
    uv_close((uv_handle_t *)&p->wake, closed);
}
