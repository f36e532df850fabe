/* SPDX-License-Identifier: Apache-2.0
 *
 * The milter protocol, what goes out: a table says of each event its letter, since which version it is known, and with which bits
 * the filter says that it does not want it or does not answer it. What comes in is taken apart in milter_reply.c. */
#include "smtp/milter.h"

#include "base/mem.h"
#include "smtp/milter_int.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

enum {
    PACKET_MAX = 1 << 20, /* of what filters send: a piece of body has 64 KiB */
    IN_MAX = PACKET_MAX + 8,
};

static const struct event {
    char letter;
    unsigned char since;
    unsigned char stage; /* whose macros go with it: the protocol's own number; 255: none; 254: there are some, and none that
                          * a filter could ask for */
    uint32_t unwanted, unanswered;
    const char *name;
} events[MILTER_EVENTS] = {
    [MILTER_CONNECT] = { 'C', 2, 0,   0x1,   0x1000,  "SMFIC_CONNECT" },
    [MILTER_HELO] =    { 'H', 2, 1,   0x2,   0x2000,  "SMFIC_HELO" },
    [MILTER_MAIL] =    { 'M', 2, 2,   0x4,   0x4000,  "SMFIC_MAIL" },
    [MILTER_RCPT] =    { 'R', 2, 3,   0x8,   0x8000,  "SMFIC_RCPT" },
    [MILTER_DATA] =    { 'T', 4, 4,   0x200, 0x10000, "SMFIC_DATA" },
    [MILTER_HEADER] =  { 'L', 2, 255, 0x20,  0x80,    "SMFIC_HEADER" },
    [MILTER_EOH] =     { 'N', 2, 6,   0x40,  0x40000, "SMFIC_EOH" },
    [MILTER_BODY] =    { 'B', 2, 255, 0x10,  0x80000, "SMFIC_BODY" },
    [MILTER_END] =     { 'E', 2, 5,   0,     0,       "SMFIC_BODYEOB" },
    [MILTER_UNKNOWN] = { 'U', 3, 254, 0x100,  0x20000, "SMFIC_UNKNOWN" },
};

/* What may be negotiated in each version. */
static const struct { unsigned version; uint32_t actions, protocol; } offers[] = {
    { 2, 0x3f, 0x7f },
    { 3, 0x3f, 0x1ff },
    { 4, 0x3f, 0x3ff },
    { 6, 0x1ff, 0x1fffff },
};

const char *milter_event_name(enum milter_event event)
{
    return events[event].name;
}

/* ---- packets ---- */

static void add_u32(struct buf *b, uint32_t n)
{
    const unsigned char bytes[4] = { (unsigned char)(n >> 24), (unsigned char)(n >> 16), (unsigned char)(n >> 8), (unsigned char)n };
    buf_add(b, bytes, sizeof bytes);
}

/* Room for the length; end_packet() fills it in. */
static size_t begin_packet(struct milter *m, char letter)
{
    size_t at = m->out.len;

    add_u32(&m->out, 0);
    buf_addc(&m->out, letter);
    return at;
}

static void end_packet(struct milter *m, size_t at)
{
    uint32_t n = (uint32_t)(m->out.len - at - 4);
    unsigned char *to = (unsigned char *)m->out.at + at;

    to[0] = (unsigned char)(n >> 24);
    to[1] = (unsigned char)(n >> 16);
    to[2] = (unsigned char)(n >> 8);
    to[3] = (unsigned char)n;
}

static void add_text(struct milter *m, const char *s)
{
    buf_add(&m->out, s, strlen(s) + 1);
}

static void send_macros(struct milter *m, const struct event *ev)
{
    size_t at = begin_packet(m, 'D');

    buf_addc(&m->out, ev->letter);
    buf_addspan(&m->out, buf_span(&m->macros));
    end_packet(m, at);
}

/* False: not to be said. Else its packet has begun at *at. */
static bool begin_event(struct milter *m, enum milter_event e, size_t *at)
{
    const struct event *ev = &events[e];
    bool is_wanted = milter_wants(m, e);

    if (is_wanted && ev->stage != 255 && m->macros.len)
        send_macros(m, ev);
    buf_clear(&m->macros);
    if (e == MILTER_MAIL)
        m->in_message = true;
    if (is_wanted)
        *at = begin_packet(m, ev->letter);
    return is_wanted;
}

