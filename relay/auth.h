/* SPDX-License-Identifier: Apache-2.0
 *
 * auth.h - who can tell whether a client is the user it says to be: what session_auth.c asks of the server module.
 *
 * There is one `struct auth` a receive worker, which all sessions share, and one `struct auth_try` for each AUTH command under
 * way. What is exchanged is base64, checked to be so, as RFC 4954 has it on the wire. */
#ifndef RELAY_AUTH_H
#define RELAY_AUTH_H

#include "base/err.h"
#include "base/span.h"

#include <stdbool.h>

struct auth;
struct auth_backend;
struct auth_try;
struct config;
struct dns;
struct loop;

struct auth_client { /* borrowed during the call */
    const char *address, *server_address; /* "192.0.2.1"; "" where there is none (a UNIX socket) */
    bool is_encrypted;
};

enum auth_result {
    AUTH_MORE,  /* a challenge: auth_backend.respond() or .cancel() is next */
    AUTH_YES,
    AUTH_NO,    /* the wrong password, and whatever else is the client's fault */
    AUTH_LATER, /* nobody could tell */
};

struct auth_answer { /* valid during the call */
    enum auth_result result;
    struct span challenge; /* AUTH_MORE: base64 */
    const char *user;      /* AUTH_YES: who it is. Else who it wanted to be, or NULL */
    const char *reason;    /* AUTH_NO, AUTH_LATER: why, for the client and the log; or NULL */
};

/* Comes once for begin() and once for each respond(), from the loop, never from inside of them. After anything but AUTH_MORE the
 * try is no more. */
typedef void auth_fn(void *arg, const struct auth_answer *a);

/* What there is to start with. */
struct auth_start {
    const struct config *cfg; /* borrowed; outlives the auth */
    struct loop *loop;
    struct dns *dns; /* borrowed; or NULL, where the configuration names no host */
    /* Whether AUTH can be offered is known now, or it is known that nobody can tell: see is_settling(). May come often. */
    void (*settled)(void *arg);
    void *arg;
};

struct auth_backend {
    /* More files and folders that may be read in the jail, NULL at its end; or NULL. Lives as long as `a`. */
    const char *const *(*readable)(const struct auth *a);
    /* In the jail. */
    void (*start)(struct auth *a, const struct auth_start *how);
    /* What is offered is not known yet and will be in a moment: whoever wants to know waits for settled(). Asking makes it try. */
    bool (*is_settling)(struct auth *a);
    /* "PLAIN LOGIN", as smtpd_sasl_security_options and smtpd_sasl_tls_security_options have it; "" for none; NULL: nobody knows.
     * Valid till the next turn of the loop. */
    const char *(*mechanisms)(struct auth *a, bool is_encrypted);
    /* `initial` as in smtp_server_ops.auth(). */
    struct auth_try *(*begin)(struct auth *a, const struct auth_client *who, const char *mech, struct span initial, auth_fn *then,
                              void *arg);
    void (*respond)(struct auth_try *t, struct span response);
    /* The client has given up or gone: `then` does not come any more. */
    void (*cancel)(struct auth_try *t);
    /* All tries have been cancelled or answered before. */
    void (*close)(struct auth *a);
};

/* What auth_open() of hooks.h makes, before the jail, and what a backend's own begin with. */
struct auth {
    const struct auth_backend *backend;
};
struct auth_try {
    struct auth *auth; /* borrowed */
};

#endif
