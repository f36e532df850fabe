/* SPDX-License-Identifier: Apache-2.0
 *
 * attempt.h - one attempt to hand a job's recipients to its next hop: what is sent, and what each recipient got.
 *
 * An attempt is loaded from the spool, filled with fates while a connection works on it, and ends in settle(), which
 * takes it. Recipients that nobody gave a fate are deferred. */
#ifndef RELAY_ATTEMPT_H
#define RELAY_ATTEMPT_H

#include "relay/relay_int.h"
#include "smtp/reply.h"
#include "smtp/verdict.h"

struct fate {
    enum verdict verdict;
    bool is_decided;
    bool is_soft;        /* it would have been returned, but for soft_bounce */
    bool is_reported_on; /* the next hop has taken over the duty to report (it speaks DSN) */
    char dsn[12];
    char *reason;        /* for people, unescaped */
    char *diagnostic;    /* the reply as it came, or NULL: our own decision */
};

struct attempt {
    struct list link;          /* while settle() has to wait: of the relay's */
    struct relay *relay;
    struct job *job;
    struct envelope env;
    struct spool_state state;  /* its rcpts are all that are left of the message, also those of other jobs; or, where the spool names
                                * them (`is_slim`), this job's alone */
    bool is_slim;
    size_t n_all;              /* how many were left of the message when it was loaded */
    struct spool_info info;
    struct spool_body *body;   /* NULL: not opened (nothing is sent) */
    size_t *mine;              /* which of state.rcpts are this job's */
    struct fate *fates;        /* one for each of mine */
    struct outward *outward;   /* how it leaves, if not as it is (outward.h); or NULL */
    size_t n;
    bool is_put_off;           /* how it leaves cannot be told: nothing is sent */
    char *remote;              /* "mx.example.com[192.0.2.1]:25" for the log, or NULL: "none" */
    char *remote_name;         /* "mx.example.com" */
    bool is_fallback;          /* that is a host of smtp_fallback_relay */
    int64_t taken_us, connected_us; /* clock_real_us(): taken from the queue; its connection was ready */
    size_t chunk_first, chunk_n;    /* of mine: what is in the transaction under way */
};

/* Loads envelope, state and (with `opens_body`) content of an active job, and finds out where its recipients go: done() comes once,
 * from inside when no table has to be waited for (and NULL comes back), else later. With `a` NULL the job is as before: ERR_TEMPORARY
 * when a table cannot tell at the moment (e->sys is EAGAIN when it could not be asked, so that others would fare no better), else the
 * message cannot be read; `e` says why. Other jobs of the message may have been added. With what the resolver refuses decided, and
 * dressed for the way out (outward.h), `a` is the callback's. */
struct attempt_load;
typedef void attempt_fn(void *arg, struct job *j, struct attempt *a, const struct err *e);
struct attempt_load *attempt_load(struct relay *r, struct job *j, bool opens_body, attempt_fn *done, void *arg);
/* done() will not be called; the job is still active. NULL is fine. */
void attempt_load_cancel(struct attempt_load *l);
/* All that are under way, when the relay ends. */
void attempt_drop_loads(struct relay *r);
/* A message that cannot be read waits for a person to look at it; others go on. */
void attempt_set_aside(struct relay *r, struct job *j, const struct err *e);
void attempt_free(struct attempt *a);

/* The next recipients for one transaction, `max` at most; returns how many, 0 when all had their turn. */
size_t attempt_next_chunk(struct attempt *a, size_t max);
const struct rcpt *attempt_rcpt(const struct attempt *a, size_t i);

/* What became of recipient `i` of mine. Once each; later ones are ignored. */
void attempt_result(struct attempt *a, size_t i, const struct smtp_result *result, bool next_hop_reports);
void attempt_decide(struct attempt *a, size_t i, enum verdict verdict, const char *dsn, const char *reason);
/* The same for all that have none yet. */
void attempt_decide_rest(struct attempt *a, enum verdict verdict, const char *dsn, const char *reason);

/* settle.c: writes down what became of it, and takes `a`. */
void settle(struct attempt *a);
/* All that wait to be settled, when the relay ends. */
void settle_drop(struct relay *r);

#endif