static bool end_event(struct milter *m, enum milter_event e, size_t at)
{
    end_packet(m, at);
    if (m->protocol & events[e].unanswered)
        return false;
    BUG_IF(m->waits != MILTER_WAITS_NOTHING);
    m->waits = e;
    return true;
}

/* ---- the conversation ---- */

struct milter *milter_new(unsigned version)
{
    struct milter *m = xcalloc(1, sizeof *m);
    size_t i = ARRAY_LEN(offers) - 1;

    while (i && offers[i].version > version)
        i--;
    m->version = offers[i].version;
    m->actions = offers[i].actions;
    m->protocol = offers[i].protocol;
    m->waits = MILTER_WAITS_OPTNEG;
    buf_init(&m->out, BUF_NO_MAX); /* the caller sends what there is after each event */
    buf_init(&m->macros, 65536);
    buf_init(&m->in, IN_MAX + 65536);
    buf_init(&m->text, 4096);
    size_t at = begin_packet(m, 'O');
    add_u32(&m->out, m->version);
    add_u32(&m->out, m->actions);
    add_u32(&m->out, m->protocol);
    end_packet(m, at);
    return m;
}

void milter_free(struct milter *m)
{
    if (!m)
        return;
    for (size_t i = 0; i < MILTER_STAGES; i++)
        free(m->macros_asked[i]);
    buf_fini(&m->out);
    buf_fini(&m->macros);
    buf_fini(&m->in);
    buf_fini(&m->text);
    free(m);
}

size_t milter_memory(const struct milter *m)
{
    return sizeof *m + m->out.cap + m->in.cap + m->macros.cap + m->text.cap;
}

unsigned milter_version(const struct milter *m)
{
    return m->version;
}

uint32_t milter_actions(const struct milter *m)
{
    return m->actions;
}

struct span milter_output(struct milter *m)
{
    return span_from(buf_span(&m->out), m->out_sent);
}

void milter_sent(struct milter *m, size_t n)
{
    m->out_sent += n;
    if (m->out_sent < m->out.len)
        return;
    buf_trim(&m->out, 4096);
    m->out_sent = 0;
}

bool milter_wants(const struct milter *m, enum milter_event e)
{
    return m->is_ready && !m->is_broken && m->version >= events[e].since && !(m->protocol & events[e].unwanted);
}

bool milter_wants_refused(const struct milter *m)
{
    return milter_wants(m, MILTER_RCPT) && (m->protocol & PROTO_REFUSED_RCPT);
}

const char *milter_asked_macros(const struct milter *m, enum milter_event e)
{
    return events[e].stage < MILTER_STAGES ? m->macros_asked[events[e].stage] : NULL;
}

void milter_macro(struct milter *m, const char *name, const char *value)
{
    size_t before = m->macros.len;

    if (buf_add(&m->macros, name, strlen(name) + 1) < 0 || buf_add(&m->macros, value, strlen(value) + 1) < 0)
        m->macros.len = before;
}

bool milter_connect(struct milter *m, const char *name, const char *address, uint16_t port)
{
    size_t at;

    if (!begin_event(m, MILTER_CONNECT, &at))
        return false;
    add_text(m, name);
    if (address) {
        buf_addc(&m->out, strchr(address, ':') ? '6' : '4');
        buf_addc(&m->out, (char)(port >> 8));
        buf_addc(&m->out, (char)port);
        add_text(m, address);
    } else {
        buf_addc(&m->out, 'U');
    }
    return end_event(m, MILTER_CONNECT, at);
}

bool milter_helo(struct milter *m, const char *name)
{
    size_t at;

    if (!begin_event(m, MILTER_HELO, &at))
        return false;
    add_text(m, name);
    return end_event(m, MILTER_HELO, at);
}

static bool say_address(struct milter *m, enum milter_event e, const char *address, const char *const *args)
{
    size_t at;

    if (!begin_event(m, e, &at))
        return false;
    buf_addc(&m->out, '<');
    buf_adds(&m->out, address);
    add_text(m, ">");
    for (; args && *args; args++)
        add_text(m, *args);
    return end_event(m, e, at);
}

bool milter_mail(struct milter *m, const char *address, const char *const *args)
{
    return say_address(m, MILTER_MAIL, address, args);
}

