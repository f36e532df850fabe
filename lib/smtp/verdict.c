/* SPDX-License-Identifier: Apache-2.0
 *
 * What a refusal means, row by row; the first row that fits a permanent reply decides, and where
 * none does, the place in the conversation does:
 *
 * - Before the first MAIL nothing has been said about any message, so no refusal there can be a
 *   message's fault: greeting, EHLO, STARTTLS and AUTH never bounce. From a relayhost it is an
 *   alarm; an MX that does not want us today is tried again, and the next one before that.
 * - Replies that name a login (530, 534, 535, 538; RFC 4954 6) or the account that logged in are
 *   about us, wherever they are said. Microsoft and others accept AUTH and refuse at MAIL or
 *   after the content.
 * - A sender that the relay does not let us use is our configuration too (myorigin, rewriting, a
 *   right to send as somebody): a bounce would go to exactly that sender, and mostly to nobody.
 * - "Relay access denied" is said of recipients; see VERDICT_RELAYING.
 * - Quotas that come with a 5xx code are over tomorrow: temporary.
 *
 * Texts are matched only where codes do not tell enough: 550 5.7.1 is said for everything, and
 * 5.7.30 means two things (RFC 8689, and Microsoft's end of passwords). */
#include "smtp/verdict.h"

#include "base/mem.h"

#define AT(stage) (1U << SMTP_AT_##stage)

enum {
    IN_MESSAGE = AT(MAIL) | AT(RCPT) | AT(DATA) | AT(EOD),
    ANYWHERE = ~0U >> 1,
    ANY = -1,
};

struct rule {
    unsigned stages;
    short code;            /* ANY */
    short subject, detail; /* of the enhanced code 5.x.y; ANY */
    const char *text;      /* is part of the reply, in any case; NULL: any */
    enum verdict verdict;
    const char *advice;
};

static const char wants_login[] =
    "the relay wants a login: give it one (login \"...\" { user = ...; password_file = ... })";
static const char bad_login[] =
    "the relay refuses user name and password (or token): check the login section";
static const char no_basic_auth[] =
    "the provider has switched passwords off for SMTP: it wants OAuth2, or an administrator there has "
    "to allow SMTP AUTH for this mailbox";
static const char bad_sender[] =
    "the relay does not let this login use this sender address: change the sender (myorigin, or the "
    "program's From), or have the right to send as it granted at the provider";
static const char no_such_sender[] =
    "the relay cannot answer mail from this sender domain: set myorigin (or myhostname) to a domain "
    "that exists";
static const char wants_tls[] =
    "the relay wants TLS: set smtp_tls_security_level to encrypt or secure";
static const char not_known[] =
    "the relay does not take mail from this machine: have its address allowed there, or give a login";
static const char blocked[] =
    "the provider has blocked this account or address for sending: see its administration pages";
static const char over_quota[] = "the provider's quota for this account is used up for now";

