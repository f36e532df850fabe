/* SPDX-License-Identifier: Apache-2.0 */
#include "relay/tls_policy.h"

#include "base/log.h"
#include "base/mem.h"
#include "relay/lookup.h"
#include "relay/mta_sts.h"

#include <stdlib.h>

struct tls_policies {
    const struct config *cfg; /* borrowed, as the contexts */
    struct tables *tables;    /* NULL: none are named */
    struct runner *runner;
    struct mta_sts *sts; /* borrowed, or NULL */
    struct tls_client *verified, *unverified;
    char *fingerprints; /* smtp_tls_fingerprint_cert_match, with blanks between */
    struct tls_client *special[2][2][2]; /* [verified][1.3 only][high], made when a row wants it */
};

struct tls_policy_ask {
    struct tls_policies *of;
    struct lookup l;
    const struct relayhost *hop; /* borrowed */
    char *host;
    bool is_at_domain;
    struct mta_sts_ask *sts_ask;
    tls_policy_fn *done;
    void *arg;
};

static char *joined(const struct strlist *l)
{
    struct buf b;

    buf_init(&b, BUF_NO_MAX);
    for (size_t i = 0; i < l->n; i++)
        buf_addf(&b, "%s%s", i ? " " : "", l->at[i]);
    return buf_take(&b);
}

struct tls_policies *tls_policies_new(const struct config *cfg, struct tls_client *verified, struct tls_client *unverified,
                                      struct err *e)
{
    struct tls_policies *ps = xcalloc(1, sizeof *ps);

    *ps = (struct tls_policies){ .cfg = cfg, .verified = verified, .unverified = unverified };
    ps->fingerprints = joined(&cfg->smtp_tls_fingerprint_cert_match);
    if (cfg->smtp_tls_policy_maps.n && !(ps->tables = tables_open("smtp_tls_policy_maps", &cfg->smtp_tls_policy_maps, NULL, e))) {
        free(ps->fingerprints);
        free(ps);
        return NULL;
    }
    return ps;
}

void tls_policies_free(struct tls_policies *ps)
{
    if (!ps)
        return;
    for (size_t i = 0; i < 8; i++)
        tls_client_free(ps->special[i >> 2 & 1][i >> 1 & 1][i & 1]);
    tables_close(ps->tables);
    free(ps->fingerprints);
    free(ps);
}

const char *tls_policies_match(const struct tls_policies *ps, enum config_tls_level level, const struct relayhost *hop)
{
    return level == CONFIG_TLS_SECURE ? hop->host : level == CONFIG_TLS_FINGERPRINT ? ps->fingerprints : NULL;
}

void tls_policies_run_on(struct tls_policies *ps, struct runner *runner)
{
    ps->runner = runner;
}

void tls_policies_use_mta_sts(struct tls_policies *ps, struct mta_sts *sts)
{
    ps->sts = sts;
}

bool tls_policies_are_stale(const struct tls_policies *ps)
{
    return ps->tables && tables_are_stale(ps->tables);
}

/* ---- a row ---- */

static struct tls_client *client_for(struct tls_policies *ps, const struct tls_policy_row *row, struct err *e)
{
    const struct config *cfg = ps->cfg;
    bool is_verified = row->level >= CONFIG_TLS_VERIFY;
    bool is_1_3 = row->says_protocols ? row->is_1_3_only : is_verified && cfg->smtp_tls_mandatory_protocols.min >= 13;
    bool is_high = row->says_ciphers ? row->is_high : is_verified && cfg->smtp_tls_ciphers == CONFIG_CIPHERS_HIGH;
    struct tls_client *usual = is_verified ? ps->verified : ps->unverified;

    if (!row->says_protocols && !row->says_ciphers)
        return usual;
    struct tls_client **at = &ps->special[is_verified][is_1_3][is_high];
    if (!*at)
        *at = tls_client_like(usual, is_1_3 ? TLS_1_3 : TLS_1_2, is_high ? TLS_GRADE_HIGH : TLS_GRADE_MEDIUM, e);
    return *at;
}

/* Those that a row of the level fingerprint does not name itself. */
static int find_prints(const struct tls_policies *ps, struct tls_policy_row *row, struct err *e)
{
    if (row->level != CONFIG_TLS_FINGERPRINT || row->match)
        return 0;
    if (!*ps->fingerprints)
        return err_set(e, ERR_CONFIG, "level fingerprint: it has no match=, and smtp_tls_fingerprint_cert_match is empty");
    row->match = xstrdup(ps->fingerprints);
    return 0;
}

static void tell_row(struct tls_policy_ask *a, struct span key, struct span value)
{
    struct tls_policy_row row;
    struct err e;

    if (tls_policy_parse(value, a->hop, a->host, &row, &e) == 0 && find_prints(a->of, &row, &e) == 0) {
        const struct tls_policy p = {
            .level = row.level,
            .match = row.match,
            .client = client_for(a->of, &row, &e),
            .by = "smtp_tls_policy_maps",
        };
        char *match = row.match;
        a->done(a->arg, p.client ? &p : NULL, &e);
        free(match);
        return;
    }
    err_prefix(&e, "smtp_tls_policy_maps: %.*s", (int)(key.len > 200 ? 200 : key.len), key.at);
    log_warn("%s", e.text);
    a->done(a->arg, NULL, &e);
}

