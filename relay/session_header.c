/* SPDX-License-Identifier: Apache-2.0
 *
 * The header section of a message, put right: what is missing is added, canonical_maps and its kin rewrite its addresses, and our
 * Received: goes on top. Then the spool's record begins with it.
 *
 * Where a table has to be waited for, the content that comes meanwhile is kept as a draft, and its end is not answered before the
 * section is made. */
#include "relay/session_int.h"

#include "base/mem.h"
#include "mail/fixup.h"
#include "mail/received.h"
#include "relay/draft.h"
#include "relay/ours.h"
#include "relay/rewriting.h"
#include "relay/worker.h"

#include <stdlib.h>

struct heading { /* a header section in the making */
    struct session *session;
    bool is_ours;                /* it is put right */
    struct rewriting *rewriting; /* NULL: nothing is waited for */
    bool is_waited_for;          /* all of the message has come */
    struct buf header;
    struct fixup_result result;
    int rc;
    struct err err;
};

static void format_received(struct session *s, struct buf *out)
{
    char tls[SESSION_TLS_TEXT];
    struct received f = {
        .myhostname = s->cfg->myhostname,
        .id = s->id,
        .rcpt = s->env->n_rcpts == 1 ? s->env->rcpts[0].address : NULL,
        .now_us = s->env->arrival_us,
        .uid = s->uid,
        .helo = smtp_server_hello(s->server),
        .client_name = s->name,
        .client_address = s->address,
        .is_esmtp = smtp_server_is_esmtp(s->server),
        .is_lmtp = s->is_lmtp,
        .is_authenticated = smtp_server_login(s->server) != NULL,
        .login = s->cfg->smtpd_sasl_authenticated_header ? smtp_server_login(s->server) : NULL,
        .is_utf8 = s->env->smtputf8,
    };
    session_tls_received(s, &f, tls);
    received_format(&f, out);
}

/* Only headers of those who are ours are put right. */
static enum map_result is_one_of_us(const struct session *s)
{
    const struct ours_client c = {
        .peer = &s->peer,
        .address = s->address,
        .is_local = s->is_local,
        .is_trusted = s->is_trusted,
        .is_logged_in = smtp_server_login(s->server) != NULL,
        .certificate = session_certificate(s),
        .ccerts = &s->cfg->relay_clientcerts,
    };
    enum map_result result = ours_has(s->receiver->ours, &c);

    if (ours_are_stale(s->receiver->ours))
        worker_is_stale(s->receiver->env);
    return result;
}

/* ---- making it ---- */

static int rewrite(void *arg, const char *address, enum fixup_address what, struct buf *out)
{
    static const enum rewrite_where where[] = {
        [FIXUP_RCPT] = REWRITE_HEADER_RCPT,
        [FIXUP_SENDER] = REWRITE_HEADER_SENDER,
        [FIXUP_ENVELOPE_SENDER] = REWRITE_ENVELOPE_SENDER,
    };
    return rewriting_address(arg, address, where[what], out);
}

/* `w`: NULL: no address is rewritten. */
static void make(void *arg, struct rewriting *w)
{
    struct heading *h = arg;
    struct session *s = h->session;
    const struct config *cfg = s->cfg;
    const struct wishes *wishes = gate_wanted(s);
    struct buf received;

    buf_init(&received, BUF_NO_MAX);
    format_received(s, &received);
    if (wishes)
        buf_addspan(&received, buf_span(&wishes->prepend));
    const struct fixup_facts facts = {
        .myhostname = cfg->myhostname,
        .myorigin = cfg->myorigin,
        .sender = s->env->sender,
        .id = s->id,
        .now_us = s->env->arrival_us,
        .received = buf_span(&received),
        .flags = !h->is_ours ? 0 : FIXUP_ADD | FIXUP_COMPLETE | (s->env->smtputf8 ? 0 : FIXUP_ENCODE),
        .field_max = cfg->header_size_limit,
        .rewrite = w ? rewrite : NULL,
        .rewrite_arg = w,
    };
    buf_clear(&h->header);
    h->rc = fixup_header(buf_span(&s->reader.section), &facts, &h->header, &h->result, &h->err);
    buf_fini(&received);
}

