/* SPDX-License-Identifier: Apache-2.0
 *
 * From stdin to a place where the message survives: read, look, put right, hand over. Until the last of these
 * nothing is kept; after it the message is the relay's. */
#include "agent/agent.h"

#include "agent/drop.h"
#include "agent/message.h"
#include "agent/submit.h"
#include "agent/user.h"
#include "base/clock.h"
#include "base/log.h"
#include "base/mem.h"
#include "mail/address.h"
#include "spool/spool.h"

#include <errno.h>
#include <stdlib.h>
#include <unistd.h>

struct sending {
    const struct options *o;
    const struct config *cfg;
    struct envelope env;
    struct message message;
    struct user user; /* name[0] is 0 until somebody has asked */
};

static const struct user *caller(struct sending *s)
{
    if (!s->user.name[0])
        user_find(&s->user, getuid());
    return &s->user;
}

/* ---- envelope -------------------------------------------------------------------------------------------------- */

/* -f: one address in any form that a header may have it in. */
static int read_sender(struct sending *s)
{
    struct span text = span_trim(span_str(s->o->sender));
    struct address_list list;
    struct address_item item = { .is_bracketed = false }, more;
    struct err e;
    int rc;

    if (text.len == 0)
        return 0;
    address_list_init(&list, text, ADDRESS_UTF8 | ADDRESS_NULL);
    rc = address_list_next(&list, &item, &e);
    if (rc > 0 && item.address.text[0] == '-')
        return complain(EX_DATAERR, "sender \"%s\": it begins with '-'", s->o->sender);
    if (rc < 0 || address_complete(&item.address, s->cfg->myorigin, &e) < 0)
        return complain(EX_DATAERR, "sender: %s", e.text);
    if (rc == 0 || address_list_next(&list, &more, &e) != 0)
        return complain(EX_DATAERR, "sender \"%s\": it is not one address", s->o->sender);
    envelope_set_sender(&s->env, item.address.text);
    return 0;
}

static int make_sender(struct sending *s)
{
    struct local_name {
        char text[300];
    } local;
    struct address a;
    struct err e;

    /* A login name may hold anything but ':'; as a local part it may have to be quoted. */
    snprintf(local.text, sizeof local.text, "%s", caller(s)->name);
    if (address_parse(&a, span_str(local.text), ADDRESS_LOCAL | ADDRESS_UTF8, &e) < 0) {
        snprintf(local.text, sizeof local.text, "uid%lu", (unsigned long)getuid());
        if (address_parse(&a, span_str(local.text), ADDRESS_LOCAL, &e) < 0)
            return complain(EX_SOFTWARE, "%s", e.text);
    }
    if (address_complete(&a, s->cfg->myorigin, &e) < 0)
        return complain(EX_CONFIG, "%s", e.text);
    envelope_set_sender(&s->env, a.text);
    return 0;
}

/* Recipients of the command line, each word an address list. A name without domain stays one: it is local, so the relay
 * looks for its alias before it completes it. */
static int read_words(struct sending *s)
{
    for (size_t i = 0; i < s->o->n_words; i++) {
        struct address_list list;
        struct address_item item;
        struct err e;
        int rc;
        address_list_init(&list, span_str(s->o->words[i]), ADDRESS_UTF8);
        while ((rc = address_list_next(&list, &item, &e)) > 0) {
            if (item.address.text[0] == '-')
                return complain(EX_DATAERR, "recipient \"%s\": it begins with '-'", item.address.text);
            envelope_add(&s->env, item.address.text)->notify = (unsigned char)s->o->notify;
        }
        if (rc < 0)
            return complain(EX_DATAERR, "recipient: %s", e.text);
    }
    return 0;
}

static int start_envelope(struct sending *s)
{
    int status;

    envelope_init(&s->env);
    s->env.uid = getuid();
    s->env.arrival_us = clock_real_us();
    s->env.ret = s->o->ret;
    s->env.envid = xstrdup_or_null(s->o->envid);
    status = s->o->sender ? read_sender(s) : make_sender(s);
    return status ? status : read_words(s);
}

static bool is_beyond_ascii(const struct envelope *env)
{
    if (!span_is_ascii(span_str(env->sender)))
        return true;
    for (size_t i = 0; i < env->n_rcpts; i++)
        if (!span_is_ascii(span_str(env->rcpts[i].address)))
            return true;
    return false;
}

/* ---- content --------------------------------------------------------------------------------------------------- */

static int read_message(struct sending *s)
{
    static char chunk[64 * 1024];
    struct message *m = &s->message;
    struct err e;
    int status = 0;

    while (!status && !m->lines.is_ended) {
        ssize_t n = read(STDIN_FILENO, chunk, sizeof chunk);
        if (n < 0 && errno == EINTR)
            continue;
        if (n < 0)
            return complain(EX_IOERR, "the message cannot be read: %s", strerror(errno));
        if (n == 0)
            break;
        status = message_add(m, span_of(chunk, (size_t)n), &e);
    }
    if (!status)
        status = message_end(m, &e);
    return status ? complain(status, "%s", e.text) : 0;
}

