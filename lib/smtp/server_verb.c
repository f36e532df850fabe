/* SPDX-License-Identifier: Apache-2.0
 *
 * The grammar of the conversation, as a table: which command is welcome when (RFC 5321 4.1.4),
 * and what else is true of it. A command is split, its place is checked here, then its function
 * checks its syntax and asks the caller. Transactions have files of their own; here are the
 * commands around them. */
#include "base/mem.h"
#include "smtp/server_int.h"

#include <stdio.h>
#include <stdlib.h>

enum {
    IN_GREETING = 1 << PHASE_GREETING,
    IN_READY = 1 << PHASE_READY,
    IN_MAIL = 1 << PHASE_MAIL,
    IN_RCPT = 1 << PHASE_RCPT,
    IN_DATA = 1 << PHASE_DATA, /* between chunks */
    IN_ANY = IN_GREETING | IN_READY | IN_MAIL | IN_RCPT | IN_DATA,
    ENDS_GROUP = 0x100, /* nothing may follow before the reply (RFC 2920 3.1, 3207, 4954) */
    BEFORE_TLS = 0x200, /* also where TLS is required */
    IS_JUNK = 0x400,    /* moves no mail */
    NO_ARGS = 0x800,
    SMTP_ONLY = 0x1000,
    LMTP_ONLY = 0x2000,
    MAY_BE_FOLLOWED = 0x4000, /* by anything: a chunk, or what nobody will read */
};

typedef void do_fn(struct smtp_server *s, struct span args);
static do_fn do_ehlo, do_helo, do_rset, do_noop, do_vrfy, do_help, do_quit, do_starttls;

/* clang-format off */
static const struct verb {
    char name[9];
    unsigned char len;
    do_fn *run;
    unsigned flags;
    const char *otherwise; /* where it is not welcome */
} verbs[] = {
#define V(name) name, sizeof(name) - 1
    /* verb           handler             welcome in */
    { V("MAIL"),     smtp_server_do_mail, IN_READY,                    "503 5.5.1 Error: nested MAIL command" },
    { V("RCPT"),     smtp_server_do_rcpt, IN_MAIL | IN_RCPT,           "503 5.5.1 Error: need MAIL command" },
    { V("DATA"),     smtp_server_do_data, IN_MAIL | IN_RCPT | ENDS_GROUP | NO_ARGS,
                                                                       "503 5.5.1 Error: need RCPT command" },
    /* looks at its place itself, because its chunk comes anyway */
    { V("BDAT"),     smtp_server_do_bdat, IN_ANY | BEFORE_TLS | MAY_BE_FOLLOWED, NULL },
    { V("RSET"),     do_rset,             IN_ANY | IS_JUNK | NO_ARGS | BEFORE_TLS, NULL },
    { V("QUIT"),     do_quit,             IN_ANY | BEFORE_TLS | MAY_BE_FOLLOWED, NULL },
    { V("EHLO"),     do_ehlo,             IN_ANY | ENDS_GROUP | BEFORE_TLS | IS_JUNK | SMTP_ONLY, NULL },
    { V("LHLO"),     do_ehlo,             IN_ANY | ENDS_GROUP | BEFORE_TLS | IS_JUNK | LMTP_ONLY, NULL },
    { V("HELO"),     do_helo,             IN_ANY | ENDS_GROUP | BEFORE_TLS | IS_JUNK | SMTP_ONLY, NULL },
    { V("STARTTLS"), do_starttls,         IN_READY | ENDS_GROUP | BEFORE_TLS | NO_ARGS,
                                                                       "503 5.5.1 Error: MAIL transaction in progress" },
    { V("AUTH"),     smtp_server_do_auth, IN_READY | ENDS_GROUP,       "503 5.5.1 Error: MAIL transaction in progress" },
    { V("XCLIENT"),  smtp_server_do_xclient, IN_GREETING | IN_READY | ENDS_GROUP | BEFORE_TLS,
                                                                       "503 5.5.1 Error: MAIL transaction in progress" },
    { V("NOOP"),     do_noop,             IN_ANY | ENDS_GROUP | BEFORE_TLS | IS_JUNK, NULL },
    { V("VRFY"),     do_vrfy,             IN_ANY | ENDS_GROUP | IS_JUNK, NULL },
    { V("HELP"),     do_help,             IN_ANY | ENDS_GROUP | BEFORE_TLS | IS_JUNK, NULL },
#undef V
};
/* clang-format on */

