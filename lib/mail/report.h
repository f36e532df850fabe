/* SPDX-License-Identifier: Apache-2.0
 *
 * report.h - writes a delivery report: multipart/report of RFC 3462, with message/delivery-status of RFC 3464.
 *
 * Three parts: a text for people, what machines read, and the message or its header section. 7-bit by itself; when
 * what is returned has 8-bit bytes it is declared so (8bit, and for UTF-8 addresses or header fields the types of
 * RFC 6533), and report_needs() says what the envelope of the report has to carry. Auto-Submitted: auto-replied
 * (RFC 3834). The caller sends it with the null sender, and sends none at all in answer to the null sender. */
#ifndef MAIL_REPORT_H
#define MAIL_REPORT_H

#include "base/envelope.h"
#include "base/err.h"
#include "base/span.h"

enum report_action { REPORT_FAILED, REPORT_DELAYED, REPORT_DELIVERED, REPORT_RELAYED, REPORT_EXPANDED };

struct report_rcpt { /* all borrowed, and may hold a stranger's words: they are made harmless here */
    const char *address;      /* Final-Recipient */
    const char *original;     /* what the sender wrote, before aliases; NULL: the same */
    const char *orcpt;        /* "rfc822;address", decoded (envelope.h), or NULL: no Original-Recipient */
    enum report_action action;
    const char *status;       /* "5.1.1"; its first digit fits the action */
    const char *reason;       /* for people: "host mx.example.com[192.0.2.1] said: 550 ...", any length */
    const char *remote_mta;   /* the name of the host that answered, or NULL: it was our own decision */
    const char *diagnostic;   /* the SMTP reply as it came, its lines joined with blanks, or NULL */
    int64_t last_attempt_us;  /* 0: not known */
    int64_t will_retry_us;    /* REPORT_DELAYED: until when we try; 0: not said */
};

struct report {
    const char *myhostname;   /* Reporting-MTA */
    const char *from;         /* "MAILER-DAEMON@example.com" */
    const char *to;           /* the sender of the message that is reported on */
    const char *postmaster;   /* whom the text tells to ask; NULL: "postmaster" at myhostname */
    const char *report_id;    /* of the report: Message-ID and the boundary are made of it */
    const char *id;           /* of the message that is reported on, as the logs have it */
    const char *envid;        /* Original-Envelope-Id, decoded, or NULL */
    int64_t arrival_us, now_us;
    const struct report_rcpt *rcpts; /* at least one */
    size_t n_rcpts;
    enum dsn_ret ret;         /* RET_NONE: the whole for failures, the header section for the rest */
    bool smtputf8;            /* the message came with SMTPUTF8 */
    bool is_8bit;             /* a byte beyond ASCII is in it */
    uint64_t size;            /* of the message */
    uint64_t size_limit;      /* larger ones are returned as header section only (bounce_size_limit); 0: 50000 */
};

/* Bytes of the message that is reported on, from `offset`: as spool_body_read(). 0: the end; -1: error. */
typedef long report_read_fn(void *arg, uint64_t offset, char *to, size_t len, struct err *e);
/* The report, CRLF line ends, in pieces. -1 ends it all. */
typedef int report_write_fn(void *arg, struct span data, struct err *e);

/* What the envelope of this report needs: body and smtputf8 of it are set, nothing else is touched. */
void report_needs(const struct report *r, struct envelope *env);
/* `read` may be NULL: then no third part. An error of `read` is passed on only if nothing of the message has been
 * written yet; later it cuts the third part short with a note, for a report that says less is better than none. */
int report_write(const struct report *r, report_read_fn *read, void *read_arg, report_write_fn *write, void *write_arg,
                 struct err *e);

#endif
