/* SPDX-License-Identifier: Apache-2.0
 *
 * Two walks over the section: the first sees what is there, the second writes. What is added for a resent message
 * goes on top, below our Received (RFC 5322 3.6.6: it stands before what the original has), the rest at the end. */
#include "mail/fixup.h"

#include "base/clock.h"
#include "base/log.h"
#include "mail/address.h"
#include "mail/date.h"
#include "mail/encode.h"
#include "mail/header.h"

#include <stdio.h>
#include <time.h>

enum {
    F_DATE = 1 << 0,
    F_FROM = 1 << 1,
    F_MESSAGE_ID = 1 << 2,
    F_TO_OR_CC = 1 << 3,
    F_RECEIVED = 1 << 4,
    F_RESENT_DATE = 1 << 5,
    F_RESENT_FROM = 1 << 6,
    F_RESENT_MESSAGE_ID = 1 << 7,
    F_RESENT = 1 << 8,    /* any of them */
    F_ADDRESSES = 1 << 9, /* its value is an address list */
    F_DROP = 1 << 10,
    F_SENDER = 1 << 12,   /* of whom it is, not whom it is for */
    F_TEXT = 1 << 11,     /* its value is text for people (RFC 5322: unstructured) */
};

static const struct known {
    const char *name;
    unsigned what;
} known_fields[] = {
    { "Apparently-To", F_ADDRESSES },
    { "Bcc", F_DROP },
    { "Cc", F_TO_OR_CC | F_ADDRESSES },
    { "Comments", F_TEXT },
    { "Content-Length", F_DROP },
    { "Date", F_DATE },
    { "Disposition-Notification-To", F_ADDRESSES | F_SENDER },
    { "Errors-To", F_ADDRESSES | F_SENDER },
    { "From", F_FROM | F_ADDRESSES | F_SENDER },
    { "Mail-Followup-To", F_ADDRESSES | F_SENDER },
    { "Message-ID", F_MESSAGE_ID },
    { "Received", F_RECEIVED },
    { "Reply-To", F_ADDRESSES | F_SENDER },
    { "Resent-Bcc", F_RESENT | F_DROP },
    { "Resent-Cc", F_RESENT | F_TO_OR_CC | F_ADDRESSES },
    { "Resent-Date", F_RESENT | F_RESENT_DATE },
    { "Resent-From", F_RESENT | F_RESENT_FROM | F_ADDRESSES | F_SENDER },
    { "Resent-Message-ID", F_RESENT | F_RESENT_MESSAGE_ID },
    { "Resent-Reply-To", F_RESENT | F_ADDRESSES | F_SENDER },
    { "Resent-Sender", F_RESENT | F_ADDRESSES | F_SENDER },
    { "Resent-To", F_RESENT | F_TO_OR_CC | F_ADDRESSES },
    { "Return-Path", F_DROP },
    { "Return-Receipt-To", F_ADDRESSES | F_SENDER },
    { "Sender", F_ADDRESSES | F_SENDER },
    { "Subject", F_TEXT },
    { "To", F_TO_OR_CC | F_ADDRESSES },
};

static unsigned what_is(const struct header_field *f)
{
    for (size_t i = 0; i < sizeof known_fields / sizeof *known_fields; i++)
        if (header_is(f, known_fields[i].name))
            return known_fields[i].what;
    return span_istarts(f->name, "X-") ? F_TEXT : 0;
}

/* ---- copying --------------------------------------------------------------------------------------------------- */

/* Lines with whatever ends, out with CRLF; a CR that stands alone becomes a blank (see lines.h), a NUL vanishes. */
static void add_lines(struct span text, struct buf *out)
{
    while (text.len) {
        size_t end = span_find(text, '\n'), n = end;
        while (n && text.at[n - 1] == '\r')
            n--;
        for (size_t i = 0; i < n; i++)
            if (text.at[i])
                buf_addc(out, text.at[i] == '\r' ? ' ' : text.at[i]);
        buf_add(out, "\r\n", 2);
        text = span_from(text, end + 1);
    }
}

