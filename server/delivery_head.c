/* SPDX-License-Identifier: Apache-2.0
 *
 * delivery_head.c - what a delivery adds on top of a message, and what it finds there: a Delivered-To: of the same recipient is a
 * loop, for whoever writes one delivers once. */
#include "server/deliver.h"

#include "base/clock.h"
#include "mail/header.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <time.h>

const char *delivery_original(const struct delivery *d)
{
    const char *orcpt = d->rcpt->orcpt;

    if (orcpt && strncasecmp(orcpt, "rfc822;", 7) == 0)
        return orcpt + 7;
    return d->rcpt->address;
}

/* A header field of ours is one line, whatever is in an address. */
static void add_line(struct buf *out, const char *name, const char *open, const char *value, const char *close)
{
    buf_addf(out, "%s: %s", name, open);
    for (; *value; value++)
        buf_addc(out, (unsigned char)*value < ' ' || *value == 127 ? '?' : *value);
    buf_addf(out, "%s\n", close);
}

/* "From a@b Thu Nov 26 14:00:00 2026": no blank in the address, or nobody could read the line. */
static void add_from_line(const char *sender, struct buf *out)
{
    time_t now = (time_t)(clock_real_us() / USEC_PER_SEC);
    struct tm tm;
    char date[64];

    buf_adds(out, "From ");
    for (sender = *sender ? sender : "MAILER-DAEMON"; *sender; sender++)
        buf_addc(out, (unsigned char)*sender <= ' ' || *sender == 127 ? '_' : *sender);
    strftime(date, sizeof date, "%a %b %e %H:%M:%S %Y", localtime_r(&now, &tm));
    buf_addf(out, " %s\n", date);
}

void delivery_head(const struct delivery *d, unsigned what, const char *recipient, struct buf *out)
{
    delivery_head_from(d, d->mail->env.sender, what, recipient, out);
}

void delivery_head_from(const struct delivery *d, const char *sender, unsigned what, const char *recipient, struct buf *out)
{
    if (what & HEAD_FROM_LINE)
        add_from_line(sender, out);
    if (what & HEAD_RETURN_PATH)
        add_line(out, "Return-Path", "<", sender, ">");
    if (what & HEAD_ORIGINAL && d->mail->deliver->cfg->enable_original_recipient)
        add_line(out, "X-Original-To", "", delivery_original(d), "");
    if (what & HEAD_DELIVERED)
        add_line(out, "Delivered-To", "", recipient, "");
}

/* The header section and more, to be freed. */
static char *read_head(const struct delivery *d, struct header_scan *s)
{
    enum { HEAD_MAX = 1 << 20 }; /* more than a receiver takes of header */
    uint64_t size = content_size(d->mail->content);
    size_t len = size < HEAD_MAX ? (size_t)size : HEAD_MAX, got = 0;
    char *text = xmalloc(len + 1);
    ssize_t n;

    while (got < len && (n = content_read(d->mail->content, got, text + got, len - got)) > 0)
        got += (size_t)n;
    header_scan_init(s, span_of(text, got));
    return text;
}

bool delivery_is_loop(const struct delivery *d, const char *recipient)
{
    struct header_field f;
    struct header_scan s;
    char *text = read_head(d, &s);
    bool is_loop = false;

    while (!is_loop && header_next(&s, &f))
        is_loop = header_is(&f, "Delivered-To") && span_ieq_str(span_trim(f.value), recipient);
    free(text);
    return is_loop;
}

bool delivery_first_field(const struct delivery *d, const char *name, struct buf *line)
{
    struct header_field f;
    struct header_scan s;
    char *text = read_head(d, &s);
    bool is_it = header_next(&s, &f) && header_is(&f, name) && header_unfold(f.value, line) == 0;

    for (size_t i = 0; i < line->len; i++) /* folds begin with one */
        if (line->at[i] == '\t')
            line->at[i] = ' ';
    free(text);
    return is_it;
}

/* "from HELO (name [address]) ... by HOST (Baton) with ESMTP id ID; date"; of a program of this machine it begins with "by". No "("
 * in front of it is a client's: received_format() lets none pass. */
const char *delivery_received_by(const struct delivery *d, struct buf *line)
{
    char *by = xasprintf(" by %s (Baton", d->mail->deliver->cfg->myhostname);
    const char *at = NULL;

    if (delivery_first_field(d, "Received", line)) {
        const char *text = buf_cstr(line);
        at = strncmp(text, by + 1, strlen(by + 1)) == 0 ? text : strstr(text, by);
    }
    free(by);
    return at;
}

const char *delivery_queue_id(const struct delivery *d, char *out, size_t size)
{
    struct buf line;

    *out = '\0';
    buf_init(&line, BUF_NO_MAX);
    const char *by = delivery_received_by(d, &line);
    if (by) {
        const char *id = strstr(by, " id ");
        size_t n = id ? strspn(id + 4, "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz") : 0;
        if (n && n < size)
            snprintf(out, size, "%.*s", (int)n, id + 4);
    }
    buf_fini(&line);
    return out;
}
