/* SPDX-License-Identifier: Apache-2.0
 *
 * milter.h - the mail server's side of the milter protocol, versions 2 to 6: one conversation with one filter, for one client.
 * No I/O, no clock, no policy.
 *
 * Events go out, answers and changes come in. The caller sends what milter_output() has, gives what comes to milter_input(), and
 * asks milter_next() for news till there are none. Each milter_EVENT() says whether an answer is to be waited for; when not, the
 * filter does not want the event, or has promised to agree: go on with the next one at once.
 *
 *     milter_new()              -> MILTER_NEGOTIATED
 *     connect, helo             once; helo again when the client says it again
 *     mail, rcpt ..., data, header ..., eoh, body ..., end      a message; abort where it ends before the answer to `end`
 *
 * Numbers are in network order: a packet is a length, a letter, and that length less one of data. */
#ifndef SMTP_MILTER_H
#define SMTP_MILTER_H

#include "base/err.h"
#include "base/span.h"

#include <stdbool.h>
#include <stdint.h>

struct milter;

enum milter_event {
    MILTER_CONNECT,
    MILTER_HELO,
    MILTER_MAIL,
    MILTER_RCPT,
    MILTER_DATA,
    MILTER_HEADER,
    MILTER_EOH,
    MILTER_BODY,
    MILTER_END,
    MILTER_UNKNOWN, /* a command that there is not */
    MILTER_EVENTS
};

/* What a filter may want to do, and what it need not be told or asked: the protocol's own bits. */
enum {
    MILTER_MAY_ADD_HEADERS = 0x1,
    MILTER_MAY_CHANGE_BODY = 0x2,
    MILTER_MAY_ADD_RCPT = 0x4,
    MILTER_MAY_DELETE_RCPT = 0x8,
    MILTER_MAY_CHANGE_HEADERS = 0x10,
    MILTER_MAY_QUARANTINE = 0x20,
    MILTER_MAY_CHANGE_SENDER = 0x40,
    MILTER_MAY_ADD_RCPT_ARGS = 0x80,
    MILTER_MAY_SET_MACROS = 0x100,
};

#define MILTER_BODY_MAX 65535 /* bytes of one milter_body() */

struct milter *milter_new(unsigned version /* 2, 3, 4 or 6: the highest that is offered */);
/* NULL is fine. */
void milter_free(struct milter *m);

/* Bytes that it holds. */
size_t milter_memory(const struct milter *m);
/* What is agreed upon: the version, and MILTER_MAY_*. */
unsigned milter_version(const struct milter *m);
uint32_t milter_actions(const struct milter *m);

/* ---- out ---- */

/* What has not been sent; valid till the next call. All of it is to be taken. */
struct span milter_output(struct milter *m);
void milter_sent(struct milter *m, size_t n);

/* Whether the filter wants to hear of it, now that it has negotiated. */
bool milter_wants(const struct milter *m, enum milter_event event);
/* Whether it wants to hear of recipients that were refused before it was asked. */
bool milter_wants_refused(const struct milter *m);
/* The macros that it asked for by name with that event ("i {auth_authen}"), or NULL: it did not. */
const char *milter_asked_macros(const struct milter *m, enum milter_event event);
/* Goes before the event: add them one by one, with the braces of its name, then the event. An event that is not wanted drops
 * them. */
void milter_macro(struct milter *m, const char *name, const char *value);

/* `address` NULL: not known; else "192.0.2.1", "2001:db8::1". */
bool milter_connect(struct milter *m, const char *name, const char *address, uint16_t port);
bool milter_helo(struct milter *m, const char *name);
/* `address` without brackets, they are put here; `args` ends with NULL: "SIZE=1000", ... */
bool milter_mail(struct milter *m, const char *address, const char *const *args);
bool milter_rcpt(struct milter *m, const char *address, const char *const *args);
bool milter_data(struct milter *m);
bool milter_unknown(struct milter *m, const char *line);
/* `value`: what stands behind the colon, with any line ends; they are sent as LF. */
bool milter_header(struct milter *m, struct span name, struct span value);
bool milter_eoh(struct milter *m);
bool milter_body(struct milter *m, struct span piece);
bool milter_end(struct milter *m);
/* The message is over without a milter_end() that was answered. */
void milter_abort(struct milter *m);
void milter_quit(struct milter *m);

/* ---- in ---- */

enum milter_kind {
    MILTER_NOTHING,    /* all that came has been looked at */
    MILTER_NEGOTIATED, /* the first news */
    MILTER_ANSWER,     /* to the event that waits for one */
    MILTER_CHANGE,     /* before the answer to milter_end() */
    MILTER_PROGRESS,   /* it is still at work */
    MILTER_FAULT,      /* it does not speak the protocol: close the connection; `text` says why */
};

enum milter_verdict {
    MILTER_CONTINUE,
    MILTER_ACCEPT,   /* nothing more of this message, or (to connect or helo) of this client */
    MILTER_REJECT,
    MILTER_TEMPFAIL,
    MILTER_DISCARD,
    MILTER_REPLY,    /* code, status and text */
    MILTER_SKIP,     /* no more of the kind (pieces of the body) */
    MILTER_SHUTDOWN, /* 421 */
    MILTER_CONNFAIL, /* it could not do its work */
};

enum milter_change {
    MILTER_ADD_HEADER,     /* name, value; at the end */
    MILTER_INSERT_HEADER,  /* before the field number `index` of all, from 0 */
    MILTER_CHANGE_HEADER,  /* the field number `index` of that name, from 1; an empty value deletes it */
    MILTER_REPLACE_BODY,   /* value: the next piece of the new one */
    MILTER_ADD_RCPT,       /* name: the address as it was written; value: its arguments, or empty */
    MILTER_DELETE_RCPT,    /* name */
    MILTER_CHANGE_SENDER,  /* name; value: arguments */
    MILTER_QUARANTINE,     /* value: why */
};

struct milter_news { /* spans are valid till the next call */
    enum milter_kind kind;
    enum milter_verdict verdict;
    int code;             /* MILTER_REPLY: 400 to 599 */
    char status[12];      /* "5.7.1", or "" */
    struct span text;     /* its lines parted by LF, without code and status; or what is wrong */
    enum milter_change change;
    uint32_t index;
    struct span name, value;
    bool has_space;       /* of headers: value has the blank behind the colon, too (else one is to be put there) */
};

/* Takes all. */
void milter_input(struct milter *m, struct span bytes);
/* False: MILTER_NOTHING. After MILTER_FAULT there is nothing more. */
bool milter_next(struct milter *m, struct milter_news *news);

/* For the log: "SMFIC_CONNECT". */
const char *milter_event_name(enum milter_event event);

#endif
