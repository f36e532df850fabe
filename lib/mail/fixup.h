/* SPDX-License-Identifier: Apache-2.0
 *
 * fixup.h - what is put right in a header section on the way in, once, so that the way out is a copy.
 *
 * The agent (for the drop) and the daemon (for its local socket and loopback clients) do the same here:
 * - "From " lines on top are gone; line ends are CRLF.
 * - Bcc, Resent-Bcc, Content-Length and Return-Path are always removed (Postfix's message_drop_headers).
 * - With FIXUP_ADD: missing Date, From and Message-ID are added, and "To: undisclosed-recipients:;" when no To or Cc is
 *   left. When any Resent- field is there, the Resent- ones are added instead (RFC 5322 3.6.6), the others only
 *   where the message has none.
 * - With FIXUP_COMPLETE: addresses without domain in From, Sender, Reply-To, To, Cc, their Resent- kin, Errors-To and the like get
 *   @myorigin; "user@host" is left alone. A field that cannot be read as an address list stays as it is, and is a
 *   warning.
 * - With FIXUP_ENCODE: raw UTF-8 in Subject, Comments and X- fields and in the names of addresses becomes encoded words
 *   (RFC 2047), which need no SMTPUTF8; a next hop that has not learned it would have to return the message.
 * - Our Received: field goes on top. */
#ifndef MAIL_FIXUP_H
#define MAIL_FIXUP_H

#include "base/buf.h"
#include "base/envelope.h"
#include "base/err.h"
#include "base/span.h"

#include <stdbool.h>

enum {
    FIXUP_ADD = 1,
    FIXUP_COMPLETE = 2,
    FIXUP_ENCODE = 4,
};

enum fixup_address {
    FIXUP_RCPT,            /* of To, Cc */
    FIXUP_SENDER,          /* of From, Sender, Reply-To */
    FIXUP_ENVELOPE_SENDER, /* facts->sender, where it becomes From */
};

/* An address of the header section as it shall be: 1 and the new one in `out`, 0 when it stays, -1 when nobody can tell now. */
typedef int fixup_rewrite_fn(void *arg, const char *address, enum fixup_address what, struct buf *out);

struct fixup_facts { /* all borrowed */
    const char *myhostname; /* in message ids */
    const char *myorigin;   /* gets appended */
    const char *sender;     /* of the envelope: From, when it is missing; "" is written as MAILER-DAEMON */
    const char *full_name;  /* its name, or NULL */
    const char *id;         /* unique on this host: the spool's id as text */
    int64_t now_us;
    struct span received;   /* whole fields with CRLF that go on top; may be empty */
    unsigned flags;         /* FIXUP_* */
    size_t field_max;       /* 0: HEADER_SIZE_LIMIT */
    fixup_rewrite_fn *rewrite; /* of addresses, after they were completed; or NULL */
    void *rewrite_arg;
};

struct fixup_result {
    unsigned hops;       /* Received: fields it came with: compare with hopcount_limit */
    bool needs_smtputf8; /* UTF-8 is left in the header section (other 8-bit bytes no standard knows: just sent) */
    bool is_rewritten;   /* rewrite() has changed something */
    bool cannot_tell;    /* it could not tell */
    unsigned n_warnings;
    char warning[300];   /* the first: which field cannot be read and why; "" when none */
};

/* `section` is the header section with or without the empty line behind it, any line ends, and nothing of the body
 * (see header_reader). Appends the final section with CRLF ends and the empty line to `out`. -1 (ERR_PERMANENT): a
 * field is longer than field_max; the text names it and the limit; (ERR_TEMPORARY): rewrite() could not tell. `result` may be
 * NULL. */
int fixup_header(struct span section, const struct fixup_facts *facts, struct buf *out, struct fixup_result *result,
                 struct err *e);

/* Only the addresses of a final section are rewritten, on its way out; the rest is copied. 1: something changed, and `out` has it;
 * 0: nothing did, -1: rewrite() could not tell. */
int fixup_rewrite(struct span section, fixup_rewrite_fn *rewrite, void *arg, struct buf *out);

/* sendmail -t: adds the addresses of To, Cc and Bcc to `env`, or, when any of Resent-To, Resent-Cc, Resent-Bcc is
 * there, of those only. Each is added once, also when it is in `env` already; "<>" is passed over, and a name without
 * domain stays one: it is a local name, which may have an alias. -1: a field that cannot be read (its name and the member stand in the text), or an address that
 * begins with '-'. Finding none is no error here. */
int fixup_recipients(struct span section, unsigned notify, struct envelope *env, struct err *e);

#endif