bool milter_rcpt(struct milter *m, const char *address, const char *const *args)
{
    return say_address(m, MILTER_RCPT, address, args);
}

static bool say_plain(struct milter *m, enum milter_event e)
{
    size_t at;
    return begin_event(m, e, &at) && end_event(m, e, at);
}

bool milter_unknown(struct milter *m, const char *line)
{
    size_t at;

    if (!begin_event(m, MILTER_UNKNOWN, &at))
        return false;
    add_text(m, line);
    return end_event(m, MILTER_UNKNOWN, at);
}

bool milter_data(struct milter *m)
{
    return say_plain(m, MILTER_DATA);
}

/* Without CR and NUL, and without the blank behind the colon unless the filter has asked for it. */
bool milter_header(struct milter *m, struct span name, struct span value)
{
    size_t at;

    if (!begin_event(m, MILTER_HEADER, &at))
        return false;
    buf_addspan(&m->out, name);
    buf_addc(&m->out, '\0');
    if (value.len && value.at[0] == ' ' && !(m->protocol & PROTO_LEADING_SPACE))
        value = span_from(value, 1);
    while (value.len && (value.at[value.len - 1] == '\n' || value.at[value.len - 1] == '\r'))
        value.len--;
    for (size_t i = 0; i < value.len; i++)
        if (value.at[i] && value.at[i] != '\r')
            buf_addc(&m->out, value.at[i]);
    buf_addc(&m->out, '\0');
    return end_event(m, MILTER_HEADER, at);
}

bool milter_eoh(struct milter *m)
{
    return say_plain(m, MILTER_EOH);
}

bool milter_body(struct milter *m, struct span piece)
{
    size_t at;

    BUG_IF(piece.len > MILTER_BODY_MAX);
    if (!begin_event(m, MILTER_BODY, &at))
        return false;
    buf_addspan(&m->out, piece);
    return end_event(m, MILTER_BODY, at);
}

bool milter_end(struct milter *m)
{
    return say_plain(m, MILTER_END);
}

static void say_letter(struct milter *m, char letter)
{
    if (m->is_ready && !m->is_broken)
        end_packet(m, begin_packet(m, letter));
}

void milter_abort(struct milter *m)
{
    if (m->in_message)
        say_letter(m, 'A');
    m->in_message = false;
    /* An answer that is under way would be taken for the next event's. */
    if (m->waits < MILTER_EVENTS)
        m->is_broken = true;
}

void milter_quit(struct milter *m)
{
    say_letter(m, 'Q');
}

/* ---- in ---- */

bool milter_fault(struct milter *m, struct milter_news *news, const char *fmt, ...)
{
    va_list ap;

    m->is_broken = true;
    buf_clear(&m->text);
    va_start(ap, fmt);
    buf_vaddf(&m->text, fmt, ap);
    va_end(ap);
    *news = (struct milter_news){ .kind = MILTER_FAULT, .text = buf_span(&m->text) };
    return true;
}

void milter_input(struct milter *m, struct span bytes)
{
    if (m->is_broken)
        return;
    if (m->in_taken) {
        buf_drop(&m->in, m->in_taken);
        m->in_taken = 0;
    }
    if (buf_addspan(&m->in, bytes) < 0) { /* more than a packet may have; milter_next() says so */
        buf_clear(&m->in);
        buf_add(&m->in, "\xff\xff\xff\xff", 4);
    }
}

static uint32_t get_u32(const char *at)
{
    const unsigned char *b = (const unsigned char *)at;
    return (uint32_t)b[0] << 24 | (uint32_t)b[1] << 16 | (uint32_t)b[2] << 8 | b[3];
}

bool milter_next(struct milter *m, struct milter_news *news)
{
    *news = (struct milter_news){ 0 };
    while (!m->is_broken) {
        struct span rest = span_from(buf_span(&m->in), m->in_taken);
        if (rest.len < 4)
            break;
        uint32_t len = get_u32(rest.at);
        if (len == 0 || len > PACKET_MAX)
            return milter_fault(m, news, "a packet of %lu bytes", (unsigned long)len);
        if (rest.len - 4 < len)
            break;
        m->in_taken += 4 + len;
        if (milter_packet(m, (unsigned char)rest.at[4], span_of(rest.at + 5, len - 1), news))
            return true;
    }
    return false;
}
