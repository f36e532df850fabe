/* SPDX-License-Identifier: Apache-2.0
 *
 * DATA (RFC 5321 4.1.1.4) and BDAT (RFC 3030): the content, up to the end. dot.c knows what
 * content is; here is what is done with it: it goes to the caller until it is too large or not
 * to be had, then it is passed over, because whoever sends it goes on until its end, and only
 * then reads a reply. */
#include "smtp/server_int.h"

#define TOO_LARGE "552 5.3.4 Error: message file too big"

/* The content will not be kept, and the caller may forget it now; the reply comes at its end. */
static void refuse_content(struct smtp_server *s, const char *reply)
{
    s->is_swallowing = true;
    if (s->content_error)
        return;
    s->content_error = reply;
    smtp_server_tell_reset(s);
}

static void take_content(void *arg, struct span piece)
{
    struct smtp_server *s = arg;
    uint64_t max = s->cfg.limits.message_size;

    if (s->is_dead || s->is_swallowing)
        return;
    if (max && s->content.size > max)
        refuse_content(s, TOO_LARGE);
    else if (s->content.had_bare_lf && s->cfg.bare_lf == SMTP_BARE_LF_REJECT)
        refuse_content(s, s->bare_lf_reply);
    else if (!s->ops->data(s->arg, piece))
        s->is_swallowing = true;
}

static void start_content(struct smtp_server *s, bool is_bdat)
{
    dot_reader_init(&s->content, is_bdat, take_content, s);
    s->content.lf_ends = s->cfg.bare_lf == SMTP_BARE_LF_ENDS && !s->said_crlf;
    s->is_swallowing = false;
    s->content_error = NULL;
    s->in_bdat = is_bdat;
    smtp_server_set_phase(s, PHASE_DATA);
}

/* ---- the end --------------------------------------------------------------------------------- */

bool smtp_server_data_end_answered(struct smtp_server *s, int code)
{
    s->has_transaction = false;
    if (code / 100 == 2)
        s->errors = s->junk = 0; /* mail was moved: whoever did that is no nuisance */
    smtp_server_end_transaction(s);
    return true;
}

/* All recipients get the engine's own refusal. */
static void end_refused(struct smtp_server *s, const char *reply)
{
    size_t replies = s->cfg.is_lmtp && s->env.n_rcpts ? s->env.n_rcpts : 1;

    smtp_server_end_transaction(s);
    while (replies--)
        smtp_server_say(s, reply);
    s->is_closing = s->is_closing || smtp_reply_closes(reply);
}

static void end_content(struct smtp_server *s)
{
    const struct dot_reader *r = &s->content;
    struct smtp_data_info info = {
        .size_bytes = r->size,
        .has_dot_line = r->has_dot_line,
        .is_8bit = r->is_8bit,
        .is_bdat = s->in_bdat,
        .had_bare_lf = r->had_bare_lf,
        .had_bad_bytes = r->had_bad_bytes,
    };

    s->reads = READS_COMMAND;
    s->after = "END-OF-MESSAGE";
    if (s->is_dead)
        return;
    if (r->had_bare_lf && s->cfg.bare_lf == SMTP_BARE_LF_REJECT)
        refuse_content(s, s->bare_lf_reply);
    if (s->content_error)
        end_refused(s, s->content_error);
    else
        s->ops->data_end(s->arg, smtp_server_ask(s, ASKED_DATA_END), &info);
}

/* ---- DATA ------------------------------------------------------------------------------------ */

/* RFC 5321 3.3: where no recipient was taken, 554; RFC 2033 4.2 wants 503. */
static const char *no_recipients(const struct smtp_server *s)
{
    return s->cfg.is_lmtp ? "503 5.5.1 Error: no valid recipients"
                          : "554 5.5.1 Error: no valid recipients";
}

void smtp_server_do_data(struct smtp_server *s, struct span args)
{
    (void)args;
    if (s->phase == PHASE_MAIL)
        smtp_server_say(s, no_recipients(s));
    else
        s->ops->data_begin(s->arg, smtp_server_ask(s, ASKED_DATA), &s->env);
}

bool smtp_server_data_answered(struct smtp_server *s, int code)
{
    if (code != 354)
        return true;
    start_content(s, false);
    s->reads = READS_CONTENT;
    smtp_server_say(s, "354 End data with <CR><LF>.<CR><LF>");
    return false;
}

