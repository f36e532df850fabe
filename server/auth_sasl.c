/* SPDX-License-Identifier: Apache-2.0
 *
 * Passwords looked at by the Cyrus SASL library (libsasl2): saslauthd, sasldb, and whatever its smtpd.conf names. The library
 * blocks, so each step of an exchange runs on a thread, a few at a time; the others wait in line.
 *
 * A step that takes too long is answered without it (AUTH_LATER), and so is one whose client has gone; its thread goes on till the
 * library comes back, and what it says then is not listened to. */
#include "server/auth.h"

#include "base/base64.h"
#include "base/list.h"
#include "base/log.h"
#include "base/mem.h"
#include "config/config.h"
#include "net/loop.h"
#include "net/offload.h"
#include "server/sasl.h"
#include "config/sasl_conf.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

enum {
    STEPS_MAX = 5, /* at a time: saslauthd has as many processes */
    WAITING_MAX = 1000,
    COMPLAIN_MS = 60000,
};

struct sasl_auth {
    struct auth auth;
    struct auth_start how;
    const struct sasl_module *module;
    struct sasl_terms terms;
    struct sasl_conf conf;
    char *lists[2]; /* in the clear, within TLS */
    const char *readable[5];
    struct list waiting, running;
    unsigned n_running, n_waiting;
    char complaint[400];
    int64_t complained_ms;
};

struct try {
    struct auth_try base;
    struct list link; /* waiting, running, or in neither */
    struct sasl_auth *owner;
    struct sasl_context *context;
    char mech[32]; /* "": begun */
    bool is_plain, is_login;
    auth_fn *then; /* NULL: nobody listens any more */
    void *arg;
    struct buf in;
    bool has_in, is_running;
    struct sasl_result result;
    char wanted[256]; /* the user whom it wants to be, as far as it can be seen; or "" */
    struct timer limit;
    struct later later;
};

static struct sasl_auth *auth_of(struct auth *a)
{
    return container_of(a, struct sasl_auth, auth);
}

static void start_some(struct sasl_auth *s);

/* ---- the end of a try ---- */

static void drop_input(struct try *t)
{
    if (t->in.at)
        wipe(t->in.at, t->in.cap);
    buf_fini(&t->in);
    buf_init(&t->in, BUF_NO_MAX);
}

/* While a thread has it, it only stops listening. */
static void forget(struct try *t)
{
    timer_stop(&t->limit);
    later_cancel(&t->later);
    t->then = NULL;
    if (t->is_running)
        return;
    list_remove(&t->link);
    drop_input(t);
    t->owner->module->close(t->context);
    free(t);
}

static void finish(struct try *t, enum auth_result result, const char *reason)
{
    auth_fn *then = t->then;
    void *arg = t->arg;
    char user[sizeof t->result.user], why[sizeof t->result.reason];

    snprintf(user, sizeof user, "%s", result == AUTH_YES ? t->result.user : t->wanted);
    snprintf(why, sizeof why, "%s", reason);
    forget(t);
    then(arg, &(struct auth_answer){ .result = result, .user = *user ? user : NULL, .reason = *why ? why : NULL });
}

static void on_limit(void *arg)
{
    struct try *t = arg;

    if (!t->is_running)
        t->owner->n_waiting--;
    finish(t, AUTH_LATER, "no answer in time");
}

static void on_full(void *arg)
{
    finish(arg, AUTH_LATER, "too many logins at a time");
}

/* ---- steps ---- */

/* What the library said to itself, once a minute if it is always the same. */
static void complain(struct sasl_auth *s, const char *text)
{
    int64_t now = loop_now_ms(s->how.loop);
    bool is_old = strcmp(s->complaint, text) == 0 && now - s->complained_ms < COMPLAIN_MS;

    if (!*text || is_old)
        return;
    snprintf(s->complaint, sizeof s->complaint, "%s", text);
    s->complained_ms = now;
    const char *cure = !strstr(text, "saslauthd") ? ""
                       : strstr(text, "Permission denied")
                           ? " (its folder lets only its group through: make mail_owner a member, with adduser USER sasl)"
                           : " (is it running, and is saslauthd_path in smtpd.conf its socket?)";
    log_warn("SASL authentication problem: %s%s", log_safe_str(text), cure);
}

