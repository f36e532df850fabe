/* SPDX-License-Identifier: Apache-2.0
 *
 * transport.h - the first half of a next hop, "lmtp:unix:/run/dovecot/lmtp": how mail is handed over there, how much at a
 * time, and how long it may take (Postfix's TRANSPORT_... parameters).
 *
 * All but error:, retry: and discard: are one engine (smtp/client.h). local:, virtual: and the names of pipe sections are
 * served by the delivery worker, which speaks LMTP at private/NAME below queue_directory. NEXTHOP_AGAIN is for mail that sendmail
 * has left in the drop, where non_smtpd_milters have not seen it and canonical_maps have not rewritten it: it is submitted once more,
 * and what comes of that is another message. */
#ifndef RELAY_TRANSPORT_H
#define RELAY_TRANSPORT_H

#include "config/config.h"
#include "relay/queue.h"

enum transport_way {
    TRANSPORT_SMTP,    /* hosts, by MX or not */
    TRANSPORT_LMTP,    /* hosts and UNIX sockets */
    TRANSPORT_SERVICE, /* the delivery worker */
    TRANSPORT_AGAIN, /* our own submission socket: filters, canonical_maps */
    TRANSPORT_ERROR,   /* refused with the text behind the colon */
    TRANSPORT_RETRY,   /* kept with it */
    TRANSPORT_DISCARD, /* thrown away */
};

struct transport_timeouts { /* microseconds */
    int64_t connect, helo, starttls, mail, rcpt, data_init, data_xfer, data_done, rset, quit;
};

struct transport_rules {
    char *name;
    enum transport_way way;
    int concurrency, initial; /* deliveries at a time to one destination: at most, and in the beginning */
    int recipients;           /* in one transaction */
    struct transport_timeouts timeouts;
};

#define NEXTHOP_AGAIN "(again):"

struct transports;

struct transports *transports_new(const struct config *cfg);
void transports_free(struct transports *ts);

/* The rules for "transport:nexthop"; good until transports_free(). */
const struct transport_rules *transport_rules(struct transports *ts, const char *nexthop);
/* The destination of that name, found or made, with its rules. */
struct dest *transport_dest(struct transports *ts, struct queue *q, const char *nexthop);

/* This destination is the domain of that address: what goes wrong there is between the sender and that domain, and no fault of
 * ours; of a relayhost, or a host that a table names, it is. */
bool transport_is_direct(const struct dest *d, const char *address);

/* What stands behind the colon. */
const char *transport_nexthop(const char *nexthop);
/* Of error: and retry:, "5.1.1 nobody is here": parts it. Borrowed from `text`. */
const char *transport_refusal(const char *text, bool is_retry, char status[12]);
/* The socket of a service, "/var/spool/baton/private/local", or the submission's; free() it. */
char *transport_service_path(const struct config *cfg, const struct transport_rules *rules);

#endif
