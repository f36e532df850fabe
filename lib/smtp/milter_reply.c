/* SPDX-License-Identifier: Apache-2.0
 *
 * The milter protocol, what comes in. A filter is somebody else's program: nothing in a packet is believed before it was looked
 * at, and what does not fit is a fault. */
#include "base/mem.h"
#include "smtp/milter_int.h"

#include <ctype.h>
#include <stdlib.h>

enum { STAGE_END_OF_MESSAGE = 5 };

static bool take_u32(struct span *data, uint32_t *n)
{
    if (data->len < 4)
        return false;
    const unsigned char *b = (const unsigned char *)data->at;
    *n = (uint32_t)b[0] << 24 | (uint32_t)b[1] << 16 | (uint32_t)b[2] << 8 | b[3];
    *data = span_from(*data, 4);
    return true;
}

/* Up to its NUL, which must be there. */
static bool take_text(struct span *data, struct span *text)
{
    size_t n = span_find(*data, '\0');

    if (n == data->len)
        return false;
    *text = span_of(data->at, n);
    *data = span_from(*data, n + 1);
    return true;
}

/* ---- negotiation ---- */

static bool take_macro_lists(struct milter *m, struct span data)
{
    while (data.len) {
        uint32_t stage;
        struct span names;
        if (!take_u32(&data, &stage) || !take_text(&data, &names) || stage >= MILTER_STAGES)
            return false;
        free(m->macros_asked[stage]);
        m->macros_asked[stage] = span_dup(names);
    }
    return true;
}

static bool negotiated(struct milter *m, struct span data, struct milter_news *news)
{
    uint32_t version, actions, protocol;

    if (m->waits != MILTER_WAITS_OPTNEG)
        return milter_fault(m, news, "negotiates in the middle of the conversation");
    if (!take_u32(&data, &version) || !take_u32(&data, &actions) || !take_u32(&data, &protocol))
        return milter_fault(m, news, "negotiates with %zu bytes", data.len);
    if (version < 2 || version > m->version)
        return milter_fault(m, news, "wants version %lu of the protocol, we offer %u", (unsigned long)version, m->version);
    if (actions & ~m->actions)
        return milter_fault(m, news, "wants actions 0x%lx, we offer 0x%lx", (unsigned long)actions, (unsigned long)m->actions);
    if (protocol & ~m->protocol)
        return milter_fault(m, news, "wants protocol options 0x%lx, we offer 0x%lx", (unsigned long)protocol,
                            (unsigned long)m->protocol);
    if (!take_macro_lists(m, data))
        return milter_fault(m, news, "a bad list of macros");
    m->version = version;
    m->actions = actions;
    m->protocol = protocol;
    m->is_ready = true;
    m->waits = MILTER_WAITS_NOTHING;
    news->kind = MILTER_NEGOTIATED;
    return true;
}

/* ---- answers ---- */

static bool is_code(struct span s)
{
    return s.len >= 3 && (s.at[0] == '4' || s.at[0] == '5') && isdigit((unsigned char)s.at[1]) && isdigit((unsigned char)s.at[2]);
}

/* "5.7.1" in front of a blank or the end, of the code's own class. */
static size_t status_len(struct span s, char class)
{
    unsigned dots = 0;
    size_t i = 0;

    if (s.len < 5 || s.at[0] != class)
        return 0;
    for (; i < s.len && s.at[i] != ' '; i++) {
        if (s.at[i] == '.')
            dots++;
        else if (!isdigit((unsigned char)s.at[i]))
            return 0;
    }
    return dots == 2 && i < 12 ? i : 0;
}

static struct span next_line(struct span *rest)
{
    size_t n = span_find(*rest, '\n');
    struct span line = span_of(rest->at, n);

    *rest = span_from(*rest, n + 1);
    return span_trim(line);
}

/* "550-5.7.1 first" CRLF "550 5.7.1 last". "%" was doubled by senders of old; it is not here. */
static bool take_reply(struct milter *m, struct span data, struct milter_news *news)
{
    struct span text;

    if (!take_text(&data, &text))
        text = data;
    if (!is_code(text))
        return milter_fault(m, news, "a reply that begins with no code");
    news->verdict = MILTER_REPLY;
    news->code = (text.at[0] - '0') * 100 + (text.at[1] - '0') * 10 + (text.at[2] - '0');
    buf_clear(&m->text);
    char class = text.at[0];
    while (text.len) {
        struct span line = next_line(&text);
        line = span_from(line, line.len > 3 && (line.at[3] == ' ' || line.at[3] == '-') ? 4 : 3);
        size_t n = status_len(line, class);
        if (n && !news->status[0])
            memcpy(news->status, line.at, n);
        line = span_trim(span_from(line, n));
        if (m->text.len)
            buf_addc(&m->text, '\n');
        buf_addspan(&m->text, line);
    }
    news->text = buf_span(&m->text);
    return true;
}

