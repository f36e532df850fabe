/* SPDX-License-Identifier: Apache-2.0
 *
 * check_restrict.c - rules about access restrictions: that each has a name and stands where it can know what it asks, that nothing
 * stands where it is never asked, and that what is left is no open relay. */
#include "config/config_int.h"

#include "base/mem.h"
#include "config/access.h"
#include "config/template.h"
#include "map/map_kind.h"

#include <stdlib.h>
#include <strings.h>

enum { DEPTH_MAX = 10 };

struct list { /* one that is looked at */
    const struct config *cfg;
    struct config_report *report;
    const struct restriction_list *l;
    enum config_param param;
    const struct restriction_class *class; /* NULL: the parameter's */
    int known_at;                          /* restriction_needs: what is known when it is asked */
    bool is_good;
};

static void complain(struct list *of, enum config_severity s, const char *fmt, ...) __attribute__((format(printf, 3, 4)));

static void complain(struct list *of, enum config_severity s, const char *fmt, ...)
{
    va_list ap;

    va_start(ap, fmt);
    char *text = xvasprintf(fmt, ap);
    va_end(ap);
    if (of->class)
        remark(of->report, s, (struct place){ .file = of->cfg->file, .line = of->class->line }, "restriction_class %s: %s",
               of->class->name, text);
    else
        remark_param(of->report, of->cfg, of->param, s, "%s", text);
    free(text);
    of->is_good &= s != CONFIG_ERROR;
}

static const char *name_of(const struct restriction *r)
{
    return r->id == RESTRICTION_CLASS ? r->arg : restriction_kinds[r->id].name;
}

/* ---- names ---- */

static void names_are_known(struct list *of)
{
    for (size_t i = 0; i < of->l->n; i++) {
        const struct restriction *r = &of->l->at[i];
        if (r->id != RESTRICTION_CLASS || config_restriction_class(of->cfg, r->arg))
            continue;
        const char *near = restriction_suggest(of->cfg, r->arg);
        complain(of, CONFIG_ERROR, "\"%s\": there is no such restriction, and no section restriction_class of that name%s%s%s",
                 r->arg, near ? "; did you mean " : "", near ? near : "", near ? "?" : "");
    }
}

static bool calls_itself(const struct config *cfg, const struct restriction_list *l, const char *name, int depth)
{
    for (size_t i = 0; i < l->n; i++) {
        if (l->at[i].id != RESTRICTION_CLASS)
            continue;
        const struct restriction_list *inner = config_restriction_class(cfg, l->at[i].arg);
        if (strcasecmp(l->at[i].arg, name) == 0 || depth == 0 || (inner && calls_itself(cfg, inner, name, depth - 1)))
            return true;
    }
    return false;
}

/* ---- places ---- */

static const char *place_for(enum restriction_needs needs)
{
    static const char *const places[] = {
        [RESTRICTION_NEEDS_CLIENT] = "smtpd_client_restrictions", [RESTRICTION_NEEDS_HELO] = "smtpd_helo_restrictions",
        [RESTRICTION_NEEDS_SENDER] = "smtpd_sender_restrictions", [RESTRICTION_NEEDS_RECIPIENT] = "smtpd_recipient_restrictions",
        [RESTRICTION_NEEDS_DATA] = "smtpd_data_restrictions",
    };
    return places[needs];
}

static void each_knows_enough(struct list *of)
{
    for (size_t i = 0; i < of->l->n; i++) {
        const struct restriction *r = &of->l->at[i];
        if (r->id == RESTRICTION_CLASS)
            continue;
        int needs = (int)restriction_kinds[r->id].needs;
        if (needs > of->known_at)
            complain(of, CONFIG_ERROR, "%s asks about what is not known yet when this list is asked%s; write it into %s", name_of(r),
                     of->known_at < RESTRICTION_NEEDS_RECIPIENT && needs < RESTRICTION_NEEDS_DATA ? " (smtpd_delay_reject = no)" : "",
                     place_for(restriction_kinds[r->id].needs));
    }
}

