/* SPDX-License-Identifier: Apache-2.0
 *
 * policy_service.h - check_policy_service: a program of the administrator's says what becomes of a request (HANDBOOK C13). One
 * question at a time goes over a connection; connections are kept for the next. */
#ifndef SERVER_POLICY_SERVICE_H
#define SERVER_POLICY_SERVICE_H

#include "base/span.h"
#include "server/restrict_int.h"

struct policy_service;

/* `spec` is what stands behind check_policy_service: "unix:/path", "inet:host:port", or { one of them, name=value ... }. */
struct policy_service *policy_service_new(struct restrictions *all, const char *spec, struct err *e);
const char *policy_service_spec(const struct policy_service *p);
/* Drops its connections; nobody asks any more. NULL is fine. */
void policy_service_free(struct policy_service *p);

enum policy_reply {
    POLICY_MORE,    /* it is not all there */
    POLICY_ACTION,
    POLICY_GARBAGE, /* no reply of a policy server */
};
/* Looks at what has come of a reply. `action` lies in `in`. */
enum policy_reply policy_reply_parse(struct span in, struct span *action);
#define POLICY_REPLY_MAX 65536

/* The question about where `c` is: "name=value" lines and an empty one. */
void policy_request(const struct check *c, const char *context, struct buf *out);

#endif
