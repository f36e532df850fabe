/* SPDX-License-Identifier: Apache-2.0
 *
 * auth_wire.h - the client's side of Dovecot's authentication protocol, version 1, without I/O: bytes in, bytes and news out.
 *
 * Lines of fields parted by TABs. What the server says of itself ends with DONE; from 2.4 on it waits for our VERSION before it
 * does, so ours goes out at once. */
#ifndef SMTP_AUTH_WIRE_H
#define SMTP_AUTH_WIRE_H

#include "base/buf.h"
#include "base/err.h"

#include <stdint.h>

#define AUTH_LINE_MAX 16384 /* AUTH_CLIENT_MAX_LINE_LENGTH */
enum { AUTH_MECHS_MAX = 32, AUTH_MECH_NAME_MAX = 31 };

/* Of a mechanism, as MECH lines have it. */
enum auth_mech_trait {
    AUTH_MECH_ANONYMOUS = 1,
    AUTH_MECH_PLAINTEXT = 2,
    AUTH_MECH_DICTIONARY = 4,
    AUTH_MECH_ACTIVE = 8,
    AUTH_MECH_FORWARD_SECRECY = 0x10,
    AUTH_MECH_MUTUAL_AUTH = 0x20,
    AUTH_MECH_CHANNEL_BINDING = 0x40,
    AUTH_MECH_PRIVATE = 0x80, /* not for clients */
};

struct auth_mech {
    char name[AUTH_MECH_NAME_MAX + 1]; /* in capitals */
    unsigned traits;
};

enum auth_wire_kind { AUTH_WIRE_CONT, AUTH_WIRE_OK, AUTH_WIRE_FAIL };

struct auth_wire_reply {
    enum auth_wire_kind kind;
    uint32_t id;
    struct span challenge;     /* CONT: base64, checked */
    const char *user, *reason; /* or NULL */
    bool is_temporary;         /* FAIL: it was not the client's fault */
};

struct auth_wire {
    struct buf in;
    bool has_version, is_ready;
    struct auth_mech mechs[AUTH_MECHS_MAX];
    size_t n_mechs;
};

struct auth_wire_ops {
    /* DONE: mechs are all there, AUTH may be sent. */
    void (*ready)(void *arg);
    /* Valid during the call. Also for ids that nobody knows (any more). */
    void (*reply)(void *arg, const struct auth_wire_reply *r);
};

void auth_wire_init(struct auth_wire *w);
void auth_wire_fini(struct auth_wire *w);
/* -1: it is not that protocol, or a version of it that we do not know; the connection is of no more use. Neither of the ops may
 * fini `w`. */
int auth_wire_input(struct auth_wire *w, struct span bytes, const struct auth_wire_ops *ops, void *arg, struct err *e);

/* ---- what we say; `cpid` is another number for each connection that is open at a time ---- */

struct auth_wire_request {
    uint32_t id;
    const char *mech, *service;
    const char *remote, *local; /* addresses, or "" */
    bool is_secured;
    struct span initial; /* base64; `at` NULL: none was given */
};

void auth_wire_hello(struct buf *out, uint32_t cpid);
void auth_wire_auth(struct buf *out, const struct auth_wire_request *r);
void auth_wire_cont(struct buf *out, uint32_t id, struct span base64);
void auth_wire_cancel(struct buf *out, uint32_t id);

#endif
