/* SPDX-License-Identifier: Apache-2.0
 *
 * libsasl2, behind sasl.h. What it logs by itself is kept as a complaint of the call that it happens in: only the loop's thread
 * writes the log. */
#include "server/sasl.h"

#include "base/log.h"
#include "base/mem.h"
#include "build.h"
#include "config/config.h"

#include <pthread.h>
#include <sasl/sasl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct sasl_context {
    sasl_conn_t *conn;
    sasl_callback_t callbacks[2];
    char complaint[400];
};

/* ---- locks, which it has none of by itself ---- */

static void *lock_new(void)
{
    pthread_mutex_t *m = xmalloc(sizeof *m);
    pthread_mutex_init(m, NULL);
    return m;
}

static int lock(void *m)
{
    return pthread_mutex_lock(m) ? SASL_FAIL : SASL_OK;
}

static int unlock(void *m)
{
    return pthread_mutex_unlock(m) ? SASL_FAIL : SASL_OK;
}

static void lock_free(void *m)
{
    pthread_mutex_destroy(m);
    free(m);
}

/* ---- its log ---- */

typedef int callback_fn(void);
#define CALLBACK(fn) ((callback_fn *)(void (*)(void))(fn))

static bool is_starting;

static int on_log(void *arg, int level, const char *text)
{
    struct sasl_context *c = arg;

    if (level > SASL_LOG_WARN || level == SASL_LOG_NONE || !text)
        return SASL_OK;
    if (c && !c->complaint[0]) /* what follows the first one only says so, too */
        snprintf(c->complaint, sizeof c->complaint, "%s", text);
    else if (!c && is_starting)
        log_warn("Cyrus SASL: %s", log_safe_str(text));
    return SASL_OK;
}

/* ---- beginning ---- */

static int start(const struct sasl_terms *terms, struct err *e)
{
    static const sasl_callback_t callbacks[] = { { SASL_CB_LOG, CALLBACK(on_log), NULL }, { SASL_CB_LIST_END, NULL, NULL } };

    sasl_set_mutex(lock_new, lock, unlock, lock_free);
    if (terms->folder && sasl_set_path(SASL_PATH_TYPE_CONFIG, (char *)terms->folder) != SASL_OK)
        return err_set(e, ERR_CONFIG, "Cyrus SASL does not take %s as the folder of its settings", terms->folder);
    is_starting = true;
    int code = sasl_server_init(callbacks, terms->application);
    is_starting = false;
    if (code != SASL_OK)
        return err_set(e, ERR_CONFIG, "Cyrus SASL does not start: %s", sasl_errstring(code, NULL, NULL));
    return 0;
}

static unsigned flags_of(unsigned options)
{
    static const struct {
        unsigned option, flag;
    } flags[] = {
        { CONFIG_SASL_NOPLAINTEXT, SASL_SEC_NOPLAINTEXT },
        { CONFIG_SASL_NOACTIVE, SASL_SEC_NOACTIVE },
        { CONFIG_SASL_NODICTIONARY, SASL_SEC_NODICTIONARY },
        { CONFIG_SASL_NOANONYMOUS, SASL_SEC_NOANONYMOUS },
        { CONFIG_SASL_FORWARD_SECRECY, SASL_SEC_FORWARD_SECRECY },
        { CONFIG_SASL_MUTUAL_AUTH, SASL_SEC_MUTUAL_AUTH },
    };
    unsigned all = 0;

    for (size_t i = 0; i < ARRAY_LEN(flags); i++)
        if (options & flags[i].option)
            all |= flags[i].flag;
    return all;
}

static void close_it(struct sasl_context *c)
{
    if (!c)
        return;
    sasl_dispose(&c->conn);
    free(c);
}

static struct sasl_context *open_it(const struct sasl_terms *terms, unsigned options, struct err *e)
{
    struct sasl_context *c = xcalloc(1, sizeof *c);
    sasl_security_properties_t props = { .security_flags = flags_of(options) }; /* and no layer of its own within SMTP */

    c->callbacks[0] = (sasl_callback_t){ SASL_CB_LOG, CALLBACK(on_log), c };
    c->callbacks[1] = (sasl_callback_t){ SASL_CB_LIST_END, NULL, NULL };
    int code = sasl_server_new(terms->service, terms->hostname, terms->realm, NULL, NULL, c->callbacks, 0, &c->conn);
    if (code == SASL_OK)
        code = sasl_setprop(c->conn, SASL_SEC_PROPS, &props);
    if (code == SASL_OK)
        return c;
    err_set(e, ERR_TEMPORARY, "Cyrus SASL: %s", sasl_errstring(code, NULL, NULL));
    close_it(c);
    return NULL;
}

static char *list(struct sasl_context *c, struct err *e)
{
    const char *words;
    int code = sasl_listmech(c->conn, NULL, "", " ", "", &words, NULL, NULL);

    if (code == SASL_OK)
        return xstrdup(words);
    if (code == SASL_NOMECH)
        return xstrdup("");
    err_set(e, ERR_CONFIG, "Cyrus SASL: %s", sasl_errstring(code, NULL, NULL));
    return NULL;
}

/* ---- exchanges ---- */

/* What was nobody's wrong password. SASL_FAIL is what it says when saslauthd is away. */
static bool is_temporary(int code)
{
    return code == SASL_FAIL || code == SASL_NOMEM || code == SASL_TRYAGAIN || code == SASL_UNAVAIL || code == SASL_NOTINIT;
}

static void take_user(struct sasl_context *c, struct sasl_result *r)
{
    const void *user = NULL;

    if (sasl_getprop(c->conn, SASL_USERNAME, &user) == SASL_OK && user && strlen(user) < sizeof r->user)
        snprintf(r->user, sizeof r->user, "%s", (const char *)user);
}

static void step(struct sasl_context *c, const char *mech, struct span in, struct sasl_result *r)
{
    unsigned len = 0;
    int code;

    *r = (struct sasl_result){ 0 };
    c->complaint[0] = '\0';
    if (mech)
        code = sasl_server_start(c->conn, mech, in.at, (unsigned)in.len, &r->out, &len);
    else
        code = sasl_server_step(c->conn, in.at, (unsigned)in.len, &r->out, &len);
    r->out_len = r->out ? len : 0;
    memcpy(r->complaint, c->complaint, sizeof r->complaint);
    if (code == SASL_CONTINUE) {
        r->outcome = SASL_STEP_MORE;
        return;
    }
    if (code == SASL_OK) {
        r->outcome = SASL_STEP_YES;
        take_user(c, r);
        return;
    }
    r->outcome = is_temporary(code) ? SASL_STEP_LATER : SASL_STEP_NO;
    if (code == SASL_NOUSER) /* who is there is nobody's business */
        code = SASL_BADAUTH;
    snprintf(r->reason, sizeof r->reason, "%s", sasl_errstring(code, NULL, NULL));
}

extern const struct sasl_module baton_module;
const struct sasl_module baton_module = {
    .module = { .version = PACKAGE_VERSION },
    .start = start,
    .open = open_it,
    .close = close_it,
    .list = list,
    .step = step,
};
