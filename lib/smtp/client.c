/* SPDX-License-Identifier: Apache-2.0
 *
 * The client's session: greeting, EHLO, STARTTLS, AUTH, and the end. One reply is waited for at
 * a time, and `replies` says who reads it; messages have a file of their own, because there many
 * replies are under way at once.
 *
 * Ops may send, quit, or free the engine. So what must not happen inside an op (the next
 * ready()) is left to the outermost call, and memory is freed there. */
#include "smtp/client.h"

#include "base/mem.h"
#include "smtp/client_int.h"

#include <stdio.h>
#include <stdlib.h>

#define OUT_HIGH 65536
#define KEEP     8192

struct smtp_client *smtp_client_new(const struct smtp_client_config *cfg,
                                    const struct smtp_client_ops *ops, void *arg)
{
    struct smtp_client *c = xcalloc(1, sizeof *c);

    c->cfg = *cfg;
    c->cfg.helo_name = xstrdup(cfg->helo_name);
    c->cfg.user = xstrdup_or_null(cfg->user);
    c->cfg.secret = xstrdup_or_null(cfg->secret);
    c->cfg.mechanisms = xstrdup_or_null(cfg->mechanisms);
    c->ops = ops;
    c->arg = arg;
    c->is_encrypted = cfg->is_encrypted;
    buf_init(&c->out, BUF_NO_MAX); /* OUT_HIGH bounds it */
    smtp_reply_reader_init(&c->reader);
    return c;
}

static void wipe_out(struct smtp_client *c)
{
    if (c->has_secret && c->out.at)
        wipe(c->out.at, c->out.cap);
    c->has_secret = false;
}

static void destroy(struct smtp_client *c)
{
    smtp_client_wipe_secret(c);
    wipe_out(c);
    buf_fini(&c->out);
    free((char *)c->cfg.helo_name);
    free((char *)c->cfg.user);
    free((char *)c->cfg.mechanisms);
    free(c->t.rcpts);
    free(c);
}

void smtp_client_free(struct smtp_client *c)
{
    if (!c || c->is_dead)
        return;
    c->is_dead = true;
    c->state = CLIENT_CLOSED;
    if (!c->depth)
        destroy(c);
}

static void enter(struct smtp_client *c)
{
    c->depth++;
}

/* The outermost call asks for the next message, however deep inside of it the last one ended. */
static void ask_for_next(struct smtp_client *c)
{
    while (c->depth == 1 && c->state == CLIENT_READY && (c->t.message || c->wants_next)) {
        c->wants_next = false;
        if (c->t.message)
            smtp_client_begin(c);
        else
            c->ops->ready(c->arg);
    }
}

static void leave(struct smtp_client *c)
{
    ask_for_next(c);
    if (--c->depth == 0 && c->is_dead)
        destroy(c);
}

void smtp_client_trace(struct smtp_client *c, bool is_ours, struct span line)
{
    if (c->ops->trace && !c->is_dead)
        c->ops->trace(c->arg, is_ours, line);
}

void smtp_client_command(struct smtp_client *c, const char *fmt, ...)
{
    size_t at = c->out.len;
    va_list ap;

    va_start(ap, fmt);
    buf_vaddf(&c->out, fmt, ap);
    va_end(ap);
    smtp_client_trace(c, true, span_from(buf_span(&c->out), at));
    buf_add(&c->out, "\r\n", 2);
}

void smtp_client_set_ready(struct smtp_client *c)
{
    c->state = CLIENT_READY;
    c->wants_next = true;
}

/* ---- the end --------------------------------------------------------------------------------- */

void smtp_client_close(struct smtp_client *c, const struct smtp_result *why)
{
    struct smtp_result copy;

    if (c->state == CLIENT_CLOSED)
        return;
    if (why)
        copy = *why; /* it may stand in the reader */
    c->state = CLIENT_CLOSED;
    smtp_client_wipe_secret(c);
    smtp_client_settle(c, why ? &copy : NULL);
    if (!c->is_dead)
        c->ops->closed(c->arg, why ? &copy : NULL);
}