static bool is_clean(struct span text)
{
    if (text.len < 2 || memcmp(text.at + text.len - 2, "\r\n", 2) != 0)
        return false;
    for (size_t i = 0; i < text.len; i++)
        if (text.at[i] == '\0' || (text.at[i] == '\n' && (i == 0 || text.at[i - 1] != '\r')) ||
            (text.at[i] == '\r' && (i + 1 == text.len || text.at[i + 1] != '\n')))
            return false;
    return true;
}

static void add_field(struct span text, struct buf *out)
{
    if (is_clean(text)) /* what mail/lines.h has made always is */
        buf_addspan(out, text);
    else
        add_lines(text, out);
}

static void warn(struct fixup_result *r, const struct header_field *f, const struct err *why)
{
    char name[60];

    if (r->n_warnings++ == 0)
        snprintf(r->warning, sizeof r->warning, "%s: %.220s",
                 log_escape(f->name, name, sizeof name), why->text);
}

/* The name of an address, encoded; false when it is better left alone: with comments, or encoded words in it. */
static bool add_encoded_name(struct span phrase, struct buf *out)
{
    struct span inner = phrase;
    struct buf plain;

    if (phrase.len >= 2 && phrase.at[0] == '"' && phrase.at[phrase.len - 1] == '"')
        inner = span_of(phrase.at + 1, phrase.len - 2);
    else if (memchr(phrase.at, '(', phrase.len))
        return false;
    if (!span_is_utf8(inner) || memchr(inner.at, '"', inner.len) || memmem(inner.at, inner.len, "=?", 2))
        return false;
    buf_init(&plain, BUF_NO_MAX);
    for (size_t i = 0; i < inner.len; i++)
        if (inner.at[i] != '\r' && inner.at[i] != '\n' && inner.at[i] != '\\')
            buf_addc(&plain, inner.at[i]);
    address_add_phrase(out, buf_span(&plain));
    buf_fini(&plain);
    return true;
}

static void add_upto(struct buf *out, const char **copied, const char *end)
{
    buf_add(out, *copied, (size_t)(end - *copied));
    *copied = end;
}

/* As facts->rewrite() says. True: it has been written. */
static bool rewrite_address(const struct address_item *item, const struct fixup_facts *facts, bool is_sender, const char **copied,
                            struct buf *out, struct fixup_result *result)
{
    struct address whole = item->address;
    struct buf now;
    struct err e;

    if (!facts->rewrite || !whole.len ||
        (!whole.has_domain && ((facts->flags & FIXUP_COMPLETE) == 0 || address_complete(&whole, facts->myorigin, &e) < 0)))
        return false;
    buf_init(&now, ADDRESS_MAX);
    int rc = facts->rewrite(facts->rewrite_arg, whole.text, is_sender ? FIXUP_SENDER : FIXUP_RCPT, &now);
    result->cannot_tell |= rc < 0;
    result->is_rewritten |= rc > 0;
    if (rc > 0) {
        add_upto(out, copied, item->spec.at);
        buf_addspan(out, buf_span(&now));
        *copied = item->spec.at + item->spec.len;
    }
    buf_fini(&now);
    return rc > 0;
}

/* What of one address is to be written otherwise; `*copied` is how far the field has been. */
static void put_address_right(const struct address_item *item, const struct fixup_facts *facts, bool is_sender, const char **copied,
                              struct buf *out, struct fixup_result *result)
{
    bool may_encode = (facts->flags & FIXUP_ENCODE) && item->phrase.len && !span_is_ascii(item->phrase);