/* ---- order ---- */

static bool ends_every_list(const struct restriction *r)
{
    return r->id == RESTRICTION_permit || r->id == RESTRICTION_reject || r->id == RESTRICTION_defer;
}

static void all_is_asked(struct list *of)
{
    for (size_t i = 0; i + 1 < of->l->n; i++) {
        bool only_warns = i > 0 && of->l->at[i - 1].id == RESTRICTION_warn_if_reject;
        if (!ends_every_list(&of->l->at[i]) || (only_warns && of->l->at[i].id != RESTRICTION_permit))
            continue;
        complain(of, CONFIG_ERROR, "\"%s\" ends the list: \"%s\" behind it is never asked; write it in front of it, or delete it",
                 name_of(&of->l->at[i]), name_of(&of->l->at[i + 1]));
        return;
    }
    if (of->l->n && of->l->at[of->l->n - 1].id == RESTRICTION_warn_if_reject)
        complain(of, CONFIG_ERROR, "warn_if_reject stands before nothing: write it in front of what is to be tried out");
}

/* ---- logins ---- */

static bool asks_logins(enum restriction_id id)
{
    return id == RESTRICTION_reject_sender_login_mismatch || id == RESTRICTION_reject_authenticated_sender_login_mismatch ||
           id == RESTRICTION_reject_unauthenticated_sender_login_mismatch || id == RESTRICTION_reject_known_sender_login_mismatch;
}

static void backup_has_networks(struct list *of)
{
    for (size_t i = 0; i < of->l->n; i++)
        if (of->l->at[i].id == RESTRICTION_permit_mx_backup && !of->cfg->permit_mx_backup_networks.n)
            complain(of, CONFIG_WARNING,
                     "permit_mx_backup relays for every domain whose owner makes this machine one of its MX hosts: write the networks of "
                     "those whose backup it is into permit_mx_backup_networks, or their domains into relay_domains instead");
}

/* In Postfix they have no effect then. */
static void logins_have_tables(struct list *of)
{
    for (size_t i = 0; i < of->l->n && !of->cfg->smtpd_sender_login_maps.n; i++)
        if (asks_logins(of->l->at[i].id))
            complain(of, CONFIG_NOTICE,
                     "%s has no smtpd_sender_login_maps to go by: who has logged in as user@domain may send as that address, "
                     "who has as user may as user in your own domains, and who has not is not asked",
                     name_of(&of->l->at[i]));
}

/* ---- clients' certificates ---- */

static const char *why_no_ccert_helps(const struct config *cfg, enum restriction_id id)
{
    bool by_authority = id == RESTRICTION_permit_tls_all_clientcerts, by_table = id == RESTRICTION_permit_tls_clientcerts;

    if (!by_authority && !by_table && id != RESTRICTION_check_ccert_access)
        return NULL;
    if (cfg->view_of ? !cfg->smtpd_tls_ask_ccert && !cfg->smtpd_tls_req_ccert : !config_asks_ccerts(cfg))
        return "no listener asks its clients for certificates: write smtpd_tls_ask_ccert = yes, here or in a listen section";
    if (by_table && !cfg->relay_clientcerts.n)
        return "no certificates are named: write their fingerprints into a table, and its name into relay_clientcerts";
    if (by_authority && !cfg->smtpd_tls_CAfile[0] && !cfg->smtpd_tls_CApath[0])
        return "no authorities are named: write smtpd_tls_CAfile";
    return NULL;
}

static void ccerts_can_be_known(struct list *of)
{
    for (size_t i = 0; i < of->l->n; i++) {
        const char *why = why_no_ccert_helps(of->cfg, of->l->at[i].id);
        if (why)
            complain(of, CONFIG_WARNING, "%s is without effect, for %s", name_of(&of->l->at[i]), why);
    }
}

/* ---- open relays ---- */

enum fate { FATE_OPEN, FATE_CLOSED, FATE_NEITHER }; /* of mail from anybody to anywhere */