/* It is made: the record begins with it, or the draft has it. */
static bool use(struct heading *h)
{
    struct session *s = h->session;
    const struct config *cfg = s->cfg;
    struct err *e = &h->err;

    if (h->rc < 0 && e->kind == ERR_TEMPORARY) {
        err_set(e, ERR_CONFIG, "Temporary lookup failure");
        return session_fail(s, 451, "4.3.0", e);
    }
    if (h->rc < 0)
        return session_fail(s, 552, "5.3.4", e);
    if (h->result.hops >= (unsigned)cfg->hopcount_limit) {
        err_set(e, ERR_PERMANENT, "Error: too many hops");
        return session_fail(s, 554, "5.4.0", e);
    }
    if (s->draft)
        draft_set_header(s->draft, buf_span(&h->header), cfg->header_size_limit);
    else if (spool_write(s->msg, buf_span(&h->header), e) < 0)
        return session_fail_writing(s, e);
    return true;
}

/* ---- when a table has to be waited for ---- */

static void made(void *arg, bool cannot_tell)
{
    struct heading *h = arg;
    struct session *s = h->session;
    bool is_waited_for = h->is_waited_for;

    (void)cannot_tell; /* fixup_header() has said so */
    s->heading = NULL;
    use(h);
    buf_fini(&h->header);
    free(h);
    if (is_waited_for)
        session_header_made(s);
}

static bool make_later(const struct heading *first)
{
    struct session *s = first->session;
    struct heading *h = xcalloc(1, sizeof *h);

    if (!s->draft)
        s->draft = draft_new(s->receiver->spool);
    h->session = s;
    h->is_ours = first->is_ours;
    buf_init(&h->header, BUF_NO_MAX);
    s->heading = h;
    struct rewriting *w = rewriting_start(s->receiver->resolver, make, made, h);
    if (w)
        h->rewriting = w;
    return !s->trouble;
}

bool session_header_is_waited_for(struct session *s)
{
    if (s->heading)
        s->heading->is_waited_for = true;
    return s->heading != NULL;
}

void session_header_cancel(struct session *s)
{
    struct heading *h = s->heading;

    if (!h)
        return;
    rewriting_cancel(h->rewriting);
    buf_fini(&h->header);
    free(h);
    s->heading = NULL;
}

/* ---- beginning ---- */

static bool make_now(struct heading *h)
{
    struct session *s = h->session;
    struct resolver *r = s->receiver->resolver;
    bool cannot_tell;

    if (gate_wants_content(s)) {
        s->draft = draft_new(s->receiver->spool);
        s->draft->is_shown = true;
    }
    if (!h->is_ours || s->cfg->receive_override_options & CONFIG_NO_ADDRESS_MAPPINGS ||
        !resolver_rewrites(r, REWRITE_HEADER_SENDER | REWRITE_HEADER_RCPT | REWRITE_ENVELOPE_SENDER))
        make(h, NULL);
    else if (!rewriting_now(r, make, h, &cannot_tell))
        return make_later(h);
    return use(h);
}

bool session_begin_record(struct session *s)
{
    struct heading h = { .session = s };
    enum map_result is_ours = is_one_of_us(s);

    if (is_ours == MAP_CANNOT_TELL) {
        err_set(&h.err, ERR_CONFIG, "Temporary lookup failure");
        return session_fail(s, 451, "4.3.0", &h.err);
    }
    s->msg = spool_begin(s->receiver->spool, s->env, &h.err);
    if (!s->msg)
        return session_fail_writing(s, &h.err);
    spool_id_format(spool_msg_id(s->msg), s->id);
    h.is_ours = is_ours == MAP_FOUND;
    buf_init(&h.header, BUF_NO_MAX);
    bool ok = make_now(&h);
    buf_fini(&h.header);
    return ok;
}
