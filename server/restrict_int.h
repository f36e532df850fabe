/* SPDX-License-Identifier: Apache-2.0
 *
 * restrict_int.h - one client's way through the lists, for the files that know a kind of restriction.
 *
 * A function of a restriction says what follows from it: at once, or LATER. Then it has set `job` and `stop`, and when it knows
 * it calls check_answer(), once. AGAIN means: what was waited for is known now; the same restriction is asked anew. */
#ifndef SERVER_RESTRICT_INT_H
#define SERVER_RESTRICT_INT_H

#include "config/restrict.h"
#include "map/map.h"
#include "net/loop.h"
#include "server/restrict.h"

struct check;

enum outcome {
    GO_ON,  /* nothing follows from it: the next one */
    PERMIT, /* the end of its list */
    REJECT, /* the end of all: check->no says how */
    LATER,
    AGAIN,
};

typedef enum outcome restriction_fn(struct check *c, const struct restriction *r);

/* restrict_*.c, access.c, ...: one function for each, in the order of restrictions.h. */
extern restriction_fn *const restriction_fns[N_RESTRICTIONS];

/* ---- what a worker has ---- */

struct dns;
struct policy_service;
struct rbl_known;

struct table {
    char *spec;
    struct map *map;
};

struct restrictions {
    const struct config *cfg; /* borrowed */
    struct loop *loop;        /* borrowed, as is */
    struct dns *dns;          /* NULL: no list asks the DNS */
    struct table *tables;
    size_t n_tables;
    struct policy_service **services;
    size_t n_services;
    struct addr_list own;     /* own_addresses_or_all() */
};

/* Of those that were opened; never NULL for one that a list names. */
struct map *restrictions_table(const struct restrictions *r, const char *spec);
struct policy_service *restrictions_service(const struct restrictions *r, const char *spec);
/* The text of rbl_reply_maps for a list, with its filter or without; to be freed. NULL: none. */
char *restrictions_rbl_reply(const struct check *c, const char *arg, const char *domain);
bool restrictions_are_stale(const struct restrictions *r);

/* ---- one client ---- */

enum { CHECK_DEPTH_MAX = 20 };

struct subject { /* what a reply is about: "<a@example.com>: Recipient address rejected: ..." */
    const char *name;  /* not escaped */
    const char *what;  /* "Recipient address" */
};

struct frame { /* a list that is gone through */
    const struct restriction_list *list;
    size_t next;
    struct restriction_list own; /* from an access table */
    struct subject subject;
};

struct check {
    struct restrictions *all;
    struct gate *gate;
    struct gate_facts f; /* valid while a question is under way */
    enum gate_at at;
    /* where we are */
    int first_place, place, last_place; /* restriction_place */
    struct subject subject;  /* of the list that `current` stands in */
    struct frame frames[CHECK_DEPTH_MAX];
    size_t depth;
    size_t warns_at;         /* the depth at which warn_if_reject was said; 0: not */
    bool warns_next;         /* and that it is for the next one */
    const struct restriction *current; /* that is asked; NULL: what stands behind the list */
    bool is_behind;
    bool is_discarded;       /* 250, and nothing is kept: nothing more is asked */
    bool sender_was_looked_up, rcpt_was_looked_up;
    struct refusal no, if_permit, if_reject;
    struct refusal early;    /* if_permit of a question before the recipients (smtpd_delay_reject = no) ... */
    enum gate_at early_at;   /* ... and of which */
    struct refusal denied;   /* of the client's list or its name's, before the recipients: nothing that follows is taken */
    int denied_by;           /* RESTRICT_CLIENT; or RESTRICT_HELO, till it says another name */
    /* what is waited for */
    bool is_asking, has_answer;
    enum outcome answer;
    void *job;
    void (*stop)(struct check *c);
    struct timer timer;
    char instance[40];       /* of the message, for policy servers */
    struct rbl_known *rbl;   /* rbl.c's */
    /* what the resolver says of the recipient, and of the sender */
    struct known {
        bool is_known;
        bool cannot_tell, is_ours, is_refused;
        enum address_class class;
        char unlisted[100];
        char status[12], text[300];
    } rcpt, sender;
};

/* The answer that was to come LATER. */
void check_answer(struct check *c, enum outcome answer);

/* Refuses; or only logs, or puts off, as warn_if_reject, defer_if_reject and soft_bounce have it. */
enum outcome check_reject(struct check *c, int code, const char *status, const char *fmt, ...) __attribute__((format(printf, 4, 5)));
/* The same with "<NAME>: WHAT rejected: " in front. */
enum outcome check_reject_it(struct check *c, struct subject s, int code, const char *status, const char *fmt, ...)
    __attribute__((format(printf, 5, 6)));
/* Nothing yet; but if all is permitted in the end, this is the answer. */
enum outcome check_defer_if_permit(struct check *c, struct subject s, const char *status, const char *fmt, ...)
    __attribute__((format(printf, 4, 5)));
/* Nothing yet; but if something later would refuse for good, this is the answer. */
enum outcome check_defer_if_reject(struct check *c, struct subject s, const char *status, const char *fmt, ...)
    __attribute__((format(printf, 4, 5)));
/* Our own fault, which warn_if_reject does not make a warning of; somebody has logged the reason. */
enum outcome check_trouble(struct check *c, int code, const char *status, const char *fmt, ...) __attribute__((format(printf, 4, 5)));
/* Goes on with that list about `s`; or with `own`, which is taken. Deeper than CHECK_DEPTH_MAX: trouble. */
enum outcome check_go_into(struct check *c, const struct restriction_list *list, struct restriction_list *own, struct subject s);

struct subject about_client(const struct check *c);
struct subject about_helo(const struct check *c);
struct subject about_sender(const struct check *c);
struct subject about_recipient(const struct check *c);

/* The recipient that is asked about, or NULL: none yet, or several. */
const char *check_recipient(const struct check *c);
/* Fills in c->rcpt, c->sender: LATER, or AGAIN when it is there at once. */
enum outcome check_resolve_recipient(struct check *c);
enum outcome check_resolve_sender(struct check *c);

/* restrict_address.c */
enum outcome reject_unlisted_recipient(struct check *c);
enum outcome reject_unlisted_sender(struct check *c);

#endif