/* clang-format off */
static const struct rule rules[] = {
    /* stages                code subj det  text                              verdict
     * advice */
    /* logins */
    { AT(AUTH),              ANY, 7,   30,  NULL,                             VERDICT_CONFIG,    no_basic_auth },
    { AT(AUTH),              ANY, 7,   139, NULL,                             VERDICT_CONFIG,    no_basic_auth },
    { AT(AUTH),              ANY, ANY, ANY, "basic authentication is disabled", VERDICT_CONFIG,  no_basic_auth },
    { AT(AUTH),              538, ANY, ANY, NULL,                             VERDICT_CONFIG,    wants_tls },
    { AT(AUTH),              ANY, ANY, ANY, NULL,                             VERDICT_CONFIG,    bad_login },
    { IN_MESSAGE,            ANY, 7,   30,  "basic authentication",           VERDICT_CONFIG,    no_basic_auth },
    { IN_MESSAGE,            ANY, 7,   139, NULL,                             VERDICT_CONFIG,    no_basic_auth },
    { ANYWHERE,              530, ANY, ANY, "STARTTLS",                       VERDICT_CONFIG,    wants_tls },
    { ANYWHERE,              530, ANY, ANY, NULL,                             VERDICT_CONFIG,    wants_login },
    { ANYWHERE,              534, ANY, ANY, NULL,                             VERDICT_CONFIG,    bad_login },
    { ANYWHERE,              535, ANY, ANY, NULL,                             VERDICT_CONFIG,    bad_login },
    { ANYWHERE,              538, ANY, ANY, NULL,                             VERDICT_CONFIG,    wants_tls },
    { IN_MESSAGE,            ANY, 7,   57,  NULL,                             VERDICT_CONFIG,    wants_login },
    { IN_MESSAGE,            ANY, 7,   3,   NULL,                             VERDICT_CONFIG,    bad_login },
    { IN_MESSAGE,            ANY, 7,   8,   NULL,                             VERDICT_CONFIG,    bad_login },
    { IN_MESSAGE,            ANY, 7,   9,   NULL,                             VERDICT_CONFIG,    bad_login },
    { IN_MESSAGE,            ANY, 7,   10,  NULL,                             VERDICT_CONFIG,    wants_tls },
    { IN_MESSAGE,            ANY, 7,   11,  NULL,                             VERDICT_CONFIG,    wants_tls },
    { IN_MESSAGE,            ANY, 7,   14,  NULL,                             VERDICT_CONFIG,    bad_login },
    { AT(MAIL) | AT(RCPT),   ANY, ANY, ANY, "authentication required",        VERDICT_CONFIG,    wants_login },
    { AT(MAIL) | AT(RCPT),   ANY, ANY, ANY, "authentication is required",     VERDICT_CONFIG,    wants_login },
    { AT(MAIL) | AT(RCPT),   ANY, ANY, ANY, "must authenticate",              VERDICT_CONFIG,    wants_login },
    { AT(MAIL) | AT(RCPT),   ANY, ANY, ANY, "not authenticated",              VERDICT_CONFIG,    wants_login },
    { AT(MAIL) | AT(RCPT),   503, ANY, ANY, "auth",                           VERDICT_CONFIG,    wants_login },
    { AT(MAIL) | AT(RCPT),   ANY, ANY, ANY, "not logged in",                  VERDICT_CONFIG,    wants_login },
    /* senders that are not ours to use */
    { IN_MESSAGE,            ANY, 2,   252, NULL,                             VERDICT_CONFIG,    bad_sender },
    { IN_MESSAGE,            ANY, 7,   60,  NULL,                             VERDICT_CONFIG,    bad_sender },
    { IN_MESSAGE,            ANY, ANY, ANY, "SendAsDenied",                   VERDICT_CONFIG,    bad_sender },
    { IN_MESSAGE,            ANY, ANY, ANY, "permissions to send as this sender", VERDICT_CONFIG, bad_sender },
    { IN_MESSAGE,            ANY, ANY, ANY, "not owned by user",              VERDICT_CONFIG,    bad_sender },
    { IN_MESSAGE,            ANY, ANY, ANY, "verified Sender Identity",       VERDICT_CONFIG,    bad_sender },
    { IN_MESSAGE,            ANY, ANY, ANY, "Email address is not verified",  VERDICT_CONFIG,    bad_sender },
    { AT(MAIL) | AT(RCPT),   ANY, ANY, ANY, "Sender address rejected: Domain not found",
                                                                              VERDICT_CONFIG,    no_such_sender },
    { AT(MAIL) | AT(RCPT),   ANY, ANY, ANY, "Sender address rejected: need fully-qualified",
                                                                              VERDICT_CONFIG,    no_such_sender },
    { IN_MESSAGE,            ANY, 1,   8,   "outbound sender",                VERDICT_CONFIG,    blocked },
    { AT(MAIL),              ANY, 1,   8,   NULL,                             VERDICT_CONFIG,    no_such_sender },
    /* the account */
    { IN_MESSAGE,            ANY, 7,   501, NULL,                             VERDICT_CONFIG,    blocked },
    { IN_MESSAGE,            ANY, 7,   502, NULL,                             VERDICT_CONFIG,    blocked },
    { IN_MESSAGE,            ANY, 7,   503, NULL,                             VERDICT_CONFIG,    blocked },
    { IN_MESSAGE,            ANY, 7,   705, NULL,                             VERDICT_CONFIG,    blocked },
    { IN_MESSAGE,            ANY, 7,   708, NULL,                             VERDICT_CONFIG,    blocked },
    { IN_MESSAGE,            ANY, 7,   750, NULL,                             VERDICT_CONFIG,    blocked },
    { IN_MESSAGE,            ANY, 1,   90,  NULL,                             VERDICT_TEMPORARY, over_quota },
    { IN_MESSAGE,            ANY, 4,   5,   "limit",                          VERDICT_TEMPORARY, over_quota },
    { IN_MESSAGE,            ANY, ANY, ANY, "sending limit exceeded",         VERDICT_TEMPORARY, over_quota },
    { IN_MESSAGE,            ANY, ANY, ANY, "sending quota exceeded",         VERDICT_TEMPORARY, over_quota },
    /* the relay does not know us */
    { IN_MESSAGE,            ANY, 7,   64,  NULL,                             VERDICT_CONFIG,    not_known },
    { IN_MESSAGE,            ANY, 7,   68,  NULL,                             VERDICT_CONFIG,    not_known },
    { IN_MESSAGE,            ANY, ANY, ANY, "credentials for relay",          VERDICT_CONFIG,    not_known },
    { AT(MAIL),              ANY, ANY, ANY, "Client host rejected",           VERDICT_CONFIG,    not_known },
    { AT(RCPT),              ANY, ANY, ANY, "Client host rejected",           VERDICT_RELAYING,  not_known },
    { AT(RCPT),              ANY, 7,   54,  NULL,                             VERDICT_RELAYING,  not_known },
    { AT(RCPT),              ANY, ANY, ANY, "relay access denied",            VERDICT_RELAYING,  not_known },
    { AT(RCPT),              ANY, ANY, ANY, "relaying denied",                VERDICT_RELAYING,  not_known },
    { AT(RCPT),              ANY, ANY, ANY, "relay denied",                   VERDICT_RELAYING,  not_known },
    { AT(RCPT),              ANY, ANY, ANY, "unable to relay",                VERDICT_RELAYING,  not_known },
    { AT(RCPT),              ANY, ANY, ANY, "relay not permitted",            VERDICT_RELAYING,  not_known },
    { AT(RCPT),              ANY, ANY, ANY, "relaying not permitted",         VERDICT_RELAYING,  not_known },
    { AT(RCPT),              ANY, ANY, ANY, "relaying not allowed",           VERDICT_RELAYING,  not_known },
    { AT(RCPT),              ANY, ANY, ANY, "relaying is not allowed",        VERDICT_RELAYING,  not_known },
    { AT(RCPT),              ANY, ANY, ANY, "not allowed to relay",           VERDICT_RELAYING,  not_known },
    { AT(RCPT),              ANY, ANY, ANY, "not permitted to relay",         VERDICT_RELAYING,  not_known },
    { AT(RCPT),              ANY, ANY, ANY, "do not relay",                   VERDICT_RELAYING,  not_known },
    { AT(RCPT),              ANY, ANY, ANY, "in my list of allowed rcpthosts", VERDICT_RELAYING, not_known },
    /* RFC 5321 4.5.3.1.10: 552 is what 452 was once; the others go in another transaction */
    { AT(RCPT),              552, ANY, ANY, "too many recipients",            VERDICT_TEMPORARY, NULL },
    { AT(RCPT),              ANY, 5,   3,   NULL,                             VERDICT_TEMPORARY, NULL },
};

