/* SPDX-License-Identifier: Apache-2.0
 *
 * access_parse.c - the words of an access table, and of a policy server. */
#include "base/mem.h"
#include "server/access.h"

#include <string.h>

static const struct {
    const char *word;
    enum access_verb verb;
} words[] = {
    { "OK", ACCESS_OK },
    { "DUNNO", ACCESS_DUNNO },
    { "REJECT", ACCESS_REJECT },
    { "DEFER", ACCESS_DEFER },
    { "DEFER_IF_PERMIT", ACCESS_DEFER_IF_PERMIT },
    { "DEFER_IF_REJECT", ACCESS_DEFER_IF_REJECT },
    { "DISCARD", ACCESS_DISCARD },
    { "HOLD", ACCESS_HOLD },
    { "REDIRECT", ACCESS_REDIRECT },
    { "BCC", ACCESS_BCC },
    { "PREPEND", ACCESS_PREPEND },
    { "FILTER", ACCESS_FILTER },
    { "INFO", ACCESS_INFO },
    { "WARN", ACCESS_WARN },
};

/* "5.7.1 text": the status may lead (RFC 3463). */
static void take_status(struct access_action *out)
{
    struct span t = out->text;
    size_t n = 0, dots = 0, digits = 0;

    while (n < t.len && n < sizeof out->status && (ascii_is_digit((unsigned char)t.at[n]) || t.at[n] == '.')) {
        if (t.at[n] == '.' && (!digits || ++dots > 2))
            return;
        digits = t.at[n] == '.' ? 0 : digits + 1;
        if (digits > 3)
            return;
        n++;
    }
    if (n >= sizeof out->status || dots != 2 || !digits || !strchr("245", t.at[0]) || t.at[1] != '.' ||
        (n < t.len && t.at[n] != ' ' && t.at[n] != '\t'))
        return;
    memcpy(out->status, t.at, n);
    out->status[n] = '\0';
    out->text = span_trim(span_from(t, n));
}

static bool is_number(struct span s)
{
    for (size_t i = 0; i < s.len; i++)
        if (!ascii_is_digit((unsigned char)s.at[i]))
            return false;
    return s.len > 0;
}

/* "450", "554 text": a reply. */
static bool is_reply_code(struct span word)
{
    return word.len == 3 && is_number(word) && (word.at[0] == '4' || word.at[0] == '5');
}

void access_parse(struct span value, struct access_action *out)
{
    value = span_trim(value);
    size_t n = 0;
    while (n < value.len && value.at[n] != ' ' && value.at[n] != '\t')
        n++;
    struct span word = span_of(value.at, n);

    *out = (struct access_action){ .verb = ACCESS_RESTRICTIONS, .text = value };
    if (is_reply_code(word)) {
        out->verb = ACCESS_CODE;
        out->code = (word.at[0] - '0') * 100 + (word.at[1] - '0') * 10 + (word.at[2] - '0');
        out->text = span_trim(span_from(value, n));
        take_status(out);
        return;
    }
    if (is_number(value)) { /* a time stamp, that some program has put there */
        out->verb = ACCESS_OK;
        return;
    }
    for (size_t i = 0; i < ARRAY_LEN(words); i++) {
        if (!span_ieq_str(word, words[i].word))
            continue;
        out->verb = words[i].verb;
        out->text = span_trim(span_from(value, n));
        /* Postfix has restrictions of these names; with nothing behind them they mean the same. */
        if (out->verb == ACCESS_REJECT || out->verb == ACCESS_DEFER || out->verb == ACCESS_DEFER_IF_PERMIT ||
            out->verb == ACCESS_DEFER_IF_REJECT)
            take_status(out);
        return;
    }
}
