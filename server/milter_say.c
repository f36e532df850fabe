/* SPDX-License-Identifier: Apache-2.0
 *
 * What a filter is told: the events of a question, one at a time.
 *
 * `next` is the event that comes next. CONNECT and HELO come first if it has not heard them; then the command that is asked about or,
 * at the end of a message, each header and each piece of the body. What it does not want to hear is passed over. */
#include "server/milter_link_int.h"

#include "relay/draft.h"
#include "smtp/params.h"

/* " A=1 B=2" as an array, which points into `text`. */
static const char *const *split_args(char *text, const char *args[], size_t max)
{
    size_t n = 0;

    while (*text && n + 1 < max) {
        size_t len = strcspn(text, " ");
        bool is_last = !text[len];
        text[len] = '\0';
        if (len)
            args[n++] = text;
        text += len + !is_last;
    }
    args[n] = NULL;
    return args;
}

static bool say_mail(struct milter_link *l, const struct gate_facts *f)
{
    const struct envelope *env = f->env;
    const char *args[8];
    struct buf text;

    buf_init(&text, BUF_NO_MAX);
    if (f->size)
        buf_addf(&text, "SIZE=%llu ", (unsigned long long)f->size);
    if (env->body == BODY_8BITMIME)
        buf_adds(&text, "BODY=8BITMIME ");
    if (env->smtputf8)
        buf_adds(&text, "SMTPUTF8 ");
    dsn_params_format(env, &text);
    auth_param_format(env->submitter, &text);
    buf_cstr(&text);
    bool waits = milter_mail(l->proto, env->sender, text.at ? split_args(text.at, args, ARRAY_LEN(args)) : NULL);
    buf_fini(&text);
    return waits;
}

static bool say_rcpt(struct milter_link *l, const struct gate_facts *f)
{
    const char *args[4];
    struct buf text;

    buf_init(&text, BUF_NO_MAX);
    rcpt_params_format(f->rcpt, f->env->smtputf8, &text);
    buf_cstr(&text);
    bool waits = milter_rcpt(l->proto, f->rcpt->address, text.at ? split_args(text.at, args, ARRAY_LEN(args)) : NULL);
    buf_fini(&text);
    return waits;
}

static bool say_command(struct milter_link *l, const struct gate_facts *f)
{
    static const enum milter_event events[] = {
        [GATE_MAIL] = MILTER_MAIL, [GATE_RCPT] = MILTER_RCPT, [GATE_DATA] = MILTER_DATA, [GATE_UNKNOWN] = MILTER_UNKNOWN,
    };

    l->said = events[l->q->at];
    milter_send_macros(l->proto, l->said, l->q);
    switch (l->q->at) {
    case GATE_MAIL: return say_mail(l, f);
    case GATE_RCPT: return say_rcpt(l, f);
    case GATE_UNKNOWN: return milter_unknown(l->proto, f->command);
    default: return milter_data(l->proto);
    }
}

static bool say_connect(struct milter_link *l, const struct gate_facts *f)
{
    l->said_connect = true;
    l->next = l->q->at == GATE_CONNECT ? NEXT_NOTHING : NEXT_HELO;
    l->said = MILTER_CONNECT;
    milter_send_macros(l->proto, MILTER_CONNECT, l->q);
    bool is_inet = f->peer->sa.sa_family == AF_INET || f->peer->sa.sa_family == AF_INET6;
    return milter_connect(l->proto, f->client_name, f->client_address[0] ? f->client_address : NULL,
                          is_inet ? addr_port(f->peer) : 0);
}

static bool say_helo(struct milter_link *l, const struct gate_facts *f)
{
    bool is_new = l->q->at == GATE_HELLO || !l->said_helo;

    l->next = l->q->at == GATE_END ? NEXT_HEADER : l->q->at == GATE_HELLO ? NEXT_NOTHING : NEXT_COMMAND;
    if (!is_new || !f->helo)
        return false;
    l->said_helo = true;
    l->said = MILTER_HELO;
    milter_send_macros(l->proto, MILTER_HELO, l->q);
    return milter_helo(l->proto, f->helo);
}

static bool say_header(struct milter_link *l)
{
    struct header_field f;

    if (!milter_wants(l->proto, MILTER_HEADER) || !draft_next_header(l->q->facts.draft, &l->scan, &f)) {
        l->next = NEXT_EOH;
        return false;
    }
    l->said = MILTER_HEADER;
    return milter_header(l->proto, f.name, f.value);
}

/* A read that fails leaves the filter without the rest of the message: it must not judge what it has. */
static bool say_body(struct milter_link *l)
{
    static char room[MILTER_BODY_MAX];
    struct span piece = { 0 };
    struct err e;

    if (milter_wants(l->proto, MILTER_BODY) &&
        scratch_look(l->q->facts.draft->body, l->body_at, room, sizeof room, &piece, &e) < 0) {
        milter_link_fail(l, "", e.text);
        return false;
    }
    if (!piece.len) {
        l->next = NEXT_END;
        return false;
    }
    l->body_at += piece.len;
    l->said = MILTER_BODY;
    return milter_body(l->proto, piece);
}

bool milter_say_next(struct milter_link *l)
{
    const struct gate_facts *f = &l->q->facts;

    switch (l->next) {
    case NEXT_CONNECT: return say_connect(l, f);
    case NEXT_HELO: return say_helo(l, f);
    case NEXT_COMMAND: l->next = NEXT_NOTHING; return say_command(l, f);
    case NEXT_HEADER: return say_header(l);
    case NEXT_EOH:
        l->next = NEXT_BODY;
        l->said = MILTER_EOH;
        milter_send_macros(l->proto, MILTER_EOH, l->q);
        return milter_eoh(l->proto);
    case NEXT_BODY: return say_body(l);
    case NEXT_END:
        l->next = NEXT_NOTHING;
        l->said = MILTER_END;
        milter_send_macros(l->proto, MILTER_END, l->q);
        return milter_end(l->proto);
    case NEXT_NOTHING: break;
    }
    return false;
}
