/* SPDX-License-Identifier: Apache-2.0
 *
 * milter_int.h - filters, for their files: milter.c is the step of the gate and has a session's filters, one behind the other;
 * milter_link.c and milter_say.c talk to one of them; milter_macros.c says what it is told beside; milter_change.c does what it asks
 * for. */
#ifndef SERVER_MILTER_INT_H
#define SERVER_MILTER_INT_H

#include "relay/gate.h"
#include "smtp/milter.h"

struct milter_link;

/* What is asked of filters. */
struct milter_question {
    enum gate_at at;
    struct gate *gate;
    struct gate_facts facts; /* for a program of this machine: of localhost */
};

struct milter_outcome {
    enum milter_does { MILTER_GOES_ON, MILTER_REFUSES, MILTER_DISCARDS } does;
    struct refusal no; /* MILTER_REFUSES */
};

/* ---- milter_link.c ---- */

/* Once for each milter_link_ask() that returned true. */
typedef void milter_link_fn(void *arg, const struct milter_outcome *outcome);

/* `spec` is borrowed. Connects when it is first asked. */
struct milter_link *milter_link_new(const struct milter_spec *spec, milter_link_fn *fn, void *arg);
/* NULL is fine. */
void milter_link_free(struct milter_link *l);
/* True: the outcome comes later, and `q` stays where it is till then. False: *now has it. */
bool milter_link_ask(struct milter_link *l, const struct milter_question *q, struct milter_outcome *now);
/* What is under way will not be answered. */
void milter_link_cancel(struct milter_link *l);
/* The message is over. */
void milter_link_forget(struct milter_link *l);
/* Bytes that it holds. */
size_t milter_link_memory(const struct milter_link *l);
/* Whether it wants to hear of recipients that were refused without it. */
bool milter_link_wants_refused(const struct milter_link *l);
/* Whether it looks at the content of the message under way. */
bool milter_link_wants_content(const struct milter_link *l);

/* ---- milter_macros.c ---- */

/* Puts those that go with the event before it. */
void milter_send_macros(struct milter *m, enum milter_event event, const struct milter_question *q);

/* ---- milter_change.c ---- */

/* Does what a filter asks for at the end of a message. -1: it cannot be done. */
int milter_make_change(const struct milter_question *q, const struct milter_news *news, struct err *e);
/* "ID: milter-hold: END-OF-MESSAGE from ...: why; from=..." */
void milter_log_action(const struct milter_question *q, const char *action, const char *why);

#endif
