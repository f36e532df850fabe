/* SPDX-License-Identifier: Apache-2.0
 *
 * envelope.h - whom a message is from and for, and what was asked about it (RFC 5321 2.3.1, RFC 3461).
 *
 * Addresses stand here in one form: "local@domain" as the RFC 5321 Mailbox would be written, without brackets and
 * source route, the local part quoted only if it must be, the domain as it came (UTF-8 or A-labels). "" is the null
 * sender. All strings are owned by the envelope. */
#ifndef BASE_ENVELOPE_H
#define BASE_ENVELOPE_H

#include "base/buf.h"
#include "base/err.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

enum {
    NOTIFY_DEFAULT = 0, /* nothing was asked: failures only (RFC 3461 4.1) */
    NOTIFY_SUCCESS = 1,
    NOTIFY_FAILURE = 2,
    NOTIFY_DELAY = 4,
    NOTIFY_NEVER = 8, /* stands alone */
};

enum dsn_ret { RET_NONE, RET_FULL, RET_HDRS };

enum body_type { BODY_7BIT, BODY_8BITMIME };

struct rcpt {
    char *address;
    char *orcpt;          /* "rfc822;addr", xtext decoded, or NULL */
    char *original;       /* the address before aliases, or NULL when it is `address` */
    unsigned char notify; /* NOTIFY_* */
};

struct envelope {
    char *sender; /* "" is the null sender */
    char *envid;  /* xtext decoded, or NULL */
    enum dsn_ret ret;
    enum body_type body;
    bool smtputf8;        /* an address or a header needs RFC 6531 */
    bool is_bounce;       /* a delivery report that we wrote ourselves */
    bool is_held;         /* it waits for an operator, till a state of it says otherwise */
    uid_t uid;            /* who submitted it on this machine, or ENVELOPE_NO_UID */
    char *client;         /* "name[address]" of the SMTP client, or NULL */
    char *login;          /* the authenticated user, or NULL */
    char *submitter;      /* AUTH= of MAIL, decoded: who is said to have submitted it; "" is AUTH=<>; NULL: nothing was said. To be
                           * believed only of a client that has logged in (RFC 4954 5) */
    char *filter;         /* "transport:nexthop" that all of it goes to, whoever it is for; or NULL */
    bool is_unmapped;     /* its recipients are meant as they are: virtual aliases count for none of them */
    int64_t arrival_us;   /* clock_real_us() */
    struct rcpt *rcpts;
    size_t n_rcpts;
    size_t cap_rcpts;
};

#define ENVELOPE_NO_UID ((uid_t)-1)

/* Zeroes plus sender "" and no uid. */
void envelope_init(struct envelope *e);
void envelope_fini(struct envelope *e);
/* Copies `address`. Returns the new recipient; it moves at the next call. */
void envelope_forget_rcpts(struct envelope *e);
struct rcpt *envelope_add(struct envelope *e, const char *address);
void envelope_set_sender(struct envelope *e, const char *address);
void envelope_copy(struct envelope *to, const struct envelope *from);

/* The form in the spool: "key value" lines, keys of one letter, see lib/spool/FORMAT. Unknown keys in small letters
 * are passed over, in capitals they are an error: a newer Baton wrote what must not be ignored. */
void envelope_pack(const struct envelope *e, struct buf *out);
int envelope_unpack(struct envelope *e, struct span packed, struct err *err);

#endif