/* Where no row fits a permanent reply. */
static const struct {
    enum verdict by_relayhost, by_mx;
    const char *advice;
} places[] = {
    [SMTP_AT_CONNECT] =  { VERDICT_CONFIG,    VERDICT_TEMPORARY, not_known },
    [SMTP_AT_GREETING] = { VERDICT_CONFIG,    VERDICT_TEMPORARY, not_known },
    [SMTP_AT_EHLO] =     { VERDICT_CONFIG,    VERDICT_TEMPORARY,
                           "the relay does not like our name: see smtp_helo_name and myhostname" },
    [SMTP_AT_STARTTLS] = { VERDICT_CONFIG,    VERDICT_TEMPORARY,
                           "TLS is required, and the relay does not start it: check its port (587, 465) "
                           "and smtp_tls_security_level" },
    [SMTP_AT_AUTH] =     { VERDICT_CONFIG,    VERDICT_TEMPORARY, bad_login },
    [SMTP_AT_MAIL] =     { VERDICT_MESSAGE,   VERDICT_MESSAGE,   NULL },
    [SMTP_AT_RCPT] =     { VERDICT_RCPT,      VERDICT_RCPT,      NULL },
    [SMTP_AT_DATA] =     { VERDICT_MESSAGE,   VERDICT_MESSAGE,   NULL },
    [SMTP_AT_EOD] =      { VERDICT_MESSAGE,   VERDICT_MESSAGE,   NULL },
    [SMTP_AT_RSET] =     { VERDICT_TEMPORARY, VERDICT_TEMPORARY, NULL },
    [SMTP_AT_QUIT] =     { VERDICT_TEMPORARY, VERDICT_TEMPORARY, NULL },
    [SMTP_AT_IDLE] =     { VERDICT_TEMPORARY, VERDICT_TEMPORARY, NULL },
};
/* clang-format on */