static const struct verb *find_verb(struct span word)
{
    for (size_t i = 0; i < ARRAY_LEN(verbs); i++) {
        if (verbs[i].len == word.len && span_ieq(word, span_of(verbs[i].name, word.len)))
            return &verbs[i];
    }
    return NULL;
}

/* ---- the place ------------------------------------------------------------------------------- */

/* Bytes that were sent before our reply could be known: an exploit that rides on another
 * protocol, or a sender that does not listen. RFC 2920 3.1 says where groups end; without EHLO
 * there are none. */
static bool is_out_of_sync(struct smtp_server *s, const struct verb *v)
{
    if (s->cfg.may_talk_early || !s->cur.len || v->flags & MAY_BE_FOLLOWED)
        return false;
    if (s->is_esmtp && !(v->flags & ENDS_GROUP))
        return false;
    smtp_server_hang_up(s, "554 5.5.0 Error: SMTP protocol synchronization");
    return true;
}

static const char *misplaced(const struct smtp_server *s, const struct verb *v)
{
    if (s->cfg.is_lmtp && (v->flags & SMTP_ONLY))
        return "500 5.5.1 Error: this is LMTP: send LHLO";
    if (!s->cfg.is_lmtp && (v->flags & LMTP_ONLY))
        return "500 5.5.1 Error: this is SMTP: send EHLO";
    if (s->cfg.requires_tls && !s->is_encrypted && !(v->flags & BEFORE_TLS))
        return "530 5.7.0 Must issue a STARTTLS command first";
    if (v->flags & 1U << s->phase)
        return NULL;
    if (s->phase == PHASE_GREETING && s->cfg.needs_no_hello && v->run == smtp_server_do_mail)
        return NULL;
    if (s->phase == PHASE_GREETING)
        return s->cfg.is_lmtp ? "503 5.5.1 Error: send LHLO first"
                              : "503 5.5.1 Error: send HELO/EHLO first";
    if (s->phase == PHASE_DATA && v->run != smtp_server_do_mail)
        return "503 5.5.1 Error: only BDAT or RSET may follow BDAT";
    return v->otherwise;
}

/* The hard limits on nonsense. True: that was too much. */
static bool is_worn_out(struct smtp_server *s, const struct verb *v)
{
    const struct smtp_server_limits *limits = &s->cfg.limits;

    if (s->errors < limits->hard_errors &&
        !(v && v->flags & IS_JUNK && ++s->junk > limits->junk_commands &&
          ++s->errors >= limits->hard_errors))
        return false;
    char line[400];
    snprintf(line, sizeof line, "421 4.7.0 %.255s Error: too many errors", s->cfg.hostname);
    smtp_server_hang_up(s, line);
    return true;
}

static void trace_command(struct smtp_server *s, const struct verb *v, struct span line)
{
    if (!s->ops->trace)
        return;
    if (v && v->run == smtp_server_do_auth)
        line = SPAN("AUTH ***");
    s->ops->trace(s->arg, false, line);
}

static void run_unknown(struct smtp_server *s, struct span line)
{
    if (is_worn_out(s, NULL))
        return;
    if (s->ops->unknown)
        s->ops->unknown(s->arg, smtp_server_ask(s, ASKED_UNKNOWN), line);
    else
        smtp_server_say(s, "500 5.5.2 Error: command not recognized");
}

static void run_verb(struct smtp_server *s, const struct verb *v, struct span args)
{
    const char *complaint;

    if (is_worn_out(s, v) || is_out_of_sync(s, v))
        return;
    complaint = misplaced(s, v);
    if (complaint)
        smtp_server_say(s, complaint);
    else if (v->flags & NO_ARGS && args.len)
        smtp_server_sayf(s, "501 5.5.4 Syntax: %s", v->name);
    else
        v->run(s, args);
}

/* Somebody else's protocol, sent here to be mistaken for mail: no command of ours begins but with a letter. */
static bool is_forbidden(const struct smtp_server *s, struct span word)
{
    if (!ascii_is_alpha((unsigned char)word.at[0]))
        return true;
    if (!s->cfg.forbidden)
        return span_ieq_str(word, "CONNECT") || span_ieq_str(word, "GET") || span_ieq_str(word, "POST");
    for (size_t i = 0; i < s->cfg.n_forbidden; i++)
        if (span_ieq_str(word, s->cfg.forbidden[i]))
            return true;
    return false;
}

