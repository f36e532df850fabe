/* SPDX-License-Identifier: Apache-2.0
 *
 * access.c - the words of an access table, and of a policy server. */
#include "config/access.h"

#include "base/mem.h"
#include "config/config_int.h"

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

/* ---- whether it makes sense ---- */

static int check_restriction_words(const struct config *cfg, struct span text, struct err *e)
{
    struct restriction_list l = { 0 };
    int result = restrictions_parse(text, &l, e);

    for (size_t i = 0; i < l.n && result == 0; i++) {
        if (l.at[i].id == RESTRICTION_check_address_map)
            result = err_set(e, ERR_CONFIG, "check_address_map is for local_header_rewrite_clients alone");
        if (result == 0)
            result = restriction_check_row(cfg, &l.at[i], e);
        if (l.at[i].id != RESTRICTION_CLASS || config_restriction_class(cfg, l.at[i].arg))
            continue;
        const char *near = restriction_suggest(cfg, l.at[i].arg);
        result = err_set(e, ERR_CONFIG, "there is no action, no restriction and no class \"%.100s\"%s%s", l.at[i].arg,
                         near ? "; did you mean " : "", near ? near : "");
    }
    restrictions_fini(&l);
    return result;
}

bool access_is_field(struct span text)
{
    size_t colon = span_find(text, ':');

    if (!colon || colon == text.len)
        return false;
    for (size_t i = 0; i < text.len; i++)
        if (i < colon ? text.at[i] <= ' ' || text.at[i] >= 0x7f : (unsigned char)text.at[i] < ' ' && text.at[i] != '\t')
            return false;
    return true;
}

int access_filter(const struct config *cfg, struct span text, struct transport *out, struct err *e)
{
    if (span_find(text, ':') == text.len)
        return err_set(e, ERR_CONFIG, "FILTER takes \"transport:nexthop\", as smtp:[127.0.0.1]:10024");
    if (transport_parse(out, text, e) < 0)
        return err_prefix(e, "FILTER");
    if (config_has_transport(cfg, span_str(out->name)))
        return 0;
    err_set(e, ERR_CONFIG, "FILTER: there is no transport \"%.64s\"", out->name);
    transport_fini(out);
    return -1;
}

static int check_filter(const struct config *cfg, struct span text, struct err *e)
{
    struct transport t;
    int result = access_filter(cfg, text, &t, e);

    if (result == 0)
        transport_fini(&t);
    return result;
}

int access_check(const struct config *cfg, struct span value, struct err *e)
{
    struct access_action a;

    access_parse(value, &a);
    if (a.verb == ACCESS_RESTRICTIONS)
        return check_restriction_words(cfg, a.text, e);
    if (a.verb == ACCESS_FILTER)
        return check_filter(cfg, a.text, e);
    if (a.verb == ACCESS_PREPEND && !access_is_field(a.text))
        return err_set(e, ERR_CONFIG, "PREPEND takes a header field, \"Name: value\"");
    if ((a.verb == ACCESS_REDIRECT || a.verb == ACCESS_BCC) && span_find(a.text, '@') == a.text.len)
        return err_set(e, ERR_CONFIG, "%s takes a whole address, user@domain", a.verb == ACCESS_BCC ? "BCC" : "REDIRECT");
    return 0;
}