static bool fits(const struct rule *rule, const struct smtp_result *r)
{
    const struct smtp_reply *reply = &r->reply;

    if (!(rule->stages & 1U << r->stage) || (rule->code != ANY && rule->code != reply->code))
        return false;
    if (rule->subject != ANY && (reply->class != 5 || rule->subject != reply->subject ||
                                 rule->detail != reply->detail))
        return false;
    return !rule->text || strcasestr(reply->text, rule->text);
}

static const struct rule *find(const struct smtp_result *r)
{
    for (size_t i = 0; i < ARRAY_LEN(rules); i++) {
        if (fits(&rules[i], r))
            return &rules[i];
    }
    return NULL;
}

/* The engine's own words: 4.7.x is TLS or a login that the configuration asks for and the server
 * does not have; 5.x is about the message; the rest is a connection that broke. */
static enum verdict verdict_of_ours(const struct smtp_result *r, bool is_relayhost)
{
    if (r->reply.class == 5)
        return VERDICT_MESSAGE;
    return r->reply.subject == 7 && is_relayhost ? VERDICT_CONFIG : VERDICT_TEMPORARY;
}

enum verdict smtp_verdict(const struct smtp_result *r, bool is_relayhost)
{
    const struct rule *rule;
    bool asks_login = is_relayhost || r->stage == SMTP_AT_AUTH; /* who logs in was told to */

    if (r->is_ours)
        return verdict_of_ours(r, is_relayhost);
    switch (smtp_reply_class(&r->reply)) {
    case 2: return VERDICT_OK;
    case 5: break;
    default:
        /* RFC 4954 6: a password transition is needed; that does not come by waiting. */
        return asks_login && r->reply.class == 4 && r->reply.subject == 7 && r->reply.detail == 12
                   ? VERDICT_CONFIG
                   : VERDICT_TEMPORARY;
    }
    rule = find(r);
    if (rule && (is_relayhost || rule->verdict == VERDICT_TEMPORARY))
        return rule->verdict;
    return is_relayhost ? places[r->stage].by_relayhost : places[r->stage].by_mx;
}

const char *smtp_verdict_advice(const struct smtp_result *r)
{
    const struct rule *rule = r->is_ours ? NULL : find(r);

    if (smtp_verdict(r, true) == VERDICT_OK)
        return NULL;
    if (rule)
        return rule->advice;
    return smtp_verdict(r, true) == VERDICT_CONFIG ? places[r->stage].advice : NULL;
}

const char *smtp_verdict_name(enum verdict v)
{
    static const char *const names[] = {
        [VERDICT_OK] = "ok",           [VERDICT_TEMPORARY] = "temporary",
        [VERDICT_RCPT] = "recipient",  [VERDICT_MESSAGE] = "message",
        [VERDICT_CONFIG] = "config",   [VERDICT_RELAYING] = "relaying",
    };
    return names[v];
}