bool smtp_server_read_content(struct smtp_server *s)
{
    if (dot_read(&s->content, &s->cur)) {
        s->said_crlf = s->said_crlf || !s->content.lf_ends;
        end_content(s);
    }
    return true;
}

/* ---- BDAT ------------------------------------------------------------------------------------ */

/* Where in the stream the next command begins is known only if the count is: RFC 3030 4.2. */
static bool parse_bdat(struct smtp_server *s, struct span args)
{
    struct span count, last, more;

    if (!span_word(&args, "", &count) || count.len > 19 || !span_u64(count, &s->chunk_size))
        return false;
    s->chunk_is_last = span_word(&args, "", &last);
    return (!s->chunk_is_last || span_ieq_str(last, "LAST")) && !span_word(&args, "", &more);
}

static const char *bdat_misplaced(const struct smtp_server *s)
{
    if (s->cfg.requires_tls && !s->is_encrypted)
        return "530 5.7.0 Must issue a STARTTLS command first";
    if (s->cfg.hidden & SMTP_EXT_CHUNKING)
        return "502 5.5.1 Error: command not implemented";
    switch (s->phase) {
    case PHASE_GREETING: return "503 5.5.1 Error: send HELO/EHLO first";
    case PHASE_READY: return "503 5.5.1 Error: need RCPT command";
    case PHASE_MAIL: return no_recipients(s);
    default: return NULL;
    }
}

static bool is_chunk_too_large(const struct smtp_server *s)
{
    uint64_t max = s->cfg.limits.message_size, have = s->in_bdat ? s->content.size : 0;
    return max && (s->chunk_size > max || have > max - s->chunk_size);
}

/* A chunk that the client thinks is the last is answered as the end of the content is, LMTP's
 * one for each too. */
static void end_refused_chunk(struct smtp_server *s, const char *reply)
{
    if (s->phase < PHASE_RCPT) {
        smtp_server_say(s, reply);
    } else if (s->chunk_is_last) {
        end_refused(s, reply);
    } else {
        /* The rest of the message would make another message: it is over with all of it. */
        smtp_server_end_transaction(s);
        smtp_server_say(s, reply);
    }
}

static void end_chunk(struct smtp_server *s)
{
    s->reads = READS_COMMAND;
    if (s->is_dead || (s->chunk_refusal && !*s->chunk_refusal))
        return;
    if (s->chunk_refusal) {
        end_refused_chunk(s, s->chunk_refusal);
    } else if (s->chunk_is_last) {
        dot_read_end(&s->content);
        end_content(s);
    } else if (s->content_error) {
        end_refused_chunk(s, s->content_error);
    } else {
        smtp_server_sayf(s, "250 2.0.0 Ok: %llu bytes", (unsigned long long)s->chunk_size);
    }
}

static void start_chunk(struct smtp_server *s, const char *refusal)
{
    s->chunk_left = s->chunk_size;
    s->chunk_refusal = refusal;
    s->reads = READS_CHUNK;
    if (!s->chunk_left)
        end_chunk(s);
}

bool smtp_server_chunk_answered(struct smtp_server *s, int code)
{
    if (code == 354) {
        start_content(s, true);
        start_chunk(s, NULL);
        return false;
    }
    /* RFC 3030 4.2: a refused chunk ends the transaction. It comes all the same. */
    smtp_server_end_transaction(s);
    start_chunk(s, "");
    return true;
}

void smtp_server_do_bdat(struct smtp_server *s, struct span args)
{
    const char *refusal;

    if (!parse_bdat(s, args)) {
        smtp_server_hang_up(s, "521 5.5.4 Syntax: BDAT count [LAST]");
        return;
    }
    refusal = bdat_misplaced(s);
    if (!refusal && is_chunk_too_large(s))
        refusal = "552 5.3.4 Chunk exceeds message size limit";
    if (refusal || s->in_bdat)
        start_chunk(s, refusal);
    else
        s->ops->data_begin(s->arg, smtp_server_ask(s, ASKED_CHUNK), &s->env);
}

bool smtp_server_read_chunk(struct smtp_server *s)
{
    struct span piece = s->cur;

    if (piece.len > s->chunk_left)
        piece.len = (size_t)s->chunk_left;
    s->cur = span_from(s->cur, piece.len);
    s->chunk_left -= piece.len;
    if (!s->chunk_refusal)
        dot_read(&s->content, &piece);
    if (!s->chunk_left)
        end_chunk(s);
    return true;
}
