/* SPDX-License-Identifier: Apache-2.0
 *
 * restrict_ccert.c - who has shown a certificate. It is known by its fingerprint or by that of its key, whoever has made it; or it is
 * good because one of our authorities has (smtpd_tls_CAfile). Only what was shown in this very connection counts. */
#include "base/log.h"
#include "base/mem.h"
#include "net/offload.h"
#include "net/tls.h"
#include "server/access.h"
#include "server/restrict_fns.h"

#include <stdlib.h>

enum { N_PRINTS = 2 };

struct ccert_job {
    struct check *c;
    const char *prints[N_PRINTS]; /* the session's */
    size_t print, map;            /* asked next */
    enum map_result result;
    struct map_ask *ask;
};

static void stop(struct check *c)
{
    struct ccert_job *j = c->job;

    map_ask_cancel(j->ask);
    free(j);
}

static enum outcome go_through(struct ccert_job *j);

static void told(void *arg, enum map_result result, struct span value, const struct err *e)
{
    struct ccert_job *j = arg;
    struct check *c = j->c;
    bool is_later = j->ask != NULL;

    (void)value;
    j->ask = NULL;
    j->result = result;
    if (result == MAP_CANNOT_TELL)
        log_warn("relay_clientcerts: %s", e->text);
    if (!is_later)
        return;
    enum outcome o = go_through(j);
    if (o != LATER)
        check_answer(c, o);
}

/* Each fingerprint in all tables before the next one. */
static enum outcome go_through(struct ccert_job *j)
{
    struct check *c = j->c;
    const struct strlist *tables = &c->f.cfg->relay_clientcerts;

    while (j->result == MAP_NOT_FOUND && j->print < N_PRINTS) {
        struct map *m = restrictions_table(c->all, tables->at[j->map]);
        const char *print = j->prints[j->print];
        if (++j->map == tables->n) {
            j->map = 0;
            j->print++;
        }
        if (!*print) /* the library could not make it */
            continue;
        struct map_ask *ask = map_ask(m, loop_runner(c->f.loop), span_str(print), told, j);
        if (ask) {
            j->ask = ask;
            c->job = j;
            c->stop = stop;
            return LATER;
        }
    }
    enum map_result result = j->result;
    free(j);
    if (result == MAP_CANNOT_TELL)
        return check_trouble(c, 451, "4.3.0", "<%s>: Temporary lookup failure", log_safe_str(c->subject.name));
    return result == MAP_FOUND ? PERMIT : GO_ON;
}

enum outcome restrict_permit_tls_clientcerts(struct check *c, const struct restriction *r)
{
    const struct tls_info *i = c->f.certificate;

    (void)r;
    if (!i || !c->f.cfg->relay_clientcerts.n)
        return GO_ON;
    struct ccert_job *j = xcalloc(1, sizeof *j);
    *j = (struct ccert_job){ .c = c, .prints = { i->fingerprint, i->key_fingerprint }, .result = MAP_NOT_FOUND };
    return go_through(j);
}

enum outcome restrict_permit_tls_all_clientcerts(struct check *c, const struct restriction *r)
{
    (void)r;
    return c->f.certificate && c->f.certificate->is_trusted ? PERMIT : GO_ON;
}

enum outcome restrict_check_ccert_access(struct check *c, const struct restriction *r)
{
    const struct tls_info *i = c->f.certificate;
    struct access_keys k = { 0 };

    if (!i)
        return GO_ON;
    if (*i->fingerprint)
        access_keys_add(&k, span_str(i->fingerprint), true);
    if (*i->key_fingerprint)
        access_keys_add(&k, span_str(i->key_fingerprint), true);
    return access_ask(c, r->arg, &k, (struct subject){ c->f.client, "Client certificate" }, false);
}
