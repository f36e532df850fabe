/* SPDX-License-Identifier: Apache-2.0
 *
 * A report is written front to back, into a buffer that is handed on when it is full. Strangers' words come in
 * through add_clean() only: no control characters, no bytes that were not declared. */
#include "mail/report.h"

#include "base/buf.h"
#include "mail/date.h"

#include <stdio.h>

enum { FLUSH_AT = 16 * 1024, COLUMNS = 76, WORD_MAX = 900 };

struct writer {
    struct buf buf;
    report_write_fn *write;
    void *arg;
    char boundary[64];
    bool is_utf8; /* the forms of RFC 6533, and UTF-8 in the text */
    bool is_8bit; /* declared somewhere in the body */
};

static int flush(struct writer *w, struct err *e)
{
    int rc = w->buf.len ? w->write(w->arg, buf_span(&w->buf), e) : 0;
    buf_clear(&w->buf);
    return rc;
}

static int flush_if_full(struct writer *w, struct err *e)
{
    return w->buf.len >= FLUSH_AT ? flush(w, e) : 0;
}

/* ---- words of strangers ---------------------------------------------------------------------------------------- */

static void add_clean(struct writer *w, struct span s)
{
    while (s.len) {
        size_t n = span_utf8_len(s);
        unsigned char c = (unsigned char)s.at[0];
        if (n > 1 && w->is_utf8)
            buf_add(&w->buf, s.at, n);
        else
            buf_addc(&w->buf, c == '\t' ? ' ' : n == 1 && c >= ' ' && c < 0x7f ? (char)c : '?');
        s = span_from(s, n ? n : 1);
    }
}

/* As many bytes of `s` as make a line's word, not cutting a character in two. */
static size_t word_len(struct span s)
{
    size_t n = 0;

    while (n < s.len && n < WORD_MAX && s.at[n] != ' ' && s.at[n] != '\t' && s.at[n] != '\r' && s.at[n] != '\n')
        n++;
    while (n == WORD_MAX && n < s.len && ((unsigned char)s.at[n] & 0xc0) == 0x80 && n > WORD_MAX - 4)
        n--;
    return n;
}

/* The words of `text`, the line broken before the one that would pass the margin; `column` is where the line
 * stands. */
static void add_folded(struct writer *w, struct span text, size_t column, const char *indent)
{
    bool is_first = true;

    for (text = span_trim(text); text.len; text = span_trim(text)) {
        size_t n = word_len(text);
        if (column + 1 + n > COLUMNS) {
            buf_addf(&w->buf, "\r\n%s", indent);
            column = strlen(indent);
        } else if (!is_first) {
            buf_addc(&w->buf, ' ');
            column++;
        }
        add_clean(w, span_of(text.at, n));
        column += n;
        is_first = false;
        text = span_from(text, n);
    }
}

static void add_field(struct writer *w, const char *name, const char *type, const char *value)
{
    buf_addf(&w->buf, "%s: %s", name, type);
    add_folded(w, span_str(value), strlen(name) + 2 + strlen(type), "    ");
    buf_adds(&w->buf, "\r\n");
}

static void add_date(struct writer *w, const char *name, int64_t us)
{
    char date[DATE_SIZE];
    if (us)
        buf_addf(&w->buf, "%s: %s\r\n", name, date_format(us, date));
}

/* ---- what it is about ------------------------------------------------------------------------------------------ */

static const struct action {
    const char *name, *subject, *text;
} actions[] = {
    [REPORT_FAILED] = { "failed", "Undelivered mail: returned to you",
                        "Your message could not be delivered to the address(es) below, and it\r\n"
                        "will not be tried again. What is known of the reason stands beside each." },
    [REPORT_DELAYED] = { "delayed", "Delayed mail: still being tried",
                         "Your message has not been delivered yet to the address(es) below. You\r\n"
                         "need not send it again: it is kept, and delivery will be tried again." },
    [REPORT_DELIVERED] = { "delivered", "Delivered mail: the report you asked for",
                           "Your message was delivered to the address(es) below." },
    [REPORT_RELAYED] = { "relayed", "Relayed mail: the report you asked for",
                         "Your message was handed to a host that does not send delivery reports,\r\n"
                         "for the address(es) below. You may hear no more of it." },
    [REPORT_EXPANDED] = { "expanded", "Expanded mail: the report you asked for",
                          "Your message was handed on to the members of the address(es) below." },
};

enum { N_ACTIONS = sizeof actions / sizeof *actions };

static bool has_action(const struct report *r, enum report_action action)
{
    for (size_t i = 0; i < r->n_rcpts; i++)
        if (r->rcpts[i].action == action)
            return true;
    return false;
}

static enum report_action first_action(const struct report *r)
{
    for (unsigned a = 0; a < N_ACTIONS; a++)
        if (has_action(r, (enum report_action)a))
            return (enum report_action)a;
    return REPORT_FAILED;
}

static bool is_beyond_ascii(const char *s)
{
    return s && !span_is_ascii(span_str(s));
}

