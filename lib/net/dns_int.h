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
    dns_hosts_fn *hosts_fn; /* one of both */
    dns_mx_fn *mx_fn;
    void *arg;
    struct addr_list found;
    struct dns_mx_list mx;
    unsigned n_pending; /* answers that c-ares owes */
    int status;         /* ARES_*, of all answers together */
    struct err why;
    struct later later;
    bool is_cancelled;
};

void dns_mx_list_fini(struct dns_mx_list *l);
/* Asks c-ares when it wants to be called; after each question. */
void dns_set_timer(struct dns *d);
/* Takes up a changed resolv.conf when no question is under way. */
void dns_refresh(struct dns *d);

#endif