static void answer(struct try *t)
{
    const struct sasl_result *r = &t->result;
    struct buf challenge;

    if (r->outcome == SASL_STEP_LATER)
        complain(t->owner, r->complaint);
    if (r->outcome != SASL_STEP_MORE) {
        finish(t, r->outcome == SASL_STEP_YES  ? AUTH_YES
                  : r->outcome == SASL_STEP_NO ? AUTH_NO
                                               : AUTH_LATER,
               r->reason);
        return;
    }
    timer_stop(&t->limit); /* it is the client's turn */
    buf_init(&challenge, BUF_NO_MAX);
    base64_encode(span_of(r->out, r->out_len), &challenge);
    t->then(t->arg, &(struct auth_answer){ .result = AUTH_MORE, .challenge = buf_span(&challenge) });
    buf_fini(&challenge);
}

static void on_thread(void *arg)
{
    struct try *t = arg;
    struct span in = t->has_in ? span_of(t->in.at ? t->in.at : "", t->in.len) : (struct span){ NULL, 0 };

    t->owner->module->step(t->context, t->mech[0] ? t->mech : NULL, in, &t->result);
}

static void on_done(void *arg)
{
    struct try *t = arg;
    struct sasl_auth *s = t->owner;

    t->is_running = false;
    t->mech[0] = '\0';
    drop_input(t);
    list_remove(&t->link);
    s->n_running--;
    if (t->then)
        answer(t);
    else
        forget(t);
    start_some(s);
}

static void start_some(struct sasl_auth *s)
{
    while (s->n_running < STEPS_MAX && !list_is_empty(&s->waiting)) {
        struct try *t = list_entry(s->waiting.next, struct try, link);
        list_remove(&t->link);
        list_append(&s->running, &t->link);
        t->is_running = true;
        s->n_waiting--;
        s->n_running++;
        runner_run_patiently(loop_runner(s->how.loop), on_thread, on_done, t);
    }
}

/* Whom a plaintext mechanism names: PLAIN "whom NUL who NUL password", LOGIN in its first answer. For the log only. */
static void see_user(struct try *t)
{
    struct span in = buf_span(&t->in);

    if (!t->has_in || *t->wanted || !(t->is_plain || t->is_login))
        return;
    if (t->is_plain) {
        in = span_from(in, span_find(in, '\0') + 1);
        in = span_of(in.at, span_find(in, '\0'));
    }
    snprintf(t->wanted, sizeof t->wanted, "%.*s", (int)(in.len < 255 ? in.len : 255), in.at ? in.at : "");
}

static void ask(struct try *t, struct span base64)
{
    struct sasl_auth *s = t->owner;

    t->has_in = base64.at != NULL;
    if (base64.len)
        base64_decode(base64, &t->in); /* checked by the engine */
    see_user(t);
    if (s->n_waiting >= WAITING_MAX) {
        later_start(&t->later, s->how.loop, on_full, t);
        return;
    }
    list_append(&s->waiting, &t->link);
    s->n_waiting++;
    timer_start(&t->limit, s->how.loop, s->how.cfg->smtpd_sasl_reply_timeout / 1000, on_limit, t);
    start_some(s);
}

/* ---- the door ---- */

static const char *const *readable(const struct auth *a)
{
    return container_of(a, const struct sasl_auth, auth)->readable;
}

static void start(struct auth *a, const struct auth_start *how)
{
    auth_of(a)->how = *how;
}

static bool is_settling(struct auth *a)
{
    (void)a;
    return false;
}

static const char *mechanisms(struct auth *a, bool is_encrypted)
{
    return auth_of(a)->lists[is_encrypted];
}

static void on_no_context(void *arg)
{
    struct try *t = arg;
    finish(t, AUTH_LATER, t->result.reason);
}

static struct auth_try *begin(struct auth *a, const struct auth_client *who, const char *mech, struct span initial, auth_fn *then,
                              void *arg)
{
    struct sasl_auth *s = auth_of(a);
    const struct config *cfg = s->how.cfg;
    struct try *t = xcalloc(1, sizeof *t);
    struct err e;

    *t = (struct try){ .base = { .auth = a }, .owner = s, .then = then, .arg = arg };
    snprintf(t->mech, sizeof t->mech, "%s", mech);
    t->is_plain = strcmp(mech, "PLAIN") == 0;
    t->is_login = strcmp(mech, "LOGIN") == 0;
    list_init(&t->link);
    buf_init(&t->in, BUF_NO_MAX);
    t->context = s->module->open(&s->terms,
                                 who->is_encrypted ? cfg->smtpd_sasl_tls_security_options : cfg->smtpd_sasl_security_options, &e);
    if (t->context) {
        ask(t, initial);
    } else {
        snprintf(t->result.reason, sizeof t->result.reason, "%.100s", e.text);
        later_start(&t->later, s->how.loop, on_no_context, t);
    }
    return &t->base;
}