static bool needs_utf8(const struct report *r)
{
    bool needs = r->smtputf8 || is_beyond_ascii(r->to) || is_beyond_ascii(r->from);

    for (size_t i = 0; i < r->n_rcpts && !needs; i++)
        needs = is_beyond_ascii(r->rcpts[i].address) || is_beyond_ascii(r->rcpts[i].original) ||
                is_beyond_ascii(r->rcpts[i].orcpt);
    return needs;
}

void report_needs(const struct report *r, struct envelope *env)
{
    env->body = r->is_8bit || needs_utf8(r) ? BODY_8BITMIME : BODY_7BIT;
    /* Only what stands in the envelope and in the header section of the report itself: UTF-8 deeper down is 8-bit. */
    env->smtputf8 = is_beyond_ascii(r->to) || is_beyond_ascii(r->from);
}

/* RFC 3461 4.3: the whole message is for failures only. */
static bool returns_all(const struct report *r)
{
    uint64_t limit = r->size_limit ? r->size_limit : 50000;
    return has_action(r, REPORT_FAILED) && r->ret != RET_HDRS && r->size <= limit;
}

/* ---- the parts ------------------------------------------------------------------------------------------------- */

static void add_header(struct writer *w, const struct report *r)
{
    char date[DATE_SIZE];

    buf_addf(&w->buf, "From: Mail Delivery System <%s>\r\n", r->from);
    buf_addf(&w->buf, "To: <%s>\r\n", r->to);
    buf_addf(&w->buf, "Subject: %s\r\n", actions[first_action(r)].subject);
    buf_addf(&w->buf, "Date: %s\r\n", date_format(r->now_us, date));
    buf_addf(&w->buf, "Message-ID: <%s.report@%s>\r\n", r->report_id, r->myhostname);
    buf_adds(&w->buf, "Auto-Submitted: auto-replied\r\nMIME-Version: 1.0\r\n");
    buf_addf(&w->buf, "Content-Type: multipart/report; report-type=%sdelivery-status;\r\n\tboundary=\"%s\"\r\n",
             w->is_utf8 ? "global-" : "", w->boundary);
    if (w->is_8bit)
        buf_adds(&w->buf, "Content-Transfer-Encoding: 8bit\r\n");
    buf_adds(&w->buf, "\r\nThis is a message in several parts (MIME).\r\n");
}

static void add_part(struct writer *w, const char *description, const char *type, bool is_8bit)
{
    buf_addf(&w->buf, "\r\n--%s\r\nContent-Description: %s\r\nContent-Type: %s\r\n", w->boundary, description, type);
    if (is_8bit)
        buf_adds(&w->buf, "Content-Transfer-Encoding: 8bit\r\n");
    buf_adds(&w->buf, "\r\n");
}

static void add_text_rcpt(struct writer *w, const struct report_rcpt *rcpt)
{
    size_t before = w->buf.len;

    buf_adds(&w->buf, "<");
    add_clean(w, span_str(rcpt->address));
    buf_adds(&w->buf, ">");
    if (rcpt->original && strcmp(rcpt->original, rcpt->address) != 0) {
        buf_adds(&w->buf, " (you wrote to <");
        add_clean(w, span_str(rcpt->original));
        buf_adds(&w->buf, ">)");
    }
    if (rcpt->reason && *rcpt->reason) {
        buf_adds(&w->buf, ": ");
        add_folded(w, span_str(rcpt->reason), w->buf.len - before, "    ");
    }
    buf_adds(&w->buf, "\r\n");
    if (rcpt->action == REPORT_DELAYED && rcpt->will_retry_us) {
        char date[DATE_SIZE];
        buf_addf(&w->buf, "    It will be tried until %s.\r\n", date_format(rcpt->will_retry_us, date));
    }
    buf_adds(&w->buf, "\r\n");
}

static int add_text(struct writer *w, const struct report *r, struct err *e)
{
    char own[300];
    const char *postmaster = r->postmaster;

    if (!postmaster) {
        snprintf(own, sizeof own, "postmaster@%s", r->myhostname);
        postmaster = own;
    }
    add_part(w, "Notification", w->is_utf8 ? "text/plain; charset=utf-8" : "text/plain; charset=us-ascii", w->is_utf8);
    buf_addf(&w->buf, "This is the mail system at host %s.\r\n\r\n", r->myhostname);
    for (unsigned a = 0; a < N_ACTIONS; a++) {
        if (!has_action(r, (enum report_action)a))
            continue;
        buf_addf(&w->buf, "%s\r\n\r\n", actions[a].text);
        for (size_t i = 0; i < r->n_rcpts; i++) {
            if (r->rcpts[i].action != (enum report_action)a)
                continue;
            add_text_rcpt(w, &r->rcpts[i]);
            if (flush_if_full(w, e) < 0)
                return -1;
        }
    }
    buf_addf(&w->buf,
             "If you need help, write to <%s>\r\nand include this report. In our logs the message has the id %s.\r\n",
             postmaster, r->id);
    return 0;
}

