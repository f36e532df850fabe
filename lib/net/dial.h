/* SPDX-License-Identifier: Apache-2.0
 *
 * dial.h - connecting: to the first address of a list that answers (RFC 8305, "happy eyeballs").
 *
 * IPv6 and IPv4 take turns, in the order given within each; the next attempt starts as soon as one fails, or after
 * `stagger_ms` while it is still silent; the first that connects wins, the others are dropped. */
#ifndef NET_DIAL_H
#define NET_DIAL_H

#include "base/err.h"
#include "net/addr.h"
#include "net/conn.h"

struct dial;

/* Once. `c` is the callee's, not yet opened; which of the addresses it is, conn_peer(c) says. Or NULL: then `why`
 * names each address that was tried, with its reason: "connect to 192.0.2.1:25: Connection refused; ...". */
typedef void dial_fn(void *arg, struct conn *c, const struct err *why);

struct dial_options {
    const struct addr_list *to; /* with ports; copied. At most 32 are tried */
    int64_t timeout_ms;         /* for each address; 0: 30 s */
    int64_t stagger_ms;         /* 0: 250 ms */
    const union addr *from4;    /* source addresses, or NULL; copied */
    const union addr *from6;
    bool no_ipv4, no_ipv6; /* inet_protocols: pass over such addresses */
    bool in_order;         /* no turns between the families: exactly in the order given */
};

struct dial *dial_start(struct loop *l, const struct dial_options *o, dial_fn *done, void *arg);
struct dial *dial_unix(struct loop *l, const char *path, int64_t timeout_ms, dial_fn *done, void *arg);
/* `done` will not come. NULL is fine; not after `done` has come. */
void dial_cancel(struct dial *d);

#endif