void smtp_client_fail(struct smtp_client *c, enum smtp_stage stage, const char *dsn,
                      const char *fmt, ...)
{
    struct smtp_result why = { .stage = stage, .is_ours = true };
    char text[SMTP_REPLY_TEXT];
    va_list ap;

    va_start(ap, fmt);
    vsnprintf(text, sizeof text, fmt, ap);
    va_end(ap);
    smtp_reply_set(&why.reply, 0, dsn, "%s", text);
    smtp_client_close(c, &why);
}

struct smtp_result smtp_client_said(const struct smtp_client *c, enum smtp_stage stage)
{
    return (struct smtp_result){ .stage = stage, .reply = c->reader.reply };
}

static const struct {
    enum smtp_stage stage;
    enum smtp_client_phase phase;
} places[N_CLIENT_STATES] = {
    [CLIENT_GREETING] = { SMTP_AT_GREETING, SMTP_CLIENT_HELO },
    [CLIENT_EHLO] = { SMTP_AT_EHLO, SMTP_CLIENT_HELO },
    [CLIENT_HELO] = { SMTP_AT_EHLO, SMTP_CLIENT_HELO },
    [CLIENT_STARTTLS] = { SMTP_AT_STARTTLS, SMTP_CLIENT_STARTTLS },
    [CLIENT_HANDSHAKE] = { SMTP_AT_STARTTLS, SMTP_CLIENT_STARTTLS },
    [CLIENT_AUTH] = { SMTP_AT_AUTH, SMTP_CLIENT_AUTH },
    [CLIENT_READY] = { SMTP_AT_IDLE, SMTP_CLIENT_IDLE },
    [CLIENT_RSET] = { SMTP_AT_RSET, SMTP_CLIENT_RSET },
    [CLIENT_QUIT] = { SMTP_AT_QUIT, SMTP_CLIENT_QUIT },
    [CLIENT_CLOSED] = { SMTP_AT_IDLE, SMTP_CLIENT_CLOSED },
};

static enum smtp_stage stage(const struct smtp_client *c)
{
    return c->state == CLIENT_MESSAGE ? smtp_client_message_stage(c) : places[c->state].stage;
}

enum smtp_client_phase smtp_client_phase(const struct smtp_client *c)
{
    return c->state == CLIENT_MESSAGE ? smtp_client_message_phase(c) : places[c->state].phase;
}

static const char *const doing[] = {
    [SMTP_AT_CONNECT] = "connecting",
    [SMTP_AT_GREETING] = "receiving the initial server greeting",
    [SMTP_AT_EHLO] = "performing the EHLO handshake",
    [SMTP_AT_STARTTLS] = "performing the TLS handshake",
    [SMTP_AT_AUTH] = "logging in",
    [SMTP_AT_MAIL] = "sending MAIL FROM",
    [SMTP_AT_RCPT] = "sending RCPT TO",
    [SMTP_AT_DATA] = "sending DATA command",
    [SMTP_AT_EOD] = "sending message body",
    [SMTP_AT_RSET] = "sending RSET",
    [SMTP_AT_QUIT] = "sending QUIT",
    [SMTP_AT_IDLE] = "waiting for the next message",
};

void smtp_client_lost(struct smtp_client *c, const char *what)
{
    enum smtp_stage at = stage(c);
    bool at_end = smtp_client_phase(c) == SMTP_CLIENT_DATA_DONE;

    enter(c);
    if (c->state == CLIENT_QUIT)
        smtp_client_close(c, NULL);
    else
        smtp_client_fail(c, at, "4.4.2", "%s while %s", what,
                         at_end ? "sending end of data -- message may be sent more than once"
                                : doing[at]);
    leave(c);
}

/* ---- greeting, EHLO -------------------------------------------------------------------------- */

static void say_ehlo(struct smtp_client *c)
{
    c->features = (struct smtp_features){ .is_esmtp = true };
    c->state = CLIENT_EHLO;
    smtp_client_command(c, "%s %s", c->cfg.is_lmtp ? "LHLO" : "EHLO", c->cfg.helo_name);
}

static bool is_refused(struct smtp_client *c)
{
    struct smtp_result said = smtp_client_said(c, stage(c));

    if (said.reply.code / 100 == 2)
        return false;
    smtp_client_close(c, &said);
    return true;
}

static void greeting_reply(struct smtp_client *c)
{
    if (!is_refused(c))
        say_ehlo(c);
}

