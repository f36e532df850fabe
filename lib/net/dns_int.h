/* SPDX-License-Identifier: Apache-2.0
 *
 * dns_int.h - between dns.c (questions) and dns_channel.c (sockets and timers of c-ares). */
#ifndef NET_DNS_INT_H
#define NET_DNS_INT_H

#include "net/dns.h"
#include "net/loop_int.h"

#define CARES_NO_DEPRECATED /* the calls that 1.18 and 1.34 have in common */
#include <ares.h>
#include <sys/stat.h>

struct dns {
    struct loop *loop; /* borrowed */
    ares_channel channel;
    ares_channel files; /* dns_files() */
    struct list queries;
    struct list socks;
    struct timer timer;
    char *servers; /* or NULL: resolv.conf's */
    int timeout_ms, tries;
    char *resolv_conf;
    struct stat seen[2]; /* resolv.conf and /etc/hosts as they were when the channel was made */
    struct later stale;  /* the next two: dns_on_stale() */
    loop_fn *stale_fn;
    void *stale_arg;
};

struct dns_query {
    struct list link; /* in dns->queries */
    struct dns *dns;  /* borrowed */
    char *name;       /* in A-labels; NULL: it was none, see `why` */
    uint16_t port;
    loop_fn *finish;
    dns_hosts_fn *hosts_fn; /* one of the three */
    dns_mx_fn *mx_fn;
    dns_list_fn *list_fn;
    void *arg;
    struct addr_list found;
    struct dns_mx_list mx;
    char **list; /* dns_list.c's */
    size_t n_list;
    unsigned n_pending; /* answers that c-ares owes */
    int status;         /* ARES_*, of all answers together */
    struct err why;
    struct later later;
    bool is_cancelled;
};

/* A question that `finish` ends, called at the end of a turn when all that was asked for has been answered (n_pending 0). */
struct dns_query *dns_query_new(struct dns *d, const char *name, loop_fn *finish, void *arg);
void dns_query_free(struct dns_query *q);
/* After n_pending has changed. */
void dns_query_settle(struct dns_query *q);
void dns_note_status(struct dns_query *q, int status);
/* Fills in q->why, and says how it ended. */
enum dns_outcome dns_conclude(struct dns_query *q, const char *what, bool has_found);
void dns_mx_list_fini(struct dns_mx_list *l);
/* Asks c-ares when it wants to be called; after each question. */
void dns_set_timer(struct dns *d);
/* A channel that looks into /etc/hosts only, and so answers at once; NULL: not at the moment. */
ares_channel dns_files(struct dns *d);
/* Takes up a changed resolv.conf when no question is under way. */
void dns_refresh(struct dns *d);

#endif
