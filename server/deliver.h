/* SPDX-License-Identifier: Apache-2.0
 *
 * deliver.h - the worker that delivers on this machine: to mailboxes, and to programs. To the relay it is a few LMTP servers, one for
 * each service, at sockets that only mail_owner can reach; so results, retries and bounces are the relay's, as for any next hop.
 *
 *     relay ── LMTP ──▶ deliver_session.c ── content.h, one delivery for each recipient ──▶ deliver_virtual.c, _local.c, _pipe.c
 *                            ▲                                                                │ an errand: a child that becomes the
 *                            └──────────────────── outcome ◀──────────────────────────────────┘ recipient and does it
 *
 * One socket is for questions: who has a ~/.forward (forward_service.c).
 *
 * It is the only worker that may become another user. It does nothing with root's rights but that: mailboxes, commands and the
 * files of users are touched by children that have become them. */
#ifndef SERVER_DELIVER_H
#define SERVER_DELIVER_H

#include "base/envelope.h"
#include "relay/lookup.h"
#include "relay/worker.h"
#include "server/content.h"
#include "server/errands.h"

struct conn;
struct deliver_service;
struct deliver_session;

struct deliver { /* the worker */
    const struct worker_env *env; /* borrowed */
    const struct config *cfg;     /* env->cfg */
    struct loop *loop;
    struct worker_ids ids;        /* of mail_owner: who may connect, who owns the spool */
    struct errands errands;       /* programs, and mailboxes of virtual */
    struct errands local_errands; /* local's, some of which wait for one of the others */
    struct errands looks;         /* forward_service.c's */
    struct list sessions, mails, askers;
    bool is_stopping;
    struct local_tables *local;   /* deliver_local.c's */
    struct tables *virtual_mailboxes, *virtual_uids, *virtual_gids;
};

/* A message that came by LMTP. It outlives its session while deliveries are under way. */
struct mail {
    struct list link;
    struct deliver *deliver;
    const struct deliver_service *service;
    const char *name;                /* of its socket, "pipe.vmail"; borrowed */
    char *nexthop;                   /* what stands behind the transport's colon, as LHLO says it ("-": nothing); or NULL */
    struct deliver_session *session; /* NULL: it is gone, and nobody waits for the results */
    struct envelope env;
    struct content *content;
    struct delivery *deliveries; /* one for each recipient */
    size_t n_left, n_unanswered;
};

/* A recipient of it. A service gets it with start(), and ends it with delivery_end(). */
struct delivery {
    struct mail *mail;
    size_t index;
    const struct rcpt *rcpt; /* borrowed from the mail's envelope */
    struct lookup lookup;    /* the service's, as what follows */
    char *path;
    uint64_t uid, gid;
    struct local_plan *plan;
    errand_work_fn *then;    /* NULL, or what comes when the first errand has been done well */
    struct outcome outcome;
    /* for several that one errand delivers to: they end with the first of them */
    bool is_taken, is_answered;
    struct delivery *next;
};

struct deliver_service {
    const char *name; /* of its socket; "pipe." stands for all of its kind */
    /* Opens what it needs. -1: it cannot. */
    int (*open)(struct deliver *w, struct err *e);
    void (*close)(struct deliver *w);
    /* A table has changed that this process cannot read. May be NULL. */
    bool (*is_stale)(const struct deliver *w);
    void (*start)(struct delivery *d);
    /* NULL: it speaks LMTP (deliver_session.c). Takes the connection. */
    void (*serve)(struct deliver *w, struct conn *c);
    /* Frees what the service has hung on it. May be NULL. */
    void (*fini)(struct delivery *d);
    bool is_local; /* it has local_errands */
};

extern const struct deliver_service deliver_local, deliver_virtual, deliver_pipe, deliver_forward;

/* hooks.h */
int deliver_main(const struct worker_env *env);

/* A delivery of local's may be giving its message to another service of this worker. */
bool deliver_is_handing_over(const struct deliver *w);

/* ---- deliver_session.c ---- */

/* The other end is mail_owner, root, or whoever runs us all. */
bool deliver_peer_is_ours(const struct deliver *w, const struct conn *c);
void deliver_session_start(struct deliver *w, const struct deliver_service *service, const char *name, struct conn *c);
/* For a shutdown: those between messages are told 421; but not yet those that local may be handing over to. */
void deliver_session_stop_all(struct deliver *w);
void deliver_session_drop_all(struct deliver *w);

/* What became of it; the delivery may be gone afterwards. */
void delivery_end(struct delivery *d, const struct outcome *o);
/* Starts an errand for it, with the delivery as its argument; its outcome ends the delivery, and those behind it (`next`). NULL for
 * `t` means what is usual; its keep_fd is filled in. */
void delivery_errand(struct delivery *d, const struct errand_terms *t, errand_work_fn *work);

/* ---- forward_service.c ---- */

/* For a shutdown: whoever has asked asks again, of the next. `for_good`: when all errands have been ended. */
void forward_drop_all(struct deliver *w, bool for_good);

/* ---- delivery_head.c: for the child ---- */

/* The address before it was rewritten. */
const char *delivery_original(const struct delivery *d);
enum { HEAD_FROM_LINE = 1, HEAD_RETURN_PATH = 2, HEAD_ORIGINAL = 4, HEAD_DELIVERED = 8 };
/* The lines that go in front of the content; `recipient` is what Delivered-To: says. */
void delivery_head(const struct delivery *d, unsigned what, const char *recipient, struct buf *out);
/* With another sender in them. */
void delivery_head_from(const struct delivery *d, const char *sender, unsigned what, const char *recipient, struct buf *out);
/* The value of the topmost field, unfolded; false: it has another name. */
bool delivery_first_field(const struct delivery *d, const char *name, struct buf *line);
/* Where what we have written ourselves begins in our own Received:, "by HOST (Baton) with ...": what stands before it, in `line`, a
 * client has said. NULL: the topmost field is not ours. */
const char *delivery_received_by(const struct delivery *d, struct buf *line);
/* The id under which it is in the queue, as our own Received: tells; "" when it does not. */
const char *delivery_queue_id(const struct delivery *d, char *out, size_t size);
/* Whether it was delivered to `recipient` before: a Delivered-To: says so. */
bool delivery_is_loop(const struct delivery *d, const char *recipient);

/* ---- delivery_origin.c: for the child ---- */

/* "client_address", "sasl_username", ... (in small or capital letters), and NULL at the end. */
const char *delivery_origin_name(size_t i);
/* Its value, which may be empty. False: there is no such name. */
bool delivery_origin(const struct delivery *d, struct span name, struct buf *out);

#endif