    if (may_encode) {
        add_upto(out, copied, item->phrase.at);
        if (add_encoded_name(item->phrase, out))
            *copied = item->phrase.at + item->phrase.len;
    }
    if (rewrite_address(item, facts, is_sender, copied, out, result))
        return;
    if ((facts->flags & FIXUP_COMPLETE) && !item->address.has_domain && item->address.len) {
        add_upto(out, copied, item->spec.at + item->spec.len);
        buf_addf(out, "@%s", facts->myorigin);
    }
}

/* The field with its addresses completed and their names encoded. */
static void add_addresses(const struct header_field *f, const struct fixup_facts *facts, bool is_sender, struct buf *out,
                          struct fixup_result *result)
{
    struct address_list list;
    struct address_item item;
    const char *copied = f->whole.at;
    struct buf text;
    struct err why;
    int rc;

    buf_init(&text, BUF_NO_MAX);
    address_list_init(&list, f->value, ADDRESS_UTF8 | ADDRESS_NULL);
    while ((rc = address_list_next(&list, &item, &why)) > 0)
        put_address_right(&item, facts, is_sender, &copied, &text, result);
    if (rc < 0) {
        warn(result, f, &why);
        copied = f->whole.at;
        buf_clear(&text);
    }
    add_upto(&text, &copied, f->whole.at + f->whole.len);
    add_field(buf_span(&text), out);
    buf_fini(&text);
}

static void add_text(const struct header_field *f, const struct fixup_facts *facts, struct buf *out)
{
    if (!(facts->flags & FIXUP_ENCODE) || span_is_ascii(f->value) || !span_is_utf8(f->value)) {
        add_field(f->whole, out);
        return;
    }
    buf_addspan(out, f->name);
    buf_addc(out, ':');
    encode_unstructured(f->value, f->name.len + 1, out);
    buf_adds(out, "\r\n");
}

/* ---- adding ---------------------------------------------------------------------------------------------------- */

static void add_sender(const struct fixup_facts *facts, bool has_name, struct buf *out, struct fixup_result *result)
{
    struct buf now;

    buf_init(&now, ADDRESS_MAX);
    int rc = facts->rewrite ? facts->rewrite(facts->rewrite_arg, facts->sender, FIXUP_ENVELOPE_SENDER, &now) : 0;
    result->cannot_tell |= rc < 0;
    buf_addf(out, has_name ? "<%s>\r\n" : "%s\r\n", rc > 0 ? buf_cstr(&now) : facts->sender);
    buf_fini(&now);
}

static void add_from(const char *prefix, const struct fixup_facts *facts, struct buf *out, struct fixup_result *result)
{
    bool is_null = facts->sender[0] == '\0';
    const char *name = is_null ? "Mail Delivery System" : facts->full_name;

    buf_addf(out, "%sFrom: ", prefix);
    if (name && *name) {
        address_add_phrase(out, span_str(name));
        buf_adds(out, " ");
    }
    if (is_null)
        buf_addf(out, "<MAILER-DAEMON@%s>\r\n", facts->myorigin);
    else
        add_sender(facts, name && *name, out, result);
}

static void add_date(const char *prefix, const struct fixup_facts *facts, struct buf *out)
{
    char date[DATE_SIZE];
    buf_addf(out, "%sDate: %s\r\n", prefix, date_format(facts->now_us, date));
}

static void add_message_id(const char *prefix, const struct fixup_facts *facts, struct buf *out)
{
    time_t t = (time_t)(facts->now_us / USEC_PER_SEC);
    struct tm tm = { 0 };

    gmtime_r(&t, &tm);
    buf_addf(out, "%sMessage-ID: <%04d%02d%02d%02d%02d%02d.%s@%s>\r\n", prefix, tm.tm_year + 1900, tm.tm_mon + 1,
             tm.tm_mday, tm.tm_hour, tm.tm_min, tm.tm_sec, facts->id, facts->myhostname);
}

