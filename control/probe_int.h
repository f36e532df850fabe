/* SPDX-License-Identifier: Apache-2.0
 *
 * probe_int.h - a walk under way: probe.c opens it, probe_walk.c goes from one host to the next, probe_session.c talks with one. */
#ifndef CONTROL_PROBE_INT_H
#define CONTROL_PROBE_INT_H

#include "control/probe.h"

#include "net/conn.h"
#include "net/dns.h"
#include "net/tls.h"
#include "relay/mta_sts.h"
#include "relay/tls_policy.h"
#include "relay/walk.h"
#include "smtp/client.h"

enum outcome {
    UNDER_WAY,
    NEXT_HOST, /* this one could not be reached, or is out of order: the next one may do */
    REFUSED,   /* it answered, and that is how it stands */
    REACHED,   /* all that was asked for went well */
};

struct probe {
    const struct config *cfg;
    struct findings *f;
    const struct envelope *env; /* NULL: to the end of the login */
    bool is_verbose;
    struct loop *loop;
    struct dns *dns;
    struct tls_client *verified, *unverified, *lmtp; /* lmtp NULL: verified will do */
    struct tls_certs certs; /* our own */
    struct tls_policies *policies;
    struct mta_sts *sts; /* or NULL */
    struct addr_list own;

    /* the way */
    bool is_lmtp, is_direct;
    struct walk *walk;
    const struct relayhost *hop; /* borrowed from the walk */
    bool is_answered;            /* what is waited for has come */
    bool is_over;                /* there are no more hosts */
    struct err why;              /* what was wrong with those that had no address */

    /* the host at hand */
    char *host; /* its name, or the path of its socket */
    bool is_socket, is_at_domain;
    struct addr_list addrs;
    union addr at; /* the one that was connected to */
    int n_sessions;
    char *secret;
    enum config_tls_level level;
    char *match; /* names for its certificate, or NULL */
    struct tls_client *tls;
    bool is_testing; /* MTA-STS: say what would have been refused */

    /* the conversation */
    int64_t dialled_us;
    struct conn *conn;
    struct smtp_client *client;
    bool has_greeting, was_connected;
    bool is_without_tls; /* it failed, and need not be: once more, without */
    enum outcome outcome;
    const struct rcpt **rcpts;
    size_t n_taken;
    bool has_said_sender;
    struct smtp_message message;
};

/* Another host may still do: then what goes wrong is no error yet. */
enum finding_kind probe_bad(const struct probe *p);
const struct login *probe_login(const struct probe *p);

/* probe_walk.c: the hosts of p->walk, one after the other. */
enum outcome probe_walk(struct probe *p, const char *nexthop);
/* probe_session.c: connects to p->host and talks, as far as was asked. Does not return UNDER_WAY. */
enum outcome probe_converse(struct probe *p);

#endif
