/* SPDX-License-Identifier: Apache-2.0 */
#include "mail/received.h"

#include "base/envelope.h"
#include "mail/date.h"

enum { WORD_MAX = 300 }; /* of any stranger's word here: three of them stay below a line's 998 */

/* A comment ends at ')', an address literal at ']': nothing that a stranger said may end what it stands in. */
static void add_text(struct buf *out, const char *s, bool is_utf8, unsigned char lowest)
{
    struct span rest = span_str(s);

    for (size_t used = 0; rest.len && used < WORD_MAX;) {
        size_t n = span_utf8_len(rest);
        unsigned char c = (unsigned char)rest.at[0];
        bool is_fine = n > 1 ? is_utf8 : n == 1 && c >= lowest && c < 0x7f && !strchr("()<>\\\";", c);
        if (is_fine)
            buf_add(out, rest.at, n);
        else
            buf_addc(out, '?');
        used += n ? n : 1;
        rest = span_from(rest, n ? n : 1);
    }
}

static void add_word(struct buf *out, const char *s, bool is_utf8)
{
    add_text(out, s, is_utf8, '!');
}

/* The same with blanks. */
static void add_phrase(struct buf *out, const char *s, bool is_utf8)
{
    add_text(out, s, is_utf8, ' ');
}

const char *received_protocol(const struct received *r)
{
    static const char *const names[2][2][2][2] = {
        { { { "ESMTP", "ESMTPA" }, { "ESMTPS", "ESMTPSA" } }, { { "LMTP", "LMTPA" }, { "LMTPS", "LMTPSA" } } },
        { { { "UTF8SMTP", "UTF8SMTPA" }, { "UTF8SMTPS", "UTF8SMTPSA" } },
          { { "UTF8LMTP", "UTF8LMTPA" }, { "UTF8LMTPS", "UTF8LMTPSA" } } },
    };
    if (!r->is_esmtp && !r->is_lmtp)
        return "SMTP";
    return names[r->is_utf8][r->is_lmtp][r->is_tls][r->is_authenticated];
}

static void add_certificate(const struct received *r, struct buf *out)
{
    if (!r->has_certificate) {
        buf_adds(out, r->asks_certificate ? "(Client did not present a certificate)\r\n\t" : "(No client certificate requested)\r\n\t");
        return;
    }
    buf_adds(out, "(Client CN \"");
    add_phrase(out, r->cert_name, r->is_utf8);
    buf_adds(out, "\", Issuer \"");
    add_phrase(out, r->cert_issuer, r->is_utf8);
    buf_addf(out, "\" (%s))\r\n\t", r->cert_is_trusted ? "verified OK" : "not verified");
}

static void add_client(const struct received *r, struct buf *out)
{
    const char *address = r->client_address ? r->client_address : "unknown";

    buf_adds(out, "from ");
    add_word(out, r->helo && *r->helo ? r->helo : "unknown", r->is_utf8);
    buf_adds(out, " (");
    add_word(out, r->client_name ? r->client_name : "unknown", r->is_utf8);
    buf_adds(out, strchr(address, ':') ? " [IPv6:" : " [");
    add_word(out, address, false);
    buf_adds(out, "])\r\n\t");
    if (r->tls) {
        buf_adds(out, "(using ");
        buf_adds(out, r->tls);
        buf_adds(out, ")\r\n\t");
        add_certificate(r, out);
    }
    if (r->login) {
        buf_adds(out, "(Authenticated sender: ");
        add_word(out, r->login, r->is_utf8);
        buf_adds(out, ")\r\n\t");
    }
}

void received_format(const struct received *r, struct buf *out)
{
    char date[DATE_SIZE];
    bool is_local = r->uid != ENVELOPE_NO_UID;

    buf_adds(out, "Received: ");
    if (!is_local)
        add_client(r, out);
    buf_addf(out, "by %s (Baton", r->myhostname);
    if (is_local)
        buf_addf(out, ", from userid %lu)\r\n\tid %s", (unsigned long)r->uid, r->id);
    else
        buf_addf(out, ") with %s id %s", received_protocol(r), r->id);
    if (r->rcpt && (r->is_utf8 || span_is_ascii(span_str(r->rcpt))))
        buf_addf(out, "\r\n\tfor <%s>", r->rcpt);
    buf_addf(out, "; %s\r\n", date_format(r->now_us, date));
}
