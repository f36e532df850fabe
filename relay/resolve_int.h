/* SPDX-License-Identifier: Apache-2.0
 *
 * resolve_int.h - the resolver from inside: resolve.c has the passes, expand.c what addresses stand for, rewriting.c what becomes of
 * addresses in envelopes and headers. */
#ifndef RELAY_RESOLVE_INT_H
#define RELAY_RESOLVE_INT_H

#include "base/list.h"
#include "relay/route_hooks.h"

struct resolver {
    const struct config *cfg; /* borrowed */
    struct runner *runner;    /* borrowed, or NULL */
    struct match *mydestination;
    struct tables *aliases;
    void *server;             /* route_hooks' own; NULL: a null client */
    struct lookup_cache *cache; /* NULL: no table blocks */
    bool may_block;
    bool has_accounts;        /* a table asks for the users of the system */
    bool has_local;           /* there is local delivery */
    bool is_direct;           /* without a relayhost mail goes to MX hosts */
    char *relayhost;          /* all of relayhost, as written, blanks between; "" when there is none */
    char *local_localhost;    /* "localhost.example.com" */
    struct route to_local, elsewhere; /* of a null client */
    struct lookup fixed;      /* the memory of these */
    struct pass *spare;
    struct list asks;
    struct rewriting *rewriting; /* rewriting_now()'s; NULL: not needed yet */
    struct list rewritings;      /* that wait */
};

struct pass_set { /* of borrowed strings; zeroes: empty */
    const char **at;
    size_t n, cap; /* cap is a power of two, or 0 */
};

struct pass {
    struct resolver *r;
    struct lookup l;
    /* What is asked: */
    const char *sender;
    const struct envelope *env;      /* borrowed */
    const struct spool_state *state; /* borrowed; NULL: the recipients are env's */
    bool is_final;                   /* they have been expanded */
    bool is_rcpt;                    /* a verdict on the only one is asked for */
    /* What came out: */
    struct resolved *at;
    size_t n, cap;
    struct pass_set seen;    /* the addresses of `at` */
    struct pass_set visited; /* in small letters: what has been expanded, or is about to be */
    bool has_changed;
    bool was_aliased, was_virtual; /* of is_rcpt: it has an alias, a virtual alias */
    bool is_too_much;              /* a limit was reached, which has been logged */
    struct resolve_verdict verdict;
};

static inline size_t pass_count(const struct pass *p)
{
    return p->state ? p->state->n_rcpts : p->env->n_rcpts;
}

static inline const char *pass_address(const struct pass *p, size_t i)
{
    return p->state ? p->state->rcpts[i].rcpt.address : p->env->rcpts[i].address;
}

/* ---- rewriting.c ---- */

/* Those that wait are never told. */
void rewritings_end(struct resolver *r);

/* ---- expand.c ---- */

void pass_expand(struct pass *p);
/* With a domain, in the pass's memory if it has to be made. */
const char *pass_complete(struct pass *p, const char *address);

#endif
