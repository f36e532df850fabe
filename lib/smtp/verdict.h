/* SPDX-License-Identifier: Apache-2.0
 *
 * verdict.h - whose fault a refusal is, and so what is to become of the mail.
 *
 * The codes of RFC 5321 say whether to try again, but not who is to do something. A relayhost
 * that wants a login says 530 to every message; who takes its word bounces everybody's mail for
 * one wrong password. So a refusal that speaks of the relay, of our login or of our
 * configuration keeps the mail and raises one alarm; only what speaks of this message or this
 * recipient may end in a bounce. verdict.c has the table and the reasons. */
#ifndef SMTP_VERDICT_H
#define SMTP_VERDICT_H

#include "smtp/reply.h"

enum verdict {
    VERDICT_OK,
    VERDICT_TEMPORARY, /* try again later, by the schedule */
    VERDICT_RCPT,      /* permanent, for this recipient */
    VERDICT_MESSAGE,   /* permanent, for this message: its sender, size or content (LMTP answers the
                        * content for each recipient: then for that recipient) */
    VERDICT_CONFIG,    /* the relay or the configuration: keep the mail, raise one alarm, try again by
                        * the schedule. At SMTP_AT_AUTH and before, it is so for all mail to this next
                        * hop; later it may depend on the sender, so other mail is still worth a try */
    VERDICT_RELAYING,  /* "relay access denied", at RCPT. Said of one recipient among others it is
                        * VERDICT_RCPT; said of all recipients of a message, the relay does not know
                        * us, and it is VERDICT_CONFIG */
};

/* `is_relayhost`: the next hop is one that the configuration names (relayhost, transport), so it
 * should take our mail. False: an MX that we found ourselves, whose refusals are its own affair. */
enum verdict smtp_verdict(const struct smtp_result *r, bool is_relayhost);

/* For the alarm, what to change, in one line of plain words; NULL when nothing better than the
 * reply itself can be said. */
const char *smtp_verdict_advice(const struct smtp_result *r);

/* "temporary", "config", ...: for traces and tests. */
const char *smtp_verdict_name(enum verdict v);

#endif