/* Whoever says that reads no reply of ours. */
static void turn_away(struct smtp_server *s)
{
    s->cur = span_from(s->cur, s->cur.len);
    if (s->ops->refused)
        s->ops->refused(s->arg, s->after, SPAN("221 2.7.0 Error: this is a mail server"));
    smtp_server_hang_up(s, "221 2.7.0 Error: this is a mail server. Goodbye.");
}

static bool has_control(struct span line)
{
    for (size_t i = 0; i < line.len; i++) {
        unsigned char c = (unsigned char)line.at[i];
        if ((c < 0x20 && c != '\t') || c == 0x7f)
            return true;
    }
    return false;
}

bool smtp_server_read_command(struct smtp_server *s)
{
    struct span before = s->cur, line, word, args;
    size_t limit = span_istarts(s->cur, "AUTH ") ? s->cfg.limits.auth_length /* RFC 4954 4 */
                                                 : s->cfg.limits.line_length;

    /* A TLS handshake, a binary protocol: nobody there would understand a reply. */
    if (!ascii_is_alpha(*s->cur.at) && (unsigned char)*s->cur.at < 0x20 && *s->cur.at != '\r' &&
        *s->cur.at != '\n' && *s->cur.at != '\t') {
        turn_away(s);
        return true;
    }
    if (!smtp_server_take_line(s, limit, &line))
        return before.len != s->cur.len || s->reads != READS_COMMAND;
    args = line;
    if (!span_word(&args, "", &word) || has_control(line)) {
        trace_command(s, NULL, line);
        if (!is_worn_out(s, NULL))
            smtp_server_say(s, "500 5.5.2 Error: bad syntax");
        return true;
    }
    if (is_forbidden(s, word)) {
        trace_command(s, NULL, line);
        turn_away(s);
        return true;
    }
    const struct verb *v = find_verb(word);
    if (v)
        s->after = v->name;
    trace_command(s, v, line);
    if (v)
        run_verb(s, v, span_trim(args));
    else
        run_unknown(s, line);
    return true;
}

/* ---- EHLO ------------------------------------------------------------------------------------ */

/* In Postfix's order: somebody compares. */
static size_t list_features(const struct smtp_server *s, const char *lines[], const char *size, const char *const auth[2])
{
    const struct smtp_server_config *cfg = &s->cfg;
    bool offers_auth = smtp_server_offers_auth(s);
    const struct {
        enum smtp_extension bit;
        bool is_there;
        const char *line;
    } features[] = {
        { SMTP_EXT_PIPELINING, true, "PIPELINING" },
        { SMTP_EXT_SIZE, true, size },
        { SMTP_EXT_VRFY, !cfg->has_no_vrfy, "VRFY" },
        { SMTP_EXT_STARTTLS, cfg->offers_starttls && !s->is_encrypted, "STARTTLS" },
        { SMTP_EXT_AUTH, offers_auth, auth[0] },
        { SMTP_EXT_AUTH, offers_auth && cfg->says_auth_twice, auth[1] },
        { SMTP_EXT_ENHANCEDSTATUSCODES, true, "ENHANCEDSTATUSCODES" },
        { SMTP_EXT_8BITMIME, true, "8BITMIME" },
        { SMTP_EXT_DSN, true, "DSN" },
        { SMTP_EXT_SMTPUTF8, true, "SMTPUTF8" },
        { SMTP_EXT_CHUNKING, true, "CHUNKING" },
        { SMTP_EXT_XCLIENT, cfg->offers_xclient, "XCLIENT NAME ADDR PORT PROTO HELO LOGIN DESTADDR DESTPORT" },
    };
    size_t n = 0;

    for (size_t i = 0; i < ARRAY_LEN(features); i++)
        if (features[i].is_there && !(cfg->hidden & (unsigned)features[i].bit))
            lines[n++] = features[i].line;
    return n;
}