static void add_missing(const char *prefix, bool has_date, bool has_from, bool has_id, const struct fixup_facts *facts,
                        struct buf *out, struct fixup_result *result)
{
    if (!has_date)
        add_date(prefix, facts, out);
    if (!has_from)
        add_from(prefix, facts, out, result);
    if (!has_id)
        add_message_id(prefix, facts, out);
}

/* ---- the two walks --------------------------------------------------------------------------------------------- */

static int look(struct span section, const struct fixup_facts *facts, unsigned *seen, struct fixup_result *result,
                struct err *e)
{
    size_t max = facts->field_max ? facts->field_max : HEADER_SIZE_LIMIT;
    struct header_scan scan;
    struct header_field f;
    char name[80];

    header_scan_init(&scan, section);
    while (header_next(&scan, &f)) {
        unsigned what = what_is(&f);
        *seen |= what;
        result->hops += (what & F_RECEIVED) != 0;
        if (f.whole.len > max)
            return err_set(e, ERR_PERMANENT, "header field \"%s\" is longer than header_size_limit, %zu bytes",
                           log_escape(f.name, name, sizeof name), max);
    }
    return 0;
}

static void copy(struct span section, const struct fixup_facts *facts, struct buf *out, struct fixup_result *result)
{
    struct header_scan scan;
    struct header_field f;

    header_scan_init(&scan, section);
    while (header_next(&scan, &f)) {
        unsigned what = what_is(&f);
        if (what & F_DROP)
            continue;
        if ((what & F_ADDRESSES) && (facts->rewrite || (facts->flags & (FIXUP_COMPLETE | FIXUP_ENCODE))))
            add_addresses(&f, facts, what & F_SENDER, out, result);
        else if (what & F_TEXT)
            add_text(&f, facts, out);
        else
            add_field(f.whole, out);
    }
}

int fixup_header(struct span section, const struct fixup_facts *facts, struct buf *out, struct fixup_result *result,
                 struct err *e)
{
    struct fixup_result scratch;
    struct fixup_result *r = result ? result : &scratch;
    unsigned seen = 0;

    *r = (struct fixup_result){ .hops = 0 };
    if (look(section, facts, &seen, r, e) < 0)
        return -1;
    buf_addspan(out, facts->received);
    if ((facts->flags & FIXUP_ADD) && (seen & F_RESENT))
        add_missing("Resent-", seen & F_RESENT_DATE, seen & F_RESENT_FROM, seen & F_RESENT_MESSAGE_ID, facts, out, r);
    size_t from = out->len;
    copy(section, facts, out, r);
    struct span copied = span_from(buf_span(out), from);
    r->needs_smtputf8 = !span_is_ascii(copied) && span_is_utf8(copied);
    if (facts->flags & FIXUP_ADD) {
        add_missing("", seen & F_DATE, seen & F_FROM, seen & F_MESSAGE_ID, facts, out, r);
        if (!(seen & F_TO_OR_CC))
            buf_adds(out, "To: undisclosed-recipients:;\r\n");
    }
    if (r->cannot_tell)
        return err_set(e, ERR_TEMPORARY, "an address of the header section cannot be looked up now");
    return buf_add(out, "\r\n", 2) < 0 ? err_set(e, ERR_PERMANENT, "the header section is too long") : 0;
}

int fixup_rewrite(struct span section, fixup_rewrite_fn *rewrite, void *arg, struct buf *out)
{
    const struct fixup_facts facts = { .rewrite = rewrite, .rewrite_arg = arg };
    struct fixup_result result = { .hops = 0 };
    struct header_scan scan;
    struct header_field f;

    header_scan_init(&scan, section);
    while (header_next(&scan, &f)) {
        unsigned what = what_is(&f);
        if (what & F_ADDRESSES)
            add_addresses(&f, &facts, what & F_SENDER, out, &result);
        else
            add_field(f.whole, out);
    }
    buf_add(out, "\r\n", 2);
    return result.cannot_tell ? -1 : result.is_rewritten;
}