static void read_mechanisms(struct smtp_features *f, struct span words)
{
    size_t n = strlen(f->mechanisms);
    struct span one;

    while (span_word(&words, "=", &one)) {
        if (n + one.len + 2 > sizeof f->mechanisms)
            return;
        if (n)
            f->mechanisms[n++] = ' ';
        for (size_t i = 0; i < one.len; i++) {
            char ch = one.at[i];
            f->mechanisms[n++] = ch >= 'a' && ch <= 'z' ? (char)(ch - 32) : ch;
        }
        f->mechanisms[n] = '\0';
    }
}

/* One line of the reply to EHLO. The first is the server's name, which no keyword looks like by
 * accident. */
static void read_feature(struct smtp_client *c, struct span line)
{
    struct smtp_features *f = &c->features;
    struct span word;
    const struct {
        const char *name;
        bool *flag;
    } flags[] = {
        { "PIPELINING", &f->has_pipelining }, { "SIZE", &f->has_size },
        { "8BITMIME", &f->has_8bitmime },     { "SMTPUTF8", &f->has_smtputf8 },
        { "DSN", &f->has_dsn },               { "CHUNKING", &f->has_chunking },
        { "STARTTLS", &f->has_starttls },     { "ENHANCEDSTATUSCODES", &f->has_enhanced },
    };

    if (c->reader.lines < 2 || !span_word(&line, "=", &word))
        return;
    for (size_t i = 0; i < ARRAY_LEN(flags); i++) {
        if (span_ieq_str(word, flags[i].name))
            *flags[i].flag = true;
    }
    if (span_ieq_str(word, "SIZE") && !span_u64(span_trim(line), &f->size_limit))
        f->size_limit = 0;
    else if (span_ieq_str(word, "AUTH"))
        read_mechanisms(f, line);
}

static void after_hello(struct smtp_client *c)
{
    bool may_tls = !c->is_encrypted && c->cfg.tls != SMTP_TLS_NONE;

    if (may_tls && c->features.has_starttls) {
        c->state = CLIENT_STARTTLS;
        smtp_client_command(c, "STARTTLS");
    } else if (may_tls && c->cfg.tls == SMTP_TLS_REQUIRED) {
        smtp_client_fail(c, SMTP_AT_STARTTLS, "4.7.4",
                         "TLS is required, but was not offered by the server");
    } else if (c->cfg.user) {
        smtp_client_auth(c);
    } else {
        smtp_client_set_ready(c);
    }
}

/* RFC 5321 3.2: HELO is for servers that do not know EHLO; one that says "later" is not such a
 * server. */
static void ehlo_reply(struct smtp_client *c)
{
    if (c->reader.reply.code / 100 == 5 && !c->cfg.is_lmtp) {
        c->features = (struct smtp_features){ 0 };
        c->state = CLIENT_HELO;
        smtp_client_command(c, "HELO %s", c->cfg.helo_name);
    } else if (!is_refused(c)) {
        after_hello(c);
    }
}

static void helo_reply(struct smtp_client *c)
{
    if (!is_refused(c))
        after_hello(c);
}

/* ---- STARTTLS (RFC 3207) --------------------------------------------------------------------- */

static void starttls_reply(struct smtp_client *c)
{
    if (c->reader.reply.code == 220) {
        c->state = CLIENT_HANDSHAKE;
        c->ops->starttls(c->arg);
    } else if (c->cfg.tls == SMTP_TLS_REQUIRED) {
        struct smtp_result said = smtp_client_said(c, SMTP_AT_STARTTLS);
        smtp_client_close(c, &said);
    } else {
        c->cfg.tls = SMTP_TLS_NONE;
        after_hello(c);
    }
}

void smtp_client_tls_started(struct smtp_client *c)
{
    BUG_IF(c->state != CLIENT_HANDSHAKE);
    c->is_encrypted = true;
    smtp_reply_reader_init(&c->reader);
    say_ehlo(c);
}

/* ---- messages, the end ----------------------------------------------------------------------- */

static void take_message(struct smtp_client *c, const struct smtp_message *m, bool is_probe)
{
    BUG_IF(c->state != CLIENT_READY || c->t.message || !m->n_rcpts);
    enter(c);
    c->wants_next = false;
    c->message = *m;
    c->t.message = &c->message;
    c->t.is_probe = is_probe;
    leave(c);
}

void smtp_client_send(struct smtp_client *c, const struct smtp_message *m)
{
    take_message(c, m, false);
}

