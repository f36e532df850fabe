/* SPDX-License-Identifier: Apache-2.0
 *
 * probe_int.h - a walk under way: probe.c (from one host to the next) and probe_session.c (with one
 * of them) share it. */
#ifndef CONTROL_PROBE_INT_H
#define CONTROL_PROBE_INT_H

#include "control/probe.h"

#include "net/conn.h"
#include "net/dns.h"
#include "net/tls.h"
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
    const struct probe_mail *mail; /* NULL: to the end of the login */
    struct loop *loop;
    struct dns *dns;
    struct tls_client *tls;
    bool is_lmtp;     /* to a unix socket, hop->path */
    bool is_answered; /* a DNS question is */

    const struct relayhost *hop; /* under way */
    const char *host;            /* of the hop: itself, or one of its MX hosts */
    struct strlist mx;
    struct addr_list addrs;
    int64_t dialled_us;
    struct conn *conn;
    struct smtp_client *client;
    char *secret;
    bool has_greeting, has_said_features;
    bool is_without_tls; /* it failed, and need not be */
    enum outcome outcome;

    const struct rcpt **rcpts;
    size_t n_taken;
    bool has_said_sender;
    struct smtp_message message;
};

/* An MX host or a second relayhost may still do: then it is no error yet. */
enum finding_kind probe_bad(const struct probe *p);

/* Connects to p->addrs and talks, as far as was asked. Does not return UNDER_WAY. */
enum outcome probe_converse(struct probe *p);

#endif