static bool lacks_from(struct span header)
{
    struct header_scan scan;
    struct header_field f;
    bool has_from = false, has_resent = false, has_resent_from = false;

    header_scan_init(&scan, header);
    while (header_next(&scan, &f)) {
        has_from |= header_is(&f, "From");
        has_resent |= span_istarts(f.name, "Resent-");
        has_resent_from |= header_is(&f, "Resent-From");
    }
    return !has_from || (has_resent && !has_resent_from);
}

static int fix_message(struct sending *s)
{
    const char *name = s->o->full_name ? s->o->full_name : getenv("NAME");
    char seed[64];
    struct fixup_facts facts = {
        .myhostname = s->cfg->myhostname,
        .myorigin = s->cfg->myorigin,
        .sender = s->env.sender,
        .id = seed,
        .now_us = s->env.arrival_us,
        /* With UTF-8 in an address SMTPUTF8 is needed anyway; without, the header section shall not be what needs
         * it. */
        .flags = FIXUP_ADD | FIXUP_COMPLETE | (is_beyond_ascii(&s->env) ? 0 : FIXUP_ENCODE),
        .field_max = s->cfg->header_size_limit,
    };
    struct err e;

    /* One Message-ID whichever way it takes, so that who gets it twice can tell. */
    snprintf(seed, sizeof seed, "%llx.%lx", (unsigned long long)s->env.arrival_us, (unsigned long)getpid());
    if (lacks_from(message_header(&s->message)))
        facts.full_name = name && *name ? name : s->o->sender ? NULL : caller(s)->full_name;
    int status = message_fix(&s->message, &facts, &e);
    return status ? complain(status, "%s", e.text) : 0;
}

static int collect(struct sending *s)
{
    struct err e;
    int status = read_message(s);

    if (status)
        return status;
    if (s->o->reads_recipients &&
        fixup_recipients(message_header(&s->message), s->o->notify, &s->env, &e) < 0)
        return complain(EX_DATAERR, "%s", e.text);
    if (s->env.n_rcpts == 0)
        return complain(EX_DATAERR, s->o->reads_recipients ? "No recipient addresses found in message header"
                                                           : "Recipient addresses must be specified on the command "
                                                             "line or via the -t option");
    status = fix_message(s);
    if (status)
        return status;
    s->env.smtputf8 = s->message.fixed.needs_smtputf8 || is_beyond_ascii(&s->env);
    s->env.body = message_is_8bit(&s->message) || s->env.smtputf8 ? BODY_8BITMIME : BODY_7BIT;
    return 0;
}

/* ---- handing over ---------------------------------------------------------------------------------------------- */

static int hand_over(struct sending *s)
{
    char id[SPOOL_ID_TEXT];
    struct submit_result r;
    struct err e;

    submit_message(s->cfg, &s->env, &s->message, &r);
    if (r.outcome == SUBMIT_REFUSED)
        return complain(r.status, "%s", r.said);
    if (r.outcome == SUBMIT_TAKEN) {
        if (s->o->is_verbose)
            complain(0, "batond has it: %s", r.said);
        return EX_OK;
    }
    if (drop_message(s->cfg, &s->env, &s->message, id, &e) < 0) {
        complain(0, "%s", r.said);
        return complain(EX_TEMPFAIL, "the message was not taken: %s", e.text);
    }
    if (s->o->is_verbose)
        complain(0, "kept as %s until batond takes it: %s", id, r.said);
    return EX_OK;
}

int sendmail_run(const struct options *o, const struct config *cfg)
{
    struct sending s = { .o = o, .cfg = cfg };
    int status = start_envelope(&s);

    message_init(&s.message, cfg, !o->dot_is_text);
    if (!status)
        status = collect(&s);
    if (!status)
        status = hand_over(&s);
    message_fini(&s.message);
    envelope_fini(&s.env);
    return status;
}

int verify_run(const struct options *o, const struct config *cfg)
{
    struct sending s = { .o = o, .cfg = cfg };
    int status = start_envelope(&s);

    if (!status && s.env.n_rcpts == 0)
        status = complain(EX_USAGE, "-bv needs addresses behind it");
    for (size_t i = 0; !status && i < s.env.n_rcpts; i++) {
        const char *address = s.env.rcpts[i].address;
        bool is_local = address_text_domain(address).len == 0;
        printf("%s%s%s\n", address, is_local ? "@" : "", is_local ? cfg->myorigin : "");
    }
    envelope_fini(&s.env);
    return status ? status : fflush(stdout) == 0 ? EX_OK : EX_IOERR;
}
