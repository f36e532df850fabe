/* SPDX-License-Identifier: Apache-2.0
 *
 * peer_int.h - a connection to a next hop, for the files that are its life: peer_open.c brings it up, peer_work.c chooses what it
 * sends, peer.c has the rest; peer_pool.c has all of them. */
#ifndef RELAY_PEER_INT_H
#define RELAY_PEER_INT_H

#include "net/conn.h"
#include "net/dial.h"
#include "relay/attempt.h"
#include "relay/peer.h"
#include "relay/tls_policy.h"
#include "relay/transport.h"
#include "relay/walk.h"
#include "smtp/client.h"

enum peer_state { PEER_OPENING, PEER_BUSY, PEER_IDLE, PEER_DEAD };

struct peer {
    struct list link; /* of its destination's pool */
    struct list opening_link; /* of all that are PEER_OPENING */
    int64_t opened_us;
    struct list looking_link; /* of all that wait for a name server; a list of its own: none */
    int64_t looking_us;
    struct relay *relay;
    struct dest *dest;
    enum peer_state state;
    struct walk *walk;
    const struct relayhost *relayhost; /* borrowed from the walk: of the host at hand */
    bool is_fallback;                  /* that is smtp_fallback_relay's */
    int n_sessions;                    /* of a domain's hosts: how many have taken a connection */
    char *host;
    struct addr_list addrs;
    union addr at;                     /* the one that was connected to */
    char *path;                        /* of a UNIX socket instead, or NULL */
    struct tls_policy_ask *policy_ask; /* what TLS this host gets is being asked */
    enum config_tls_level tls_level;   /* for this host: decide_tls() */
    char *tls_match;                   /* the names that its certificate is to bear, or NULL: its own */
    struct tls_client *tls;            /* borrowed */
    bool is_sts_testing;               /* say what its MTA-STS policy would have refused */
    char *remote;                      /* "mx.example.com[192.0.2.1]:25" */
    struct dial *dial;
    struct conn *conn;
    struct smtp_client *client;
    bool is_without_tls;               /* opportunistic TLS failed: this time without */
    bool is_feeding;                   /* inside smtp_client_*(): output is pumped when it returns */
    struct attempt *attempt;
    struct attempt_load *loading;      /* the next one: where its recipients go is being asked */
    struct job *loading_job;
    struct attempt *loaded;            /* for the moment between the two */
    struct attempt *parked;            /* one with many recipients, while another message has its turn */
    const struct rcpt **rcpts;         /* of the transaction under way */
    struct envelope for_service;       /* the same as the delivery worker is told: zeroes for others */
    bool is_stale;                     /* a kept connection turned out to be gone before it took anything */
    unsigned n_sent;                   /* messages so far */
    bool is_probe;                     /* opened to find out whether the destination works again */
    bool was_cut_off, was_taken;       /* what the transaction under way has shown of the destination */
    unsigned half_reply;               /* that is coming, by its number, and since when */
    int64_t half_since_ms;
    struct timer idle_timer;
    struct later service_later, free_later;
    struct buf troubles;
    bool has_temporary;
};

struct pool {
    struct list peers;
    size_t n;
};

/* ---- peer_open.c ---- */

/* Looks for a host that takes us; then the engine says ready, or all have failed and the destination with them. */
void peer_open(struct peer *p);
/* It ended before the engine was ready: on to the next host. */
void peer_host_failed(struct peer *p, bool is_config, const char *what);
/* It has had its time: the destination has failed. */
void peer_give_up(struct peer *p, const char *why);
/* 220 to STARTTLS, or the first byte of port 465. */
void peer_start_tls(struct peer *p);

/* It waits for a name server no more. */
void peer_stop_looking(struct peer *p);

/* ---- peer.c ---- */

extern const struct conn_ops peer_conn_ops;
extern const struct smtp_client_ops peer_client_ops;
/* Sends what the engine has to say, and sets the timeout of its phase. */
void peer_pump(struct peer *p);
/* Out of the pool now, freed at the end of this turn. */
void peer_bury(struct peer *p);
/* QUIT, and buried. */
void peer_quit(struct peer *p);
/* At once, whatever is under way. */
void peer_drop(struct peer *p);

/* ---- peer_pool.c ---- */

size_t peer_count_in(struct pool *pool, enum peer_state state);

/* ---- peer_work.c ---- */

/* The client is ready: the next recipients of the message at hand, or the next message, or a pause. */
void peer_take_job(struct peer *p);
/* What is being loaded goes back to the queue. */
void peer_stop_loading(struct peer *p);

#endif
