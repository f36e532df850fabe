/* SPDX-License-Identifier: Apache-2.0
 *
 * sink.h - the embedded relayhost: an SMTP server that takes what it is sent, or answers as it was
 * told to. */
#ifndef CONTROL_SINK_H
#define CONTROL_SINK_H

#include "base/envelope.h"
#include "net/conn.h"
#include "net/tls.h"

struct sink_rule { /* --reply PATTERN=CODE TEXT */
    char *pattern; /* fnmatch(3), over the recipient; "" is the content's end */
    int code;
    char *text;
};

struct sink_message {
    const struct envelope *env;
    struct span content; /* CRLF line ends */
    const char *client;  /* "127.0.0.1" */
    const char *login;   /* or NULL */
    bool is_encrypted;
};

struct sink {
    struct loop *loop;
    const char *hostname;
    struct tls_server *tls; /* NULL: no TLS */
    bool is_implicit_tls, is_lmtp;
    const char *user, *password; /* NULL: no login; else one is wanted */
    uint64_t size_limit;
    struct sink_rule *rules;
    size_t n_rules;
    bool is_done; /* set by keep(): no more is taken, and the loop stops when all that was has been answered */
    struct timer leave;
    /* A message has come, all of it. False: it could not be kept, and is refused for now. */
    bool (*keep)(void *arg, const struct sink_message *m);
    void *arg;
};

/* Takes the connection. `s` outlives it. */
void sink_serve(struct sink *s, struct conn *c);

#endif