void smtp_client_probe(struct smtp_client *c, const struct smtp_message *m)
{
    take_message(c, m, true);
}

void smtp_client_quit(struct smtp_client *c)
{
    enter(c);
    if (c->state == CLIENT_READY && !c->t.message) {
        c->wants_next = false;
        c->state = CLIENT_QUIT;
        smtp_client_command(c, "QUIT");
    } else if (c->state != CLIENT_QUIT) {
        smtp_client_fail(c, stage(c), "4.3.2", "given up");
    }
    leave(c);
}

static void rset_reply(struct smtp_client *c)
{
    if (!is_refused(c))
        smtp_client_set_ready(c);
}

static void quit_reply(struct smtp_client *c)
{
    smtp_client_close(c, NULL);
}

/* What nobody asked for: RFC 5321 3.8 lets a server say 421 at any time. */
static void unasked_reply(struct smtp_client *c)
{
    struct smtp_result said = smtp_client_said(c, stage(c));

    if (said.reply.code == 421)
        smtp_client_close(c, &said);
    else
        smtp_client_fail(c, said.stage, "4.5.0", "unexpected reply from the server: %d %s",
                         said.reply.code, said.reply.text);
}

static void (*const replies[N_CLIENT_STATES])(struct smtp_client *) = {
    [CLIENT_GREETING] = greeting_reply,
    [CLIENT_EHLO] = ehlo_reply,
    [CLIENT_HELO] = helo_reply,
    [CLIENT_STARTTLS] = starttls_reply,
    [CLIENT_AUTH] = smtp_client_auth_reply,
    [CLIENT_READY] = unasked_reply,
    [CLIENT_MESSAGE] = smtp_client_message_reply,
    [CLIENT_RSET] = rset_reply,
    [CLIENT_QUIT] = quit_reply,
};

/* ---- bytes ----------------------------------------------------------------------------------- */

static void take_line(struct smtp_client *c, struct span *in)
{
    struct span line;
    enum smtp_read r = smtp_reply_read(&c->reader, in, &line);

    if (r == SMTP_READ_MORE)
        return;
    if (r == SMTP_READ_BAD) {
        smtp_client_fail(c, stage(c), "4.5.0", "the server does not speak SMTP");
        return;
    }
    smtp_client_trace(c, false, span_of(c->reader.line, (size_t)(line.at + line.len - c->reader.line)));
    if (c->state == CLIENT_EHLO)
        read_feature(c, line);
    if (r == SMTP_READ_DONE)
        replies[c->state](c);
}

unsigned smtp_client_half_reply(const struct smtp_client *c)
{
    const struct smtp_reply_reader *rr = &c->reader;
    bool is_half = rr->line_len || (rr->lines && !rr->is_whole);

    return is_half ? rr->n_whole + 1 : 0;
}

void smtp_client_input(struct smtp_client *c, struct span bytes)
{
    enter(c);
    while (bytes.len && c->state != CLIENT_CLOSED) {
        /* Said in the clear, it would be taken for protected: CVE-2011-0411, the other way
         * round. */
        if (c->state == CLIENT_HANDSHAKE)
            smtp_client_fail(c, SMTP_AT_STARTTLS, "4.7.0",
                             "the server sent data behind its reply to STARTTLS");
        else
            take_line(c, &bytes);
    }
    leave(c);
}

struct span smtp_client_output(struct smtp_client *c)
{
    struct span out = { "", 0 };

    enter(c);
    while (c->state == CLIENT_MESSAGE && c->out.len - c->out_sent < OUT_HIGH) {
        if (!smtp_client_step(c))
            break;
    }
    ask_for_next(c);
    if (!c->is_dead)
        out = span_from(buf_span(&c->out), c->out_sent);
    leave(c);
    return out;
}

void smtp_client_sent(struct smtp_client *c, size_t n)
{
    BUG_IF(n > c->out.len - c->out_sent);
    c->out_sent += n;
    if (c->out_sent < c->out.len)
        return;
    wipe_out(c);
    buf_clear(&c->out);
    if (c->state != CLIENT_MESSAGE)
        buf_trim(&c->out, KEEP);
    c->out_sent = 0;
}

const struct smtp_features *smtp_client_features(const struct smtp_client *c)
{
    return &c->features;
}