static void say_features(struct smtp_server *s)
{
    const char *lines[16];
    char size[40], auth[2][400];
    const char *mechanisms = s->cfg.mechanisms ? s->cfg.mechanisms : "";

    if (s->cfg.limits.message_size)
        snprintf(size, sizeof size, "SIZE %llu", (unsigned long long)s->cfg.limits.message_size);
    else
        snprintf(size, sizeof size, "SIZE");
    snprintf(auth[0], sizeof auth[0], "AUTH %s", mechanisms);
    snprintf(auth[1], sizeof auth[1], "AUTH=%s", mechanisms);
    size_t n = list_features(s, lines, size, (const char *const[2]){ auth[0], auth[1] });
    smtp_server_sayf(s, "250%c%s", n ? '-' : ' ', s->cfg.hostname);
    for (size_t i = 0; i < n; i++)
        smtp_server_sayf(s, "250%c%s", i + 1 < n ? '-' : ' ', lines[i]);
}

bool smtp_server_hello_answered(struct smtp_server *s, int code)
{
    if (code / 100 != 2) {
        s->is_esmtp = false;
        return true;
    }
    smtp_server_set_phase(s, PHASE_READY);
    if (s->is_esmtp)
        say_features(s);
    else
        smtp_server_sayf(s, "250 %s", s->cfg.hostname);
    return false;
}

static void hello(struct smtp_server *s, struct span name, bool is_esmtp)
{
    /* RFC 5321 4.1.4: a new EHLO is a RSET too. */
    smtp_server_end_transaction(s);
    if (s->is_dead)
        return;
    free(s->hello);
    s->hello = span_dup(name);
    s->is_esmtp = is_esmtp;
    if (s->ops->hello)
        s->ops->hello(s->arg, smtp_server_ask(s, ASKED_HELLO), s->hello, is_esmtp);
    else
        smtp_server_hello_answered(s, 250);
}

static void do_hello(struct smtp_server *s, struct span args, const char *verb, bool is_esmtp)
{
    struct span name;

    if (!span_word(&args, "", &name) || name.len > 255)
        smtp_server_sayf(s, "501 Syntax: %s hostname", verb);
    else
        hello(s, name, is_esmtp);
}

static void do_ehlo(struct smtp_server *s, struct span args)
{
    do_hello(s, args, s->cfg.is_lmtp ? "LHLO" : "EHLO", true);
}

static void do_helo(struct smtp_server *s, struct span args)
{
    do_hello(s, args, "HELO", false);
}

/* ---- the rest -------------------------------------------------------------------------------- */

static void do_rset(struct smtp_server *s, struct span args)
{
    (void)args;
    smtp_server_end_transaction(s);
    smtp_server_say(s, "250 2.0.0 Ok");
}

static void do_noop(struct smtp_server *s, struct span args)
{
    (void)args;
    smtp_server_say(s, "250 2.0.0 Ok");
}

static void do_vrfy(struct smtp_server *s, struct span args)
{
    if (s->cfg.has_no_vrfy)
        smtp_server_say(s, "502 5.5.1 VRFY command is disabled");
    else if (!args.len)
        smtp_server_say(s, "501 5.5.4 Syntax: VRFY address");
    else if (s->ops->vrfy)
        s->ops->vrfy(s->arg, smtp_server_ask(s, ASKED_VRFY), args);
    else
        smtp_server_say(s, "252 2.0.0 Cannot VRFY user, but will accept message");
}

static void do_help(struct smtp_server *s, struct span args)
{
    (void)args;
    smtp_server_say(s, "214 2.0.0 See RFC 5321");
}

static void do_quit(struct smtp_server *s, struct span args)
{
    (void)args;
    smtp_server_hang_up(s, "221 2.0.0 Bye");
}

/* ---- STARTTLS (RFC 3207) --------------------------------------------------------------------- */

bool smtp_server_starttls_answered(struct smtp_server *s, int code)
{
    if (code != 220)
        return true;
    s->tls_pending = true;
    smtp_server_say(s, "220 2.0.0 Ready to start TLS");
    return false;
}

static void do_starttls(struct smtp_server *s, struct span args)
{
    (void)args;
    if (s->is_encrypted)
        smtp_server_say(s, "554 5.5.1 Error: TLS already active");
    else if (!s->cfg.offers_starttls)
        smtp_server_say(s, "502 5.5.1 Error: command not implemented");
    else if (s->ops->starttls)
        s->ops->starttls(s->arg, smtp_server_ask(s, ASKED_STARTTLS));
    else
        smtp_server_starttls_answered(s, 220);
}