/* The value that such a table has for everybody. */
static bool is_static(const char *table, struct span *value)
{
    struct span inner;

    *value = span_str(table);
    if (!span_istarts(*value, "static:"))
        return false;
    *value = span_from(*value, 7);
    if (map_unbrace(*value, &inner))
        *value = inner;
    return true;
}

/* Anybody can make a certificate; and every domain is one of relay_domains then. */
static bool answers_with_static(const struct strlist *maps)
{
    struct span value;

    for (size_t i = 0; i < maps->n; i++)
        if (is_static(maps->at[i], &value))
            return true;
    return false;
}

static enum fate fate_of(const struct config *cfg, const struct restriction_list *l, int depth);

/* Whom it refuses is not looked at: that such a table closes a list is not relied on. */
static enum fate fate_by_table(const struct config *cfg, const struct restriction *r, int depth)
{
    struct restriction_list l = { 0 };
    enum fate f = FATE_NEITHER;
    struct access_action a;
    struct span value;
    struct err e;

    if (r->id == RESTRICTION_check_sasl_access) /* who has not logged in is not asked about */
        return FATE_NEITHER;
    if (!is_static(r->arg, &value))
        return FATE_NEITHER;
    access_parse(value, &a);
    if (a.verb == ACCESS_OK)
        return FATE_OPEN;
    if (a.verb == ACCESS_RESTRICTIONS && depth && restrictions_parse(a.text, &l, &e) == 0)
        f = fate_of(cfg, &l, depth - 1);
    restrictions_fini(&l);
    return f == FATE_OPEN ? FATE_OPEN : FATE_NEITHER;
}

static enum fate fate_by(const struct config *cfg, const struct restriction *r, int depth)
{
    const struct restriction_list *inner;

    switch (r->id) {
    case RESTRICTION_permit: return FATE_OPEN;
    case RESTRICTION_permit_tls_clientcerts: return answers_with_static(&cfg->relay_clientcerts) ? FATE_OPEN : FATE_NEITHER;
    case RESTRICTION_permit_tls_all_clientcerts: return config_trusts_any_ccert(cfg) ? FATE_OPEN : FATE_NEITHER;
    case RESTRICTION_reject:
    case RESTRICTION_defer:
    case RESTRICTION_defer_if_permit: return FATE_CLOSED;
    case RESTRICTION_reject_unauth_destination:
    case RESTRICTION_defer_unauth_destination:
        return answers_with_static(&cfg->relay_domains) ? FATE_NEITHER : FATE_CLOSED;
    case RESTRICTION_permit_auth_destination:
        return answers_with_static(&cfg->relay_domains) ? FATE_OPEN : FATE_NEITHER;
    case RESTRICTION_CLASS:
        inner = config_restriction_class(cfg, r->arg);
        return inner && depth ? fate_of(cfg, inner, depth - 1) : FATE_NEITHER;
    default:
        return restriction_kinds[r->id].argument == RESTRICTION_TAKES_TABLE
                   ? fate_by_table(cfg, r, depth)
                   : FATE_NEITHER;
    }
}

static enum fate fate_of(const struct config *cfg, const struct restriction_list *l, int depth)
{
    for (size_t i = 0; i < l->n; i++) {
        if (l->at[i].id == RESTRICTION_warn_if_reject) {
            i++; /* refuses nothing */
            if (i < l->n && fate_by(cfg, &l->at[i], depth) == FATE_OPEN)
                return FATE_OPEN;
            continue;
        }
        enum fate f = fate_by(cfg, &l->at[i], depth);
        if (f != FATE_NEITHER)
            return f;
    }
    return FATE_NEITHER;
}