static void respond(struct auth_try *base, struct span response)
{
    if (!response.at)
        response = SPAN("");
    ask(container_of(base, struct try, base), response);
}

static void cancel(struct auth_try *base)
{
    struct try *t = container_of(base, struct try, base);
    struct sasl_auth *s = t->owner;

    list_each(it, &s->waiting)
        if (it == &t->link)
            s->n_waiting--;
    forget(t);
}

/* Threads that hang in the library are waited for by loop_free(); what they have is theirs. */
static void close_it(struct auth *a)
{
    struct sasl_auth *s = auth_of(a);

    if (s->n_running)
        return;
    sasl_conf_fini(&s->conf);
    free(s->lists[0]);
    free(s->lists[1]);
    free(s);
}

static const struct auth_backend backend = {
    .readable = readable,
    .start = start,
    .is_settling = is_settling,
    .mechanisms = mechanisms,
    .begin = begin,
    .respond = respond,
    .cancel = cancel,
    .close = close_it,
};

/* ---- opening ---- */

static char *list_of(const struct sasl_auth *s, const struct config *cfg, unsigned options, struct err *e)
{
    struct sasl_context *c = s->module->open(&s->terms, options, e);
    char *all = c ? s->module->list(c, e) : NULL;
    struct span rest = span_str(all), one;
    struct buf b;

    if (c)
        s->module->close(c);
    if (!all)
        return NULL;
    buf_init(&b, BUF_NO_MAX);
    while (span_word(&rest, "", &one))
        if (config_sasl_lets_pass(cfg, one))
            buf_addf(&b, "%s%.*s", b.len ? " " : "", (int)one.len, one.at);
    free(all);
    buf_cstr(&b);
    return buf_take(&b);
}

static int open_lists(struct sasl_auth *s, const struct config *cfg, struct err *e)
{
    s->lists[0] = list_of(s, cfg, cfg->smtpd_sasl_security_options, e);
    s->lists[1] = s->lists[0] ? list_of(s, cfg, cfg->smtpd_sasl_tls_security_options, e) : NULL;
    if (!s->lists[1])
        return -1;
    if (!*s->lists[1])
        log_warn("no SASL mechanism is left: AUTH is not offered; see smtpd_sasl_tls_security_options, smtpd_sasl_mechanism_filter, "
                 "mech_list in %s, and whether the library's plugins are installed (libsasl2-modules)",
                 s->conf.file ? s->conf.file : "smtpd.conf");
    return 0;
}

struct auth *auth_sasl_open(const struct config *cfg, struct err *e)
{
    struct sasl_auth *s = xcalloc(1, sizeof *s);

    s->auth.backend = &backend;
    list_init(&s->waiting);
    list_init(&s->running);
    s->module = (const struct sasl_module *)module_load("sasl", "logins by Cyrus SASL (smtpd_sasl_type)", e);
    if (!s->module || sasl_conf_find(cfg, &s->conf, e) < 0)
        goto fail;
    if (!s->conf.file)
        log_warn("Cyrus SASL has no settings (%s): it looks for passwords in %s", s->conf.looked_in, sasl_conf_sasldb(&s->conf));
    s->terms = (struct sasl_terms){
        .application = config_sasl_application(cfg),
        .folder = s->conf.folder,
        .service = cfg->smtpd_sasl_service,
        .hostname = cfg->myhostname,
        .realm = cfg->smtpd_sasl_local_domain[0] ? cfg->smtpd_sasl_local_domain : NULL,
    };
    if (s->module->start(&s->terms, e) < 0 || open_lists(s, cfg, e) < 0)
        goto fail;
    s->readable[0] = sasl_conf_sasldb(&s->conf);
    s->readable[1] = "/dev/urandom";
    s->readable[2] = "/dev/random";
    return &s->auth;
fail:
    close_it(&s->auth);
    return NULL;
}