static void add_status_rcpt(struct writer *w, const struct report_rcpt *rcpt)
{
    buf_adds(&w->buf, "\r\n");
    if (rcpt->orcpt) {
        struct span orcpt = span_str(rcpt->orcpt);
        buf_adds(&w->buf, "Original-Recipient: ");
        add_clean(w, orcpt);
        buf_adds(&w->buf, "\r\n");
    }
    buf_addf(&w->buf, "Final-Recipient: %s; ", is_beyond_ascii(rcpt->address) ? "utf-8" : "rfc822");
    add_clean(w, span_str(rcpt->address));
    buf_addf(&w->buf, "\r\nAction: %s\r\n", actions[rcpt->action].name);
    add_field(w, "Status", "", rcpt->status);
    if (rcpt->remote_mta)
        add_field(w, "Remote-MTA", "dns; ", rcpt->remote_mta);
    if (rcpt->diagnostic)
        add_field(w, "Diagnostic-Code", "smtp; ", rcpt->diagnostic);
    else if (rcpt->reason && *rcpt->reason)
        add_field(w, "Diagnostic-Code", "x-baton; ", rcpt->reason);
    add_date(w, "Last-Attempt-Date", rcpt->last_attempt_us);
    if (rcpt->action == REPORT_DELAYED)
        add_date(w, "Will-Retry-Until", rcpt->will_retry_us);
}

static int add_status(struct writer *w, const struct report *r, struct err *e)
{
    add_part(w, "Delivery report", w->is_utf8 ? "message/global-delivery-status" : "message/delivery-status",
             w->is_utf8);
    add_field(w, "Reporting-MTA", "dns; ", r->myhostname);
    if (r->envid)
        add_field(w, "Original-Envelope-Id", "", r->envid);
    buf_addf(&w->buf, "X-Baton-Queue-ID: %s\r\n", r->id);
    add_date(w, "Arrival-Date", r->arrival_us);
    for (size_t i = 0; i < r->n_rcpts; i++) {
        add_status_rcpt(w, &r->rcpts[i]);
        if (flush_if_full(w, e) < 0)
            return -1;
    }
    return 0;
}

/* How much of `s` belongs to the header section; *matched counts what of "CRLF CRLF" the bytes before end in. */
static size_t header_bytes(struct span s, unsigned *matched)
{
    static const char end[] = "\r\n\r\n";

    for (size_t i = 0; i < s.len; i++) {
        *matched = s.at[i] == end[*matched] ? *matched + 1 : s.at[i] == '\r';
        if (*matched == 4)
            return i + 1;
    }
    return s.len;
}

static int copy_original(struct writer *w, bool all, report_read_fn *read, void *arg, struct err *e)
{
    char chunk[16 * 1024];
    unsigned matched = 2; /* the start of the message is the start of a line */
    uint64_t at = 0;

    for (;;) {
        struct err why = { .kind = ERR_NONE };
        long n = read(arg, at, chunk, sizeof chunk, &why);
        if (n < 0 && at == 0) {
            if (e)
                *e = why;
            return -1;
        }
        if (n < 0)
            buf_adds(&w->buf, "\r\n[The rest of the message could not be read.]\r\n");
        if (n <= 0)
            return 0;
        size_t take = all ? (size_t)n : header_bytes(span_of(chunk, (size_t)n), &matched);
        if (flush(w, e) < 0 || w->write(w->arg, span_of(chunk, take), e) < 0)
            return -1;
        if (matched == 4)
            return 0;
        at += (uint64_t)n;
    }
}

static int add_original(struct writer *w, const struct report *r, report_read_fn *read, void *arg, struct err *e)
{
    bool all = returns_all(r);
    bool is_8bit = r->is_8bit || r->smtputf8;
    const char *type = all ? (r->smtputf8 ? "message/global" : "message/rfc822")
                           : (r->smtputf8 ? "message/global-headers" : "text/rfc822-headers");

    add_part(w, all ? "Your message" : "Header section of your message", type, is_8bit);
    return copy_original(w, all, read, arg, e);
}

int report_write(const struct report *r, report_read_fn *read, void *read_arg, report_write_fn *write, void *write_arg,
                 struct err *e)
{
    struct writer w = { .write = write, .arg = write_arg, .is_utf8 = needs_utf8(r) };
    int rc;

    w.is_8bit = w.is_utf8 || r->is_8bit;
    buf_init(&w.buf, BUF_NO_MAX);
    /* "=_" can stand in no quoted-printable or base64 text (RFC 2045 6.7). */
    snprintf(w.boundary, sizeof w.boundary, "=_%.32s.%llx", r->report_id, (unsigned long long)r->now_us);
    add_header(&w, r);
    rc = add_text(&w, r, e);
    if (rc == 0)
        rc = add_status(&w, r, e);
    if (rc == 0 && read)
        rc = add_original(&w, r, read, read_arg, e);
    buf_addf(&w.buf, "\r\n--%s--\r\n", w.boundary);
    if (rc == 0)
        rc = flush(&w, e);
    buf_fini(&w.buf);
    return rc;
}