/* Whether an open list may be so because of certificates. */
static bool by_certificate(const struct config *cfg)
{
    const struct restriction_list *lists[] = { &cfg->smtpd_relay_restrictions, &cfg->smtpd_recipient_restrictions };

    for (size_t l = 0; l < ARRAY_LEN(lists); l++)
        for (size_t i = 0; i < lists[l]->n; i++) {
            enum restriction_id id = lists[l]->at[i].id;
            if ((id == RESTRICTION_permit_tls_clientcerts || id == RESTRICTION_permit_tls_all_clientcerts) &&
                fate_by(cfg, &lists[l]->at[i], 0) == FATE_OPEN)
                return true;
        }
    return false;
}

static void is_no_open_relay(const struct config *cfg, struct config_report *r)
{
    enum fate relay = fate_of(cfg, &cfg->smtpd_relay_restrictions, DEPTH_MAX);
    enum fate rcpt = fate_of(cfg, &cfg->smtpd_recipient_restrictions, DEPTH_MAX);

    if (relay == FATE_CLOSED || rcpt == FATE_CLOSED)
        return;
    if (answers_with_static(&cfg->relay_domains))
        remark_param(
            r, cfg, PARAM_relay_domains, CONFIG_ERROR,
            "static: makes every domain one whose mail is taken from anybody: an open relay, which anybody could send anything "
            "to anywhere through; write the domains, or a table that has them");
    else if (relay == FATE_OPEN || rcpt == FATE_OPEN)
        remark_param(r, cfg, relay == FATE_OPEN ? PARAM_smtpd_relay_restrictions : PARAM_smtpd_recipient_restrictions, CONFIG_ERROR,
                     "everybody%s is permitted before anything is refused: an open relay, which anybody could send anything to "
                     "anywhere through; %s",
                     by_certificate(cfg) ? " with a certificate, and anybody gets one," : "",
                     by_certificate(cfg) ? "name an authority of your own in smtpd_tls_CAfile, and certificates, not static:, in "
                                           "relay_clientcerts"
                                         : "write reject_unauth_destination in front of it");
    else
        remark_param(r, cfg, PARAM_smtpd_relay_restrictions, CONFIG_ERROR,
                     "neither this nor smtpd_recipient_restrictions refuses mail for the domains of others: an open relay, which "
                     "anybody could send anything to anywhere through; write \"permit_mynetworks, permit_sasl_authenticated, "
                     "reject_unauth_destination\"");
}

/* ---- replies ---- */

static enum template_value is_of_a_hit(void *arg, struct span name, struct buf *out)
{
    static const char *const names[] = {
        "rbl_code", "rbl_domain", "rbl_class", "rbl_what", "rbl_reason", "rbl_txt", "client", "client_address", "client_name",
        "helo_name", "sender", "sender_domain", "sender_name", "recipient", "recipient_domain", "recipient_name",
    };

    (void)arg, (void)out;
    for (size_t i = 0; i < ARRAY_LEN(names); i++)
        if (span_eq(name, span_str(names[i])))
            return TEMPLATE_DEFINED;
    return TEMPLATE_UNKNOWN;
}

static void rbl_reply_is_understood(const struct config *cfg, struct config_report *r)
{
    struct buf out;
    struct err e;

    buf_init(&out, BUF_NO_MAX);
    if (template_expand(span_str(cfg->default_rbl_reply), is_of_a_hit, NULL, &out, &e) < 0)
        remark_param(r, cfg, PARAM_default_rbl_reply, CONFIG_ERROR, "%s", e.text);
    buf_fini(&out);
}

/* ---- local_header_rewrite_clients ---- */

static void asks_no_address_map(struct list *of)
{
    for (size_t i = 0; i < of->l->n; i++)
        if (of->l->at[i].id == RESTRICTION_check_address_map)
            complain(of, CONFIG_ERROR, "check_address_map is for local_header_rewrite_clients alone: write check_client_access");
}