static bool answer(struct milter *m, enum milter_verdict verdict, struct milter_news *news)
{
    if (m->waits >= MILTER_EVENTS)
        return milter_fault(m, news, "answers what was not asked");
    if (m->waits == MILTER_END)
        m->in_message = false;
    m->waits = MILTER_WAITS_NOTHING;
    news->kind = MILTER_ANSWER;
    news->verdict = verdict;
    return true;
}

static const struct { char letter; enum milter_verdict verdict; } verdicts[] = {
    { 'c', MILTER_CONTINUE }, { 'a', MILTER_ACCEPT },   { 'r', MILTER_REJECT },   { 't', MILTER_TEMPFAIL }, { 'd', MILTER_DISCARD },
    { 's', MILTER_SKIP },     { '4', MILTER_SHUTDOWN }, { 'f', MILTER_CONNFAIL },
};

/* ---- changes ---- */

enum form { FORM_HEADER, FORM_INDEXED, FORM_BYTES, FORM_ADDRESS, FORM_REASON };

static const struct change {
    char letter;
    enum milter_change change;
    enum form form;
    uint32_t needs; /* of the actions */
} changes[] = {
    { 'h', MILTER_ADD_HEADER,    FORM_HEADER,  MILTER_MAY_ADD_HEADERS },
    { 'i', MILTER_INSERT_HEADER, FORM_INDEXED, MILTER_MAY_ADD_HEADERS },
    { 'm', MILTER_CHANGE_HEADER, FORM_INDEXED, MILTER_MAY_CHANGE_HEADERS },
    { 'b', MILTER_REPLACE_BODY,  FORM_BYTES,   MILTER_MAY_CHANGE_BODY },
    { '+', MILTER_ADD_RCPT,      FORM_ADDRESS, MILTER_MAY_ADD_RCPT },
    { '2', MILTER_ADD_RCPT,      FORM_ADDRESS, MILTER_MAY_ADD_RCPT_ARGS },
    { '-', MILTER_DELETE_RCPT,   FORM_ADDRESS, MILTER_MAY_DELETE_RCPT },
    { 'e', MILTER_CHANGE_SENDER, FORM_ADDRESS, MILTER_MAY_CHANGE_SENDER },
    { 'q', MILTER_QUARANTINE,    FORM_REASON,  MILTER_MAY_QUARANTINE },
};

static bool is_header_name(struct span name)
{
    for (size_t i = 0; i < name.len; i++)
        if (name.at[i] <= ' ' || name.at[i] > '~' || name.at[i] == ':')
            return false;
    return name.len > 0 && name.len < 256;
}

static bool take_change(struct span data, const struct change *c, struct milter_news *news)
{
    switch (c->form) {
    case FORM_BYTES: news->value = data; return true;
    case FORM_REASON: return take_text(&data, &news->value);
    case FORM_ADDRESS:
        if (!take_text(&data, &news->name))
            return false;
        return !data.len || take_text(&data, &news->value);
    case FORM_INDEXED:
        if (!take_u32(&data, &news->index))
            return false;
        /* fall through */
    case FORM_HEADER: return take_text(&data, &news->name) && take_text(&data, &news->value) && is_header_name(news->name);
    }
    return false;
}

static bool change(struct milter *m, const struct change *c, struct span data, struct milter_news *news)
{
    if (m->waits != MILTER_END)
        return milter_fault(m, news, "changes the message before its end");
    if (!(m->actions & c->needs))
        return milter_fault(m, news, "makes a change ('%c') that it did not ask for", c->letter);
    if (!take_change(data, c, news))
        return milter_fault(m, news, "a change ('%c') that cannot be read", c->letter);
    news->kind = MILTER_CHANGE;
    news->change = c->change;
    news->has_space = m->protocol & PROTO_LEADING_SPACE;
    return true;
}

bool milter_packet(struct milter *m, unsigned char letter, struct span data, struct milter_news *news)
{
    if (letter == 'O')
        return negotiated(m, data, news);
    if (!m->is_ready)
        return milter_fault(m, news, "does not negotiate");
    if (letter == 'p') {
        news->kind = MILTER_PROGRESS;
        return true;
    }
    if (letter == 'y')
        return answer(m, MILTER_REPLY, news) && news->kind == MILTER_ANSWER ? take_reply(m, data, news) : true;
    for (size_t i = 0; i < ARRAY_LEN(verdicts); i++)
        if (verdicts[i].letter == letter)
            return answer(m, verdicts[i].verdict, news);
    for (size_t i = 0; i < ARRAY_LEN(changes); i++)
        if (changes[i].letter == letter)
            return change(m, &changes[i], data, news);
    return milter_fault(m, news, isprint(letter) ? "an unknown packet '%c'" : "an unknown packet %d", letter);
}