static void tell_level(struct tls_policy_ask *a)
{
    struct tls_policies *ps = a->of;
    enum config_tls_level level = config_tls_level(ps->cfg, a->hop);
    const struct tls_policy p = {
        .level = level,
        .match = tls_policies_match(ps, level, a->hop),
        .client = level >= CONFIG_TLS_VERIFY ? ps->verified : ps->unverified,
        .by = "smtp_tls_security_level",
    };
    a->done(a->arg, &p, NULL);
}

/* ---- what the domain has published ---- */

static bool may_have_sts(const struct tls_policy_ask *a)
{
    enum config_tls_level level = config_tls_level(a->of->cfg, a->hop);
    return a->of->sts && a->is_at_domain && (level == CONFIG_TLS_MAY || level == CONFIG_TLS_ENCRYPT);
}

static void tell_enforced(struct tls_policy_ask *a, bool names_host)
{
    const struct tls_policy p = { .level = CONFIG_TLS_SECURE, .client = a->of->verified, .by = "MTA-STS" };
    struct err e;

    if (names_host) {
        a->done(a->arg, &p, NULL);
        return;
    }
    err_set(&e, ERR_TEMPORARY, "MTA-STS: the policy of %s does not name this host", a->hop->host);
    a->done(a->arg, NULL, &e);
}

static void tell_tested(struct tls_policy_ask *a, bool names_host)
{
    const struct tls_policy p = {
        .level = config_tls_level(a->of->cfg, a->hop),
        .client = a->of->verified,
        .by = "smtp_tls_security_level",
        .is_testing = true,
    };

    if (!names_host)
        log_info("MTA-STS (testing): the policy of %s does not name %s; in mode enforce no mail would go there", a->hop->host, a->host);
    a->done(a->arg, &p, NULL);
}

static void sts_told(void *arg, const struct mta_sts_policy *sts)
{
    struct tls_policy_ask *a = arg;
    bool is_later = a->sts_ask != NULL, names_host = sts && mta_sts_policy_names(sts, a->host);

    a->sts_ask = NULL;
    if (!sts || sts->mode == MTA_STS_NONE)
        tell_level(a);
    else if (sts->mode == MTA_STS_ENFORCE)
        tell_enforced(a, names_host);
    else
        tell_tested(a, names_host);
    if (is_later)
        tls_policy_cancel(a);
}

/* True: it is over. */
static bool ask_sts(struct tls_policy_ask *a)
{
    struct mta_sts_ask *later = mta_sts_ask(a->of->sts, a->hop->host, sts_told, a);
    if (later)
        a->sts_ask = later;
    return !later;
}

/* ---- looking for it ---- */

/* The next hop itself; a domain's parents, too, each with its dot in front. */
static enum map_result find(struct tls_policy_ask *a, struct span *key, struct span *value)
{
    const struct relayhost *hop = a->hop;
    enum map_result result;

    *key = span_str(hop->text);
    result = tables_find(a->of->tables, &a->l, *key, true, value);
    if (hop->is_bracketed || hop->has_port)
        return result;
    for (const char *dot = strchr(hop->text, '.'); dot && result == MAP_NOT_FOUND; dot = strchr(dot + 1, '.')) {
        *key = span_str(dot);
        result = tables_find(a->of->tables, &a->l, *key, true, value);
    }
    return result;
}

/* True: it is over, and the question is freed. */
static bool pass(struct tls_policy_ask *a)
{
    struct span key, value = { 0 };
    struct err e;

    lookup_begin(&a->l);
    enum map_result result = a->of->tables ? find(a, &key, &value) : MAP_NOT_FOUND;
    if (lookup_waits(&a->l))
        return false;
    if (result == MAP_FOUND) {
        tell_row(a, key, value);
    } else if (result == MAP_NOT_FOUND && may_have_sts(a)) {
        if (!ask_sts(a))
            return false;
    } else if (result == MAP_NOT_FOUND) {
        tell_level(a);
    } else {
        err_set(&e, ERR_TEMPORARY, "smtp_tls_policy_maps cannot tell at the moment what TLS it gets");
        a->done(a->arg, NULL, &e);
    }
    tls_policy_cancel(a);
    return true;
}

static void again(void *arg)
{
    pass(arg);
}

struct tls_policy_ask *tls_policy_ask(struct tls_policies *ps, const struct relayhost *hop, const char *host, bool is_at_domain,
                                      tls_policy_fn *done, void *arg)
{
    struct tls_policy_ask *a = xcalloc(1, sizeof *a);

    *a = (struct tls_policy_ask){ .of = ps, .hop = hop, .host = xstrdup(host), .is_at_domain = is_at_domain, .done = done, .arg = arg };
    a->l = (struct lookup){ .runner = ps->runner, .may_ask = true, .when_told = again, .arg = a };
    return pass(a) ? NULL : a;
}

void tls_policy_cancel(struct tls_policy_ask *a)
{
    if (!a)
        return;
    lookup_fini(&a->l);
    mta_sts_cancel(a->sts_ask);
    free(a->host);
    free(a);
}