static void tells_who_a_client_is(struct list *of)
{
    for (size_t i = 0; i < of->l->n; i++) {
        enum restriction_id id = of->l->at[i].id;
        if (id != RESTRICTION_permit_inet_interfaces && id != RESTRICTION_permit_mynetworks &&
            id != RESTRICTION_permit_sasl_authenticated && id != RESTRICTION_permit_tls_clientcerts &&
            id != RESTRICTION_permit_tls_all_clientcerts && id != RESTRICTION_check_address_map)
            complain(of, CONFIG_ERROR,
                     "\"%s\" does not stand here: write permit_inet_interfaces, permit_mynetworks, permit_sasl_authenticated, "
                     "permit_tls_clientcerts, permit_tls_all_clientcerts or check_address_map type:table",
                     name_of(&of->l->at[i]));
    }
}

/* ---- all ---- */

static void check_list(struct list *of)
{
    names_are_known(of);
    each_knows_enough(of);
    all_is_asked(of);
    logins_have_tables(of);
    backup_has_networks(of);
    asks_no_address_map(of);
    ccerts_can_be_known(of);
}

static int known_at(const struct config *cfg, enum restriction_place place)
{
    if (place >= RESTRICT_DATA)
        return RESTRICTION_NEEDS_DATA;
    if (place >= RESTRICT_RELAY || cfg->smtpd_delay_reject)
        return RESTRICTION_NEEDS_RECIPIENT;
    return place == RESTRICT_CLIENT ? RESTRICTION_NEEDS_CLIENT
           : place == RESTRICT_HELO ? RESTRICTION_NEEDS_HELO
                                    : RESTRICTION_NEEDS_SENDER;
}

/* Of a view, its own lists, and those that are asked at another time than the whole configuration's. */
static bool check_places(const struct config *cfg, struct config_report *r)
{
    bool is_good = true;

    for (int p = 0; p < N_RESTRICT_PLACES; p++) {
        struct list of = { cfg, r, config_restrictions(cfg, (enum restriction_place)p), restriction_params[p], NULL,
                           known_at(cfg, (enum restriction_place)p), true };
        if (config_is_own(cfg, restriction_params[p]) || config_is_own(cfg, PARAM_smtpd_delay_reject) ||
            (config_is_own(cfg, PARAM_smtpd_sender_login_maps) && !cfg->smtpd_sender_login_maps.n))
            check_list(&of);
        is_good &= of.is_good;
    }
    return is_good;
}

static void check_view(const struct config *view, struct config_report *r)
{
    if (config_is_own(view, PARAM_default_rbl_reply))
        rbl_reply_is_understood(view, r);
    if (check_places(view, r) && (config_is_own(view, PARAM_smtpd_relay_restrictions) ||
                                  config_is_own(view, PARAM_smtpd_recipient_restrictions) ||
                                  config_is_own(view, PARAM_relay_clientcerts)))
        is_no_open_relay(view, r);
}

void check_restrictions(const struct config *cfg, struct config_report *r)
{
    bool is_good = check_places(cfg, r);
    const struct config *view;

    for (size_t i = 0; i < cfg->n_restriction_classes; i++) {
        const struct restriction_class *c = &cfg->restriction_classes[i];
        struct list of = { cfg, r, &c->restrictions, 0, c, RESTRICTION_NEEDS_DATA, true };
        check_list(&of);
        if (!c->restrictions.n)
            complain(&of, CONFIG_ERROR, "it is empty: write restrictions = \"...\" into it");
        if (calls_itself(cfg, &c->restrictions, c->name, DEPTH_MAX))
            complain(&of, CONFIG_ERROR, "it contains itself, or classes lie deeper in each other than %d", DEPTH_MAX);
        is_good &= of.is_good;
    }
    struct list ours = { cfg, r, &cfg->local_header_rewrite_clients, PARAM_local_header_rewrite_clients, NULL, RESTRICTION_NEEDS_CLIENT,
                         true };
    tells_who_a_client_is(&ours);
    ccerts_can_be_known(&ours);
    rbl_reply_is_understood(cfg, r);
    if (is_good)
        is_no_open_relay(cfg, r);
    for (size_t i = 1; (view = config_each_view(cfg, i)); i++)
        check_view(view, r);
}
